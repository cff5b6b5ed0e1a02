"""Puts what a run does, and how it ended, into lines."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from muster.domain.plan import SHORT
from muster.domain.report import name_places
from muster_console.errors import ExitCode
from muster_console.runs import TIME_OUT, Ending, Moment, Step
from muster_console.stack import Stack

_STYLES: Final = {
    "Covered": "bold green",
    "NeedsAttention": "bold red",
    "WaitingForHandoff": "bold yellow",
    "NotSettled": "bold yellow",
    "NotConfigured": "bold yellow",
}
_MEANINGS: Final = {
    "Covered": "Every account in scope is covered.",
    "NeedsAttention": "Something needs a person; `muster status` names it.",
    "WaitingForHandoff": "Somebody else has to do the steps below; then run `muster onboard` again.",
    "NotSettled": "Some accounts are still on their way; run `muster onboard` again in a while.",
    "NotConfigured": "No desired state has been pushed yet; run `muster push FILE`.",
}
_SHOWN_CHANGES: Final = 30


def title(state: str) -> str:
    """Return a state's name as words: ``SignUp`` is "Sign up"."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", state)
    return words[:1].upper() + words[1:].lower()


class Narrator:
    """Puts the steps of one run into lines.

    A run looks, makes a plan, writes what the plan grants and looks again, so that a step comes several times: in a
    look it changes nothing, which is worth no line. ``again`` makes a command to type of one without options.
    """

    def __init__(self, again: Callable[[str], str]) -> None:
        """Begin with the first look."""
        self._again = again
        self._plan = ""
        self._todo: list[str] = []
        self._writes = False

    def tell(self, step: Step) -> str | None:
        """Return the line for one step of a run, or None when it is not worth one."""
        match step.moment:
            case Moment.ENTERED:
                told = self._entered(step.state)
            case Moment.LEFT:
                told = self._left(step)
            case Moment.FAILED:
                told = _failed(step)
        return f"{title(step.state):<14} {told}" if told else None

    def _entered(self, state: str) -> str | None:
        match state:
            case "ApplyNext":
                self._writes, self._todo = bool(self._todo), self._todo[1:]
            case "Approved":
                self._todo = []
            case "AwaitApproval":
                plan = self._plan[:SHORT] or "PLAN"
                return f"waits for approval: {self._again(f'approve {plan}')}"
            case _:
                pass
        return None

    def _left(self, step: Step) -> str:
        if step.state == "Plan" and isinstance(step.output.get("plan"), str):
            self._plan = step.output["plan"]
            todo = step.output.get("todo")
            self._todo = list(map(str, todo)) if isinstance(todo, list) else []
        return ", ".join(_facts(step.output, writes=self._writes))


def _failed(step: Step) -> str:
    if step.state == "AwaitApproval" and step.error == TIME_OUT:
        return "nobody has answered yet"
    return f"failed with {step.error}"


def _facts(output: Mapping[str, Any], *, writes: bool) -> Iterator[str]:
    changes = rows(output.get("changes"))
    yield from map(_change, changes)
    if writes and "changes" in output and not changes:
        yield "nothing to change"
    yield from _planned(output)
    if output.get("waiting_for"):
        yield f"waits for {output['waiting_for']}"
    if output.get("more") and isinstance(output.get("remaining"), int):
        yield f"{output['remaining']} of {output.get('resolved', '?')} units remain"
    yield from _inventory(output)
    yield from _checks(rows(output.get("checks")))
    handoffs = rows(output.get("handoffs"))
    if handoffs:
        yield f"{len(handoffs)} {'step' if len(handoffs) == 1 else 'steps'} for somebody else"
    if isinstance(output.get("status"), str) and output["status"] != "waiting":
        yield output["status"]
    if output.get("MessageId"):
        yield "message sent"


_VERDICTS: Final = {
    "ask": "people have to approve",
    "hold": "it waits",
    "tell": "nothing is applied by this run",
}


def _planned(output: Mapping[str, Any]) -> Iterator[str]:
    """Yield what became of a plan, of the lease that a run needs to write, and of a question to people."""
    if isinstance(output.get("plan"), str) and isinstance(output.get("verdict"), str):
        yield f"plan {output['plan'][:SHORT]}"
        number = output.get("open")
        yield count(number, "write") if isinstance(number, int) and number else "nothing to do"
        todo = output.get("todo")
        if output["verdict"] == "apply" and isinstance(todo, list):
            yield f"goes on with {', '.join(str(each).replace('_', ' ') for each in todo)}"
        elif output["verdict"] in _VERDICTS:
            yield _VERDICTS[output["verdict"]]
    if output.get("acquired") is False:
        yield "another run writes, so this one waits"
    if isinstance(output.get("decision"), str):
        yield output["decision"]
    if output.get("recorded") is False:
        yield "AWS has no record of the answer yet"
    if output.get("status") == "waiting":
        yield "AWS has no record yet of who attests"


def _checks(checks: list[Mapping[str, Any]]) -> Iterator[str]:
    if checks:
        found = Counter(str(check.get("status", "unknown")) for check in checks)
        passed = found["passed"] + found["not_applicable"]
        yield f"{passed} of {len(checks)} checks have nothing in the way"
        yield from (f"{found[status]} {status}" for status in ("failed", "unknown") if found[status])


def _inventory(output: Mapping[str, Any]) -> Iterator[str]:
    if output.get("accounts_read"):
        yield f"{output['accounts_read']:,} accounts read"
    counts = output.get("counts")
    if isinstance(counts, Mapping) and counts:
        yield in_words(counts)
    if output.get("settled") is False and not output.get("cursor"):
        yield "not settled yet"


def summary(
    out: Console, ending: Ending, stack: Stack, again: Callable[[str], str], *, with_handoffs: bool = True
) -> ExitCode:
    """Print how a run ended, and return the exit code for it. ``again`` makes commands to type next."""
    if ending.status != "SUCCEEDED":
        return _failure(out, ending)
    output = ending.output
    status = str(output.get("status", "Unknown"))
    changes = rows(output.get("changes"))
    out.print()
    verdict = Text.assemble((status, _STYLES.get(status, "bold")), f": {_MEANINGS.get(status, 'see below.')}")
    out.print(verdict, soft_wrap=True)
    membership = output.get("membership_id")
    _line(out, "Membership", membership or "none yet")
    counts = output.get("counts")
    if isinstance(counts, Mapping) and counts:
        _line(out, "Accounts", in_words(counts))
    _show_roles(out, output, again)
    is_done = output.get("verdict") in (None, "nothing")
    as_desired = ", the world is as desired" if is_done and not output.get("decision") else ""
    _line(out, "Changes", str(len(changes)) if changes else f"none{as_desired}")
    for change in changes[:_SHOWN_CHANGES]:
        plain(out, f"  + {_change(change)}")
    if len(changes) > _SHOWN_CHANGES:
        plain(out, f"  + {len(changes) - _SHOWN_CHANGES} more, in the report")
    if with_handoffs:
        show_handoffs(out, rows(output.get("handoffs")))
    for notice in rows(output.get("notices")):
        plain(out, f"Notice: {notice.get('subject', '')}: {notice.get('detail', '')}")
    report = output.get("report")
    if isinstance(report, Mapping) and report.get("text_key"):
        _line(out, "Report", f"s3://{stack.state_bucket}/{report['text_key']}")
    if output.get("assessment_key"):
        _line(out, "Assessment", f"s3://{stack.state_bucket}/{output['assessment_key']}")
    is_open = _show_plan_of(out, output, again)
    return ExitCode.DONE if status == "Covered" and not is_open else ExitCode.NEEDS_PERSON


def _show_roles(out: Console, output: Mapping[str, Any], again: Callable[[str], str]) -> None:
    """Print what CloudFormation says of the containment roles, and what they are themselves."""
    roles, readiness = output.get("containment"), output.get("readiness")
    if isinstance(roles, Mapping) and roles:
        _line(out, "Roles", in_words(roles))
    if isinstance(readiness, Mapping) and readiness:
        lacks = readiness.get("NotReady") or readiness.get("Unknown")
        _line(out, "Containment", in_words(readiness) + (f"; why: {again('containment')}" if lacks else ""))


def _show_plan_of(out: Console, output: Mapping[str, Any], again: Callable[[str], str]) -> bool:
    """Print what has become of the last plan of a run, and tell whether something of it is left to do."""
    plan, verdict, decision = output.get("plan"), output.get("verdict"), output.get("decision")
    if not isinstance(plan, str):
        return False
    short = plan[:SHORT]
    match decision, verdict:
        case "rejected", _:
            _line(out, "Plan", f"{short} was rejected, so nothing of it was done")
            plain(out, f"Next: change what is asked for, or ask again: {again('onboard')}")
        case "expired", _:
            _line(out, "Plan", f"{short} was not answered in time, so nothing of it was done")
            plain(out, f"Next: {again(f'apply {short}')}, or, when it is too old by now: {again('onboard')}")
        case _, "ask":
            _line(out, "Plan", f"{short} needs approval")
            plain(out, f"Next: {again(f'apply {short}')}")
        case _, "hold" | "tell" | "apply":
            _line(out, "Plan", f"{short} {'waits' if verdict == 'hold' else 'has more to do'}")
            plain(out, f"Next: {again(f'plan --show {short}')}")
        case _:
            if decision == "approved":
                _line(out, "Plan", f"{short}, after an approval")
            return False
    return True


def _failure(out: Console, ending: Ending) -> ExitCode:
    words = {"FAILED": "The run failed", "TIMED_OUT": "The run took too long", "ABORTED": "The run was stopped"}
    out.print()
    headline = words.get(ending.status, f"The run ended as {ending.status}")
    out.print(Text(f"{headline}{f' with {ending.error}' if ending.error else ''}.", style="bold red"))
    if ending.cause:
        plain(out, ending.cause)
    plain(out, "Nothing that was done is lost: repair the cause, then run `muster onboard` again.")
    return ExitCode.RUN_FAILED


def show_handoffs(out: Console, handoffs: Sequence[Mapping[str, Any]]) -> None:
    """Print the steps that somebody else has to do, each with the command as it can be pasted."""
    for handoff in handoffs:
        plain(out, f"For the {handoff.get('to', 'person')}: {handoff.get('what', '')}")
        if handoff.get("why"):
            plain(out, f"  because {handoff['why']}")
        accounts = handoff.get("accounts")
        if isinstance(accounts, list | tuple) and accounts:
            plain(out, f"  in {name_places([str(each) for each in accounts])}")
        if handoff.get("command"):
            plain(out, "\n".join(f"    {line}" for line in str(handoff["command"]).splitlines()))


def in_words(counts: Mapping[str, Any]) -> str:
    """Return the counts that are not zero: "66 Covered, 4 Inactive"."""
    shown = [f"{count:,} {coverage}" for coverage, count in counts.items() if isinstance(count, int) and count]
    return ", ".join(shown) or "no accounts"


def count(number: int, thing: str) -> str:
    """Return a number with its noun: "1 write", "1,200 writes"."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def rows(value: object) -> list[Mapping[str, Any]]:
    """Return the objects of a list. JSONata gives one object for a list of one, and lists within lists."""
    if isinstance(value, Mapping):
        return [value]
    if isinstance(value, list):
        return [row for part in value for row in rows(part)]
    return []


def plain(out: Console, text: str) -> None:
    """Print a text as it is: no markup, pictures or colours of its own, no line breaks for a paste to carry along."""
    out.print(text, markup=False, emoji=False, highlight=False, soft_wrap=True)


def _change(change: Mapping[str, Any]) -> str:
    return str(change.get("detail") or f"{change.get('kind', 'change')} {change.get('resource', '')}".rstrip())


def _line(out: Console, label: str, text: str) -> None:
    plain(out, f"{label:<11} {text}")

"""Puts what a run does, and how it ended, into lines."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from muster.domain.report import name_places
from muster_console.errors import ExitCode
from muster_console.runs import Ending, Moment, Step
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


def progress(step: Step) -> str | None:
    """Return the line for one step of a run, or None when it is not worth one."""
    if step.moment is Moment.FAILED:
        return f"{title(step.state):<14} failed with {step.error}"
    if step.moment is Moment.LEFT:
        told = ", ".join(_facts(step.output))
        return f"{title(step.state):<14} {told}" if told else None
    return None


def _facts(output: Mapping[str, Any]) -> Iterator[str]:
    if "changes" in output:
        yield from map(_change, rows(output["changes"])) if rows(output["changes"]) else ("nothing to change",)
    if output.get("waiting_for"):
        yield f"waits for {output['waiting_for']}"
    if output.get("more") and isinstance(output.get("remaining"), int):
        yield f"{output['remaining']} of {output.get('resolved', '?')} units remain"
    yield from _inventory(output)
    yield from _checks(rows(output.get("checks")))
    handoffs = rows(output.get("handoffs"))
    if handoffs:
        yield f"{len(handoffs)} {'step' if len(handoffs) == 1 else 'steps'} for somebody else"
    if isinstance(output.get("status"), str):
        yield output["status"]
    if output.get("MessageId"):
        yield "message sent"


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


def summary(out: Console, ending: Ending, stack: Stack) -> ExitCode:
    """Print how a run ended, and return the exit code for it."""
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
    roles = output.get("containment")
    if isinstance(roles, Mapping) and roles:
        _line(out, "Roles", in_words(roles))
    _line(out, "Changes", str(len(changes)) if changes else "none, the world is as desired")
    for change in changes[:_SHOWN_CHANGES]:
        plain(out, f"  + {_change(change)}")
    if len(changes) > _SHOWN_CHANGES:
        plain(out, f"  + {len(changes) - _SHOWN_CHANGES} more, in the report")
    show_handoffs(out, rows(output.get("handoffs")))
    for notice in rows(output.get("notices")):
        plain(out, f"Notice: {notice.get('subject', '')}: {notice.get('detail', '')}")
    report = output.get("report")
    if isinstance(report, Mapping) and report.get("text_key"):
        _line(out, "Report", f"s3://{stack.state_bucket}/{report['text_key']}")
    if output.get("assessment_key"):
        _line(out, "Assessment", f"s3://{stack.state_bucket}/{output['assessment_key']}")
    return ExitCode.DONE if status == "Covered" else ExitCode.NEEDS_PERSON


def _failure(out: Console, ending: Ending) -> ExitCode:
    words = {"FAILED": "The run failed", "TIMED_OUT": "The run took too long", "ABORTED": "The run was stopped"}
    out.print()
    headline = words.get(ending.status, f"The run ended as {ending.status}")
    out.print(Text(f"{headline}{f' with {ending.error}' if ending.error else ''}.", style="bold red"))
    if ending.cause:
        plain(out, ending.cause)
    plain(out, "Nothing that was done is lost: repair the cause, then run `muster onboard` again.")
    return ExitCode.RUN_FAILED


def show_handoffs(out: Console, handoffs: list[Mapping[str, Any]]) -> None:
    """Print the steps that somebody else has to do, each with the command as it can be pasted."""
    for handoff in handoffs:
        plain(out, f"For the {handoff.get('to', 'person')}: {handoff.get('what', '')}")
        if handoff.get("why"):
            plain(out, f"  because {handoff['why']}")
        accounts = handoff.get("accounts")
        if isinstance(accounts, list) and accounts:
            plain(out, f"  in {name_places([str(each) for each in accounts])}")
        if handoff.get("command"):
            plain(out, "\n".join(f"    {line}" for line in str(handoff["command"]).splitlines()))


def in_words(counts: Mapping[str, Any]) -> str:
    """Return the counts that are not zero: "66 Covered, 4 Inactive"."""
    shown = [f"{count:,} {coverage}" for coverage, count in counts.items() if isinstance(count, int) and count]
    return ", ".join(shown) or "no accounts"


def rows(value: object) -> list[Mapping[str, Any]]:
    """Return the objects of a list. JSONata gives one object for a list of one, and lists within lists."""
    if isinstance(value, Mapping):
        return [value]
    if isinstance(value, list):
        return [row for part in value for row in rows(part)]
    return []


def plain(out: Console, text: str) -> None:
    """Print a text as it is: no markup, no colours of its own, no line breaks that a paste would carry along."""
    out.print(text, markup=False, highlight=False, soft_wrap=True)


def _change(change: Mapping[str, Any]) -> str:
    return str(change.get("detail") or f"{change.get('kind', 'change')} {change.get('resource', '')}".rstrip())


def _line(out: Console, label: str, text: str) -> None:
    plain(out, f"{label:<11} {text}")

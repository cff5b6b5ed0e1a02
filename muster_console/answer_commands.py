"""The commands with which people answer and stop: ``approve``, ``reject`` and ``freeze``."""

from datetime import UTC
from typing import Final, Literal

import click

from muster_console.aws import Clients
from muster_console.desk import Desk
from muster_console.errors import ExitCode
from muster_console.freezing import is_frozen, read_freeze, show_freeze, store_freeze, until_when
from muster_console.narration import plain
from muster_console.plan_view import headline, show_reductions
from muster_console.plans import find_plan, read_plan
from muster_console.run_commands import tell_execution
from muster_console.runs import Ending, start_answer
from muster_console.stack import Stack

_PLAN = click.argument("name", metavar="PLAN")
_MAX_REASON: Final = 1000


def _reason(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
    if text is not None and len(text) > _MAX_REASON:
        raise click.BadParameter(f"longer than {_MAX_REASON} characters")
    return text


@click.command()
@_PLAN
@click.option("--reason", metavar="TEXT", default="", callback=_reason, help="Why; it is kept with the answer.")
@click.pass_obj
def approve(desk: Desk, *, name: str, reason: str) -> ExitCode:
    """Approve a plan that waits for it. Whoever started its run cannot, and each person counts once.

    Who you are is what AWS records of this call, which takes some minutes. Ends with 1 when the answer is refused.

    \b
    Example:
      muster approve 3fa9c01b2d4e --reason "agreed with the platform team"
    """  # noqa: D301 - \b is click's mark for a paragraph to keep
    clients, stack = desk.reach()
    stack.machine_for_answers()
    plan = read_plan(clients, stack, find_plan(clients, stack, name))
    plain(desk.out, f"Plan {plan.short}: {headline(plan)}.")
    show_reductions(desk.out, stack, plan)
    return _answer(desk, clients, stack, plan=plan.sha256, decision="approve", reason=reason)


@click.command()
@_PLAN
@click.option("--reason", metavar="TEXT", required=True, callback=_reason, help="Why; it is kept with the answer.")
@click.pass_obj
def reject(desk: Desk, *, name: str, reason: str) -> ExitCode:
    """Reject a plan that waits for approval: nothing of it is done. One rejection is enough.

    \b
    Example:
      muster reject 3fa9c01b2d4e --reason "the sandbox has to stay covered"
    """  # noqa: D301 - \b is click's mark for a paragraph to keep
    clients, stack = desk.reach()
    plan = find_plan(clients, stack, name)
    return _answer(desk, clients, stack, plan=plan, decision="reject", reason=reason)


@click.command()
@click.option("--until", "when", metavar="WHEN", help="4h, 2d, 30m, or a date-time with its zone.")
@click.option("--reason", metavar="TEXT", help="Why; plans and reports show it, so no names of people.")
@click.option("--lift", is_flag=True, help="End the freeze now.")
@click.pass_obj
def freeze(desk: Desk, *, when: str | None, reason: str | None, lift: bool) -> ExitCode:
    """Hold back everything but more coverage, while people work on an incident. Without options: show it.

    \b
    Examples:
      muster freeze
      muster freeze --until 4h --reason "incident 1234"
      muster freeze --until 2027-01-31T18:00+01:00
      muster freeze --lift
    """  # noqa: D301 - \b is click's mark for a paragraph to keep
    if when is not None and lift:
        raise click.UsageError("--until begins a freeze and --lift ends it: give one of them.")
    if reason is not None and when is None and not lift:
        raise click.UsageError("--reason goes with --until or --lift.")
    now = desk.now().astimezone(UTC)
    until = now if when is None else until_when(when, now)
    clients, stack = desk.reach()
    if when is not None or lift:
        store_freeze(clients, stack, until, reason or ("lifted" if lift else "no reason was given"))
    found = read_freeze(clients, stack)
    if is_frozen(found, now):
        show_freeze(desk.out, found, desk.again)
    else:
        plain(desk.out, "Not frozen.")
    return ExitCode.DONE


COMMANDS: Final[tuple[click.Command, ...]] = (approve, reject, freeze)


def _answer(
    desk: Desk, clients: Clients, stack: Stack, *, plan: str, decision: Literal["approve", "reject"], reason: str
) -> ExitCode:
    arn = start_answer(clients, stack, desk.now(), plan=plan, decision=decision, reason=reason)
    plain(desk.out, "Waiting for AWS's record of who answers (CloudTrail). That takes some minutes.")
    try:
        ending = tell_execution(desk, clients, arn)
    except KeyboardInterrupt:
        plain(desk.out, f"The answer is taken all the same. Look what becomes of it with: {desk.again('status')}")
        return ExitCode.INTERRUPTED
    return _show_answer(desk, ending)


def _show_answer(desk: Desk, ending: Ending) -> ExitCode:
    status, message = ending.output.get("status"), str(ending.output.get("message") or "")
    if ending.status == "SUCCEEDED" and isinstance(status, str) and status != "refused":
        plain(desk.out, f"{status[:1].upper()}{status[1:]}{f': {message}' if message else '.'}")
        plain(desk.out, f"Next: {desk.again('status')}")
        return ExitCode.DONE
    if status == "refused":
        plain(desk.err, f"Refused: {message}")
        return ExitCode.RUN_FAILED
    plain(desk.err, f"The answer was not taken ({ending.error or ending.status}). {ending.cause}".rstrip())
    plain(desk.err, f"Next: {desk.again('status')} says whether it is asked for still; then answer again.")
    return ExitCode.RUN_FAILED

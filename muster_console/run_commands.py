"""The commands that make plans and apply them: ``plan``, ``apply`` and ``onboard``."""

from collections.abc import Sequence
from typing import Final

import click

from muster_console.aws import Clients
from muster_console.desk import Desk
from muster_console.errors import ConsoleError, ExitCode
from muster_console.narration import Narrator, plain, summary, title
from muster_console.plan_view import can_be_applied, next_commands, show_plan
from muster_console.plans import StoredPlan, find_plan, read_plan
from muster_console.preflight import CHECKS
from muster_console.runs import Ending, Moment, Step, desired_version, follow, run_arn, start
from muster_console.stack import Stack

MAX_ROUNDS: Final = 10
"""So many plans one ``muster onboard`` asks about: an onboarding takes two or three, more is a circle."""

ACCEPT = click.option(
    "--accept-unknown",
    metavar="CHECK",
    type=click.Choice(CHECKS),
    multiple=True,
    help="Go on although this check could not be made. May be repeated; what has failed cannot be accepted.",
)


@click.command(name="plan")
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON, with its SHA-256.")
@click.option("--show", "name", metavar="PLAN", help="Show a plan that was made before, instead of a new one.")
@ACCEPT
@click.pass_obj
def make_plan(desk: Desk, *, as_json: bool, name: str | None, accept_unknown: tuple[str, ...]) -> ExitCode:
    """Show what would be changed towards the desired state that was pushed. Changes nothing.

    PLAN is the plan's SHA-256, or the first 12 or more digits of it. Ends with 0 when there is nothing to do, with 3
    when there is.

    \b
    Examples:
      muster plan
      muster plan --show 3fa9c01b2d4e
      muster plan --json | jq '.remediations[].what'
    """  # noqa: D301 - \b is click's mark for a paragraph to keep
    if name is not None and accept_unknown:
        raise click.UsageError("--accept-unknown is for a new plan, so it does not go with --show.")
    clients, stack = desk.reach()
    if name is not None:
        plan = read_plan(clients, stack, find_plan(clients, stack, name))
    else:
        ending = _plan(desk, clients, stack, accept_unknown, quiet=as_json)
        found = _planned(clients, stack, ending)
        if found is None:
            return summary(desk.err if as_json else desk.out, ending, stack, desk.again)
        plan = found
    if as_json:
        plain(desk.out, plan.as_json())
    else:
        show_plan(desk.out, clients, stack, plan)
        _say_next(desk, plan)
    return ExitCode.DONE if plan.is_empty else ExitCode.NEEDS_PERSON


@click.command()
@click.argument("name", metavar="PLAN")
@ACCEPT
@click.pass_obj
def apply(desk: Desk, *, name: str, accept_unknown: tuple[str, ...]) -> ExitCode:
    """Apply a plan, and nothing that is not in it. What of it needs approval is asked for, and waits.

    PLAN is the plan's SHA-256, or the first 12 or more digits of it. Where the world has moved since it was made, the
    run stops and says what differs.

    \b
    Example:
      muster apply 3fa9c01b2d4e
    """  # noqa: D301 - \b is click's mark for a paragraph to keep
    clients, stack = desk.reach()
    plan = read_plan(clients, stack, find_plan(clients, stack, name))
    if plan.document.desired_version != desired_version(clients, stack):
        raise ConsoleError(
            f"Plan {plan.short} was made for another desired state than the one that was pushed last.",
            f"Plan again: {desk.again('plan')}",
            ExitCode.NEEDS_PERSON,
        )
    ending = _apply(desk, clients, stack, plan, accept_unknown)
    return summary(desk.out, ending, stack, desk.again)


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask here: one run that does all that the desired state allows.")
@click.option(
    "--no-wait", is_flag=True, help="Start the run and return. Nobody can be asked then, so it implies --yes."
)
@click.option("--follow", "run", metavar="RUN", help="Follow a run that was started before, instead of a new one.")
@ACCEPT
@click.pass_obj
def onboard(desk: Desk, *, yes: bool, no_wait: bool, run: str | None, accept_unknown: tuple[str, ...]) -> ExitCode:
    """Bring the organization to the desired state that was pushed: plan, show the plan, ask, apply it.

    It goes on until nothing is left to do: what can only be seen after the sign-up is a plan of its own. Without a
    terminal to ask at, and without --yes, it shows the plan and ends with 3. Ctrl-C ends the telling, not the run.

    \b
    Examples:
      muster onboard
      muster onboard --yes
      muster onboard --no-wait
      muster onboard --follow manual-20270131T101500Z-1a2b3c
      muster onboard --accept-unknown memberships
    """  # noqa: D301 - \b is click's mark for a paragraph to keep
    if run and (no_wait or yes):
        raise click.UsageError(
            "--follow is for a run that goes on already, so it goes with neither --no-wait nor --yes."
        )
    if run and accept_unknown:
        raise click.UsageError("--accept-unknown is for a new run, so it does not go with --follow.")
    clients, stack = desk.reach()
    if run:
        return summary(desk.out, tell_run(desk, clients, run_arn(stack, run)), stack, desk.again)
    if not (yes or no_wait):
        return _ask_and_apply(desk, clients, stack, accept_unknown)
    run = start(clients, stack, desk.now(), accept_unknown)
    plain(desk.out, f"Run {run} started.")
    if no_wait:
        plain(desk.out, f"Next: {desk.again(f'onboard --follow {run}')}")
        return ExitCode.DONE
    return summary(desk.out, tell_run(desk, clients, run_arn(stack, run)), stack, desk.again)


COMMANDS: Final[tuple[click.Command, ...]] = (make_plan, apply, onboard)


def tell_run(desk: Desk, clients: Clients, arn: str, *, quiet: bool = False) -> Ending:
    """Tell every step of a run until it ends. Ctrl-C says how to come back, and ends the command."""
    try:
        return tell_execution(desk, clients, arn, quiet=quiet)
    except KeyboardInterrupt:
        run = arn.rpartition(":")[2]
        plain(
            desk.err if quiet else desk.out, f"The run goes on. Follow it with: {desk.again(f'onboard --follow {run}')}"
        )
        plain(desk.err if quiet else desk.out, f"Or look at the result later with: {desk.again('status')}")
        raise click.exceptions.Exit(ExitCode.INTERRUPTED) from None


def tell_execution(desk: Desk, clients: Clients, arn: str, *, quiet: bool = False) -> Ending:
    """Tell every step of an execution until it ends; ``quiet`` leaves standard output to something else."""
    out = desk.err if quiet else desk.out
    narrator, last = Narrator(desk.again), ""
    with out.status("Waiting for the first state") as spinner:

        def tell(step: Step) -> None:
            nonlocal last
            line = narrator.tell(step)
            # A step that looks again and again is told when it has something new to say.
            if line and line != last:
                plain(out, line)
                last = line
            if step.moment is Moment.ENTERED:
                spinner.update(f"{title(step.state)} …")

        return follow(clients, arn, tell, desk.sleep)


def _plan(desk: Desk, clients: Clients, stack: Stack, accept_unknown: Sequence[str], *, quiet: bool = False) -> Ending:
    run = start(clients, stack, desk.now(), accept_unknown, applies=False)
    plain(desk.err if quiet else desk.out, f"Run {run} makes a plan and changes nothing.")
    return tell_run(desk, clients, run_arn(stack, run), quiet=quiet)


def _apply(desk: Desk, clients: Clients, stack: Stack, plan: StoredPlan, accept_unknown: Sequence[str]) -> Ending:
    run = start(clients, stack, desk.now(), accept_unknown, plan=plan.sha256)
    plain(desk.out, f"Run {run} applies plan {plan.short}.")
    return tell_run(desk, clients, run_arn(stack, run))


def _planned(clients: Clients, stack: Stack, ending: Ending) -> StoredPlan | None:
    """Return the plan of a run that has ended well; None where it made none."""
    plan = ending.output.get("plan")
    if ending.status != "SUCCEEDED" or not isinstance(plan, str):
        return None
    return read_plan(clients, stack, plan)


def _ask_and_apply(desk: Desk, clients: Clients, stack: Stack, accept_unknown: Sequence[str]) -> ExitCode:
    ending = _plan(desk, clients, stack, accept_unknown)
    plan = _planned(clients, stack, ending)
    if plan is None:
        return summary(desk.out, ending, stack, desk.again)
    if not plan.document.remediations:
        show_plan(desk.out, clients, stack, plan)
        return summary(desk.out, ending, stack, desk.again, with_handoffs=False)
    for _ in range(MAX_ROUNDS):
        show_plan(desk.out, clients, stack, plan)
        if not _is_agreed(desk, plan):
            return ExitCode.NEEDS_PERSON
        ending = _apply(desk, clients, stack, plan, accept_unknown)
        code = summary(desk.out, ending, stack, desk.again)
        following = _planned(clients, stack, ending)
        is_another = following is not None and following.sha256 != plan.sha256
        if following is None or not is_another or ending.output.get("verdict") != "tell":
            return code
        plan = following
    plain(desk.out, f"{MAX_ROUNDS} plans were applied, and there is still something to do: {desk.again('plan')}")
    return ExitCode.NEEDS_PERSON


def _is_agreed(desk: Desk, plan: StoredPlan) -> bool:
    """Ask whether to apply a plan, where somebody can be asked and something of it can be applied."""
    if not can_be_applied(plan):
        _say_next(desk, plan)
        return False
    apply_it = desk.again(f"apply {plan.short}")
    if not desk.can_ask():
        plain(desk.out, f"Nothing was changed, because there is no terminal to ask at. To apply this plan: {apply_it}")
        plain(desk.out, f"To do all that the desired state allows, without asking here: {desk.again('onboard --yes')}")
        return False
    if desk.ask("Apply this plan?"):
        return True
    plain(desk.out, f"Nothing was changed. To apply it later: {apply_it}")
    return False


def _say_next(desk: Desk, plan: StoredPlan) -> None:
    for line in next_commands(plan, desk.again):
        plain(desk.out, line)

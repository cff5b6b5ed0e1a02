"""A plan in front of a person: what it takes away first, then every write, where it shows, and who does the rest."""

from collections.abc import Callable, Sequence
from datetime import UTC
from typing import Final

from botocore.exceptions import ClientError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from muster.domain.plan import plan_key
from muster.domain.report import name_places
from muster.messages.assessment import AssessedAccount, Assessment, load_assessment
from muster.messages.plan import PlannedWrite
from muster_console import documents
from muster_console.aws import Clients, error_code
from muster_console.narration import count, plain, show_handoffs
from muster_console.plan_tree import draw_changes, units_by_id
from muster_console.plans import StoredPlan
from muster_console.stack import ASSESSMENT_KEY, Stack
from muster_console.unit_tree import read_units

_SHOWN_ACCOUNTS: Final = 10
_SHOWN_WRITES: Final = 50
_LOUD: Final = "bold red"


def headline(plan: StoredPlan) -> str:
    """Return in one line how much a plan does, what of it needs people, and who would lose coverage."""
    document = plan.document
    parts = [count(len(document.remediations), "write")]
    if asked := len(document.needs_approval):
        parts.append(f"{asked:,} {'needs' if asked == 1 else 'need'} approval")
    if held := sum(each.held is not None for each in document.remediations):
        parts.append(f"{held:,} {'waits' if held == 1 else 'wait'}")
    if plan.takers:
        parts.append(f"{_losing(plan)} would lose coverage")
    return "; ".join(parts)


def _losing(plan: StoredPlan) -> str:
    if any(each.affected.number is None for each in plan.takers):
        return "an unknown number of accounts"
    known = len(plan.losing())
    is_complete = all(len(plan.of(each)) == each.affected.number for each in plan.takers)
    return f"{'' if is_complete else 'at least '}{count(known, 'account')}"


def show_plan(out: Console, clients: Clients, stack: Stack, plan: StoredPlan) -> None:
    """Print the whole plan."""
    if plan.is_empty:
        plain(out, "Nothing to do: the world is as desired.")
        return
    document = plan.document
    assessment = _assessment(clients, stack)
    accounts = assessment.accounts if assessment else ()
    out.print()
    if document.remediations:
        out.print(Text(f"Plan {plan.short}: {headline(plan)}.", style="bold"), soft_wrap=True)
        made = f"{document.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC by run {document.run}"
        plain(out, f"Made {made}, mode {document.mode}. SHA-256 {plan.sha256}")
        show_reductions(out, stack, plan, accounts)
        out.print()
        out.print(_table(document.remediations[:_SHOWN_WRITES]))
        if (more := len(document.remediations) - _SHOWN_WRITES) > 0:
            plain(out, f"and {more:,} more, all in s3://{stack.state_bucket}/{plan_key(plan.sha256)}")
        _show_tree(out, clients, plan, accounts)
    else:
        plain(out, f"Plan {plan.short}: nothing that Muster could do.")
    if document.left:
        out.print()
        plain(out, "What others have to do:")
        for each in document.left:
            if each.who == "nobody":
                plain(
                    out,
                    f"Nobody can by themselves: {each.what}\n  because {each.why}\n  in {name_places(each.accounts)}",
                )
            else:
                show_handoffs(out, [{"to": each.who, **each.model_dump()}])
    out.print()


def show_reductions(out: Console, stack: Stack, plan: StoredPlan, accounts: Sequence[AssessedAccount] = ()) -> None:
    """Print every write that takes protection away, with the first of the accounts that lose it."""
    names = {account.id: account.name for account in accounts}
    for write in plan.document.reductions:
        number = write.affected.number
        whom = "an unknown number of accounts" if number is None else count(number, "account")
        out.print(Text(f"TAKES PROTECTION AWAY from {whom}: {write.what}", style=_LOUD), soft_wrap=True)
        found = plan.of(write)
        for account in found[:_SHOWN_ACCOUNTS]:
            plain(out, f"  {account} {names.get(account, '')}".rstrip())
        more = (number or 0) - len(found[:_SHOWN_ACCOUNTS])
        if more > 0:
            place = f", all in s3://{stack.state_bucket}/{write.affected.key}" if write.affected.key else ""
            plain(out, f"  and {more:,} more{place}")


def can_be_applied(plan: StoredPlan) -> bool:
    """Tell whether a run could do something of it now, if need be after an approval."""
    return plan.document.mode != "observe" and any(each.held is None for each in plan.document.remediations)


def next_commands(plan: StoredPlan, again: Callable[[str], str]) -> list[str]:
    """Return what to type next; nothing when nothing is left to anybody."""
    writes, mode = plan.document.remediations, plan.document.mode
    if not writes:
        return [f"When they are done: {again('plan')}"] if plan.document.left else []
    if mode == "observe":
        return [
            f"Mode is observe, so nothing is applied. To change that, write mode: propose, then: {again('push FILE')}"
        ]
    if not can_be_applied(plan):
        return [f"All of it waits. When the wait is over: {again('onboard')}"]
    lines = [f"To apply it: {again(f'apply {plan.short}')}"]
    if any(each.approval and not each.held for each in writes):
        lines.append(f"Somebody else then has to approve it: {again(f'approve {plan.short}')}")
    return lines


def _table(writes: Sequence[PlannedWrite]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("#", justify="right")
    table.add_column("What", overflow="fold", ratio=3)
    table.add_column("Before → after", overflow="fold", ratio=4)
    table.add_column("Accounts", justify="right")
    table.add_column("Why", overflow="fold", ratio=4)
    for number, write in enumerate(writes, start=1):
        affected = "unknown" if write.affected.number is None else f"{write.affected.number:,}"
        table.add_row(
            str(number),
            Text(write.what, style=_LOUD if write.reduces_protection else ""),
            Text(f"{write.before} → {write.after}"),
            affected,
            _why(write),
        )
    return table


def _why(write: PlannedWrite) -> Text:
    why = Text(write.reason)
    if write.approval:
        why.append(f"\nneeds approval: {'; '.join(write.approval)}", style="bold yellow")
    if write.held:
        why.append(f"\nwaits: {write.held}", style="bold yellow")
    return why


def _assessment(clients: Clients, stack: Stack) -> Assessment | None:
    stored = documents.read(clients, stack.state_bucket, ASSESSMENT_KEY)
    try:
        return load_assessment(stored.body) if stored else None
    except ValueError:
        # It only says where accounts sit and how they are called; the plan is shown without it too.
        return None


def _show_tree(out: Console, clients: Clients, plan: StoredPlan, accounts: Sequence[AssessedAccount]) -> None:
    if not (plan.takers or plan.givers):
        return
    unreadable = ""
    try:
        roots = read_units(clients)
    except ClientError as error:
        roots, unreadable = units_by_id(plan, accounts), error_code(error)
    trees = draw_changes(plan, roots, accounts)
    if not trees:
        return
    out.print()
    plain(out, "Coverage by unit, where it changes:")
    for tree in trees:
        out.print(tree, highlight=False)
    if unreadable:
        plain(out, f"Units are shown by id: their names could not be read ({unreadable}).")

"""Readiness in front of a person: how it stands, the units, and every account that somebody has to look into."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from muster.domain.readiness import Readiness
from muster.domain.readings import VALID
from muster.messages.containment import FoundStackSet
from muster_console.containment_standing import ContainmentStanding, Verdict
from muster_console.narration import count, in_words, plain
from muster_console.stack import CONTAINMENT_KEY, Stack
from muster_console.unit_tree import Unit

_SHOWN_ENTRIES: Final = 20
_NAMED_ALIKE: Final = 3
"""How many accounts that are alike are told one by one; of more these are named and the others counted."""

_ORDER: Final = tuple(each.value for each in Readiness)
_URGENCY: Final = (Readiness.NOT_READY.value, Readiness.UNKNOWN.value)


def show_containment(
    out: Console, standing: ContainmentStanding, stack: Stack, now: datetime, again: Callable[[str], str]
) -> None:
    """Print when and by what it was read, the counts, the units, and each exception with its remedy."""
    _show_head(out, standing, now)
    out.print()
    for tree in draw_readiness(standing.roots, standing.verdicts):
        out.print(tree, highlight=False)
    for notice in standing.notices:
        plain(out, f"Notice: {notice}")
    out.print()
    _show_exceptions(out, standing, stack)
    if standing.exit_code():
        plain(out, f"To look again: {again('onboard')}")


def _show_head(out: Console, standing: ContainmentStanding, now: datetime) -> None:
    document = standing.document
    old = ""
    if standing.is_old:
        old = f", {(now - document.at).days} days ago; no reading counts for more than {VALID.days} days"
    plain(out, f"{'Looked at':<11} {document.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC by run {document.run}{old}")
    if standing.is_off:
        plain(out, f"{'Since then':<11} containment.roles was set to off, so nobody looks at the roles any more")
    plain(out, f"{'Roles':<11} {document.roles}, StackSet {_name_stack_set(document.stack_set)}")
    if document.waiting_for:
        plain(out, f"{'Waits for':<11} {document.waiting_for}")
    plain(out, f"{'Readiness':<11} {_in_words(standing.verdicts)}")
    if document.inactive:
        plain(out, f"{'Inactive':<11} {count(len(document.inactive), 'account')}, which no stack reaches")


def _name_stack_set(found: FoundStackSet) -> str:
    presence = {True: "is there", False: "does not exist", None: "could not be read"}[found.present]
    return f"{found.name} in {found.region} {presence}"


def _in_words(verdicts: Iterable[Verdict]) -> str:
    counts = Counter(each.readiness for each in verdicts)
    return in_words({word: counts[word] for word in (*_ORDER, *sorted(counts.keys() - set(_ORDER)))})


def draw_readiness(roots: Iterable[Unit], verdicts: Iterable[Verdict]) -> list[Tree]:
    """Return a tree for each root with the readiness below every unit, and one for accounts without a known place."""
    placed: dict[str, list[Verdict]] = {}
    for each in verdicts:
        placed.setdefault(each.ancestors[-1] if each.ancestors else "", []).append(each)
    trees = []
    for root in roots:
        directly = placed.get(root.id, [])
        tree, _ = _branch(root, placed)
        if directly:
            tree.add(_label("directly under the root", directly))
        trees.append(tree)
    if lost := [each for rest in placed.values() for each in rest]:
        trees.append(Tree(_label("Elsewhere (moved since, or the place could not be read)", lost)))
    return trees


def _branch(unit: Unit, placed: dict[str, list[Verdict]]) -> tuple[Tree, list[Verdict]]:
    """Return the tree of a unit with all verdicts below it, which are taken from ``placed``."""
    everyone = placed.pop(unit.id, [])
    branches = []
    for child in sorted(unit.units, key=lambda child: child.name.casefold()):
        branch, below = _branch(child, placed)
        branches.append(branch)
        everyone = [*everyone, *below]
    tree = Tree(_label(unit.name, everyone))
    tree.children.extend(branches)
    return tree, everyone


def _label(name: str, verdicts: Sequence[Verdict]) -> Text:
    style = "yellow" if any(each.is_exception for each in verdicts) else "green"
    return Text.assemble((name, "bold"), "  ", (_in_words(verdicts), style))


def _show_exceptions(out: Console, standing: ContainmentStanding, stack: Stack) -> None:
    lost = [each for each in standing.verdicts if each.is_lost]
    others = [each for each in standing.verdicts if each.is_exception and not each.is_lost]
    if not (lost or others):
        plain(out, "No account needs a person.")
        return
    left = _SHOWN_ENTRIES
    if lost:
        who = "account has lost its" if len(lost) == 1 else "accounts have lost their"
        out.print(Text(f"{len(lost):,} {who} containment roles:", style="bold red"), soft_wrap=True)
        left = _show_entries(out, standing, stack, lost, left)
    if others:
        who = "account is not Ready, or needs" if len(others) == 1 else "accounts are not Ready, or need"
        plain(out, f"{len(others):,} {who} a person:")
        _show_entries(out, standing, stack, others, left)


def _show_entries(
    out: Console, standing: ContainmentStanding, stack: Stack, verdicts: Sequence[Verdict], room: int
) -> int:
    """Print as many entries as there is room for, count the others, and return the room that is left."""
    entries = _gather(verdicts)
    for entry in entries[:room]:
        _show_entry(out, standing, entry)
    if more := sum(map(len, entries[room:])):
        them = f"and {more:,} more" if room else "all of them"
        plain(out, f"  {them} in s3://{stack.state_bucket}/{CONTAINMENT_KEY}")
    return max(0, room - len(entries))


def _gather(verdicts: Iterable[Verdict]) -> list[list[Verdict]]:
    """Return the entries to tell, what is surely bad first: accounts by themselves, or many that are alike together."""
    alike: dict[tuple[str, str, str], list[Verdict]] = {}
    for each in sorted(verdicts, key=_urgency):
        alike.setdefault((each.readiness, each.why, each.remedy), []).append(each)
    entries: list[list[Verdict]] = []
    for group in alike.values():
        entries += [group] if len(group) > _NAMED_ALIKE else [[each] for each in group]
    return entries


def _urgency(verdict: Verdict) -> int:
    return _URGENCY.index(verdict.readiness) if verdict.readiness in _URGENCY else len(_URGENCY)


def _show_entry(out: Console, standing: ContainmentStanding, entry: Sequence[Verdict]) -> None:
    first = entry[0]
    what = f"{first.readiness}, {first.why} ({_say_when(entry)})"
    if len(entry) == 1:
        plain(out, f"  {_name(standing, first)}: {what}")
    else:
        named = "; ".join(_name(standing, each) for each in entry[:_NAMED_ALIKE])
        plain(out, f"  {count(len(entry), 'account')}: {what}")
        plain(out, f"    {named}; and {len(entry) - _NAMED_ALIKE:,} more")
    for line in first.remedy.splitlines():
        plain(out, f"    {line}")


def _name(standing: ContainmentStanding, verdict: Verdict) -> str:
    path = standing.path(verdict.ancestors)
    place = "place not known" if path is None else "/".join(path[1:]) or "directly under the root"
    return f"{verdict.id} {verdict.name}, {place}"


def _say_when(entry: Sequence[Verdict]) -> str:
    days = sorted({f"{each.read_at.astimezone(UTC):%Y-%m-%d}" for each in entry if each.read_at})
    if not days:
        return "no reading"
    return f"read on {days[0]}" if len(days) == 1 else f"read from {days[0]} to {days[-1]}"

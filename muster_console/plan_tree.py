"""What a plan changes of the coverage below each unit, as a tree; units without a change are left out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.markup import escape
from rich.tree import Tree

from muster.messages.assessment import AssessedAccount
from muster_console.plans import StoredPlan
from muster_console.unit_tree import Unit, units_from_paths

_SHOWN_ACCOUNTS = 5


@dataclass(frozen=True, slots=True)
class _Changes:
    """Who gains and who loses; ``whole`` and ``everyone`` are where the accounts are not known by now."""

    gaining: frozenset[str]
    losing: frozenset[str]
    whole: frozenset[str]
    everyone: bool
    names: dict[str, str]


def draw_changes(plan: StoredPlan, roots: Iterable[Unit], accounts: Sequence[AssessedAccount]) -> list[Tree]:
    """Return a tree for each root with a change, and one for the accounts that are in none of them."""
    unknown = [each for each in plan.givers if each.affected.number is None]
    changes = _Changes(
        gaining=plan.gaining(),
        losing=plan.losing(),
        whole=frozenset(unit for each in unknown for unit in each.concern.below),
        everyone=any(each.concern.everyone for each in unknown),
        names={account.id: account.name for account in accounts},
    )
    placed: dict[str, list[str]] = {}
    places = {account.id: account.ancestors[-1] for account in accounts if account.ancestors}
    for account in sorted(changes.gaining | changes.losing):
        placed.setdefault(places.get(account, ""), []).append(account)
    trees = []
    for root in roots:
        tree = _branch(root, placed, changes)
        if changes.everyone:
            tree = tree or Tree(f"[bold]{escape(root.name)}[/]")
            tree.label = f"{tree.label}  [green]every account gains coverage[/]"
        if tree:
            trees.append(tree)
        for unit in root.walk():
            placed.pop(unit.id, None)
    if lost := [account for rest in placed.values() for account in rest]:
        tree = Tree(_label("Elsewhere (the place is not known)", lost, changes, is_whole=False))
        _add_losing(tree, lost, changes)
        trees.append(tree)
    return trees


def units_by_id(plan: StoredPlan, accounts: Iterable[AssessedAccount]) -> tuple[Unit, ...]:
    """Return the units as far as accounts and plan name them, by their ids: for somebody who may not read the names."""
    named = {unit for each in plan.document.remediations for unit in each.concern.below}
    return units_from_paths((account.ancestors or () for account in accounts), named)


def _branch(unit: Unit, placed: dict[str, list[str]], changes: _Changes) -> Tree | None:
    here = placed.get(unit.id, [])
    everyone = [account for below in unit.walk() for account in placed.get(below.id, [])]
    branches = [
        branch
        for child in sorted(unit.units, key=lambda child: child.name.casefold())
        if (branch := _branch(child, placed, changes))
    ]
    is_whole = unit.id in changes.whole
    if not (everyone or branches or is_whole):
        return None
    tree = Tree(_label(unit.name, everyone, changes, is_whole=is_whole))
    tree.children.extend(branches)
    _add_losing(tree, here, changes)
    return tree


def _label(name: str, accounts: Iterable[str], changes: _Changes, *, is_whole: bool) -> str:
    below = frozenset(accounts)
    parts = [f"[bold]{escape(name)}[/]"]
    if losing := len(below & changes.losing):
        parts.append(f"[bold red]{losing:,} {'loses' if losing == 1 else 'lose'} coverage[/]")
    if gaining := len(below & changes.gaining):
        parts.append(f"[green]{gaining:,} {'gains' if gaining == 1 else 'gain'} coverage[/]")
    if is_whole:
        parts.append("[green]every account below gains coverage[/]")
    return "  ".join(parts)


def _add_losing(tree: Tree, accounts: Iterable[str], changes: _Changes) -> None:
    losing = [account for account in accounts if account in changes.losing]
    for account in losing[:_SHOWN_ACCOUNTS]:
        name = escape(changes.names.get(account, ""))
        tree.add(f"{account}{f' {name}' if name else ''} [bold red]loses coverage[/]")
    if len(losing) > _SHOWN_ACCOUNTS:
        tree.add(f"and {len(losing) - _SHOWN_ACCOUNTS:,} more like these")

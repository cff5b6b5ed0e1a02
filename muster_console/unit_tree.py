"""The organization as a tree of units, with the coverage of the accounts below each."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rich.markup import escape
from rich.tree import Tree

from muster.messages.assessment import AssessedAccount
from muster_console.aws import Clients
from muster_console.narration import in_words

_SHOWN_ACCOUNTS = 5
_QUIET = frozenset({"Covered", "OutOfScope", "Inactive", "Excepted"})
"""Coverage that nobody has to look into, so that such an account is only counted."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A root or a unit, by its present name, with the units below it."""

    id: str
    name: str
    units: tuple["Unit", ...] = ()

    def walk(self) -> Iterator["Unit"]:
        """Yield it and every unit below it."""
        yield self
        for unit in self.units:
            yield from unit.walk()


def read_units(clients: Clients) -> tuple[Unit, ...]:
    """Return the roots with all units below them, as they are named now."""
    pages = clients.organizations.get_paginator("list_roots").paginate()
    roots = [(root["Id"], root.get("Name", "Root")) for page in pages for root in page["Roots"] if "Id" in root]
    return tuple(Unit(id=root_id, name=name, units=_below(clients, root_id)) for root_id, name in roots)


def _below(clients: Clients, parent_id: str) -> tuple[Unit, ...]:
    pages = clients.organizations.get_paginator("list_organizational_units_for_parent").paginate(ParentId=parent_id)
    found = [
        (unit["Id"], unit.get("Name", unit["Id"]))
        for page in pages
        for unit in page["OrganizationalUnits"]
        if "Id" in unit
    ]
    return tuple(Unit(id=unit_id, name=name, units=_below(clients, unit_id)) for unit_id, name in found)


def units_from_paths(paths: Iterable[Sequence[str]], others: Iterable[str] = ()) -> tuple[Unit, ...]:
    """Return the units that paths from the root lead through, by their ids: for who may not read their names.

    ``others`` stand beside the roots where no path has them.
    """
    children: dict[str, set[str]] = {}
    roots: set[str] = set()
    for path in paths:
        roots.update(path[:1])
        for parent, child in pairwise(path):
            children.setdefault(parent, set()).add(child)
    alone = set(others) - roots.union(*children.values())

    def unit(unit_id: str) -> Unit:
        return Unit(unit_id, unit_id, tuple(map(unit, sorted(children.get(unit_id, ())))))

    return tuple(map(unit, sorted(roots) + sorted(alone)))


def draw(roots: Iterable[Unit], accounts: Iterable[AssessedAccount]) -> list[Tree]:
    """Return a tree for each root, and one for the accounts whose place is not known."""
    placed: dict[str, list[AssessedAccount]] = {}
    for account in accounts:
        placed.setdefault(account.ancestors[-1] if account.ancestors else "", []).append(account)
    trees = []
    for root in roots:
        trees.append(_branch(root, placed))
        for unit in root.walk():
            placed.pop(unit.id, None)
    lost = [account for rest in placed.values() for account in rest]
    if lost:
        tree = Tree(_label("Elsewhere (moved since, or the place could not be read)", lost))
        _add_accounts(tree, lost)
        trees.append(tree)
    return trees


def _branch(unit: Unit, placed: dict[str, list[AssessedAccount]]) -> Tree:
    everyone = [account for below in unit.walk() for account in placed.get(below.id, [])]
    tree = Tree(_label(unit.name, everyone))
    for child in sorted(unit.units, key=lambda child: child.name.casefold()):
        tree.children.append(_branch(child, placed))
    _add_accounts(tree, placed.get(unit.id, []))
    return tree


def _label(name: str, accounts: list[AssessedAccount]) -> str:
    counts = Counter(account.coverage for account in accounts)
    style = "green" if set(counts) <= _QUIET else "yellow"
    return f"[bold]{escape(name)}[/]  [{style}]{in_words(dict(counts.most_common()))}[/]"


def _add_accounts(tree: Tree, accounts: list[AssessedAccount]) -> None:
    telling = [account for account in accounts if account.coverage not in _QUIET]
    for account in telling[:_SHOWN_ACCOUNTS]:
        reason = f": {account.reason}" if account.reason else ""
        tree.add(f"{account.id} {escape(account.name)} [yellow]{account.coverage}[/]{escape(reason)}")
    if len(telling) > _SHOWN_ACCOUNTS:
        tree.add(f"and {len(telling) - _SHOWN_ACCOUNTS} more like these")

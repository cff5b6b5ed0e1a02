"""From units as an operator writes them to what the membership still lacks. Nothing here ever removes."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from muster.domain.membership import MAX_UNITS_PER_UPDATE, Membership
from muster.domain.organization import OrganizationalUnit
from muster.domain.outcomes import Notice
from muster.domain.scope import EntireOrganization, OrganizationalUnits, Scope

MAX_NAMED = 20
"""How many units or ids a sentence names before it only counts the rest."""


@dataclass(frozen=True, slots=True)
class NoSuchUnit:
    """A name on the way to a unit fits none or several; ``remedy`` says what to write instead."""

    remedy: str


def choose_child(
    names: Sequence[str], depth: int, children: Sequence[OrganizationalUnit]
) -> OrganizationalUnit | NoSuchUnit:
    """Follow one name of a path, ``names[depth]``, among the units at that level."""
    path, wanted = "/".join(names), names[depth]
    level = f'below "{"/".join(names[:depth])}"' if depth else "directly below the root"
    matches = [child for child in children if child.name == wanted]
    match matches:
        case [unit]:
            return unit
        case []:
            near = _near(wanted, [child.name for child in children])
            return NoSuchUnit(f'scope.units: "{path}": there is no unit "{wanted}" {level}; {near}')
        case _:
            ids = ", ".join(sorted(unit.id for unit in matches))
            return NoSuchUnit(
                f'scope.units: "{path}": "{wanted}" is ambiguous, {len(matches)} units {level} have that name; '
                f"write one of their ids: {ids}"
            )


def _near(wanted: str, names: Sequence[str]) -> str:
    if not names:
        return "it has no units at all"
    by_folded = {name.casefold(): name for name in names}
    near = [by_folded[each] for each in difflib.get_close_matches(wanted.casefold(), by_folded, n=5, cutoff=0.5)]
    if near:
        return f"near matches: {', '.join(near)}"
    return f"there are: {name_some(sorted(names))}"


@dataclass(frozen=True, slots=True)
class NestedUnit:
    """A unit that need not be listed, because another listed one contains it."""

    id: str
    name: str
    within: str


def drop_nested(units: Iterable[OrganizationalUnit]) -> tuple[OrganizationalUnits, tuple[NestedUnit, ...]]:
    """Keep each unit once, without those that lie inside another listed one: how AWS takes both is undocumented."""
    by_id = {unit.id: unit for unit in units}
    nested = []
    for unit in by_id.values():
        within = next((ancestor for ancestor in unit.ancestors if ancestor in by_id), None)
        if within is not None:
            nested.append(NestedUnit(unit.id, unit.name, within))
    nested.sort(key=lambda unit: unit.id)
    return OrganizationalUnits(frozenset(by_id) - {unit.id for unit in nested}), tuple(nested)


@dataclass(frozen=True, slots=True)
class UnitBatch:
    """The next units to add, at most five, and how many are left after them."""

    unit_ids: tuple[str, ...]
    remaining: int


def next_batch(scope: OrganizationalUnits, membership: Membership, cursor: str | None) -> UnitBatch:
    """Return the first units that the membership lacks and that were not sent yet, in the order of their ids.

    The membership shows an addition late, so ``cursor`` tells what was sent rather than what is seen.
    """
    missing = find_missing(scope, membership)
    unsent = [unit_id for unit_id in missing if cursor is None or unit_id > cursor]
    return UnitBatch(tuple(unsent[:MAX_UNITS_PER_UPDATE]), max(0, len(unsent) - MAX_UNITS_PER_UPDATE))


def find_missing(scope: OrganizationalUnits, membership: Membership) -> tuple[str, ...]:
    """Return the units asked for that the membership does not list, sorted."""
    return tuple(sorted(scope.unit_ids - membership.unit_ids))


def note_scope(scope: Scope, membership: Membership, nested: Sequence[NestedUnit]) -> tuple[Notice, ...]:
    """Say what the membership has beyond what was asked for; taking it away is left to a person."""
    notices = [
        Notice(
            f"unit {unit.name} ({unit.id}) is listed twice over",
            f"unit {unit.within}, also listed, contains it; it is dropped from the scope",
        )
        for unit in nested
    ]
    if isinstance(scope, EntireOrganization):
        if membership.unit_ids:
            notices.append(
                Notice(
                    "the membership also lists single units",
                    f"{name_some(sorted(membership.unit_ids))}; the entire organization is asked for, and removing "
                    f"them is left to a person",
                )
            )
        return tuple(notices)
    if membership.covers_entire_organization:
        notices.append(
            Notice(
                "the membership covers the entire organization, though only units are asked for",
                "narrowing it takes protection away, so it is left to a person; no unit is added meanwhile, "
                "because AWS does not document what units mean beside the entire organization",
                needs_person=True,
            )
        )
    if extra := membership.unit_ids - scope.unit_ids - {unit.id for unit in nested}:
        notices.append(
            Notice(
                "the membership has units that are not asked for",
                f"{name_some(sorted(extra))}; removing a unit takes its accounts out of coverage, "
                f"so it is left to a person",
                needs_person=True,
            )
        )
    return tuple(notices)


def name_some(names: Sequence[str]) -> str:
    """Join names, and count those past the first twenty."""
    rest = len(names) - MAX_NAMED
    return ", ".join(names[:MAX_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def scope_to_document(scope: Scope, nested: Sequence[NestedUnit] = ()) -> dict[str, Any]:
    """Return the resolved scope as the run keeps it (plain JSON)."""
    match scope:
        case EntireOrganization():
            return {"schema": 1, "kind": "entire_organization", "unit_ids": [], "nested": []}
        case OrganizationalUnits(unit_ids):
            return {
                "schema": 1,
                "kind": "organizational_units",
                "unit_ids": sorted(unit_ids),
                "nested": [{"id": unit.id, "name": unit.name, "within": unit.within} for unit in nested],
            }
    assert_never(scope)


def scope_from_document(document: Mapping[str, Any]) -> Scope:
    """Return the scope that ``scope_to_document`` wrote."""
    if document["kind"] == "entire_organization":
        return EntireOrganization()
    return OrganizationalUnits(frozenset(document["unit_ids"]))


def nested_from_document(document: Mapping[str, Any]) -> tuple[NestedUnit, ...]:
    """Return the dropped units that ``scope_to_document`` wrote."""
    return tuple(NestedUnit(each["id"], each["name"], each["within"]) for each in document["nested"])

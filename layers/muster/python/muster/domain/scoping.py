"""From units as an operator writes them to the writes that bring the membership's scope there.

What takes units away, or narrows the membership to units, names the accounts that would lose their coverage.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, assert_never

from muster.domain.membership import Membership
from muster.domain.organization import Account, AccountState, OrganizationalUnit
from muster.domain.outcomes import Notice
from muster.domain.remediation import EVERYONE, Concern, Remediation, RemediationKind, Step, digest_accounts
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


def find_missing(scope: OrganizationalUnits, membership: Membership) -> tuple[str, ...]:
    """Return the units asked for that the membership does not list, sorted."""
    return tuple(sorted(scope.unit_ids - membership.unit_ids))


def note_scope(scope: Scope, membership: Membership, nested: Sequence[NestedUnit]) -> tuple[Notice, ...]:
    """Say what need not be listed."""
    notices = [
        Notice(
            f"unit {unit.name} ({unit.id}) is listed twice over",
            f"unit {unit.within}, also listed, contains it; it is dropped from the scope",
        )
        for unit in nested
    ]
    if isinstance(scope, EntireOrganization) and membership.unit_ids:
        notices.append(
            Notice(
                "the membership also lists single units",
                f"{name_some(sorted(membership.unit_ids))}; the entire organization is asked for, and they change "
                f"nothing beside it",
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


AFTER_CLEARING = "not in the membership, and refused while it covers the entire organization"
"""The ground of a unit that AWS takes only after the flag of the entire organization is cleared."""

_ASKED = "the desired state asks for it"


def plan_whole(membership: Membership) -> Remediation:
    """Return the write that covers every account."""
    return Remediation(
        Step.SCOPING,
        RemediationKind.ADD_UNIT,
        membership.id,
        "covers single units",
        "covers the entire organization",
        "cover the entire organization",
        _ASKED,
        "unit_missing",
        EVERYONE,
    )


def plan_addition(unit_id: str, *, after_clearing: bool) -> Remediation:
    """Return the write that adds a unit."""
    return Remediation(
        Step.SCOPING,
        RemediationKind.ADD_UNIT,
        unit_id,
        AFTER_CLEARING if after_clearing else "not in the membership",
        "in the membership",
        f"add unit {unit_id}",
        _ASKED,
        "unit_missing",
        Concern(below=(unit_id,)),
    )


def plan_clearing(
    membership: Membership, scope: OrganizationalUnits, accounts: Sequence[Account], *, gap: Sequence[str]
) -> Remediation:
    """Return the write that narrows the membership to its units.

    ``gap`` are the units that AWS takes only afterwards: until they are added nobody below them is covered.
    """
    kept = membership.unit_ids | scope.unit_ids
    losing = find_losing(accounts, None, kept)
    after = f"covers {len(kept)} units"
    what = f"stop covering the entire organization, keep {len(kept)} units"
    if gap:
        after += f"; AWS refuses {len(gap)} of them beside the flag, so between two calls nobody below them is covered"
        what += f"; for some seconds nobody below {name_some(gap)} is covered, for AWS takes these only afterwards"
    return Remediation(
        Step.SCOPING,
        RemediationKind.CLEAR_ENTIRE_ORGANIZATION,
        membership.id,
        f"covers the entire organization; {_name_losing(losing)} outside of the units that stay",
        after,
        what,
        "the desired state asks for units only",
        "covered_out_of_scope",
        Concern(only=losing),
    )


def plan_removal(unit_id: str, scope: OrganizationalUnits, accounts: Sequence[Account]) -> Remediation:
    """Return the write that takes a unit out of the membership."""
    losing = find_losing(accounts, unit_id, scope.unit_ids)
    return Remediation(
        Step.SCOPING,
        RemediationKind.REMOVE_UNIT,
        unit_id,
        f"in the membership; {_name_losing(losing)} below it and below no unit that stays",
        "not in the membership",
        f"remove unit {unit_id}",
        "the desired state does not ask for it",
        "covered_out_of_scope",
        Concern(only=losing),
    )


def find_extra(scope: OrganizationalUnits, membership: Membership, nested: Sequence[NestedUnit]) -> tuple[str, ...]:
    """Return the units of the membership that nobody asked for, sorted."""
    return tuple(sorted(membership.unit_ids - scope.unit_ids - {unit.id for unit in nested}))


def find_losing(accounts: Sequence[Account], unit_id: str | None, kept: AbstractSet[str]) -> tuple[str, ...]:
    """Return the accounts below a unit (None: all there are) and below none of the kept ones, sorted.

    One whose path could not be read is among them: it may be the one that loses.
    """
    return tuple(
        sorted(
            each.id
            for each in accounts
            if each.state in (AccountState.ACTIVE, AccountState.UNDOCUMENTED)
            and (
                each.ancestors is None
                or ((unit_id is None or unit_id in each.ancestors) and kept.isdisjoint(each.ancestors))
            )
        )
    )


def _name_losing(account_ids: tuple[str, ...]) -> str:
    number = f"{len(account_ids):,} {'account' if len(account_ids) == 1 else 'accounts'}"
    return f"{number} ({digest_accounts(account_ids)})"

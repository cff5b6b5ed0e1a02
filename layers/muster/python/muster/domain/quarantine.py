"""Quarantine units: where a compromised account is moved to, and where it needs its protection most."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from muster.domain.outcomes import Notice
from muster.domain.scope import EntireOrganization, OrganizationalUnits, Scope


@dataclass(frozen=True, slots=True)
class QuarantineUnit:
    """One of them, by id. ``ancestors`` lead from the root to its parent; None where there is no such unit."""

    id: str
    ancestors: tuple[str, ...] | None


def quarantine_to_document(units: Sequence[QuarantineUnit]) -> list[dict[str, Any]]:
    """Return them as plain JSON."""
    return [{"id": each.id, "ancestors": None if each.ancestors is None else list(each.ancestors)} for each in units]


def quarantine_from_document(document: Sequence[Mapping[str, Any]]) -> tuple[QuarantineUnit, ...]:
    """Return what ``quarantine_to_document`` wrote."""
    return tuple(
        QuarantineUnit(each["id"], None if each["ancestors"] is None else tuple(each["ancestors"])) for each in document
    )


def note_quarantine(units: Sequence[QuarantineUnit], scope: Scope, canary_unit: str | None) -> tuple[Notice, ...]:
    """Say which of them would take protection away from whoever is moved there."""
    notices = []
    for unit in units:
        if unit.ancestors is None:
            notices.append(
                Notice(
                    f"quarantine unit {unit.id} does not exist",
                    "correct containment.quarantine_units; then run: muster push FILE && muster onboard",
                    needs_person=True,
                )
            )
            continue
        place = (*unit.ancestors, unit.id)
        if not _is_in(scope, place):
            notices.append(
                Notice(
                    f"quarantine unit {unit.id} is not in scope",
                    "an account that is moved there leaves the coverage when it needs it most: add the unit, or one "
                    "above it, to scope.units; then run: muster push FILE && muster onboard",
                    needs_person=True,
                )
            )
        if canary_unit is not None and canary_unit not in place:
            notices.append(
                Notice(
                    f"quarantine unit {unit.id} gets no containment roles",
                    f"it is not below containment.canary_unit {canary_unit}: an account that is moved there loses its "
                    "stack instance, and with it the roles",
                    needs_person=True,
                )
            )
    return tuple(notices)


def _is_in(scope: Scope, place: Sequence[str]) -> bool:
    match scope:
        case EntireOrganization():
            return True
        case OrganizationalUnits(unit_ids):
            return not unit_ids.isdisjoint(place)
    assert_never(scope)

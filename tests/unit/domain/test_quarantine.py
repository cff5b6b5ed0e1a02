"""A quarantine unit has to keep the protection of whoever is moved there."""

import pytest

from muster.domain.quarantine import (
    QuarantineUnit,
    note_quarantine,
    quarantine_from_document,
    quarantine_to_document,
)
from muster.domain.scope import EntireOrganization, OrganizationalUnits, Scope

UNIT = QuarantineUnit("ou-1-quarantine", ("r-1", "ou-1-security"))
GONE = QuarantineUnit("ou-1-gone", None)
UNITS = OrganizationalUnits(frozenset({"ou-1-workloads"}))


@pytest.mark.parametrize(
    ("scope", "canary", "told"),
    [
        (EntireOrganization(), None, []),
        (OrganizationalUnits(frozenset({"ou-1-security"})), None, []),
        (OrganizationalUnits(frozenset({"ou-1-quarantine"})), "ou-1-quarantine", []),
        (UNITS, None, ["is not in scope"]),
        (EntireOrganization(), "ou-1-security", []),
        (EntireOrganization(), "ou-1-workloads", ["gets no containment roles"]),
        (UNITS, "ou-1-workloads", ["is not in scope", "gets no containment roles"]),
    ],
)
def test_unit_that_would_take_protection_away_is_told(scope: Scope, canary: str | None, told: list[str]) -> None:
    found = note_quarantine((UNIT,), scope, canary)
    assert [each.subject for each in found] == [f"quarantine unit ou-1-quarantine {words}" for words in told]
    assert all(each.needs_person for each in found)


def test_unit_that_does_not_exist_is_told_and_the_others_are_judged() -> None:
    found = note_quarantine((GONE, UNIT), UNITS, None)
    assert [each.subject for each in found] == [
        "quarantine unit ou-1-gone does not exist",
        "quarantine unit ou-1-quarantine is not in scope",
    ]


def test_units_survive_their_document() -> None:
    assert quarantine_from_document(quarantine_to_document((UNIT, GONE))) == (UNIT, GONE)

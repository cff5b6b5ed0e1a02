"""While people work on an incident, and outside of a change window, automation holds still."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from muster.domain.freezing import (
    Freeze,
    Window,
    WindowState,
    freeze_from_document,
    freeze_to_document,
    hold,
)
from muster.domain.observed import Known, Observed, Unknown
from muster.domain.remediation import RemediationKind

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
FREEZE = Freeze(NOW + timedelta(hours=1), "case 42")
NOT_FROZEN: Observed[Freeze | None] = Known(None)
ADDITIONS = [each for each in RemediationKind if each.adds_coverage]
OTHERS = [each for each in RemediationKind if not each.adds_coverage]


def window(state: Observed[str]) -> Window:
    return Window("office-hours", state)


@pytest.mark.parametrize("kind", RemediationKind)
def test_nothing_waits_without_a_freeze_and_in_an_open_window(kind: RemediationKind) -> None:
    assert hold(kind, freeze=NOT_FROZEN, window=None, at=NOW) is None
    assert hold(kind, freeze=NOT_FROZEN, window=window(Known(WindowState.OPEN)), at=NOW) is None


@pytest.mark.parametrize("kind", RemediationKind)
@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (Known(WindowState.CLOSED), "change calendar office-hours is CLOSED"),
        (Unknown("AccessDenied"), "whether change calendar office-hours is open is unknown (AccessDenied)"),
    ],
)
def test_a_window_that_is_not_known_to_be_open_lets_nothing_through(
    kind: RemediationKind, state: Observed[str], reason: str
) -> None:
    found = hold(kind, freeze=NOT_FROZEN, window=window(state), at=NOW)

    assert found is not None
    assert found.startswith(reason)


@pytest.mark.parametrize("freeze", [Known(FREEZE), Unknown("AccessDenied")])
@pytest.mark.parametrize("kind", ADDITIONS)
def test_more_coverage_goes_on_in_a_freeze(kind: RemediationKind, freeze: Observed[Freeze | None]) -> None:
    assert hold(kind, freeze=freeze, window=None, at=NOW) is None


@pytest.mark.parametrize("kind", OTHERS)
def test_anything_else_waits_for_the_end_of_the_freeze(kind: RemediationKind) -> None:
    found = hold(kind, freeze=Known(FREEZE), window=None, at=NOW)

    assert found is not None
    assert "frozen until 2026-11-24 13:00 UTC (case 42)" in found
    assert hold(kind, freeze=Known(FREEZE), window=None, at=FREEZE.until) is None


@pytest.mark.parametrize("kind", OTHERS)
def test_what_may_be_a_freeze_is_taken_for_one(kind: RemediationKind) -> None:
    found = hold(kind, freeze=Unknown("AccessDenied"), window=None, at=NOW)

    assert found is not None
    assert found.startswith("whether the automation is frozen is unknown (AccessDenied)")


def test_whoever_waits_is_told_what_ends_the_wait() -> None:
    kind = RemediationKind.SET_TAGS

    unread = hold(kind, freeze=NOT_FROZEN, window=window(Unknown("denied")), at=NOW)
    frozen = hold(kind, freeze=Known(FREEZE), window=None, at=NOW)
    unclear = hold(kind, freeze=Unknown("denied"), window=None, at=NOW)

    assert unread is not None
    assert unread.endswith("allow ssm:GetCalendarState, or correct change_calendar in the desired state")
    assert frozen is not None
    assert frozen.endswith("to end it: muster freeze --lift")
    assert unclear is not None
    assert unclear.endswith("look with muster freeze")


def test_a_window_counts_before_a_freeze() -> None:
    found = hold(RemediationKind.SET_TAGS, freeze=Known(FREEZE), window=window(Known(WindowState.CLOSED)), at=NOW)

    assert found == "change calendar office-hours is CLOSED; a run in its next window goes on"


def test_a_state_that_the_calendar_has_never_had_is_not_open() -> None:
    assert hold(RemediationKind.ADD_UNIT, freeze=NOT_FROZEN, window=window(Known("AJAR")), at=NOW) is not None


def test_a_freeze_survives_being_stored() -> None:
    assert freeze_from_document(freeze_to_document(FREEZE)) == Known(FREEZE)
    assert freeze_from_document(None) == Known(None)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"schema": 1, "until": "tomorrow", "reason": "case 42"},
        {"schema": 1, "until": 1, "reason": "case 42"},
        {"schema": 1, "until": "2026-11-24T13:00:00+00:00"},
        {"schema": 1, "until": "2026-11-24T13:00:00", "reason": "a time without its zone"},
        {"schema": 2, "until": "2026-11-24T13:00:00+00:00", "reason": "case 42"},
        {"until": "2026-11-24T13:00:00+00:00", "reason": "case 42"},
    ],
)
def test_a_freeze_that_cannot_be_understood_is_unknown(document: dict[str, Any]) -> None:
    assert isinstance(freeze_from_document(document), Unknown)

"""When nothing but more coverage may come: while people froze the automation, or outside of a change window."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, assert_never

from muster.domain.observed import Known, Observed, Unknown
from muster.domain.remediation import RemediationKind

FREEZE_KEY = "freeze.json"
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Freeze:
    """Somebody works on an incident: what responders use stays as they made it, until then."""

    until: datetime
    reason: str


class WindowState(StrEnum):
    """What SSM Change Calendar says of a moment; the words are the service's."""

    OPEN = "OPEN"
    CLOSED = "CLOSED"


@dataclass(frozen=True, slots=True)
class Window:
    """One change calendar, and what it says now; Unknown is not open."""

    calendar: str
    state: Observed[str]


def freeze_from_document(document: Mapping[str, Any] | None) -> Observed[Freeze | None]:
    """Return the freeze that was stored; Unknown when it cannot be understood, for then somebody meant something."""
    if document is None:
        return Known(None)
    try:
        until = datetime.fromisoformat(document["until"])
        if document["schema"] != SCHEMA or until.tzinfo is None:
            return Unknown(f"{FREEZE_KEY} is of another version")
        return Known(Freeze(until, str(document["reason"])))
    except (KeyError, TypeError, ValueError):
        return Unknown(f"{FREEZE_KEY} cannot be understood")


def freeze_to_document(freeze: Freeze) -> dict[str, Any]:
    """Return the freeze as plain JSON."""
    return {"schema": SCHEMA, "until": freeze.until.isoformat(), "reason": freeze.reason}


def hold(kind: RemediationKind, *, freeze: Observed[Freeze | None], window: Window | None, at: datetime) -> str | None:
    """Return why a write has to wait now, and what ends the wait; None when it need not.

    A freeze lets more coverage through; a closed or unknown window lets nothing through.
    """
    if reason := _hold_by_window(window):
        return reason
    if kind.adds_coverage:
        return None
    match freeze:
        case Unknown(why):
            return f"whether the automation is frozen is unknown ({why}): look with muster freeze"
        case Known(found):
            return None if found is None else _hold_by_freeze(found, at)
    assert_never(freeze)


def _hold_by_window(window: Window | None) -> str | None:
    if window is None:
        return None
    match window.state:
        case Unknown(why):
            return (
                f"whether change calendar {window.calendar} is open is unknown ({why}): allow ssm:GetCalendarState, or "
                f"correct change_calendar in the desired state"
            )
        case Known(WindowState.OPEN):
            return None
        case Known(state):
            return f"change calendar {window.calendar} is {state}; a run in its next window goes on"
    assert_never(window.state)


def _hold_by_freeze(freeze: Freeze, at: datetime) -> str | None:
    if freeze.until <= at:
        return None
    return (
        f"the automation is frozen until {freeze.until.astimezone(UTC):%Y-%m-%d %H:%M} UTC ({freeze.reason}); "
        f"to end it: muster freeze --lift"
    )

"""Systems Manager's Change Calendar: `GetCalendarState`, which moto lacks, over the calendars that the world names."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.ssm.models import ssm_backends
from moto.ssm.responses import SimpleSystemManagerResponse

from muster_local.simulation import World, current

OPEN, CLOSED = "OPEN", "CLOSED"

unpatched_get_calendar_state: Any = getattr(SimpleSystemManagerResponse, "get_calendar_state", None)


class ChangeCalendarError(ServiceException):
    """An error of Systems Manager about a calendar."""


def tell_the_state_of_calendars() -> None:
    """Answer `GetCalendarState`."""
    SimpleSystemManagerResponse.get_calendar_state = _get_calendar_state


def _get_calendar_state(request: Any) -> ActionResult:
    world = current()
    names = [str(name) for name in request._get_param("CalendarNames") or ()]
    documents = ssm_backends[request.current_account][request.region]._documents
    for name in names:
        _check(world, name.rpartition("document/")[2], documents)
    short = [name.rpartition("document/")[2] for name in names]
    moment = _moment(request._get_param("AtTime"), world.clock.now())
    answer = {"State": _state(world, short, moment), "AtTime": _text(moment)}
    changes = sorted(time for name in short if (time := world.calendar_changes.get(name)) and time > moment)
    later = next((time for time in changes if _state(world, short, time) != answer["State"]), None)
    return ActionResult(answer if later is None else {**answer, "NextTransitionTime": _text(later)})


def _check(world: World, name: str, documents: Any) -> None:
    state = world.calendars.get(name)
    if state is None and name in documents:
        raise ChangeCalendarError("InvalidDocumentType", f"The document {name} is not of type ChangeCalendar.")
    if state is None:
        raise ChangeCalendarError("InvalidDocument", f"Document with name {name} does not exist.")
    if state not in {OPEN, CLOSED}:
        raise ChangeCalendarError("UnsupportedCalendarException", f"The calendar entry in {name} is not supported.")


def _state(world: World, names: Iterable[str], moment: datetime) -> str:
    """Return OPEN only when every calendar is."""
    return OPEN if all(_is_open(world, name, moment) for name in names) else CLOSED


def _is_open(world: World, name: str, moment: datetime) -> bool:
    change = world.calendar_changes.get(name)
    return (world.calendars[name] == OPEN) != (change is not None and change <= moment)


def _moment(given: str | None, now: datetime) -> datetime:
    if given is None:
        return now
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise ChangeCalendarError("ValidationException", "AtTime is not a time in ISO 8601.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

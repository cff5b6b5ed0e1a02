"""CloudTrail's event history: `LookupEvents`, which moto lacks.

An event can be looked up only after ``world.delays.event_history``, in the account and the Region of the call, for
ninety days.
"""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.cloudtrail.responses import CloudTrailResponse
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult

from muster_local.recorded_events import RecordedEvent
from muster_local.simulation import World, current

KEPT = timedelta(days=90)
MAX_RESULTS = 50
_ATTRIBUTES = frozenset(
    {"EventId", "EventName", "ReadOnly", "Username", "ResourceType", "ResourceName", "EventSource", "AccessKeyId"}
)

unpatched_lookup_events: Any = getattr(CloudTrailResponse, "lookup_events", None)


class EventHistoryError(ServiceException):
    """An error of CloudTrail about a look-up."""


def look_events_up() -> None:
    """Answer `LookupEvents`."""
    CloudTrailResponse.lookup_events = _lookup_events


def record(world: World, event: RecordedEvent) -> None:
    """Keep what was recorded."""
    with world.lock:
        world.event_history.append(event)


def _lookup_events(request: Any) -> ActionResult:
    world = current()
    attribute = _attribute(request._get_param("LookupAttributes") or [])
    start, end = _moment(request._get_param("StartTime")), _moment(request._get_param("EndTime"))
    if start and end and start > end:
        raise EventHistoryError("InvalidTimeRangeException", "The start time is after the end time.")
    size = request._get_param("MaxResults")
    if size is not None and not 1 <= size <= MAX_RESULTS:
        raise EventHistoryError("InvalidMaxResultsException", f"MaxResults is from 1 to {MAX_RESULTS}.")
    question = json.dumps([attribute, str(start), str(end), request._get_param("EventCategory")])
    before = _before(request._get_param("NextToken"), question)
    if request._get_param("EventCategory") == "insight":
        return ActionResult({"Events": []})
    with world.lock:
        events = list(enumerate(world.event_history))
    now = world.clock.now()
    found = [
        (number, event)
        for number, event in reversed(events)
        if (event.account, event.region) == (request.current_account, request.region)
        and (before is None or number < before)
        and event.recorded + world.delays.event_history <= now < event.recorded + KEPT
        and (start is None or event.at >= start)
        and (end is None or event.at <= end)
        and (attribute is None or event.has(*attribute))
    ]
    page = found[: size or MAX_RESULTS]
    answer: dict[str, Any] = {"Events": [event.summary() for _, event in page]}
    if len(found) > len(page):
        answer["NextToken"] = _token(page[-1][0], question)
    return ActionResult(answer)


def _attribute(given: list[Mapping[str, str]]) -> tuple[str, str] | None:
    if not given:
        return None
    if len(given) > 1 or given[0].get("AttributeKey") not in _ATTRIBUTES or not given[0].get("AttributeValue"):
        raise EventHistoryError(
            "InvalidLookupAttributesException", "Look-ups take one attribute, with a key that exists and a value."
        )
    return given[0]["AttributeKey"], given[0]["AttributeValue"]


def _token(number: int, question: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([number, question]).encode()).decode()


def _before(token: str | None, question: str) -> int | None:
    """Return the number of the last event of the page before. Raises EventHistoryError for another question's token."""
    if token is None:
        return None
    try:
        number, asked = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError):
        asked = None
    if asked != question:
        raise EventHistoryError("InvalidNextTokenException", "The token is not of a page of this look-up.")
    return int(number)


def _moment(given: float | None) -> datetime | None:
    return None if given is None else datetime.fromtimestamp(given, UTC)

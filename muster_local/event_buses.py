"""EventBridge: rules match as at AWS, and what they match is delivered.

moto's own matcher takes invalid patterns and goes wrong in arrays, it delivers to few targets, and takes events of
sources that only AWS has.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from moto.events.exceptions import InvalidEventPatternException, ValidationException
from moto.events.models import EventBus, EventBusPolicyStatement, EventPattern, EventsBackend, Rule, events_backends
from moto.events.responses import EventsHandler

from muster_local import event_patterns
from muster_local.authorization import PolicyError
from muster_local.event_targets import SERVICE, Sender, deliver, may_put_events, root_of
from muster_local.event_traffic import Arrival, Event
from muster_local.simulation import World, current

DEFAULT = "default"
_MAX_ENTRIES = 10
_NEEDED = ("id", "account", "source", "time", "region", "resources", "detail-type")

unpatched_put_events: Any = EventsBackend.put_events
unpatched_matches_event: Any = EventPattern.matches_event


def correct() -> None:
    """Apply every correction once."""
    match_as_eventbridge()
    answer_test_event_pattern()
    take_events_of_clients()
    replace_policies_of_buses()


def match_as_eventbridge() -> None:
    """Read and match patterns as EventBridge does; an invalid one is refused when its rule is put."""

    def load(_: Any, raw_pattern: str | None) -> EventPattern:
        if raw_pattern:
            _parsed(raw_pattern)
        return EventPattern(raw_pattern, json.loads(raw_pattern) if raw_pattern else {})

    def matches_event(self: EventPattern, event: Event) -> bool:
        return self._raw_pattern is not None and _parsed(self._raw_pattern).matches(event)

    EventPattern.load = classmethod(load)
    EventPattern.matches_event = matches_event


def answer_test_event_pattern() -> None:
    """Answer TestEventPattern: moto has none."""

    def test_event_pattern(self: EventsHandler) -> str:
        pattern = _parsed(self._get_param("EventPattern"))
        try:
            event = json.loads(self._get_param("Event"))
        except ValueError:
            raise ValidationException("Parameter Event is not valid.") from None
        missing = [name for name in _NEEDED if not isinstance(event, dict) or name not in event]
        if missing:
            raise ValidationException(f"Parameter Event is not valid. Reason: {missing[0]} is a required argument.")
        return json.dumps({"Result": pattern.matches(event)})

    EventsHandler.test_event_pattern = test_event_pattern


def take_events_of_clients() -> None:
    """Take what clients put, but for sources that are AWS's, and on buses of others only what their policy allows."""

    def put_events(self: EventsBackend, events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        if not 0 < len(events) <= _MAX_ENTRIES:
            raise ValidationException(
                "1 validation error detected: Value at 'entries' failed to satisfy constraint: "
                f"Member must have length between 1 and {_MAX_ENTRIES}"
            )
        return [_put_or_refuse(self, entry) for entry in events]

    EventsBackend.put_events = put_events


def replace_policies_of_buses() -> None:
    """Let a policy that is put take the place of the one before: moto adds, and drops others of the same principal."""

    def add_policy(self: EventBus, policy: Mapping[str, Any]) -> None:
        given = policy["Statement"]
        self._statements.clear()
        for number, statement in enumerate(given if isinstance(given, list) else [given]):
            sid = statement.get("Sid", f"statement-{number}")
            self._statements[sid] = EventBusPolicyStatement.from_dict({**statement, "Sid": sid})

    EventBus.add_policy = add_policy


def _parsed(pattern: str) -> event_patterns.EventPattern:
    try:
        return event_patterns.parse(pattern)
    except event_patterns.InvalidPatternError as error:
        raise InvalidEventPatternException(str(error)) from error


class _EntryError(Exception):
    """An entry of PutEvents that is refused, while the others go through."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _put_or_refuse(backend: EventsBackend, entry: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {"EventId": _put(backend, entry)}
    except _EntryError as error:
        return {"ErrorCode": error.code, "ErrorMessage": str(error)}


def _detail_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    for name in ("Source", "DetailType", "Detail"):
        if not entry.get(name):
            reason = f"Parameter {name} is not valid. Reason: {name} is a required argument."
            raise _EntryError("InvalidArgument", reason)
    if str(entry["Source"]).startswith("aws."):
        raise _EntryError("NotAuthorizedForSource", "Not authorized for the source.")
    try:
        detail = json.loads(entry["Detail"])
    except ValueError:
        detail = None
    if not isinstance(detail, dict):
        raise _EntryError("MalformedDetail", "Detail is malformed.")
    return detail


def _put(backend: EventsBackend, entry: Mapping[str, Any]) -> str:
    detail = _detail_of(entry)
    name = str(entry.get("EventBusName") or DEFAULT)
    account, region = backend.account_id, backend.region_name
    if name.startswith("arn:"):
        _, _, _, region, account, resource = name.split(":", 5)
        name = resource.removeprefix("event-bus/")
    bus = events_backends[account][region].event_buses.get(name)
    if bus is None:
        raise _EntryError("ResourceNotFoundException", f"Event bus {name} does not exist.")
    event = envelope(
        account=backend.account_id,
        region=region,
        source=str(entry["Source"]),
        detail_type=str(entry["DetailType"]),
        detail=detail,
        resources=entry.get("Resources") or (),
        time=_moment(entry.get("Time")),
    )
    if account != backend.account_id and not _is_allowed(bus, event, backend.account_id):
        raise _EntryError("AccessDeniedException", f"Not authorized to put events on {bus.arn}.")
    arrive(Arrival(account, region, name, event, is_forwarded=account != backend.account_id))
    return str(event["id"])


def _is_allowed(bus: EventBus, event: Event, account: str) -> bool:
    try:
        return may_put_events(bus, event, root_of(account), None)
    except PolicyError:
        return False


def _moment(given: Any) -> datetime:
    return current().clock.now() if given is None else datetime.fromtimestamp(float(given), UTC)


# --- events -----------------------------------------------------------------------------------------------------------


def envelope(
    *,
    account: str,
    region: str,
    source: str,
    detail_type: str,
    detail: Mapping[str, Any],
    resources: Sequence[str],
    time: datetime,
) -> dict[str, Any]:
    """Return an event as it travels."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": detail_type,
        "source": source,
        "account": account,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region,
        "resources": list(resources),
        "detail": dict(detail),
    }


def is_listening() -> bool:
    """Tell whether any rule of any account listens: without one, nobody would notice an event."""
    return any(
        bus.rules
        for regions in list(events_backends.values())
        for backend in list(regions.values())
        for bus in list(backend.event_buses.values())
    )


def emit(
    world: World,
    *,
    account: str,
    region: str,
    source: str,
    detail_type: str,
    detail: Mapping[str, Any],
    resources: Sequence[str] = (),
) -> None:
    """Emit an event of AWS itself on the default bus of an account and Region, as reliably as the world says."""
    if not is_listening():
        return
    now = world.clock.now()
    event = envelope(
        account=account,
        region=region,
        source=source,
        detail_type=detail_type,
        detail=detail,
        resources=resources,
        time=now,
    )
    with world.lock:
        world.traffic.send(Arrival(account, region, DEFAULT, event), now)
    settle(world)
    if world.traffic.on_the_way:
        world.clock.wake()


def settle(world: World) -> None:
    """Let arrive what is due."""
    with world.lock:
        arrived = world.traffic.due(world.clock.now())
    for arrival in arrived:
        arrive(arrival)


def arrive(arrival: Arrival) -> None:
    """Match an event against the rules of a bus, and deliver it to their targets."""
    bus = events_backends[arrival.account][arrival.region].event_buses.get(arrival.bus)
    for rule in list(bus.rules.values()) if bus is not None else ():
        if rule.state == "DISABLED" or not rule.event_pattern.matches_event(arrival.event):
            continue
        for target in list(rule.targets):
            deliver(sender_of(rule), target, arrival, arrive)


def sender_of(rule: Rule) -> Sender:
    """Return a rule as a sender."""
    return Sender(rule.arn, rule.account_id, rule.region_name, SERVICE, rule.name)

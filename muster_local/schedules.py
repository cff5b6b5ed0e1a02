"""EventBridge Scheduler: schedules fire by the world's clock, which moto never does.

A jump of the clock over several due times fires each of them once, in their order. Within a flexible window a due time
fires at an offset that is always the same for it.
"""

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from moto.scheduler.exceptions import ValidationException
from moto.scheduler.models import EventBridgeSchedulerBackend, Schedule, scheduler_backends

from muster_local.event_targets import Arn, Sender, UndeliverableError, bury, send
from muster_local.schedule_times import Expression, ExpressionError, parse
from muster_local.simulation import World, current

SERVICE = "scheduler.amazonaws.com"
MOST_AT_ONCE = 1_000
"""How many due times of one schedule a jump fires at most; the rest of a longer jump is left out."""

unpatched_create_schedule: Callable[..., Any] = EventBridgeSchedulerBackend.create_schedule
unpatched_update_schedule: Callable[..., Any] = EventBridgeSchedulerBackend.update_schedule


def date_schedules_by_the_worlds_clock() -> None:
    """Refuse what is no expression, and let a schedule count from when it was made or changed."""

    def create_schedule(self: Any, **request: Any) -> Schedule:
        _checked(request)
        return _begun(unpatched_create_schedule(self, **request))

    def update_schedule(self: Any, **request: Any) -> Schedule:
        _checked(request)
        changed = unpatched_update_schedule(self, **request)
        changed.state = changed.state or "ENABLED"
        return _begun(changed)

    EventBridgeSchedulerBackend.create_schedule = create_schedule
    EventBridgeSchedulerBackend.update_schedule = update_schedule


def fire(world: World) -> None:
    """Fire whatever is due by now and has not fired, the earliest first."""
    with world.lock:
        now = world.clock.now()
        due = [
            (moment, schedule.arn, planned, schedule)
            for schedule in _enabled()
            for moment, planned in _due(world, schedule, now)
        ]
    for _, _, planned, schedule in sorted(due, key=lambda one: one[:3]):
        _fire(schedule, planned)


def next_due(world: World) -> datetime | None:
    """Return when the next schedule fires, or None when none does."""
    coming = []
    with world.lock:
        for schedule in _enabled():
            upcoming = islice(_planned(schedule, _fired(world, schedule)), 1)
            coming += [planned + _offset(schedule, planned) for planned in upcoming]
    return min(coming, default=None)


def _checked(request: dict[str, Any]) -> None:
    try:
        parse(request["schedule_expression"], request.get("schedule_expression_timezone") or "UTC")
    except (ExpressionError, KeyError) as error:
        raise ValidationException(f"Invalid Schedule Expression {request['schedule_expression']}.") from error


def _begun(schedule: Any) -> Any:
    world = current()
    with world.lock:
        schedule.begun = world.clock.now()
        world.schedules_fired.pop(schedule.arn, None)
    world.clock.wake()
    return schedule


def _enabled() -> Iterator[Any]:
    for regions in list(scheduler_backends.values()):
        for backend in list(regions.values()):
            for group in list(backend.schedule_groups.values()):
                yield from (one for one in list(group.schedules.values()) if one.state == "ENABLED")


def _fired(world: World, schedule: Any) -> datetime:
    """Return the latest planned time that has fired, or a moment before the first that may."""
    begun: datetime = schedule.begun
    known = world.schedules_fired.get(schedule.arn)
    if known is not None:
        return known
    is_rate = str(schedule.schedule_expression).startswith("rate")
    at_once = is_rate and world.switches.get("first_run_of_a_rate") == "immediately"
    return begun - timedelta(microseconds=1) if at_once else begun


def _planned(schedule: Any, since: datetime) -> Iterator[datetime]:
    expression: Expression = parse(schedule.schedule_expression, schedule.schedule_expression_timezone or "UTC")
    first = _moment(schedule.start_date) or schedule.begun
    end = _moment(schedule.end_date)
    for planned in expression.times(since, first=first):
        if end is not None and planned > end:
            return
        if planned >= first:
            yield planned


def _due(world: World, schedule: Any, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield what is due, as when it fires and as when it was planned, and remember that it has fired."""
    since = _fired(world, schedule)
    for planned in islice(_planned(schedule, since), MOST_AT_ONCE):
        moment = planned + _offset(schedule, planned)
        if moment > now:
            return
        world.schedules_fired[schedule.arn] = planned
        yield moment, planned
    world.schedules_fired[schedule.arn] = max(now, world.schedules_fired.get(schedule.arn, now))


def _offset(schedule: Any, planned: datetime) -> timedelta:
    window = schedule.flexible_time_window or {}
    if window.get("Mode") != "FLEXIBLE":
        return timedelta()
    digest = hashlib.sha256(f"{schedule.arn} {planned.isoformat()}".encode()).digest()
    return timedelta(seconds=int.from_bytes(digest[:8]) % (int(window["MaximumWindowInMinutes"]) * 60))


def _moment(given: Any) -> datetime | None:
    if not given:
        return None
    if isinstance(given, str):
        return datetime.fromisoformat(given).astimezone(UTC)
    return datetime.fromtimestamp(float(given), UTC)


def _fire(schedule: Any, planned: datetime) -> None:
    _, _, _, region, account, _ = schedule.arn.split(":", 5)
    sender = Sender(schedule.arn, account, region, SERVICE, schedule.name)
    target = schedule.target
    time = planned.strftime("%Y-%m-%dT%H:%M:%SZ")
    payload = target.get("Input") or json.dumps(
        {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "Scheduled Event",
            "source": "aws.scheduler",
            "account": account,
            "time": time,
            "region": region,
            "resources": [schedule.arn],
            "detail": "{}",
        }
    )
    said = {
        "schedule-arn": schedule.arn,
        "scheduled-time": time,
        "execution-id": str(uuid.uuid4()),
        "attempt-number": "1",
    }
    for name, value in said.items():
        payload = payload.replace(f"<aws.scheduler.{name}>", value)
    try:
        send(sender, target, Arn.of(str(target["Arn"])), payload)
    except UndeliverableError as error:
        bury(sender, target, payload, error)

import json
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest

from muster_local import schedules
from muster_local.schedule_times import ExpressionError, parse
from muster_local.ticking import tick
from tests.embedded_cloud import event_world as on
from tests.embedded_cloud.event_world import bodies, messages, queue, role
from tests.embedded_cloud.small_world import HOME, NOW, SECURITY_TOOLING, SmallWorld, client, refused

SCHEDULER = "scheduler.amazonaws.com"


def times(text: str, number: int = 3, zone: str = "UTC") -> list[str]:
    found = islice(parse(text, zone).times(NOW, first=NOW), number)
    return [moment.strftime("%a %d %b %Y %H:%M") for moment in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rate(1 minute)", ["Tue 24 Nov 2026 09:01", "Tue 24 Nov 2026 09:02", "Tue 24 Nov 2026 09:03"]),
        ("rate(6 hours)", ["Tue 24 Nov 2026 15:00", "Tue 24 Nov 2026 21:00", "Wed 25 Nov 2026 03:00"]),
        ("cron(0/20 9 * * ? *)", ["Tue 24 Nov 2026 09:20", "Tue 24 Nov 2026 09:40", "Wed 25 Nov 2026 09:00"]),
        ("cron(30 6 ? * MON-FRI *)", ["Wed 25 Nov 2026 06:30", "Thu 26 Nov 2026 06:30", "Fri 27 Nov 2026 06:30"]),
        ("cron(0 0 1 1,JUL ? *)", ["Fri 01 Jan 2027 00:00", "Thu 01 Jul 2027 00:00", "Sat 01 Jan 2028 00:00"]),
        ("cron(0 0 1 1 ? 2028)", ["Sat 01 Jan 2028 00:00"]),
        ("at(2026-11-24T10:00:00)", ["Tue 24 Nov 2026 10:00"]),
        ("at(2026-11-24T08:00:00)", []),
    ],
)
def test_an_expression_is_due_as_at_aws(text: str, expected: list[str]) -> None:
    assert times(text) == expected


def test_a_time_of_day_is_that_of_the_zone() -> None:
    assert times("cron(0 9 * * ? *)", 1, "America/New_York") == ["Tue 24 Nov 2026 14:00"]


@pytest.mark.parametrize(
    "text",
    [
        "rate(0 minutes)",
        "rate(1 minutes)",
        "rate(2 minute)",
        "rate(5 weeks)",
        "cron(0 9 * * * *)",
        "cron(0 9 ? * ? *)",
        "cron(0 24 * * ? *)",
        "cron(0 9 L * ? *)",
        "cron(0 9 * * ?)",
        "cron(0/0 9 * * ? *)",
        "cron(5-1 9 * * ? *)",
        "every(1 hour)",
    ],
)
def test_what_is_no_expression_is_refused(cloud: SmallWorld, text: str) -> None:
    assert cloud
    with pytest.raises(ExpressionError):
        parse(text)
    assert refused(scheduler().create_schedule, **wish("arn:aws:sqs:x:y:z", text)) == ("ValidationException", 400)


def scheduler() -> Any:
    return client("scheduler", SECURITY_TOOLING, HOME)


def wish(target: str, text: str, *, own: str = "", name: str = "one", **more: Any) -> dict[str, Any]:
    entry = {"Arn": target, "RoleArn": own, **more.pop("Target", {})}
    window = {"Mode": "OFF"}
    return {"Name": name, "ScheduleExpression": text, "FlexibleTimeWindow": window, "Target": entry, **more}


def to_queue(text: str, *, name: str = "one", arn: str | None = None, **more: Any) -> str:
    """Schedule messages to a queue and return its ARN."""
    found = arn or queue("due")
    own = role(name, "sqs:SendMessage", found, account=SECURITY_TOOLING, service=SCHEDULER)
    more.setdefault("Target", {}).setdefault("Input", '{"at": "<aws.scheduler.scheduled-time>", "by": "' + name + '"}')
    scheduler().create_schedule(**wish(found, text, own=own, name=name, **more))
    return found


def fired(cloud: SmallWorld, arn: str, *, minutes: float = 0) -> list[str]:
    """Let time pass and return what came to a queue: the planned minute and the schedule's name."""
    cloud.advance(minutes=minutes)
    tick(cloud.world)
    return [f"{body['at'][11:16]} {body['by']}" for body in bodies(arn)]


def test_a_rate_fires_as_soon_as_it_is_made_and_then_after_each_period(cloud: SmallWorld) -> None:
    arn = to_queue("rate(1 hour)")
    assert fired(cloud, arn) == ["09:00 one"]
    assert fired(cloud, arn, minutes=59) == []
    assert fired(cloud, arn, minutes=1) == ["10:00 one"]
    assert fired(cloud, arn) == []


def test_whether_a_rate_fires_at_once_is_a_switch(cloud: SmallWorld) -> None:
    cloud.flip("first_run_of_a_rate", "after_one_period")
    arn = to_queue("rate(1 hour)")
    assert fired(cloud, arn) == []
    assert fired(cloud, arn, minutes=60) == ["10:00 one"]


def test_a_jump_fires_each_due_time_once_and_all_schedules_in_their_order(cloud: SmallWorld) -> None:
    arn = to_queue("cron(0 * * * ? *)")
    to_queue("cron(30 10 * * ? *)", name="two", arn=arn)
    assert fired(cloud, arn, minutes=180) == ["10:00 one", "10:30 two", "11:00 one", "12:00 one"]
    assert fired(cloud, arn) == []


def test_within_its_window_a_time_fires_later_and_always_at_the_same_offset(cloud: SmallWorld) -> None:
    arn = to_queue("cron(0 10 * * ? *)", FlexibleTimeWindow={"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 60})
    waited = 0
    cloud.advance(minutes=59)
    while not (found := fired(cloud, arn, minutes=1)):
        waited += 1
    assert found == ["10:00 one"]
    assert 0 < waited < 60
    again = [found for _ in range(26 * 12) if (found := fired(cloud, arn, minutes=5))]
    assert again == [["10:00 one"]]


def test_a_schedule_ends_and_one_that_is_disabled_or_deleted_does_not_fire(cloud: SmallWorld) -> None:
    arn = to_queue("rate(1 hour)", EndDate=NOW + timedelta(hours=2))
    assert len(fired(cloud, arn, minutes=300)) == 3
    to_queue("rate(1 hour)", name="off", arn=arn, State="DISABLED")
    to_queue("rate(1 hour)", name="gone", arn=arn)
    scheduler().delete_schedule(Name="gone")
    assert fired(cloud, arn, minutes=300) == []


def test_a_changed_schedule_counts_anew(cloud: SmallWorld) -> None:
    arn = to_queue("cron(0 10 * * ? *)")
    own = f"arn:aws:iam::{SECURITY_TOOLING}:role/one"
    entry = {"Input": '{"at": "<aws.scheduler.scheduled-time>", "by": "one"}'}
    scheduler().update_schedule(**wish(arn, "cron(0 11 * * ? *)", own=own, Target=entry))
    assert fired(cloud, arn, minutes=180) == ["11:00 one"]


def test_a_machine_is_started_with_the_input(cloud: SmallWorld) -> None:
    machine = on.machine("reconcile")
    own = role("start", "states:StartExecution", machine, account=SECURITY_TOOLING, service=SCHEDULER)
    entry = {"Input": '{"full": true}'}
    scheduler().create_schedule(**wish(machine, "at(2026-11-24T10:00:00)", own=own, Target=entry))
    cloud.advance(minutes=60)
    tick(cloud.world)
    assert on.inputs(machine) == [{"full": True}]


def test_without_an_input_a_target_gets_a_scheduled_event(cloud: SmallWorld) -> None:
    machine = on.machine("reconcile")
    own = role("start", "states:StartExecution", machine, account=SECURITY_TOOLING, service=SCHEDULER)
    scheduler().create_schedule(**wish(machine, "rate(1 day)", own=own))
    tick(cloud.world)
    (event,) = on.inputs(machine)
    assert (event["detail-type"], event["time"]) == ("Scheduled Event", "2026-11-24T09:00:00Z")


def test_what_a_target_does_not_take_is_in_the_dead_letters(cloud: SmallWorld) -> None:
    dead, machine = queue("dead"), on.machine("reconcile")
    own = role("start", "states:StopExecution", machine, account=SECURITY_TOOLING, service=SCHEDULER)
    entry = {"Input": '{"full": true}', "DeadLetterConfig": {"Arn": dead}}
    scheduler().create_schedule(**wish(machine, "rate(1 day)", own=own, Target=entry))
    tick(cloud.world)
    (letter,) = messages(dead)
    assert json.loads(letter["Body"]) == {"full": True}
    assert letter["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"


def test_a_very_long_jump_fires_a_bounded_number(cloud: SmallWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedules, "MOST_AT_ONCE", 20)
    arn = to_queue("rate(1 minute)")
    assert len(fired(cloud, arn, minutes=60 * 24 * 3650)) == 20
    assert len(fired(cloud, arn, minutes=2)) == 2


def test_times_are_aware() -> None:
    assert next(parse("rate(1 day)").times(NOW, first=NOW)) == datetime(2026, 11, 25, 9, tzinfo=UTC)

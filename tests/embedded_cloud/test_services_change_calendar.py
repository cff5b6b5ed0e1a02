from datetime import timedelta
from typing import Any

import pytest

from muster_local import change_calendar
from tests.embedded_cloud.small_world import HOME, NOW, SECURITY_TOOLING, SmallWorld, client, refused

FREEZE = "arn:aws:ssm:eu-west-1:222222222222:document/freeze"


@pytest.fixture
def ssm(cloud: SmallWorld) -> Any:
    """Systems Manager, with an open calendar and a closed one."""
    cloud.world.calendars.update({"changes": "OPEN", "freeze": "CLOSED"})
    return client("ssm", SECURITY_TOOLING, HOME)


def answer(ssm: Any, *names: str, **more: str) -> dict[str, str]:
    return {
        key: value
        for key, value in ssm.get_calendar_state(CalendarNames=list(names), **more).items()
        if key != "ResponseMetadata"
    }


def test_a_calendar_is_what_the_world_says_now(ssm: Any) -> None:
    assert answer(ssm, "changes") == {"State": "OPEN", "AtTime": "2026-11-24T09:00:00Z"}
    assert answer(ssm, FREEZE)["State"] == "CLOSED"


def test_all_calendars_have_to_be_open(ssm: Any) -> None:
    assert answer(ssm, "changes", "freeze")["State"] == "CLOSED"


def test_a_calendar_changes_when_its_time_has_come(cloud: SmallWorld, ssm: Any) -> None:
    cloud.world.calendar_changes["changes"] = NOW + timedelta(hours=1)
    assert answer(ssm, "changes") == {
        "State": "OPEN", "AtTime": "2026-11-24T09:00:00Z", "NextTransitionTime": "2026-11-24T10:00:00Z"
    }  # fmt: skip
    cloud.advance(minutes=60)
    assert answer(ssm, "changes") == {"State": "CLOSED", "AtTime": "2026-11-24T10:00:00Z"}


def test_another_time_can_be_asked_for(cloud: SmallWorld, ssm: Any) -> None:
    cloud.world.calendar_changes["freeze"] = NOW + timedelta(hours=1)
    assert answer(ssm, "freeze", AtTime="2026-11-24T12:00:00+01:00") == {
        "State": "OPEN", "AtTime": "2026-11-24T11:00:00Z"
    }  # fmt: skip
    when = {"CalendarNames": ["freeze"], "AtTime": "tomorrow"}
    assert refused(ssm.get_calendar_state, **when) == ("ValidationException", 400)


def test_a_change_that_leaves_the_whole_closed_is_no_transition(cloud: SmallWorld, ssm: Any) -> None:
    cloud.world.calendar_changes["changes"] = NOW + timedelta(hours=1)
    assert "NextTransitionTime" not in answer(ssm, "changes", "freeze")


def test_what_is_no_calendar_is_refused_by_what_it_is(cloud: SmallWorld, ssm: Any) -> None:
    ssm.create_document(Name="runbook", DocumentType="Command", Content='{"schemaVersion": "2.2", "mainSteps": []}')
    cloud.world.calendars["odd"] = "MAYBE"
    codes = {
        name: refused(ssm.get_calendar_state, CalendarNames=["changes", name])[0]
        for name in ("nowhere", "runbook", "odd")
    }
    assert codes == {
        "nowhere": "InvalidDocument",
        "runbook": "InvalidDocumentType",
        "odd": "UnsupportedCalendarException",
    }


def test_moto_has_no_calendars_of_its_own() -> None:
    assert change_calendar.unpatched_get_calendar_state is None

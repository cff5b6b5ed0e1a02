"""The full list of instances counts for a day, as long as no operation can have changed it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from muster.domain.desired import DesiredStackSet
from muster.domain.kept_instances import (
    FEW,
    FILTERS,
    KEPT,
    KeptInstances,
    kept_from_document,
    kept_to_document,
    newest_change,
)
from muster.domain.stack_sets import StackInstance, StackSetOperation

AT = datetime(2026, 3, 9, 9, 0, tzinfo=UTC)
WHERE = DesiredStackSet()
OPERATIONS = (
    StackSetOperation("drift", "DETECT_DRIFT", "RUNNING"),
    StackSetOperation("second", "UPDATE", "SUCCEEDED"),
    StackSetOperation("first", "CREATE", "SUCCEEDED"),
)
MANY = tuple(
    StackInstance(f"{each:012}", "us-east-1", "CURRENT", "SUCCEEDED", "", f"stack-{each}", "IN_SYNC")
    for each in range(FEW + 1)
)
LIST = KeptInstances(WHERE.name, WHERE.region, AT, "second", MANY)


def test_list_holds_until_an_operation_changes_instances() -> None:
    assert LIST.holds(WHERE, OPERATIONS, AT)
    later = (StackSetOperation("third", "DELETE", "SUCCEEDED"), *OPERATIONS)
    assert not LIST.holds(WHERE, later, AT)


@pytest.mark.parametrize(
    ("kept", "at"),
    [
        (replace(LIST, name="other"), AT),
        (replace(LIST, region="eu-west-1"), AT),
        (LIST, AT + KEPT),
        (LIST, AT - timedelta(seconds=1)),
        (replace(LIST, instances=MANY[:FEW]), AT),
    ],
)
def test_list_of_another_set_another_day_or_a_few_does_not_hold(kept: KeptInstances, at: datetime) -> None:
    assert not kept.holds(WHERE, OPERATIONS, at)


def test_unusual_instances_take_the_place_of_what_was_listed_and_other_drift_is_over() -> None:
    before = (replace(MANY[0], drift="DRIFTED"), replace(MANY[1], drift=None), MANY[2])
    drifted = replace(MANY[2], drift="DRIFTED")
    found = replace(LIST, instances=before).overlaid([drifted])
    assert found == (replace(MANY[0], drift=None), replace(MANY[1], drift=None), drifted)


def test_newest_operation_that_changes_instances_is_that_of_the_list() -> None:
    assert newest_change(OPERATIONS) == "second"
    assert newest_change(OPERATIONS[:1]) is None


def test_filters_are_everything_but_good_and_on_its_way() -> None:
    assert dict(FILTERS)["DRIFT_STATUS"] == "DRIFTED"
    assert {value for name, value in FILTERS if name == "DETAILED_STATUS"} == {
        "FAILED", "CANCELLED", "INOPERABLE", "SKIPPED_SUSPENDED_ACCOUNT", "FAILED_IMPORT"
    }  # fmt: skip


def test_list_survives_its_document() -> None:
    few = replace(LIST, instances=MANY[:2])
    assert kept_from_document(kept_to_document(few)) == few
    assert kept_from_document(None) is None
    assert kept_from_document({"schema": 2}) is None

from typing import Any

import pytest

from muster_local import stack_set_events
from muster_local.ticking import tick
from tests.embedded_cloud.event_world import bodies, queue, rule
from tests.embedded_cloud.small_world import HOME, MANAGEMENT, SECURITY, SmallWorld
from tests.embedded_cloud.stack_set_world import NAME, StackSets, instances


@pytest.fixture
def heard(cloud: SmallWorld) -> str:
    """The queue of somebody who listens in the management account."""
    arn = queue("all", MANAGEMENT)
    rule(arn, pattern={"source": ["aws.cloudformation"]}, place=(MANAGEMENT, HOME))
    tick(cloud.world)
    return arn


def told(cloud: SmallWorld, heard: str) -> list[tuple[str, Any]]:
    tick(cloud.world)
    kinds = {"Status Change": "set", "Operation Status Change": "operation", "StackInstance Status Change": "instance"}
    return [
        (kinds[event["detail-type"].removeprefix("CloudFormation StackSet ")], event["detail"])
        for event in bodies(heard)
    ]


def statuses(events: list[tuple[str, Any]]) -> list[tuple[str, str]]:
    return [(kind, detail["status-details"]["status"]) for kind, detail in events]


def test_a_set_its_operations_and_instances_are_told_of(cloud: SmallWorld, stack_sets: StackSets, heard: str) -> None:
    stack_sets.create()
    assert statuses(told(cloud, heard)) == [("set", "ACTIVE")]
    operation = stack_sets.deploy(SECURITY)
    found = told(cloud, heard)
    assert statuses(found) == [("operation", "RUNNING")]
    assert found[0][1]["stack-set-operation-id"] == operation
    assert found[0][1]["stack-set-arn"].startswith(f"arn:aws:cloudformation:{HOME}:{MANAGEMENT}:stackset/{NAME}:")
    assert stack_set_events.next_due(cloud.world) is not None
    cloud.advance(seconds=40)
    found = told(cloud, heard)
    assert sorted(statuses(found)) == [("instance", "CURRENT")] * 2 + [("operation", "SUCCEEDED")]
    assert {detail["action"] for kind, detail in found if kind == "instance"} == {"CREATE"}
    assert told(cloud, heard) == []
    assert stack_set_events.next_due(cloud.world) is None


def test_instances_and_sets_that_are_deleted_are_told_of(cloud: SmallWorld, stack_sets: StackSets, heard: str) -> None:
    stack_sets.deployed(SECURITY)
    told(cloud, heard)
    stack_sets.api().delete_stack_instances(**instances(SECURITY), RetainStacks=False)
    cloud.advance(seconds=40)
    found = told(cloud, heard)
    gone = [detail for kind, detail in found if kind == "instance"]
    assert {(one["action"], one["status-details"]["detailed-status"]) for one in gone} == {("DELETE", "SUCCEEDED")}
    assert len(gone) == 2
    stack_sets.api().delete_stack_set(StackSetName=NAME)
    assert statuses(told(cloud, heard)) == [("set", "DELETED")]


def test_whoever_begins_to_listen_hears_nothing_of_what_there_is(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.deployed(SECURITY)
    tick(cloud.world)
    assert cloud.world.traffic.stack_sets is None
    arn = queue("all", MANAGEMENT)
    rule(arn, place=(MANAGEMENT, HOME))
    assert told(cloud, arn) == []

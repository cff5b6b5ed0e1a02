"""Events of StackSets: the status of sets, of operations and of instances, as far as somebody listens.

They are told when the cloud looks, which is whenever the clock has come to something: of several changes within one
jump only the last is told.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from muster_local import stack_sets_engine
from muster_local.event_buses import emit, is_listening
from muster_local.simulation import World
from muster_local.stack_sets_model import StackSet

type Told = dict[tuple[str, ...], Mapping[str, Any]]


def tell(world: World) -> None:
    """Tell what has changed since the last look; the first look of somebody who listens tells nothing."""
    if not is_listening():
        world.traffic.stack_sets = None
        return
    with world.lock:
        stack_sets_engine.settle(world)
        before = world.traffic.stack_sets
        now = {key: detail for one in world.stack_sets for key, detail in _told(one)}
        world.traffic.stack_sets = now
        places = {one.arn: (one.account, one.region) for one in world.stack_sets}
    if before is None:
        return
    gone = {key: _deleted(detail) for key, detail in before.items() if key not in now}
    for key, detail in {**gone, **now}.items():
        if before.get(key) != detail:
            account, region = places[key[1]]
            emit(
                world,
                account=account,
                region=region,
                source="aws.cloudformation",
                detail_type=f"CloudFormation StackSet {key[0]}",
                detail=detail,
                resources=[key[1]],
            )


def next_due(world: World) -> datetime | None:
    """Return when an operation goes on, or None when none does or nobody listens."""
    if not is_listening():
        return None
    operations = (operation for one in world.stack_sets for operation in one.operations if operation.is_unfinished)
    return min((operation.wave_ends_at for operation in operations if operation.wave_ends_at), default=None)


def _told(stack_set: StackSet) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    arn = {"stack-set-arn": stack_set.arn}
    yield ("Status Change", stack_set.arn), {**arn, "status-details": {"status": stack_set.status}}
    actions = {operation.id: operation.action for operation in stack_set.operations}
    for operation in stack_set.operations:
        detail = {**arn, "stack-set-operation-id": operation.id, "status-details": {"status": operation.status}}
        yield ("Operation Status Change", stack_set.arn, operation.id), detail
    for (account, region), instance in stack_set.instances.items():
        if instance.stack_id is not None:
            yield (
                ("StackInstance Status Change", stack_set.arn, account, region),
                {
                    **arn,
                    "stack-id": instance.stack_id,
                    "action": actions.get(str(instance.last_operation_id), "UPDATE"),
                    "status-details": {
                        "status": instance.status,
                        "status-reason": instance.reason or "",
                        "detailed-status": instance.detailed_status,
                    },
                },
            )


def _deleted(detail: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the last event of an instance that is gone."""
    return {
        **detail,
        "action": "DELETE",
        "status-details": {**detail["status-details"], "detailed-status": "SUCCEEDED"},
    }

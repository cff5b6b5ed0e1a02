"""StackSets at work: operations go on by the world's clock, and are caught up with whenever somebody looks.

An operation takes ``delays.stack_set_operation``, divided among its waves of concurrent accounts. More failures in a
Region than tolerated end it: what has not started is cancelled (API reference, StackSetOperationPreferences).
"""

import uuid
from datetime import datetime

from muster_local import stack_sets_stacks
from muster_local.organization_tree import Position
from muster_local.simulation import World
from muster_local.stack_sets_model import Instance, Operation, Place, StackSet, Target
from muster_local.stack_sets_stacks import StackFailedError

PAST_TOLERANCE = "Cancelled since failure tolerance has exceeded"
STOPPED_BY_USER = "Cancelled since the operation was stopped"


def settle(world: World) -> None:
    """Let every set do what it has had time for: accounts that came or went, and operations that are under way."""
    now = world.clock.now()
    for stack_set in world.stack_sets:
        if stack_set.status == "ACTIVE":
            _follow_the_organization(world, stack_set)
            _go_on(world, stack_set, now)


def every_instance(stack_set: StackSet) -> list[Target]:
    """Return a target for each instance of a set."""
    return [Target(one.account, one.region, one.unit_id) for one in stack_set.instances.values()]


def new_id(stack_set: StackSet) -> str:
    """Return an operation's id that the same history always gives."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{stack_set.arn}/{len(stack_set.operations)}"))


def stop(stack_set: StackSet, operation: Operation, now: datetime) -> None:
    """Cancel what has not started; what has goes on to its end."""
    _cancel(stack_set, operation, list(operation.pending()), STOPPED_BY_USER)
    if operation.status == "QUEUED":
        operation.status, operation.ended_at = "STOPPED", now
    else:
        operation.status = "STOPPING"


# --- operations ---


def _go_on(world: World, stack_set: StackSet, now: datetime) -> None:
    while (operation := stack_set.unfinished()) is not None:
        if operation.status == "QUEUED":
            ends = [one.ended_at for one in stack_set.operations if one.started_at and one.ended_at]
            _begin(world, stack_set, operation, max([operation.requested_at, *ends]))
        if operation.wave_ends_at is None or operation.wave_ends_at > now:
            return
        _end_wave(world, stack_set, operation, operation.wave_ends_at)


def _begin(world: World, stack_set: StackSet, operation: Operation, moment: datetime) -> None:
    operation.status, operation.started_at = "RUNNING", moment
    if operation.is_detection:  # whatever instances there are when its turn has come
        operation.targets = every_instance(stack_set)
    operation.wave_time = world.delays.stack_set_operation // operation.waves()
    for target in operation.targets:
        instance = stack_set.instances.get((target.account, target.region))
        if operation.is_detection:
            # An example in the user guide shows the detection as the last operation of the instances.
            stack_set.instances[target.account, target.region].last_operation_id = operation.id
            continue
        if instance is None:
            if operation.action == "DELETE":
                continue
            instance = Instance(target.account, target.region, target.unit_id)
            stack_set.instances[target.account, target.region] = instance
        if operation.action != "DELETE":
            if instance.status != "INOPERABLE":
                instance.status = "OUTDATED"
            instance.unit_id = target.unit_id
            if operation.overrides is not None:
                instance.override(operation.overrides)
        instance.detailed_status, instance.reason = "PENDING", None
        instance.last_operation_id = operation.id
    _begin_wave(stack_set, operation, moment)


def _begin_wave(stack_set: StackSet, operation: Operation, moment: datetime) -> None:
    for target in operation.next_wave():
        target.status = "RUNNING"
        if operation.is_detection:
            continue
        if (instance := stack_set.instances.get((target.account, target.region))) is not None:
            instance.detailed_status = "RUNNING"
    operation.wave_ends_at = moment + operation.wave_time


def _end_wave(world: World, stack_set: StackSet, operation: Operation, moment: datetime) -> None:
    for target in operation.targets:
        if target.status == "RUNNING":
            if operation.is_detection:
                _look_for_drift(world, stack_set, target, moment)
            else:
                _work(world, stack_set, operation, target)
    past_tolerance = [region for region in operation.regions() if operation.exceeds_tolerance(region)]
    if past_tolerance:
        cancelled = [
            target
            for target in operation.pending()
            if target.region in past_tolerance or not operation.preferences.is_parallel
        ]
        _cancel(stack_set, operation, cancelled, PAST_TOLERANCE)
    if next(operation.pending(), None) is not None:
        _begin_wave(stack_set, operation, moment)
        return
    operation.ended_at = moment
    if operation.status == "STOPPING":
        operation.status = "STOPPED"
    else:
        operation.status = "FAILED" if past_tolerance else "SUCCEEDED"


def _cancel(stack_set: StackSet, operation: Operation, targets: list[Target], reason: str) -> None:
    for target in targets:
        target.status, target.reason = "CANCELLED", reason
        instance = stack_set.instances.get((target.account, target.region))
        if instance is not None and instance.last_operation_id == operation.id and not operation.is_detection:
            instance.detailed_status, instance.reason = "CANCELLED", reason


# --- one account and Region ---


def _work(world: World, stack_set: StackSet, operation: Operation, target: Target) -> None:
    place = (target.account, target.region)
    instance = stack_set.instances.get(place)
    if instance is None:
        target.status = "SUCCEEDED"
        return
    position = world.tree.position(target.account)
    if operation.action != "DELETE" and position is not None and position.state != "ACTIVE":
        reason = f"Account {target.account} is not active"
        target.status, target.reason = world.switches.get("skipped_account_result"), reason
        instance.detailed_status, instance.reason = "SKIPPED_SUSPENDED_ACCOUNT", reason
        return
    try:
        if operation.action == "DELETE":
            if not operation.retain_stacks:
                _delete_stack(world, instance)
            del stack_set.instances[place]
        else:
            _deploy_stack(world, stack_set, instance, position)
    except StackFailedError as error:
        if operation.action == "DELETE":
            instance.status = "INOPERABLE"
        instance.detailed_status = "INOPERABLE" if operation.action == "DELETE" else "FAILED"
        instance.reason = str(error)
        target.status, target.reason = "FAILED", str(error)
        return
    target.status = "SUCCEEDED"
    instance.status, instance.detailed_status, instance.reason = "CURRENT", "SUCCEEDED", None


def _look_for_drift(world: World, stack_set: StackSet, target: Target, moment: datetime) -> None:
    """Say of an instance whether it has drifted, and change nothing else of it."""
    instance = stack_set.instances[target.account, target.region]
    instance.drift_status = "NOT_CHECKED"
    position = world.tree.position(target.account)
    if position is not None and position.state != "ACTIVE":
        target.status = world.switches.get("skipped_account_result")
        target.reason = f"Account {target.account} is not active"
        return
    try:
        instance.drift_status = _drift_status(world, instance, position)
    except StackFailedError as error:
        target.status, target.reason = "FAILED", str(error)
        return
    target.status, target.drift_status = "SUCCEEDED", instance.drift_status
    instance.drift_checked_at = target.drift_checked_at = moment


def _drift_status(world: World, instance: Instance, position: Position | None) -> str:
    if position is None:
        raise StackFailedError(f"Account {instance.account} is not part of the organization")
    _meet_obstacles(world, instance, "DetectStackDrift")
    if instance.stack_id is None:
        raise StackFailedError("The stack instance has no stack")
    has_drifted = stack_sets_stacks.has_drifted(instance.account, instance.region, instance.stack_id)
    return "DRIFTED" if has_drifted else "IN_SYNC"


def _deploy_stack(world: World, stack_set: StackSet, instance: Instance, position: Position | None) -> None:
    if position is None:
        raise StackFailedError(f"Account {instance.account} is not part of the organization")
    _meet_obstacles(world, instance, "CreateStack" if instance.stack_id is None else "UpdateStack")
    values = {**stack_set.parameters, **instance.overrides}
    if instance.stack_id is None:
        name = f"StackSet-{stack_set.name}-{uuid.uuid5(uuid.NAMESPACE_OID, f'{stack_set.arn}/{instance.account}')}"
        instance.stack_id = stack_sets_stacks.create(
            instance.account, instance.region, name, stack_set.template, values
        )
    else:
        stack_sets_stacks.update(instance.account, instance.region, instance.stack_id, stack_set.template, values)


def _delete_stack(world: World, instance: Instance) -> None:
    if instance.stack_id is not None:
        _meet_obstacles(world, instance, "DeleteStack")
        stack_sets_stacks.delete(instance.account, instance.region, instance.stack_id)


def _meet_obstacles(world: World, instance: Instance, action: str) -> None:
    account, region = instance.account, instance.region
    if not world.is_region_enabled(account, region):
        raise StackFailedError(f"Account {account} has not enabled the Region {region}")
    if region in world.denied_regions:
        raise StackFailedError(
            f"User: arn:aws:sts::{account}:assumed-role/stacksets-exec-embedded/embedded is not authorized to perform: "
            f"cloudformation:{action} on resource: arn:aws:cloudformation:{region}:{account}:stack/* "
            "with an explicit deny in a service control policy"
        )
    if (reason := world.stack_set_failures.get(account)) is not None:
        raise StackFailedError(reason)


# --- automatic deployment ---


def _follow_the_organization(world: World, stack_set: StackSet) -> None:
    """Queue an operation for each account that has come into the targets or gone out of them since the last look.

    Automatic operations have no preferences and ignore account filters; what runs already makes them wait.
    """
    if not stack_set.auto_deployment.get("Enabled") or not world.stack_sets_access:
        stack_set.seen = None
        return
    seen, stack_set.seen = stack_set.seen, {account: _parent(world, account) for account in world.tree.positions}
    if seen is None:
        return
    for account, parent in stack_set.seen.items():
        before = seen.get(account)
        if parent != before and account != world.tree.management_account_id:
            for region, units in stack_set.units.items():
                was, now = _unit_of(world, units, before), _unit_of(world, units, parent)
                _follow(world, stack_set, (account, region), was, now)


def _follow(world: World, stack_set: StackSet, place: Place, was: str | None, now: str | None) -> None:
    """Do what follows from an account's move from below one target, or none, to below another, or none."""
    instance = stack_set.instances.get(place)
    if now is None and was is not None and (instance is not None or _is_awaited(stack_set, place)):
        _queue(world, stack_set, "DELETE", Target(*place, was))
    elif now is not None and was is None:
        _queue(world, stack_set, "CREATE", Target(*place, now))
    elif now is not None and instance is not None:
        instance.unit_id = now


def _is_awaited(stack_set: StackSet, place: Place) -> bool:
    """Whether an operation that has not ended will make an instance there."""
    return any(
        (target.account, target.region) == place
        for operation in stack_set.operations
        if operation.is_unfinished
        for target in operation.targets
    )


def _parent(world: World, account: str) -> str | None:
    position = world.tree.position(account)
    return None if position is None else position.parent_id


def _unit_of(world: World, units: list[str], parent: str | None) -> str | None:
    """Return the target that is nearest to a parent of accounts, itself included."""
    nearest = [unit for unit in world.tree.path_to(parent) if unit in units] if parent is not None else []
    return nearest[-1] if nearest else None


def _moved_at(world: World, account: str) -> datetime:
    """Return since when the account has been where it is."""
    now, parent = world.clock.now(), _parent(world, account)
    moment = now
    for position in reversed([one for one in world.tree.positions[account] if one.since <= now]):
        if position.parent_id != parent:
            break
        moment = position.since
    return moment


def _queue(world: World, stack_set: StackSet, action: str, target: Target) -> None:
    retain = bool(stack_set.auto_deployment.get("RetainStacksOnAccountRemoval"))
    moment = _moved_at(world, target.account)
    stack_set.operations.append(Operation(new_id(stack_set), action, moment, [target], retain_stacks=retain))

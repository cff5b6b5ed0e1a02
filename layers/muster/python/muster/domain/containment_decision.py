"""Which writes bring the containment roles where they lack, in their order, and what is left to people."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from muster.domain.containment import Inventory, Member, Observation
from muster.domain.containment_handoffs import (
    find_obstacle,
    left_to_people,
    name_one_of_the_organization,
    name_the_other,
    replace_instances,
)
from muster.domain.containment_roles import DefectKind
from muster.domain.containment_writes import (
    MAX_FILTERED,
    ActivateAccess,
    CreateInstances,
    CreateStackSet,
    RedriveInstances,
    RepairRoles,
    UpdateStackSet,
    Write,
    command_for,
    describe,
    hand_over,
)
from muster.domain.desired import ContainmentRoles, DesiredContainment, DesiredState, ExistingRoles
from muster.domain.observed import Known, Observed, Unknown
from muster.domain.outcomes import Handoff, Notice
from muster.domain.readings import Reading, digest_defects
from muster.domain.stack_sets import (
    Accounts,
    InstanceStatus,
    StackSet,
    digest,
    find_going_on,
    instances_by_account,
    operation_id,
)


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done, one write at a time in this order, or to wait, or neither; and what is left to people."""

    rest: tuple[Write, ...] = ()
    waiting_for: str | None = None
    handoffs: tuple[Handoff, ...] = ()
    notices: tuple[Notice, ...] = ()


def targeted_accounts(wanted: DesiredContainment, inventory: Inventory) -> tuple[Member, ...]:
    """Return the members that are to have the roles: all of them, or those below the canary unit."""
    canary = wanted.canary_unit
    return tuple(each for each in inventory.members if canary is None or canary in (each.ancestors or ()))


def decide(
    desired: DesiredState,
    inventory: Inventory,
    seen: Observation,
    readings: Mapping[str, Reading],
    *,
    run: str,
    template: str,
    not_read: str,
) -> Decision:
    """Return the writes, each once a run; nothing that replaces or deletes is among them.

    ``readings`` are those of the roles that still count; why an account may have none is ``not_read``.
    """
    wanted = desired.containment
    if operation := find_going_on(seen.operations):
        return Decision(waiting_for=f"operation {operation.id} ({operation.action}) of {wanted.stack_set.name}")
    target = wanted.canary_unit or inventory.root_id
    if target is None:
        return Decision(notices=(_ROOT_IS_UNKNOWN,))
    if seen.stack_set is None and seen.others:
        return Decision(handoffs=(name_the_other(wanted, seen.others),))
    by_hand = {
        each.id: readings[each.id].has_roles if each.id in readings else Unknown(not_read)
        for each in _without_instance(wanted, inventory, seen)
    }
    repair, beyond = _damaged(wanted, inventory, seen, readings)
    failed = _failed(wanted, inventory, seen, frozenset(beyond))
    writes = _needed_writes(wanted, inventory, seen, by_hand, target=target, failed=failed)
    if wanted.roles is not ContainmentRoles.MANAGED:
        needed = any(each.id not in readings or not readings[each.id].is_good for each in inventory.members)
        return _verify(wanted, seen, writes, template) if needed or seen.stack_set else Decision()
    if seen.stack_set and not seen.stack_set.is_service_managed:
        return Decision(handoffs=(name_one_of_the_organization(wanted.stack_set),))
    is_ours = seen.stack_set is not None and _is_ours(seen.stack_set, template)
    handoffs, notices = _left(wanted, seen.stack_set, template)
    if seen.stack_set and wanted.existing is ExistingRoles.STOP and not is_ours:
        # Whatever it deploys, it is not what this version knows: nobody else gets it without a person.
        writes = ()
    if seen.stack_set and is_ours:
        # An update of the whole StackSet may repair them as well: the next look tells.
        writes += () if any(isinstance(each, UpdateStackSet) for each in writes) else _repair(target, repair)
        handoffs += replace_instances(wanted.stack_set, target, beyond)
    if any(isinstance(write, CreateInstances) for write in writes):
        obstacle = find_obstacle(wanted, by_hand)
        handoffs += obstacle
        spared = UpdateStackSet | RedriveInstances | RepairRoles
        writes = tuple(each for each in writes if not obstacle or isinstance(each, spared))
    made = {operation.id for operation in seen.operations}
    rest = tuple(write for write in writes if operation_id(run, write.purpose) not in made)
    return Decision(rest=rest, handoffs=handoffs, notices=notices)


_ROOT_IS_UNKNOWN = Notice(
    "the containment roles were not deployed",
    "the path of no account could be read, so the root of the organization is unknown; run again",
)


def _verify(wanted: DesiredContainment, seen: Observation, writes: tuple[Write, ...], template: str) -> Decision:
    if seen.stack_set is None:
        why = (
            f"there is no StackSet {wanted.stack_set.name} in {wanted.stack_set.region}, and containment.roles is "
            f"{wanted.roles}; where roles of these names were made by hand, the instance of that account fails"
        )
        return Decision(handoffs=(hand_over(writes, wanted.stack_set, why),))
    if not seen.stack_set.is_service_managed:
        other = name_one_of_the_organization(wanted.stack_set)
        return Decision(notices=(Notice(other.what, other.why, needs_person=True),))
    handoffs, left = _left(wanted, seen.stack_set, template)
    notices = [Notice(each.what, f"{each.why}: {each.command}", needs_person=True) for each in handoffs]
    notices += [
        Notice(
            f"to do about the containment roles: {describe(write, wanted.stack_set)}",
            command_for(write, wanted.stack_set),
            needs_person=True,
        )
        for write in writes
        if isinstance(write, ActivateAccess | UpdateStackSet)
    ]
    return Decision(notices=(*left, *notices))


def _left(
    wanted: DesiredContainment, stack_set: StackSet | None, template: str
) -> tuple[tuple[Handoff, ...], tuple[Notice, ...]]:
    return ((), ()) if stack_set is None else left_to_people(wanted, stack_set, is_ours=_is_ours(stack_set, template))


def _needed_writes(
    wanted: DesiredContainment,
    inventory: Inventory,
    seen: Observation,
    by_hand: Mapping[str, Observed[bool]],
    *,
    target: str,
    failed: tuple[str, ...],
) -> tuple[Write, ...]:
    """Return every write that lies between what is there and what is asked for, in order."""
    stack_set = seen.stack_set
    writes: list[Write] = [] if seen.access else [ActivateAccess()]
    without = sorted(by_hand)
    adopts = wanted.existing is ExistingRoles.ADOPT
    adopted = tuple(each for each in without if adopts and by_hand[each] == Known(value=True))
    if stack_set is None:
        return (*writes, CreateStackSet(wanted.ec2_triage), CreateInstances("instances", target, Accounts((), adopted)))
    triage = wanted.ec2_triage and not stack_set.has_ec2_triage and stack_set.can_switch_ec2_triage
    if triage or not stack_set.auto_deployment:
        writes.append(UpdateStackSet(stack_set, not stack_set.auto_deployment, triage))
    missing = tuple(each for each in without if each not in adopted)
    if not _is_targeted(target, inventory, stack_set):
        writes.append(CreateInstances("instances", target, Accounts((), adopted)))
    elif missing:
        few = len(missing) <= MAX_FILTERED
        writes.append(CreateInstances("missing", target, Accounts(missing) if few else Accounts((), adopted)))
    if failed:
        writes.append(RedriveInstances(target, Accounts(failed) if len(failed) <= MAX_FILTERED else Accounts()))
    # Access alone is of use to nobody.
    return tuple(writes) if len(writes) > 1 or seen.access else ()


def _is_targeted(target: str, inventory: Inventory, stack_set: StackSet) -> bool:
    """Tell whether a target, or a unit or root above it, is among those of the StackSet."""
    above = {
        unit
        for member in (*inventory.members, *inventory.inactive)
        if member.ancestors and target in member.ancestors
        for unit in member.ancestors[: member.ancestors.index(target) + 1]
    }
    return not stack_set.targets.isdisjoint({target, *above})


def _without_instance(wanted: DesiredContainment, inventory: Inventory, seen: Observation) -> tuple[Member, ...]:
    there = {each.account_id for each in seen.instances}
    return tuple(each for each in targeted_accounts(wanted, inventory) if each.id not in there)


def _damaged(
    wanted: DesiredContainment, inventory: Inventory, seen: Observation, readings: Mapping[str, Reading]
) -> tuple[dict[str, Reading], tuple[str, ...]]:
    """Return the accounts with a stack whose roles an update may repair, and those that it cannot, or did not."""
    instances = instances_by_account(seen.instances, wanted.stack_set.region)
    can_repair = seen.stack_set is not None and seen.stack_set.can_repair
    repair, beyond = {}, []
    for each in targeted_accounts(wanted, inventory):
        instance, reading = instances.get(each.id), readings.get(each.id)
        if instance is None or reading is None:
            continue
        is_written = any(defect.kind.is_written_by_template for defect in reading.defects)
        if any(defect.kind is DefectKind.ROLE_MISSING for defect in reading.defects):
            # Without a stack it has never been deployed; with one somebody has deleted it.
            beyond += [each.id] * (instance.stack_id is not None)
        elif is_written and can_repair and reading.tried != digest_defects(reading.defects):
            repair[each.id] = reading
        elif is_written:
            beyond.append(each.id)
    return repair, tuple(beyond)


def _repair(target: str, damaged: Mapping[str, Reading]) -> tuple[Write, ...]:
    """Return the write that repairs the first so many; the next run goes on with the others."""
    some = sorted(damaged)[:MAX_FILTERED]
    if not some:
        return ()
    what = digest_defects(defect for each in some for defect in damaged[each].defects)
    return (RepairRoles(target, Accounts(only=tuple(some)), what),)


def _failed(
    wanted: DesiredContainment, inventory: Inventory, seen: Observation, beyond: AbstractSet[str]
) -> tuple[str, ...]:
    """Return the accounts whose instance another operation may repair; an inoperable one is excluded from all."""
    instances = instances_by_account(seen.instances, wanted.stack_set.region)
    return tuple(
        sorted(
            each.id
            for each in targeted_accounts(wanted, inventory)
            if each.id in instances and instances[each.id].status == InstanceStatus.OUTDATED and each.id not in beyond
        )
    )


def _is_ours(stack_set: StackSet, template: str) -> bool:
    return digest(stack_set.template) == digest(template)

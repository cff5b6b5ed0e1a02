"""The next write that brings the containment roles where they lack: one at a time, and nothing that takes any away."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from muster.domain import stack_set_commands as commands
from muster.domain.containment import ByHand, Inventory, Member, Observation, count_accounts
from muster.domain.desired import (
    ContainmentRoles,
    DesiredContainment,
    DesiredStackSet,
    DesiredState,
    ExistingRoles,
)
from muster.domain.observed import Known, Unknown
from muster.domain.outcomes import Handoff, HandoffTo, Notice
from muster.domain.remediation import NOBODY, Concern, Remediation, RemediationKind, Step, digest_accounts
from muster.domain.stack_sets import (
    Accounts,
    InstanceStatus,
    StackSet,
    digest,
    find_going_on,
    instances_by_account,
    operation_id,
)

MAX_NAMED = 50
"""How many accounts a handoff names; the document of the run has them all."""

MAX_FILTERED = 500
"""How many accounts an operation names: past it all below the target are meant, which changes nothing in the others,
and keeps a command and the state of a run small."""


@dataclass(frozen=True, slots=True)
class ActivateAccess:
    """Let StackSets work in the organization."""

    purpose = "access"


@dataclass(frozen=True, slots=True)
class CreateStackSet:
    """Create the StackSet; it deploys nothing yet."""

    purpose = "stack-set"
    ec2_triage: bool


@dataclass(frozen=True, slots=True)
class UpdateStackSet:
    """Switch on automatic deployment, and EC2 triage where ``ec2_triage``; nothing else of the StackSet changes."""

    purpose = "update"
    stack_set: StackSet
    auto_deployment: bool
    ec2_triage: bool

    @property
    def parameter(self) -> bool | None:
        """The value of the EC2 triage parameter afterwards; None where there is no such parameter."""
        return self.ec2_triage or self.stack_set.has_ec2_triage if self.stack_set.can_switch_ec2_triage else None


@dataclass(frozen=True, slots=True)
class CreateInstances:
    """Deploy to accounts below the root or a unit. ``purpose`` tells the first deployment from later gaps."""

    purpose: str
    target: str
    accounts: Accounts


@dataclass(frozen=True, slots=True)
class RedriveInstances:
    """Try once more where an instance failed: CloudFormation does not by itself."""

    purpose = "again"
    target: str
    accounts: Accounts


type Write = ActivateAccess | CreateStackSet | UpdateStackSet | CreateInstances | RedriveInstances


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done, one write at a time in this order, or to wait, or neither; and what is left to people."""

    rest: tuple[Write, ...] = ()
    waiting_for: str | None = None
    handoffs: tuple[Handoff, ...] = ()
    notices: tuple[Notice, ...] = ()


def accounts_to_look_at(desired: DesiredState, inventory: Inventory, seen: Observation) -> tuple[str, ...]:
    """Return the accounts in which roles made by hand have to be looked for, in order: those without an instance.

    None as long as no instance would be created whatever is found there.
    """
    wanted = desired.containment
    undecided = seen.stack_set is None and (wanted.roles is not ContainmentRoles.MANAGED or bool(seen.others))
    if undecided or find_going_on(seen.operations):
        return ()
    return tuple(sorted(each.id for each in _without_instance(wanted, inventory, seen)))


def decide(
    desired: DesiredState, inventory: Inventory, seen: Observation, by_hand: ByHand, *, run: str, template: str
) -> Decision:
    """Return the writes, each once a run; nothing that replaces or deletes is among them."""
    wanted = desired.containment
    if operation := find_going_on(seen.operations):
        return Decision(waiting_for=f"operation {operation.id} ({operation.action}) of {wanted.stack_set.name}")
    target = wanted.canary_unit or inventory.root_id
    if target is None:
        return Decision(notices=(_ROOT_IS_UNKNOWN,))
    if seen.stack_set is None and seen.others:
        return Decision(handoffs=(_name_the_other(wanted, seen.others),))
    writes = _needed_writes(wanted, inventory, seen, by_hand, target)
    if wanted.roles is not ContainmentRoles.MANAGED:
        return _verify(wanted, seen, writes, template)
    if seen.stack_set and not seen.stack_set.is_service_managed:
        return Decision(handoffs=(_name_one_of_the_organization(wanted.stack_set),))
    left = _left_to_people(wanted, seen.stack_set, template)
    handoffs = list(left.handoffs)
    if seen.stack_set and wanted.existing is ExistingRoles.STOP and not _is_ours(seen.stack_set, template):
        # Whatever it deploys, it is not what this version knows: nobody else gets it without a person.
        writes = ()
    if any(isinstance(write, CreateInstances) for write in writes):
        obstacle = _find_obstacle(wanted, inventory, seen, by_hand)
        handoffs += obstacle
        writes = tuple(each for each in writes if not obstacle or isinstance(each, UpdateStackSet | RedriveInstances))
    made = {operation.id for operation in seen.operations}
    rest = tuple(write for write in writes if operation_id(run, write.purpose) not in made)
    return Decision(rest=rest, handoffs=tuple(handoffs), notices=left.notices)


def describe(write: Write, where: DesiredStackSet) -> str:
    """Say in words what a write does."""
    match write:
        case ActivateAccess():
            return "activate trusted access of CloudFormation StackSets"
        case CreateStackSet():
            return f"create StackSet {where.name} in {where.region}"
        case UpdateStackSet(_, auto_deployment, ec2_triage):
            parts = ["automatic deployment"] * auto_deployment + ["EC2 triage"] * ec2_triage
            return f"switch on {' and '.join(parts)} of StackSet {where.name}"
        case CreateInstances(target=target, accounts=accounts):
            whom = count_accounts(len(accounts.only)) if accounts.only else f"every account below {target}"
            but = (
                f" but {count_accounts(len(accounts.leave_out))} whose roles were made by hand"
                if accounts.leave_out
                else ""
            )
            return f"deploy the containment roles to {whom}{but}"
        case RedriveInstances(accounts=accounts):
            whom = count_accounts(len(accounts.only)) if accounts.only else "all the accounts"
            return f"deploy the containment roles again to {whom} where it failed"
    assert_never(write)


def plan_write(write: Write, where: DesiredStackSet, *, target: str) -> Remediation:
    """Return a write as a remediation. ``target`` is the root or unit below which the roles are asked for."""
    before, after, concern = _ground(write, target)
    return Remediation(
        Step.CONTAINMENT,
        RemediationKind.DEPLOY_CONTAINMENT_ROLE,
        f"{write.purpose} of StackSet {where.name} in {where.region}",
        before,
        after,
        describe(write, where),
        "the containment roles are asked for",
        concern=concern,
        place=_ORDER.index(type(write)),
    )


_ORDER: Final = (ActivateAccess, CreateStackSet, UpdateStackSet, CreateInstances, RedriveInstances)


def _ground(write: Write, target: str) -> tuple[str, str, Concern]:
    match write:
        case ActivateAccess():
            return "not enabled", "enabled", NOBODY
        case CreateStackSet(ec2_triage):
            return "there is none", f"it exists, EC2 triage {'on' if ec2_triage else 'off'}", NOBODY
        case UpdateStackSet(found, auto_deployment, ec2_triage):
            before = f"automatic deployment {found.auto_deployment}, EC2 triage {found.has_ec2_triage}"
            after = (
                f"automatic deployment {found.auto_deployment or auto_deployment}, "
                f"EC2 triage {found.has_ec2_triage or ec2_triage}"
            )
            return before, after, Concern(below=(target,)) if ec2_triage else NOBODY
        case CreateInstances(_, below, Accounts(only, leave_out)):
            but = f", but {count_accounts(len(leave_out))} ({digest_accounts(leave_out)})" if leave_out else ""
            whom = f"{count_accounts(len(only))} ({digest_accounts(only)})" if only else f"all below {below}{but}"
            return f"no instance in {whom}", f"an instance in {whom}", Concern(only=only, below=(below,))
        case RedriveInstances(below, Accounts(only)):
            whom = f"{count_accounts(len(only))} ({digest_accounts(only)})" if only else f"some below {below}"
            return f"the last operation failed in {whom}", "deployed again", Concern(only=only, below=(below,))
    assert_never(write)


def command_for(write: Write, where: DesiredStackSet) -> str:
    """Return the command with which a person makes the write."""
    match write:
        case ActivateAccess():
            return commands.activate_access(where.region)
        case CreateStackSet(ec2_triage=ec2_triage):
            return commands.create_stack_set(where, ec2_triage=ec2_triage)
        case UpdateStackSet():
            return commands.update_stack_set(where, auto_deployment=write.auto_deployment, ec2_triage=write.parameter)
        case CreateInstances(target=target, accounts=accounts):
            return commands.create_instances(where, target, accounts)
        case RedriveInstances(target=target, accounts=accounts):
            return commands.update_instances(where, target, accounts)
    assert_never(write)


def hand_over(writes: Sequence[Write], where: DesiredStackSet, why: str) -> Handoff:
    """Leave the writes to the management team, with their commands in order."""
    what = "; ".join(describe(write, where) for write in writes)
    command = "\n".join(command_for(write, where) for write in writes)
    return Handoff(HandoffTo.MANAGEMENT_TEAM, what, why, command)


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
        other = _name_one_of_the_organization(wanted.stack_set)
        return Decision(notices=(Notice(other.what, other.why, needs_person=True),))
    left = _left_to_people(wanted, seen.stack_set, template)
    notices = [Notice(each.what, f"{each.why}: {each.command}", needs_person=True) for each in left.handoffs]
    notices += [
        Notice(
            f"to do about the containment roles: {describe(write, wanted.stack_set)}",
            command_for(write, wanted.stack_set),
            needs_person=True,
        )
        for write in writes
        if isinstance(write, ActivateAccess | UpdateStackSet)
    ]
    return Decision(notices=(*left.notices, *notices))


def _needed_writes(
    wanted: DesiredContainment, inventory: Inventory, seen: Observation, by_hand: ByHand, target: str
) -> tuple[Write, ...]:
    """Return every write that lies between what is there and what is asked for, in order."""
    stack_set = seen.stack_set
    writes: list[Write] = [] if seen.access else [ActivateAccess()]
    without = sorted(each.id for each in _without_instance(wanted, inventory, seen))
    adopts = wanted.existing is ExistingRoles.ADOPT
    adopted = tuple(each for each in without if adopts and by_hand.get(each) == Known(value=True))
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
    if failed := _failed(wanted, inventory, seen):
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


def _targeted(wanted: DesiredContainment, inventory: Inventory) -> list[Member]:
    canary = wanted.canary_unit
    return [each for each in inventory.members if canary is None or canary in (each.ancestors or ())]


def _without_instance(wanted: DesiredContainment, inventory: Inventory, seen: Observation) -> list[Member]:
    there = {each.account_id for each in seen.instances}
    return [each for each in _targeted(wanted, inventory) if each.id not in there]


def _failed(wanted: DesiredContainment, inventory: Inventory, seen: Observation) -> tuple[str, ...]:
    """Return the accounts whose instance another operation may repair; an inoperable one is excluded from all."""
    instances = instances_by_account(seen.instances, wanted.stack_set.region)
    return tuple(
        sorted(
            each.id
            for each in _targeted(wanted, inventory)
            if each.id in instances and instances[each.id].status == InstanceStatus.OUTDATED
        )
    )


def _find_obstacle(
    wanted: DesiredContainment, inventory: Inventory, seen: Observation, by_hand: ByHand
) -> tuple[Handoff, ...]:
    """Return why no instance may be created now: roles made by hand would let some of them fail."""
    without = sorted(each.id for each in _without_instance(wanted, inventory, seen))
    found = tuple(each for each in without if by_hand.get(each) == Known(value=True))
    if found and wanted.existing is ExistingRoles.STOP:
        handoff = Handoff(
            HandoffTo.PERSON,
            f"decide about the containment roles that were made by hand in {count_accounts(len(found))}",
            "an instance fails where a role of its name exists, so nothing was deployed",
            "delete the roles there, or set containment.existing: adopt to leave these accounts out of the StackSet; "
            "then run: muster push FILE && muster onboard",
            found[:MAX_NAMED],
        )
        return (handoff,)
    unread = {each: by_hand.get(each, _NOT_LOOKED_FOR) for each in without}
    why = next((each.why for each in unread.values() if isinstance(each, Unknown)), None)
    if why is None or wanted.canary_unit:
        return ()
    number = sum(isinstance(each, Unknown) for each in unread.values())
    handoff = Handoff(
        HandoffTo.MANAGEMENT_TEAM,
        "let Muster see whether containment roles were made by hand, before it deploys any",
        f"in {count_accounts(number)} they could not be looked for ({why}), and an instance fails where one exists",
        "deploy stacks/member-account.yaml into the members and the application with MemberAccess=read, "
        "or begin with a unit in containment.canary_unit",
    )
    return (handoff,)


_NOT_LOOKED_FOR = Unknown("they were not looked for")


def _name_the_other(wanted: DesiredContainment, others: tuple[str, ...]) -> Handoff:
    where = wanted.stack_set
    names = ", ".join(others)
    adopt = (
        f"write containment.stack_set.name: {others[0]}, and deploy stacks/management-account.yaml with "
        f"ContainmentStackSetName={others[0]}"
    )
    return Handoff(
        HandoffTo.PERSON,
        f"decide about StackSet {names} in {where.region}, which also deploys the containment roles",
        f"there is no StackSet {where.name}; another one beside {others[0]} would fail in every account, "
        f"so nothing was deployed",
        adopt
        if wanted.existing is ExistingRoles.ADOPT
        else f"to adopt it, {adopt}, with containment.existing: adopt; or delete it yourself",
    )


def _name_one_of_the_organization(where: DesiredStackSet) -> Handoff:
    return Handoff(
        HandoffTo.PERSON,
        f"name another StackSet than {where.name}",
        "its permissions are not service-managed, so it does not follow the organization",
        "write another containment.stack_set.name; then run: muster push FILE && muster onboard",
    )


def _is_ours(stack_set: StackSet, template: str) -> bool:
    return digest(stack_set.template) == digest(template)


def _left_to_people(wanted: DesiredContainment, stack_set: StackSet | None, template: str) -> Decision:
    """Return what would replace or reduce what is deployed: never a run's own decision."""
    if stack_set is None:
        return Decision()
    where = wanted.stack_set
    if not _is_ours(stack_set, template):
        handoff = Handoff(
            HandoffTo.MANAGEMENT_TEAM,
            f"replace the template of StackSet {where.name}",
            "its roles are those of AWS's templates before 2026-03-27"
            if stack_set.is_old_generation
            else "its template is not the one of this version of Muster",
            commands.update_stack_set(where, ec2_triage=wanted.ec2_triage, template=True),
        )
        if stack_set.is_old_generation or wanted.existing is ExistingRoles.STOP:
            return Decision(handoffs=(handoff,))
        return Decision(
            notices=(Notice(f"StackSet {where.name} is adopted with a template of its own", "it was left as it is"),)
        )
    if stack_set.has_ec2_triage and not wanted.ec2_triage:
        return Decision(
            handoffs=(
                Handoff(
                    HandoffTo.MANAGEMENT_TEAM,
                    f"switch off EC2 triage of StackSet {where.name}",
                    "the desired state says false, but it reduces what responders may do",
                    commands.update_stack_set(where, ec2_triage=False),
                ),
            )
        )
    return Decision()

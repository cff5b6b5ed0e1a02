"""The containment roles: what each account has of them.

Deployed says that CloudFormation calls the account's stack current. It does not say that the roles are as they should
be: a policy that was attached from outside is no drift to CloudFormation.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from muster.domain import stack_set_commands as commands
from muster.domain.containment_roles import ROLES
from muster.domain.desired import DesiredContainment, DesiredStackSet, ExistingRoles
from muster.domain.observed import Known, Observed, Unknown
from muster.domain.organization import AccountState
from muster.domain.outcomes import Notice
from muster.domain.readings import Reading
from muster.domain.stack_sets import (
    DetailedStatus,
    InstanceStatus,
    StackInstance,
    StackSet,
    StackSetOperation,
    instances_by_account,
)


class DeploymentState(StrEnum):
    """What an account has of the containment roles, as far as CloudFormation tells."""

    DEPLOYED = "Deployed"
    PENDING = "Pending"
    MISSING = "Missing"
    FAILED = "Failed"
    OUTDATED = "Outdated"
    ADOPTED = "Adopted"
    ABSENT_BY_CHOICE = "AbsentByChoice"
    UNKNOWN = "Unknown"

    @property
    def needs_person(self) -> bool:
        """Tell whether no later run repairs it by itself."""
        return self in (self.MISSING, self.FAILED, self.OUTDATED, self.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Member:
    """One account of the organization; ``ancestors`` is None when its path could not be read."""

    id: str
    name: str
    state: str
    ancestors: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Inventory:
    """The accounts of this run's assessment. ``inactive`` ones are apart: no stack reaches them."""

    management: Member
    members: tuple[Member, ...]
    inactive: tuple[Member, ...]
    root_id: str | None


@dataclass(frozen=True, slots=True)
class Observation:
    """What was read in the management account. ``others`` go by another known name; read only where ours is absent."""

    access: bool
    stack_set: StackSet | None
    others: tuple[str, ...] = ()
    instances: tuple[StackInstance, ...] = ()
    operations: tuple[StackSetOperation, ...] = ()


@dataclass(frozen=True, slots=True)
class Deployment:
    """The containment roles of one account, and why we say so."""

    account: Member
    state: DeploymentState
    reason: str


def inventory_from_assessment(document: Mapping[str, Any]) -> Inventory | None:
    """Return the accounts of an assessment; None when it does not have the management account."""
    accounts = [
        (
            Member(each["id"], each["name"], each["state"], tuple(each["ancestors"]) if each["ancestors"] else None),
            bool(each.get("management")),
        )
        for each in document["accounts"]
    ]
    management = next((account for account, is_management in accounts if is_management), None)
    if management is None:
        return None
    members = [account for account, is_management in accounts if not is_management]
    return Inventory(
        management=management,
        members=tuple(each for each in members if each.state == AccountState.ACTIVE),
        inactive=tuple(each for each in members if each.state != AccountState.ACTIVE),
        root_id=next((account.ancestors[0] for account, _ in accounts if account.ancestors), None),
    )


def judge(
    wanted: DesiredContainment,
    inventory: Inventory,
    seen: Observed[Observation],
    readings: Mapping[str, Reading],
    *,
    waiting_for: str | None,
) -> tuple[Deployment, ...]:
    """Return what each ACTIVE account has of the roles, the management account first.

    ``readings`` are those of the roles that still count. ``waiting_for`` is what still goes on; an account without an
    instance may get one by it.
    """
    state, reason = _judge_management(readings.get(inventory.management.id))
    found = [Deployment(inventory.management, state, reason)]
    instances = instances_by_account(seen.value.instances, wanted.stack_set.region) if isinstance(seen, Known) else {}
    for member in inventory.members:
        if isinstance(seen, Unknown):
            state, reason = DeploymentState.UNKNOWN, seen.why
        elif member.id in instances:
            state, reason = _judge_instance(instances[member.id], seen.value, wanted)
        else:
            state, reason = _judge_absence(member, wanted, seen.value, readings.get(member.id), waiting_for)
        found.append(Deployment(member, state, reason))
    return tuple(found)


def note(
    wanted: DesiredContainment, deployments: Sequence[Deployment], seen: Observed[Observation]
) -> tuple[Notice, ...]:
    """Say what a person should know of the whole: an own copy to deploy, a Region that is closed, wider targets."""
    notices = []
    where = wanted.stack_set
    if deployments[0].state is DeploymentState.ABSENT_BY_CHOICE:
        notices.append(
            Notice(
                "the management account has no containment roles",
                "StackSets leave it out; to have them there, as that account: "
                + commands.deploy_in_management(where.region, ec2_triage=wanted.ec2_triage),
            )
        )
    if isinstance(seen, Unknown):
        notices.append(Notice("the containment roles are unknown", _explain_denial(seen.why, where)))
    if number := sum(_is_closed(each) for each in deployments):
        notices.append(
            Notice(
                f"a policy closes {where.region} to StackSets",
                f"in {count_accounts(number)}: name another Region in containment.stack_set.region",
            )
        )
    canary = wanted.canary_unit
    if canary and isinstance(seen, Known) and seen.value.stack_set and seen.value.stack_set.targets - {canary}:
        notices.append(
            Notice(
                "the containment roles are deployed to more than the canary unit",
                f"StackSet {where.name} has other targets too; taking roles away is left to a person",
                needs_person=True,
            )
        )
    return tuple(notices)


def find_lost(
    previous: Mapping[str, Any] | None, deployments: Sequence[Deployment], run: str
) -> tuple[Deployment, ...]:
    """Return the accounts that had the roles when they were looked at last and have no stack of them now.

    ``previous`` is the last document; where it is of this run, what that had found lost is lost still.
    """
    if previous is None:
        return ()
    had = {each["id"] for each in previous["accounts"] if each["state"] in _HAD}
    if previous["run"] == run:
        had |= set(previous.get("lost", ()))
    return tuple(each for each in deployments if each.account.id in had and each.state in _HAS_NOT)


def note_lost(lost: Sequence[Deployment]) -> tuple[Notice, ...]:
    """Say that accounts have less protection than before: a move out of the targets takes the stack away."""
    if not lost:
        return ()
    named = ", ".join(each.account.id for each in lost[:MAX_NAMED])
    more = f" and {len(lost) - MAX_NAMED:,} more" if len(lost) > MAX_NAMED else ""
    return (
        Notice(
            "accounts have lost their containment roles",
            f"{count_accounts(len(lost))}: {named}{more}. CloudFormation takes the stack away from an account that "
            f"leaves the targets of the StackSet: {lost[0].reason}",
            needs_person=True,
        ),
    )


_HAD = frozenset({DeploymentState.DEPLOYED.value, DeploymentState.ADOPTED.value, DeploymentState.OUTDATED.value})
_HAS_NOT = frozenset({DeploymentState.MISSING, DeploymentState.ABSENT_BY_CHOICE})
MAX_NAMED = 20
"""How many accounts a notice names; the document of the run has them all."""


def count_states(deployments: Sequence[Deployment]) -> dict[str, int]:
    """Count the accounts by state; every state is there."""
    found = Counter(each.state for each in deployments)
    return {state.value: found[state] for state in DeploymentState}


def _judge_management(reading: Reading | None) -> tuple[DeploymentState, str]:
    if reading is None or reading.unknown is not None:
        return DeploymentState.UNKNOWN, "its roles were not read" if reading is None else reading.unknown or ""
    if reading.names >= ROLES:
        return DeploymentState.DEPLOYED, "deployed by hand: StackSets leave the management account out"
    if reading.names:
        return DeploymentState.MISSING, f"of the two roles only {', '.join(sorted(reading.names))} is there"
    return DeploymentState.ABSENT_BY_CHOICE, "StackSets leave the management account out"


def _judge_instance(
    instance: StackInstance, seen: Observation, wanted: DesiredContainment
) -> tuple[DeploymentState, str]:
    why = " ".join(instance.reason.split()) or "the service gives no reason"
    old = seen.stack_set is not None and seen.stack_set.is_old_generation
    match instance.status, instance.detailed:
        case _, DetailedStatus.PENDING | DetailedStatus.RUNNING:
            found = DeploymentState.PENDING, "an operation is on its way to it"
        case InstanceStatus.CURRENT, _ if old:
            found = DeploymentState.OUTDATED, "its roles are those of AWS's templates before 2026-03-27"
        case InstanceStatus.CURRENT, _:
            found = DeploymentState.DEPLOYED, f"its stack in {instance.region} is current"
        case InstanceStatus.OUTDATED, None | DetailedStatus.SUCCEEDED:
            found = DeploymentState.OUTDATED, why
        case InstanceStatus.OUTDATED, DetailedStatus.SKIPPED_SUSPENDED_ACCOUNT:
            found = DeploymentState.FAILED, "it was suspended when the last operation came by"
        case InstanceStatus.OUTDATED | InstanceStatus.INOPERABLE, _:
            found = DeploymentState.FAILED, f"{why}{_remedy(why, wanted.stack_set)}"
        case _:
            found = DeploymentState.UNKNOWN, f"CloudFormation calls its stack {instance.status}"
    return found


def _judge_absence(
    member: Member, wanted: DesiredContainment, seen: Observation, reading: Reading | None, waiting_for: str | None
) -> tuple[DeploymentState, str]:
    where, canary = wanted.stack_set, wanted.canary_unit
    made_by_hand = reading is not None and bool(reading.names)
    if canary and member.ancestors is None:
        found = DeploymentState.UNKNOWN, "its path could not be read, so it may be below the canary unit or not"
    elif canary and canary not in (member.ancestors or ()):
        found = DeploymentState.ABSENT_BY_CHOICE, f"it is not below the canary unit {canary}"
    elif made_by_hand and wanted.existing is ExistingRoles.ADOPT:
        found = DeploymentState.ADOPTED, "its roles were made by hand"
    elif made_by_hand:
        found = DeploymentState.MISSING, "its roles were made by hand, and containment.existing is stop"
    elif waiting_for:
        found = DeploymentState.PENDING, f"waits for {waiting_for}"
    elif seen.stack_set is None:
        found = DeploymentState.MISSING, f"there is no StackSet {where.name} in {where.region}"
    else:
        found = DeploymentState.MISSING, f"StackSet {where.name} has no instance in it"
    return found


_CLOSED = ("explicit deny", "service control policy")


def _remedy(why: str, where: DesiredStackSet) -> str:
    if any(words in why for words in _CLOSED):
        return f"; a policy closes {where.region}: name another Region in containment.stack_set.region"
    return ""


def _is_closed(deployment: Deployment) -> bool:
    return deployment.state is DeploymentState.FAILED and any(words in deployment.reason for words in _CLOSED)


def _explain_denial(why: str, where: DesiredStackSet) -> str:
    return (
        f"{why}. Deploy stacks/management-account.yaml with Access=read or more and "
        f"ContainmentStackSetName={where.name}, and run again"
    )


def count_accounts(number: int) -> str:
    """Return the number in words that fit it."""
    return f"{number:,} {'account' if number == 1 else 'accounts'}"

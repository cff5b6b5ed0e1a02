"""The writes that bring the containment roles where they lack: what each does, and how a person makes it.

Nothing here replaces a template or takes a role away.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from muster.domain import stack_set_commands as commands
from muster.domain.containment import count_accounts
from muster.domain.desired import DesiredStackSet
from muster.domain.outcomes import Handoff, HandoffTo
from muster.domain.remediation import NOBODY, Concern, Remediation, RemediationKind, Step, digest_accounts
from muster.domain.stack_sets import Accounts, StackSet

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


@dataclass(frozen=True, slots=True)
class RepairRoles:
    """Let both roles of some accounts be written anew as the template has them. ``digest`` stands for what is wrong."""

    purpose = "repair"
    target: str
    accounts: Accounts
    digest: str


type Write = ActivateAccess | CreateStackSet | UpdateStackSet | CreateInstances | RedriveInstances | RepairRoles


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
        case RepairRoles(accounts=accounts):
            return f"write the altered containment roles anew in {count_accounts(len(accounts.only))}"
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


_ORDER: Final = (ActivateAccess, CreateStackSet, UpdateStackSet, CreateInstances, RedriveInstances, RepairRoles)


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
        case RepairRoles(below, Accounts(only), digest):
            whom = f"{count_accounts(len(only))} ({digest_accounts(only)}-{digest})"
            return f"altered in {whom}", "as the template has them", Concern(only=only, below=(below,))
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
        case RepairRoles(target=target, accounts=accounts, digest=digest):
            return commands.update_instances(where, target, accounts, repair=digest)
    assert_never(write)


def hand_over(writes: Sequence[Write], where: DesiredStackSet, why: str) -> Handoff:
    """Leave the writes to the management team, with their commands in order."""
    what = "; ".join(describe(write, where) for write in writes)
    command = "\n".join(command_for(write, where) for write in writes)
    return Handoff(HandoffTo.MANAGEMENT_TEAM, what, why, command)

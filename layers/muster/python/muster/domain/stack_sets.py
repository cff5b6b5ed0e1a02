"""A StackSet with service-managed permissions as CloudFormation describes it, and the generations of its template."""

import hashlib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

EC2_TRIAGE = "Ec2Triage"
"""The parameter of our template that adds the investigation policy."""

REPAIR = "Repair"
"""The parameter of our template that both roles carry in their description: another value changes both roles."""

INVESTIGATION_POLICY = "AWSSecurityIncidentResponseInvestigationPolicy"
OLD_GENERATION_MARK = ":automation-definition/"
"""AWS's templates before 2026-03-27 scope StartAutomationExecution to such ARNs; ours names the word in a comment."""

KNOWN_NAMES = ("SIR-Containment-Roles", "SecurityIRContainmentRoles")
"""What AWS's own examples call the StackSet, now and in the generation before."""

SERVICE_MANAGED = "SERVICE_MANAGED"
DETECT_DRIFT = "DETECT_DRIFT"
DRIFTED = "DRIFTED"


class InstanceStatus(StrEnum):
    """Whether an instance is as its StackSet wants it (CloudFormation API, ``StackInstance.Status``)."""

    CURRENT = "CURRENT"
    OUTDATED = "OUTDATED"
    INOPERABLE = "INOPERABLE"


class DetailedStatus(StrEnum):
    """How the last operation on an instance went (``StackInstanceComprehensiveStatus.DetailedStatus``)."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    INOPERABLE = "INOPERABLE"
    SKIPPED_SUSPENDED_ACCOUNT = "SKIPPED_SUSPENDED_ACCOUNT"
    FAILED_IMPORT = "FAILED_IMPORT"


class OperationStatus(StrEnum):
    """How an operation goes (``StackSetOperation.Status``)."""

    RUNNING = "RUNNING"
    QUEUED = "QUEUED"
    STOPPING = "STOPPING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    STOPPED = "STOPPED"


@dataclass(frozen=True, slots=True)
class StackSet:
    """One StackSet. ``targets`` are the root or units it was told to deploy to; ``template`` is its body as it is.

    ``drift_checked_at`` is when the last completed detection of drift looked; None where there was none.
    """

    name: str
    permission_model: str
    auto_deployment: bool
    targets: frozenset[str]
    parameters: tuple[tuple[str, str], ...]
    template: str
    drift_checked_at: datetime | None = None

    @property
    def is_service_managed(self) -> bool:
        """Tell whether CloudFormation deploys it through the organization."""
        return self.permission_model == SERVICE_MANAGED

    @property
    def is_old_generation(self) -> bool:
        """Tell whether its roles are those of AWS's templates before 2026-03-27."""
        return OLD_GENERATION_MARK in self.template

    @property
    def can_switch_ec2_triage(self) -> bool:
        """Tell whether a parameter switches the investigation policy; in AWS's own templates none does."""
        return self._has_parameter(EC2_TRIAGE)

    @property
    def can_repair(self) -> bool:
        """Tell whether a parameter lets one account's roles be written anew; in AWS's own templates none does."""
        return self._has_parameter(REPAIR)

    def _has_parameter(self, name: str) -> bool:
        lines = (line.strip().strip('"') for line in self.template.splitlines())
        declared = any(line.startswith((f"{name}:", f'{name}":')) for line in lines)
        return declared or name in dict(self.parameters)

    @property
    def has_ec2_triage(self) -> bool:
        """Tell whether the roles may investigate EC2 instances."""
        given = dict(self.parameters).get(EC2_TRIAGE)
        if given is None and not self.can_switch_ec2_triage:
            return INVESTIGATION_POLICY in self.template
        return given == "true"


@dataclass(frozen=True, slots=True)
class StackInstance:
    """The stack of one account and Region. Statuses are CloudFormation's words; None where it says nothing.

    ``drift`` is what the last detection found: IN_SYNC says nothing about what the template does not set.
    """

    account_id: str
    region: str
    status: str
    detailed: str | None
    reason: str
    stack_id: str | None = None
    drift: str | None = None

    @property
    def is_unusual(self) -> bool:
        """Tell whether it shows that its roles may not be as they should be. That it does not show says nothing."""
        return self.status != InstanceStatus.CURRENT or self.drift == DRIFTED


@dataclass(frozen=True, slots=True)
class StackSetOperation:
    """One operation on a StackSet, whoever started it."""

    id: str
    action: str
    status: str

    @property
    def is_going_on(self) -> bool:
        """Tell whether another operation has to wait for it."""
        return self.status in (OperationStatus.RUNNING, OperationStatus.QUEUED, OperationStatus.STOPPING)

    @property
    def changes_instances(self) -> bool:
        """Tell whether instances may be others afterwards: a detection of drift only looks."""
        return self.action != DETECT_DRIFT


@dataclass(frozen=True, slots=True)
class Accounts:
    """Which accounts of a target an operation is for: ``only`` these, or all but those to ``leave_out``; not both."""

    only: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()


def digest(template: str) -> str:
    """Return a digest of a template's text that line ends and trailing blanks do not change."""
    lines = [line.rstrip() for line in template.splitlines()]
    return hashlib.sha256("\n".join(lines).strip().encode()).hexdigest()


def operation_id(run: str, purpose: str) -> str:
    """Return the same id for the same operation of a run, so that a repeat after a lost answer starts no second one."""
    return str(uuid.UUID(bytes=hashlib.sha256(f"{run}/{purpose}".encode()).digest()[:16]))


def known_among(names: Iterable[str], wanted: str) -> tuple[str, ...]:
    """Return the StackSets of the containment roles that go by another name than the one that is wanted."""
    return tuple(name for name in sorted(names) if name in KNOWN_NAMES and name != wanted)


def find_going_on(operations: Iterable[StackSetOperation]) -> StackSetOperation | None:
    """Return an operation that changes instances and goes on: until it ends nobody knows what is there."""
    return next((operation for operation in operations if operation.is_going_on and operation.changes_instances), None)


def instances_by_account(instances: Iterable[StackInstance], region: str) -> dict[str, StackInstance]:
    """Return the instance that speaks for each account: roles are global, so a current one in any Region does."""
    return {
        each.account_id: each
        for each in sorted(instances, key=lambda each: (each.status == InstanceStatus.CURRENT, each.region == region))
    }

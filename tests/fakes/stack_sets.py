"""StackSets of the management account and the roles in every account, as the ports of Containment see them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from muster.adapters.pinned_roles import read_pinned_roles
from muster.domain.containment_roles import RoleDocument, RolesFound
from muster.domain.containment_writes import UpdateStackSet
from muster.domain.desired import DesiredStackSet
from muster.domain.kept_instances import FILTERS
from muster.domain.observed import Known, Observed, Unknown
from muster.domain.stack_sets import (
    DETECT_DRIFT,
    DRIFTED,
    EC2_TRIAGE,
    SERVICE_MANAGED,
    Accounts,
    StackInstance,
    StackSet,
    StackSetOperation,
)
from muster.errors import (
    AbsentError,
    AlreadyThereError,
    NotYetConsistentError,
    RefusedError,
    ServiceAnswerError,
    TransientError,
)
from tests.fakes.world import MANAGEMENT, World

TEMPLATE = "Parameters:\n  Ec2Triage: x\n  Repair: x\n"
OURS = DesiredStackSet()

type Alteration = Callable[[dict[str, RoleDocument]], None]


def good_roles(account_id: str, *, ec2_triage: bool = False) -> dict[str, RoleDocument]:
    """Return both roles as our template makes them."""
    return {
        name: RoleDocument(name, role.trust, role.inline, dict.fromkeys(role.attached), None)
        for name, role in read_pinned_roles(account_id, ec2_triage=ec2_triage).items()
    }


@dataclass(slots=True)
class FakeStackSets:
    """The StackSets of one Region. An operation goes on until it is finished by the test.

    An account has the roles of its instance, altered as ``altered`` says until an operation writes them anew, which an
    update does where ``writes_anew``; or it has those that were made by hand.
    """

    world: World
    access: bool = True
    sets: dict[str, StackSet] = field(default_factory=dict)
    instances_of: dict[str, dict[str, StackInstance]] = field(default_factory=dict)
    operations_of: dict[str, list[StackSetOperation]] = field(default_factory=dict)
    pending: dict[str, list[str]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    made_by_hand: dict[str, frozenset[str]] = field(default_factory=dict)
    failing: dict[str, str] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)
    reaches_members: bool = True
    altered: dict[str, Alteration] = field(default_factory=dict)
    drifted: set[str] = field(default_factory=set)
    writes_anew: bool = True
    repairing: set[str] = field(default_factory=set)

    # --- what a test does ---

    def put(
        self,
        name: str = OURS.name,
        *,
        targets: frozenset[str] = frozenset({"r-ex01"}),
        auto_deployment: bool = True,
        permission_model: str = SERVICE_MANAGED,
        template: str = TEMPLATE,
        parameters: tuple[tuple[str, str], ...] = ((EC2_TRIAGE, "false"),),
        instances: tuple[StackInstance, ...] = (),
    ) -> None:
        """Let a StackSet exist."""
        self.sets[name] = StackSet(name, permission_model, auto_deployment, targets, parameters, template)
        self.instances_of[name] = {each.account_id: each for each in instances}
        self.operations_of.setdefault(name, [])

    def start(self, operation_id: str, name: str = OURS.name) -> None:
        """Let somebody else's operation be going on."""
        self.operations_of[name].append(StackSetOperation(operation_id, "UPDATE", "RUNNING"))

    def finish(self) -> None:
        """Let every operation end: each account gets its instance, current or failed."""
        for name, operations in self.operations_of.items():
            self.operations_of[name] = [replace(each, status="SUCCEEDED") for each in operations]
            for account_id in self.pending.pop(name, []):
                reason = self.failing.get(account_id, "")
                if account_id in self.made_by_hand:
                    reason = "AlreadyExists: a role of that name exists"
                status, detailed = ("OUTDATED", "FAILED") if reason else ("CURRENT", "SUCCEEDED")
                before = self.instances_of[name].get(account_id)
                stack_id = before.stack_id if before else None if reason else f"stack of {account_id}"
                self.instances_of[name][account_id] = StackInstance(
                    account_id, OURS.region, status, detailed, reason, stack_id
                )
        for account_id in self.repairing if self.writes_anew else ():
            self.altered.pop(account_id, None)
        self.repairing.clear()

    # --- StackSetReader ---

    def organizations_access(self) -> bool:
        with self.world.call("cloudformation:DescribeOrganizationsAccess", MANAGEMENT):
            return self.access

    def stack_set(self, where: DesiredStackSet) -> StackSet | None:
        with self.world.call("cloudformation:DescribeStackSet", MANAGEMENT):
            return self.sets.get(where.name)

    def names(self, region: str) -> frozenset[str]:  # noqa: ARG002 - there is one
        with self.world.call("cloudformation:ListStackSets", MANAGEMENT):
            return frozenset(self.sets)

    def instances(self, where: DesiredStackSet) -> tuple[StackInstance, ...]:
        with self.world.call("cloudformation:ListStackInstances", MANAGEMENT):
            return tuple(map(self._with_drift, self.instances_of[where.name].values()))

    def unusual_instances(self, where: DesiredStackSet) -> tuple[StackInstance, ...]:
        unusual = {value for name, value in FILTERS if name == "DETAILED_STATUS"}
        with self.world.call("cloudformation:ListStackInstances", MANAGEMENT, "filtered"):
            found = (self._with_drift(each) for each in self.instances_of[where.name].values())
            return tuple(each for each in found if each.detailed in unusual or each.drift == DRIFTED)

    def _with_drift(self, instance: StackInstance) -> StackInstance:
        return replace(instance, drift=DRIFTED if instance.account_id in self.drifted else "IN_SYNC")

    def operations(self, where: DesiredStackSet) -> tuple[StackSetOperation, ...]:
        with self.world.call("cloudformation:ListStackSetOperations", MANAGEMENT):
            return tuple(reversed(self.operations_of[where.name]))

    def detect_drift(self, where: DesiredStackSet) -> None:
        with self.world.call("cloudformation:DetectStackSetDrift", MANAGEMENT):
            self._begin(where.name, f"drift-{len(self.operations_of[where.name])}", DETECT_DRIFT)
            self.sets[where.name] = replace(self.sets[where.name], drift_checked_at=self.world.now)

    # --- StackSetWriter ---

    def activate_access(self) -> None:
        with self.world.call("cloudformation:ActivateOrganizationsAccess", MANAGEMENT):
            self.access = True

    def create(self, where: DesiredStackSet, *, ec2_triage: bool, token: str) -> None:
        operation = "cloudformation:CreateStackSet"
        with self.world.call(operation, MANAGEMENT, token):
            if not self.access:
                raise RefusedError(operation, MANAGEMENT, "organizations access is not enabled")
            if self.tokens.get(where.name) == token:
                return
            if where.name in self.sets:
                raise AlreadyThereError(operation, MANAGEMENT, "the name is taken")
            self.tokens[where.name] = token
            self.put(where.name, targets=frozenset(), parameters=((EC2_TRIAGE, str(ec2_triage).lower()),))

    def update(self, where: DesiredStackSet, write: UpdateStackSet, operation_id: str) -> None:
        with self.world.call("cloudformation:UpdateStackSet", MANAGEMENT, (write.auto_deployment, write.parameter)):
            self._begin(where.name, operation_id, "UPDATE")
            found = self.sets[where.name]
            parameters = found.parameters
            if write.parameter is not None:
                parameters = ((EC2_TRIAGE, str(write.parameter).lower()),)
            self.sets[where.name] = replace(
                found, auto_deployment=found.auto_deployment or write.auto_deployment, parameters=parameters
            )

    def create_instances(self, where: DesiredStackSet, target: str, accounts: Accounts, operation_id: str) -> None:
        with self.world.call("cloudformation:CreateStackInstances", MANAGEMENT, (target, accounts)):
            self._deploy(where.name, target, accounts, operation_id, "CREATE")

    def update_instances(
        self, where: DesiredStackSet, target: str, accounts: Accounts, operation_id: str, *, repair: str | None = None
    ) -> None:
        with self.world.call("cloudformation:UpdateStackInstances", MANAGEMENT, (target, accounts)):
            self._deploy(where.name, target, accounts, operation_id, "UPDATE")
            self.repairing |= set(accounts.only) if repair else set()

    def _deploy(self, name: str, target: str, accounts: Accounts, operation_id: str, action: str) -> None:
        self._begin(name, operation_id, action)
        below = [
            each.id
            for each in self.world.accounts.values()
            if target in (each.ancestors or ()) and each.id != MANAGEMENT and each.state == "ACTIVE"
        ]
        found = self.sets[name]
        self.sets[name] = replace(found, targets=found.targets | {target})
        self.pending[name] = [
            each for each in below if (not accounts.only or each in accounts.only) and each not in accounts.leave_out
        ]

    def _begin(self, name: str, operation_id: str, action: str) -> None:
        if name not in self.sets:
            raise AbsentError(f"cloudformation:{action}", MANAGEMENT, "no such StackSet")
        operations = self.operations_of[name]
        if any(each.id == operation_id for each in operations):
            raise AlreadyThereError(f"cloudformation:{action}", MANAGEMENT, "the operation exists")
        if any(each.is_going_on for each in operations):
            raise NotYetConsistentError(f"cloudformation:{action}", MANAGEMENT, "an operation is in progress")
        operations.append(StackSetOperation(operation_id, action, "RUNNING"))

    # --- ContainmentRoleReader ---

    def roles(self, account_ids: Sequence[str]) -> Mapping[str, Observed[RolesFound] | TransientError]:
        return {account_id: self._roles_of(account_id) for account_id in account_ids}

    def _roles_of(self, account_id: str) -> Observed[RolesFound] | TransientError:
        try:
            with self.world.call("iam:GetRole", account_id):
                if account_id in self.unreadable:
                    return Unknown("iam:GetRole was denied")
                return Known(self._made(account_id))
        except ServiceAnswerError as error:
            return Unknown(str(error))
        except TransientError as error:
            return error

    def _made(self, account_id: str) -> RolesFound:
        triage = any(each.has_ec2_triage for each in self.sets.values())
        roles = good_roles(account_id, ec2_triage=triage)
        if account_id in self.made_by_hand:
            names = self.made_by_hand[account_id]
        else:
            deployed = [each.get(account_id) for each in self.instances_of.values()]
            names = frozenset(roles if any(each and each.status == "CURRENT" for each in deployed) else ())
        found = {name: role for name, role in roles.items() if name in names}
        self.altered.get(account_id, dict.copy)(found)
        return found

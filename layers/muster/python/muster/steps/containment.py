"""Containment: the two containment roles in every account, by a StackSet that follows the organization."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from muster.domain.containment import (
    Deployment,
    DeploymentState,
    Inventory,
    Observation,
    count_states,
    find_lost,
    inventory_from_assessment,
    judge,
    note,
    note_lost,
)
from muster.domain.containment_decision import Decision, decide, targeted_accounts
from muster.domain.containment_document import to_document
from muster.domain.containment_writes import (
    ActivateAccess,
    CreateInstances,
    CreateStackSet,
    RedriveInstances,
    RepairRoles,
    UpdateStackSet,
    Write,
    describe,
    hand_over,
    plan_write,
)
from muster.domain.desired import ChangeKind, ContainmentRoles, DesiredStackSet, DesiredState, Mode
from muster.domain.handoffs import place_commands
from muster.domain.kept_instances import (
    INSTANCES_KEY,
    KeptInstances,
    kept_from_document,
    kept_to_document,
    newest_change,
)
from muster.domain.observed import Known, Observed, Unknown
from muster.domain.outcomes import Change, ContainmentOutcome
from muster.domain.readiness import AccountReadiness, count_readiness, judge_readiness
from muster.domain.readings import Reading, Readings, common_ground, ground_of
from muster.domain.stack_sets import (
    StackInstance,
    StackSetOperation,
    find_going_on,
    instances_by_account,
    known_among,
    operation_id,
)
from muster.errors import (
    AbsentError,
    AlreadyThereError,
    ImplausibleInventoryError,
    NotYetConsistentError,
    ServiceAnswerError,
    TransientError,
)
from muster.ports import RunDocuments, StackSetReader, StackSetWriter
from muster.steps.gate import Gate
from muster.steps.role_readings import RoleReadings

LATEST_KEY: Final = "containment/latest.json"
DRIFT_CHECKED_EVERY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Look:
    """One pass: what was asked for, and what was read of the StackSet and of the roles.

    ``grounds`` has what the reading of each account has to depend on now, as far as it may be read in this pass; of the
    others any reading counts.
    """

    desired: DesiredState
    inventory: Inventory
    run: str
    at: datetime
    seen: Observed[Observation]
    readings: Readings
    grounds: Mapping[str, str] = field(default_factory=dict)

    @property
    def current(self) -> Mapping[str, Reading]:
        """The readings that still say something: those on the present ground."""
        found = self.readings.accounts
        return {key: each for key, each in found.items() if self.grounds.get(key, each.ground) == each.ground}


@dataclass(frozen=True, slots=True)
class Containment:
    """Reads first, makes one write a pass, and can be repeated after any failure."""

    reader: StackSetReader
    writer: StackSetWriter
    roles: RoleReadings
    documents: RunDocuments
    template: str

    def apply(
        self,
        desired: DesiredState,
        gate: Gate,
        *,
        run: str,
        at: datetime,
        assessment_key: str,
        last_attempt: bool,
        suspects: AbstractSet[str] = frozenset(),
    ) -> ContainmentOutcome:
        """Bring the StackSet one write nearer to what is asked for, or say what each account has of the roles.

        ``suspects`` are accounts whose roles somebody may have changed. On the last attempt nobody waits any longer,
        so what is there is judged as it is. Raises ImplausibleInventoryError when the accounts of this run's assessment
        are gone, UnavailableError when roles could not be read yet.
        """
        if desired.containment.roles is ContainmentRoles.OFF:
            return ContainmentOutcome()
        where = desired.containment.stack_set
        inventory = self._inventory(assessment_key)
        found = self._observe(where, at, hurried=not last_attempt)
        look, more = self._read_roles(Look(desired, inventory, run, at, found, self.roles.kept()), suspects)
        if more:
            return ContainmentOutcome(more=True)
        if isinstance(found, Unknown):
            return self._conclude(look, Decision())
        seen = found.value
        decision = decide(
            desired, inventory, seen, look.current, run=run, template=self.template, not_read=self._not_read
        )  # fmt: skip
        target = desired.containment.canary_unit or inventory.root_id or ""
        granted = tuple(each for each in decision.rest if gate.takes(plan_write(each, where, target=target)))
        changes: tuple[Change, ...] = ()
        if granted and last_attempt:
            decision = replace(decision, waiting_for=f"another run, to {describe(granted[0], where)}")
        elif granted and (busy := next((each for each in seen.operations if each.is_going_on), None)):
            decision = replace(decision, waiting_for=f"operation {busy.id} ({busy.action}) of {where.name}")
        elif granted:
            decision, changes = self._write(replace(decision, rest=granted), granted[0], where, run)
        if decision.waiting_for and not last_attempt:
            return ContainmentOutcome(
                waiting_for=decision.waiting_for,
                changes=changes,
                handoffs=decision.handoffs,
                notices=decision.notices,
            )
        return self._conclude(look, decision)

    def _inventory(self, assessment_key: str) -> Inventory:
        document = self.documents.read(assessment_key)
        inventory = None if document is None else inventory_from_assessment(document)
        if inventory is None:
            raise ImplausibleInventoryError(
                f"{assessment_key} is gone or lacks the management account, so the accounts of this run are unknown; "
                f"run again"
            )
        return inventory

    @property
    def _not_read(self) -> str:
        """Why there may be no reading of a member."""
        if self.roles.reader.reaches_members:
            return "its roles were not read yet"
        return "no reader role is deployed in the member accounts"

    def _observe(self, where: DesiredStackSet, at: datetime, *, hurried: bool) -> Observed[Observation]:
        try:
            return Known(self._look(where, at, hurried=hurried))
        except ServiceAnswerError as error:
            return Unknown(str(error))

    def _look(self, where: DesiredStackSet, at: datetime, *, hurried: bool) -> Observation:
        """Read the StackSet; its instances only when nothing is going on or nobody will look again."""
        access = self.reader.organizations_access()
        stack_set = self.reader.stack_set(where)
        if stack_set is None:
            return Observation(access, None, others=known_among(self.reader.names(where.region), where.name))
        operations = self.reader.operations(where)
        going_on = find_going_on(operations) is not None
        if hurried and going_on:
            return Observation(access, stack_set, operations=operations)
        instances = self.reader.instances(where) if going_on else self._instances(where, operations, at)
        return Observation(access, stack_set, instances=instances, operations=operations)

    def _instances(
        self, where: DesiredStackSet, operations: tuple[StackSetOperation, ...], at: datetime
    ) -> tuple[StackInstance, ...]:
        """Return every instance; where nothing can have changed since the full list, only what is unusual is read."""
        kept = kept_from_document(self.documents.read(INSTANCES_KEY))
        if kept is not None and kept.holds(where, operations, at):
            return kept.overlaid(self.reader.unusual_instances(where))
        kept = KeptInstances(where.name, where.region, at, newest_change(operations), self.reader.instances(where))
        self.documents.write(INSTANCES_KEY, kept_to_document(kept))
        return kept.instances

    def _read_roles(self, look: Look, suspects: AbstractSet[str]) -> tuple[Look, bool]:
        """Read the roles of those whose turn it is; while stacks are on their way only those of the management account.

        An instance that is not current, or has drifted, shows where to look. It never says that roles are well.
        """
        wanted, inventory = look.desired.containment, look.inventory
        readable = [inventory.management]
        going_on = isinstance(look.seen, Known) and find_going_on(look.seen.value.operations) is not None
        if self.roles.reader.reaches_members and not going_on:
            readable += targeted_accounts(wanted, inventory)
        match look.seen:
            case Unknown():
                # Whatever the StackSet is like, the roles say what they are; a change of ground is not seen.
                before = look.readings.accounts
                grounds = {each.id: before[each.id].ground if each.id in before else "" for each in readable}
            case Known(seen):
                instances = instances_by_account(seen.instances, wanted.stack_set.region)
                suspects |= {each.account_id for each in instances.values() if each.is_unusual}
                common = common_ground(seen.stack_set, self.roles.pinned(inventory.management.id))
                grounds = {each.id: ground_of(each.ancestors, instances.get(each.id), common) for each in readable}
        everybody = (inventory.management, *inventory.members, *inventory.inactive)
        readings, more = self.roles.refresh(
            look.readings,
            grounds,
            run=look.run,
            at=look.at,
            suspects=suspects,
            present={each.id for each in everybody},
        )
        return replace(look, readings=readings, grounds=grounds), more

    def _write(
        self, decision: Decision, write: Write, where: DesiredStackSet, run: str
    ) -> tuple[Decision, tuple[Change, ...]]:
        """Make the write, and wait for it; or leave it and all that follow to people, when it is not allowed."""
        what = describe(write, where)
        try:
            self._make(write, where, run)
        except (AlreadyThereError, NotYetConsistentError, AbsentError) as error:
            # Somebody was faster, or an answer of an earlier try was lost: the next pass sees what is there now.
            return replace(decision, waiting_for=str(error)), ()
        except ServiceAnswerError as error:
            handoff = hand_over(decision.rest, where, str(error))
            return replace(decision, handoffs=(*decision.handoffs, handoff)), ()
        if isinstance(write, RepairRoles):
            self.roles.remember_repair(write.accounts.only)
        return replace(decision, waiting_for="CloudFormation to do it"), (
            Change(ChangeKind.DEPLOY_CONTAINMENT_ROLE, where.name, what),
        )

    def _make(self, write: Write, where: DesiredStackSet, run: str) -> None:
        identity = operation_id(run, write.purpose)
        match write:
            case ActivateAccess():
                self.writer.activate_access()
            case CreateStackSet(ec2_triage=ec2_triage):
                self.writer.create(where, ec2_triage=ec2_triage, token=identity)
            case UpdateStackSet():
                self.writer.update(where, write, identity)
            case CreateInstances(target=target, accounts=accounts):
                self.writer.create_instances(where, target, accounts, identity)
            case RedriveInstances(target=target, accounts=accounts):
                self.writer.update_instances(where, target, accounts, identity)
            case RepairRoles(target=target, accounts=accounts):
                self.writer.update_instances(where, target, accounts, identity, repair=identity[:8])

    def _conclude(self, look: Look, decision: Decision) -> ContainmentOutcome:
        """Judge every account by what was seen, and keep the result."""
        wanted, seen, inventory = look.desired.containment, look.seen, look.inventory
        waiting_for = decision.waiting_for
        deployments = judge(wanted, inventory, seen, look.current, waiting_for=waiting_for)
        counts = count_states(deployments)
        if counts[DeploymentState.PENDING] and waiting_for is None:
            waiting_for = f"{counts[DeploymentState.PENDING]} instances of StackSet {wanted.stack_set.name}"
        accounts = tuple(
            judge_readiness(
                each,
                look.readings.accounts.get(each.account.id),
                ground=look.grounds.get(each.account.id),
                at=look.at,
                not_read=self._not_read,
            )
            for each in deployments
        )
        lost = find_lost(self.documents.read(LATEST_KEY), deployments, look.run)
        key = self._keep(look, accounts, waiting_for, lost)
        self._look_for_drift(look, decision, waiting_for)
        return ContainmentOutcome(
            waiting_for=waiting_for,
            handoffs=place_commands(decision.handoffs, management=inventory.management.id, home=None),
            notices=(*decision.notices, *note(wanted, deployments, seen), *note_lost(lost)),
            counts=counts,
            readiness=count_readiness(accounts),
            document_key=key,
        )

    def _keep(
        self,
        look: Look,
        accounts: tuple[AccountReadiness, ...],
        waiting_for: str | None,
        lost: tuple[Deployment, ...],
    ) -> str:
        document = to_document(
            accounts,
            run=look.run,
            at=look.at.isoformat(),
            wanted=look.desired.containment,
            inventory=look.inventory,
            seen=look.seen,
            template=self.template,
            waiting_for=waiting_for,
            lost=lost,
        )
        key = f"runs/{look.run}/containment.json"
        self.documents.write(key, document)
        self.documents.write(LATEST_KEY, document)
        return key

    def _look_for_drift(self, look: Look, decision: Decision, waiting_for: str | None) -> None:
        """Let CloudFormation look at every stack once a day, when there is nothing else to do; the next run sees it.

        Whoever only observes starts nothing, also not what changes nothing: other operations would have to wait.
        """
        seen = look.seen
        if isinstance(seen, Unknown) or seen.value.stack_set is None or look.desired.mode is Mode.OBSERVE:
            return
        stack_set, checked = seen.value.stack_set, seen.value.stack_set.drift_checked_at
        if decision.rest or waiting_for or not seen.value.instances or not stack_set.is_service_managed:
            return
        if any(each.is_going_on for each in seen.value.operations):
            return
        if checked is not None and look.at - checked < DRIFT_CHECKED_EVERY:
            return
        try:
            self.reader.detect_drift(look.desired.containment.stack_set)
        except (ServiceAnswerError, TransientError):
            # It only shows where to look, and the next run tries again: whether roles are well is read from themselves.
            return

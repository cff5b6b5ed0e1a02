"""Containment: the two containment roles in every account, by a StackSet that follows the organization."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from muster.domain.containment import (
    DeploymentState,
    Inventory,
    Observation,
    count_states,
    inventory_from_assessment,
    judge,
    note,
    to_document,
)
from muster.domain.containment_writes import (
    ActivateAccess,
    CreateInstances,
    CreateStackSet,
    Decision,
    RedriveInstances,
    UpdateStackSet,
    Write,
    accounts_to_look_at,
    decide,
    describe,
    hand_over,
    plan_write,
)
from muster.domain.desired import ChangeKind, ContainmentRoles, DesiredStackSet, DesiredState
from muster.domain.handoffs import place_commands
from muster.domain.observed import Known, Observed, Unknown
from muster.domain.outcomes import Change, ContainmentOutcome
from muster.domain.stack_sets import known_among, operation_id
from muster.errors import (
    AbsentError,
    AlreadyThereError,
    ImplausibleInventoryError,
    NotYetConsistentError,
    ServiceAnswerError,
)
from muster.ports import ContainmentRoleReader, RunDocuments, StackSetReader, StackSetWriter
from muster.steps.gate import Gate

LATEST_KEY = "containment/latest.json"
MAX_ROLE_READS = 200
"""Each is an AssumeRole and two reads in another account; more do not fit into one pass."""


@dataclass(frozen=True, slots=True)
class Containment:
    """Reads first, makes one write a pass, and can be repeated after any failure."""

    reader: StackSetReader
    writer: StackSetWriter
    roles: ContainmentRoleReader
    documents: RunDocuments
    template: str

    def apply(
        self, desired: DesiredState, gate: Gate, *, run: str, at: datetime, assessment_key: str, last_attempt: bool
    ) -> ContainmentOutcome:
        """Bring the StackSet one write nearer to what is asked for, or say what each account has of the roles.

        On the last attempt nobody waits any longer, so what is there is judged as it is. Raises
        ImplausibleInventoryError when the accounts of this run's assessment are gone.
        """
        if desired.containment.roles is ContainmentRoles.OFF:
            return ContainmentOutcome()
        where = desired.containment.stack_set
        inventory = self._inventory(assessment_key)
        try:
            seen = self._look(where, hurried=not last_attempt)
        except ServiceAnswerError as error:
            return self._conclude(desired, inventory, Unknown(str(error)), {}, Decision(), run=run, at=at)
        by_hand, more = self._look_for_roles_made_by_hand(accounts_to_look_at(desired, inventory, seen), run)
        if more:
            return ContainmentOutcome(more=True)
        decision = decide(desired, inventory, seen, by_hand, run=run, template=self.template)
        target = desired.containment.canary_unit or inventory.root_id or ""
        granted = tuple(each for each in decision.rest if gate.takes(plan_write(each, where, target=target)))
        changes: tuple[Change, ...] = ()
        if granted and last_attempt:
            decision = replace(decision, waiting_for=f"another run, to {describe(granted[0], where)}")
        elif granted:
            decision, changes = self._write(replace(decision, rest=granted), granted[0], where, run)
        if decision.waiting_for and not last_attempt:
            return ContainmentOutcome(
                waiting_for=decision.waiting_for,
                changes=changes,
                handoffs=decision.handoffs,
                notices=decision.notices,
            )
        return self._conclude(desired, inventory, Known(seen), by_hand, decision, run=run, at=at)

    def _inventory(self, assessment_key: str) -> Inventory:
        document = self.documents.read(assessment_key)
        inventory = None if document is None else inventory_from_assessment(document)
        if inventory is None:
            raise ImplausibleInventoryError(
                f"{assessment_key} is gone or lacks the management account, so the accounts of this run are unknown; "
                f"run again"
            )
        return inventory

    def _look(self, where: DesiredStackSet, *, hurried: bool) -> Observation:
        """Read the StackSet; its instances only when nothing is going on or nobody will look again."""
        access = self.reader.organizations_access()
        stack_set = self.reader.stack_set(where)
        if stack_set is None:
            return Observation(access, None, others=known_among(self.reader.names(where.region), where.name))
        operations = self.reader.operations(where)
        if hurried and any(operation.is_going_on for operation in operations):
            return Observation(access, stack_set, operations=operations)
        return Observation(access, stack_set, instances=self.reader.instances(where), operations=operations)

    def _look_for_roles_made_by_hand(
        self, account_ids: tuple[str, ...], run: str
    ) -> tuple[dict[str, Observed[bool]], bool]:
        """Return what is known of the accounts by now, and whether some are still to be looked at.

        What was seen is kept for the run, so that a pass that is repeated or waited for asks no account twice.
        """
        if not self.roles.reaches_members:
            return dict.fromkeys(account_ids, Unknown("no reader role is deployed in the member accounts")), False
        key = f"runs/{run}/containment-roles.json"
        known = (self.documents.read(key) or {}) if account_ids else {}
        unseen = [each for each in account_ids if each not in known]
        for account_id in unseen[:MAX_ROLE_READS]:
            found = self.roles.found(account_id)
            known[account_id] = {"unknown": found.why} if isinstance(found, Unknown) else {"roles": sorted(found.value)}
        if unseen:
            self.documents.write(key, known)
        seen: dict[str, Observed[bool]] = {
            account_id: Unknown(each["unknown"]) if "unknown" in each else Known(bool(each["roles"]))
            for account_id, each in known.items()
        }
        return seen, len(unseen) > MAX_ROLE_READS

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

    def _conclude(
        self,
        desired: DesiredState,
        inventory: Inventory,
        seen: Observed[Observation],
        by_hand: Mapping[str, Observed[bool]],
        decision: Decision,
        *,
        run: str,
        at: datetime,
    ) -> ContainmentOutcome:
        """Judge every account by what was seen, and keep the result."""
        wanted = desired.containment
        waiting_for = decision.waiting_for
        deployments = judge(
            wanted,
            inventory,
            seen,
            by_hand,
            management_roles=self.roles.found(inventory.management.id),
            waiting_for=waiting_for,
        )
        counts = count_states(deployments)
        if counts[DeploymentState.PENDING] and waiting_for is None:
            waiting_for = f"{counts[DeploymentState.PENDING]} instances of StackSet {wanted.stack_set.name}"
        document = to_document(
            deployments,
            run=run,
            at=at.isoformat(),
            wanted=wanted,
            inventory=inventory,
            seen=seen,
            template=self.template,
            waiting_for=waiting_for,
        )
        key = f"runs/{run}/containment.json"
        self.documents.write(key, document)
        self.documents.write(LATEST_KEY, document)
        return ContainmentOutcome(
            waiting_for=waiting_for,
            handoffs=place_commands(decision.handoffs, management=inventory.management.id, home=None),
            notices=(*decision.notices, *note(wanted, deployments, seen)),
            counts=counts,
            document_key=key,
        )

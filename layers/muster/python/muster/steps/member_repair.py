"""MemberRepair: the triage role in the member accounts that lack it, by this run's assessment."""

from dataclasses import dataclass

from muster.domain.desired import DesiredState
from muster.domain.member_repair import (
    MAX_TRIES,
    MemberAccess,
    Progress,
    RolesInQuestion,
    ask_for_reader,
    ask_owners,
    conclude,
    describe_created,
    next_accounts,
    object_to_repair,
    plan_roles,
    progress_from_document,
    progress_to_document,
    roles_in_question,
)
from muster.domain.membership import Home
from muster.domain.outcomes import MemberRepairOutcome
from muster.errors import AlreadyThereError, ImplausibleInventoryError, ServiceAnswerError, TransientError
from muster.ports import RunDocuments, TriageRoleWriter
from muster.steps.gate import Gate


@dataclass(frozen=True, slots=True)
class MemberRepair:
    """Creates one role, where access and desired state allow it; one account's failure is that account's alone."""

    roles: TriageRoleWriter
    documents: RunDocuments
    home: Home
    deployment: str
    access: MemberAccess

    def apply(
        self, desired: DesiredState, gate: Gate, *, run: str, assessment_key: str, cursor: str | None
    ) -> MemberRepairOutcome:
        """Try a hundred accounts at most. While the outcome has a cursor, call again with it.

        The last outcome has the handoffs and notices of all. Raises ImplausibleInventoryError when the assessment is
        gone, and the first TransientError of an account as long as trying again may help.
        """
        document = self.documents.read(assessment_key)
        if document is None:
            raise ImplausibleInventoryError(
                f"{assessment_key} is gone, so nobody knows which role is missing; run again"
            )
        found = roles_in_question(document)
        objection = object_to_repair(self.access)
        if objection is None:
            is_granted = bool(found.missing) and gate.takes(plan_roles(found.missing))
            return self._repair(found, run, cursor) if is_granted else MemberRepairOutcome(None)
        region = desired.containment.stack_set.region
        readers = ask_for_reader(found, self.access, deployment=self.deployment, home=self.home, region=region)
        return MemberRepairOutcome(None, handoffs=(*readers, *ask_owners(found.missing, objection)))

    def _repair(self, found: RolesInQuestion, run: str, cursor: str | None) -> MemberRepairOutcome:
        key = f"runs/{run}/member-repair.json"
        progress = progress_from_document(self.documents.read(key))
        batch, rest = next_accounts(found.missing, cursor)
        problem = self._create(batch, progress)
        progress.tries = progress.tries + 1 if problem else 0
        is_over = problem is None or progress.tries >= MAX_TRIES
        if is_over:
            progress.tries = 0
        self.documents.write(key, progress_to_document(progress))
        if problem is not None and not is_over:
            raise problem
        handoffs, notices = conclude(progress)
        created = [account_id for account_id in batch if account_id in progress.created]
        return MemberRepairOutcome(
            rest,
            changes=describe_created(created),
            handoffs=handoffs,
            notices=notices,
            repaired=sum(account_id in progress.created | progress.present for account_id in batch),
        )

    def _create(self, batch: tuple[str, ...], progress: Progress) -> TransientError | None:
        """Try each account that is not settled, and return the first failure that time may cure."""
        first = None
        for account_id in batch:
            if progress.is_settled(account_id):
                continue
            progress.failed.pop(account_id, None)
            try:
                self.roles.create(account_id)
            except AlreadyThereError:
                progress.present.add(account_id)
            except ServiceAnswerError as error:
                progress.refused[account_id] = str(error)
            except TransientError as error:
                progress.failed[account_id] = str(error)
                first = first or error
            else:
                progress.created.add(account_id)
        return first

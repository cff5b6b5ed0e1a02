"""Assess: read the whole organization in slices, then say of every account whether it is covered, and why not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from muster.domain.assessment import (
    EarlierAssessment,
    InventoryRow,
    assess_accounts,
    count_coverage,
    date_scope_change,
    earlier_from_document,
    question_inventory,
    row_from_document,
    row_to_document,
    to_document,
)
from muster.domain.desired import DesiredState
from muster.domain.diagnosis import Circumstances, Coverage, exceptions_by_target, needs_triage_role
from muster.domain.member_repair import roles_in_question
from muster.domain.membership import Association
from muster.domain.observed import Observed, Unknown
from muster.domain.organization import Account, AccountState
from muster.domain.outcomes import AssessCursor, AssessOutcome
from muster.domain.scope import Scope
from muster.domain.scoping import scope_from_document
from muster.errors import ImplausibleInventoryError, ScopeError, ServiceAnswerError
from muster.ports import InventoryReader, MembershipReader, RunDocuments, TriageRoleReader
from muster.steps.reading import read_membership, read_organization

LATEST_KEY = "assessments/latest.json"
MAX_ROLE_READS = 200
"""Each is an AssumeRole and a read in another account; more do not fit into one pass."""

MAX_SLICES = 1000
"""Far more than 50,000 accounts fill: past it the service hands out tokens without end."""


@dataclass(frozen=True, slots=True)
class Assess:
    """Reads only; what it writes are documents of the run."""

    organizations: InventoryReader
    reader: MembershipReader
    triage_roles: TriageRoleReader
    documents: RunDocuments

    def apply(
        self,
        desired: DesiredState,
        *,
        run: str,
        membership_id: str,
        at: datetime,
        number: int,
        cursor: AssessCursor | None,
        changed_at: datetime | None,
        settle: timedelta,
        pages_per_slice: int = 100,
    ) -> AssessOutcome:
        """Read one slice of the inventory; with the last one, judge every account.

        ``number`` counts the passes of this run, ``changed_at`` is when this run last changed the scope, and ``settle``
        the time that an account gets to become associated. Raises ImplausibleInventoryError rather than judge by half
        a list.
        """
        part = 0 if cursor is None else cursor.part
        accounts, token = self._read_slice(None if cursor is None else cursor.token, pages_per_slice)
        self.documents.write(_part_key(run, number, part), self._rows(membership_id, accounts))
        accounts_read = len(accounts) + (0 if cursor is None else cursor.accounts)
        if token is not None:
            if part >= MAX_SLICES:
                raise ImplausibleInventoryError(f"the list of accounts has no end: {accounts_read} rows so far")
            return AssessOutcome(
                AssessCursor(token, part + 1, accounts_read),
                settled=False,
                accounts_read=accounts_read,
                counts={},
                needs_person=0,
                assessment_key=None,
            )
        rows = self._collect(run, number, parts=part + 1, expected=accounts_read)
        earlier = earlier_from_document(self.documents.read(LATEST_KEY))
        management = self._check(desired, rows, earlier)
        membership = read_membership(self.reader, membership_id)
        around = Circumstances(
            scope=self._scope(run),
            membership=membership,
            at=at,
            settle=settle,
            scope_changed_at=date_scope_change(earlier, membership, changed_at=changed_at, at=at),
            exceptions=exceptions_by_target(desired.exceptions),
        )
        assessed = assess_accounts(rows, self._triage_roles(rows, around), around=around, earlier=earlier)
        document = to_document(assessed, run=run, management=management, around=around)
        key = f"runs/{run}/assessment.json"
        self.documents.write(key, document)
        self.documents.write(LATEST_KEY, document)
        counts = count_coverage(assessed)
        in_question = roles_in_question(document)
        return AssessOutcome(
            None,
            settled=counts[Coverage.SETTLING] == 0,
            accounts_read=len(rows),
            counts=counts,
            needs_person=sum(counts[coverage] for coverage in Coverage if coverage.needs_person),
            assessment_key=key,
            missing_triage_roles=len(in_question.missing),
            unread_triage_roles=len(in_question.unread),
        )

    def _read_slice(self, token: str | None, pages: int) -> tuple[list[Account], str | None]:
        """Read so many pages at most. An empty page with a token is a page like any other."""
        accounts: list[Account] = []
        for _ in range(pages):
            try:
                page = self.organizations.account_page(token)
            except ServiceAnswerError as error:
                raise ImplausibleInventoryError(
                    f"the accounts of the organization could not be read: {error}. Allow organizations:ListAccounts "
                    f"and run again"
                ) from error
            accounts += page.accounts
            token = page.next_token
            if token is None:
                break
        return accounts, token

    def _rows(self, membership_id: str, accounts: Sequence[Account]) -> list[dict[str, object]]:
        active = list(dict.fromkeys(each.id for each in accounts if each.state is AccountState.ACTIVE))
        associations: Mapping[str, Observed[Association]] = {}
        not_told = Unknown("the service did not answer for it")
        try:
            if active:
                associations = self.reader.associations(membership_id, active)
        except ServiceAnswerError as error:  # a membership that ended answers nothing, which covers nobody
            not_told = Unknown(str(error))
        return [
            row_to_document(
                InventoryRow(each, associations.get(each.id, not_told) if each.state is AccountState.ACTIVE else None)
            )
            for each in accounts
        ]

    def _collect(self, run: str, number: int, *, parts: int, expected: int) -> list[InventoryRow]:
        """Put the slices together. An account that was listed twice is one, as it was last seen."""
        rows: list[InventoryRow] = []
        for part in range(parts):
            rows += map(row_from_document, self.documents.read(_part_key(run, number, part)) or ())
        if len(rows) != expected:
            raise ImplausibleInventoryError(
                f"{expected} rows of the inventory were read but {len(rows)} are stored under "
                f"runs/{run}/inventory/{number}/; nothing was judged by them. Run again"
            )
        return list({row.account.id: row for row in rows}.values())

    def _check(self, desired: DesiredState, rows: Sequence[InventoryRow], earlier: EarlierAssessment | None) -> str:
        """Return the management account of an inventory that can be right."""
        management = read_organization(self.organizations).management_account_id
        doubt = question_inventory(
            {row.account.id for row in rows},
            management=management,
            membership=desired.membership.account_id,
            previous=None if earlier is None else len(earlier.accounts),
            drop=desired.guardrails.inventory_drop,
        )
        if doubt:
            raise ImplausibleInventoryError(doubt)
        return management

    def _scope(self, run: str) -> Scope:
        document = self.documents.read(f"runs/{run}/scope.json")
        if document is None:
            raise ScopeError(f"runs/{run}/scope.json is gone, so the scope of this run is unknown; run again")
        return scope_from_document(document)

    def _triage_roles(self, rows: Sequence[InventoryRow], around: Circumstances) -> Mapping[str, Observed[bool]]:
        """Read the triage role where a diagnosis depends on it, in so many accounts at most and always the same."""
        wanted = sorted(
            row.account.id
            for row in rows
            if row.association is not None and needs_triage_role(row.account, row.association, around)
        )
        roles: dict[str, Observed[bool]] = {
            account_id: self._triage_role(account_id) for account_id in wanted[:MAX_ROLE_READS]
        }
        not_asked = Unknown(f"only the first {MAX_ROLE_READS} accounts are asked in one pass")
        return roles | dict.fromkeys(wanted[MAX_ROLE_READS:], not_asked)

    def _triage_role(self, account_id: str) -> Observed[bool]:
        try:
            return self.triage_roles.exists(account_id)
        except ServiceAnswerError as error:  # one account's oddity is not the others'
            return Unknown(str(error))


def _part_key(run: str, number: int, part: int) -> str:
    return f"runs/{run}/inventory/{number}/{part}.json"

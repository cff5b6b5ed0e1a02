"""Preflight: read all that stands in the way of a run before anything is written, and stop where something does."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from muster.domain.desired import DesiredState
from muster.domain.observed import Known, Observed, Unknown
from muster.domain.preflight import (
    PreflightOutcome,
    UnknownCheckError,
    explain_blockers,
    find_blockers,
    notices_of,
    parse_accepted,
    to_document,
)
from muster.domain.preflight_checks import (
    CONTAINMENT_ROLES,
    Denial,
    Seen,
    Vantage,
    check_all,
    wants_role_names,
    wants_stack_sets,
)
from muster.domain.service_terms import TERMS
from muster.domain.sign_up import (
    Delegation,
    MembershipConflict,
    MembershipFound,
    MembershipSearch,
    MembershipUnclear,
    NoRegistrationNeeded,
    Registered,
    judge_delegation,
)
from muster.errors import (
    AbsentError,
    DeniedError,
    MembershipConflictError,
    OrganizationNotReadyError,
    PreflightError,
    RegionNotEnabledError,
    ServiceAnswerError,
)
from muster.ports import (
    AccountReader,
    ContactsReader,
    DelegationReader,
    ManagementSurvey,
    MembershipReader,
    RunDocuments,
    StackSetsAccessReader,
    TrailReader,
)
from muster.steps.memberships_everywhere import MembershipsEverywhere

LIST_MEMBERSHIPS = "security-ir:ListMemberships"


@dataclass(slots=True)
class _Look:
    """Reads, and remembers what was denied. A transient failure is raised, so that the machine tries again."""

    denials: dict[Denial, None] = field(default_factory=dict)

    def at[T](self, read: Callable[[], T]) -> Observed[T]:
        try:
            return self.in_region(read)
        except RegionNotEnabledError as error:
            return Unknown(str(error))

    def in_region[T](self, read: Callable[[], T]) -> Observed[T]:
        """Read where "the Region is not enabled" is an answer, which is the caller's."""
        try:
            return Known(read())
        except RegionNotEnabledError:
            raise
        except ServiceAnswerError as error:
            if isinstance(error, DeniedError):
                self.denials[Denial(error.operation, error.account_id)] = None
            return Unknown(str(error))

    def for_one[T](self, read: Callable[[], T]) -> Observed[T | None]:
        """Read what may be absent."""

        def read_or_none() -> T | None:
            try:
                return read()
            except AbsentError:
                return None

        return self.at(read_or_none)


@dataclass(frozen=True, slots=True)
class Preflight:
    """Reads only; ``documents`` is None where nothing is kept."""

    organizations: DelegationReader
    accounts: AccountReader
    management: ManagementSurvey
    reader: MembershipReader
    stack_sets: StackSetsAccessReader
    trails: TrailReader
    contacts: ContactsReader
    documents: RunDocuments | None
    vantage: Vantage

    def apply(
        self, desired: DesiredState, *, run: str, accept_unknown: Iterable[str] = (), stops: bool = True
    ) -> PreflightOutcome:
        """Make every check and keep the result with the run.

        With ``stops`` a blocker raises PreflightError, with what to do; without it the outcome is for somebody to read.
        """
        try:
            accepted = parse_accepted(accept_unknown)
        except UnknownCheckError as error:
            raise PreflightError(str(error)) from error
        seen = self._look(desired)
        checks = check_all(desired, seen, self.vantage)
        found = seen.memberships.summary.id if isinstance(seen.memberships, MembershipFound) else None
        terms = TERMS if found is None else ()
        outcome = PreflightOutcome(checks, notices_of(checks, terms, accepted), accepted, membership_id=found)
        if self.documents is not None:
            self.documents.write(f"runs/{run}/preflight.json", to_document(outcome, run))
        if stops and (blockers := find_blockers(checks, accepted)):
            raise PreflightError(explain_blockers(blockers))
        return outcome

    def _look(self, desired: DesiredState) -> Seen:
        look, home = _Look(), self.vantage.home
        entered = look.at(self.management.enter)
        organization = look.for_one(self.organizations.organization)
        found = organization.value if isinstance(organization, Known) else None
        management_id = found.management_account_id if found else self.vantage.management_account_id
        delegation = judge_delegation(
            home.account_id, management_id, look.at(self.organizations.delegated_administrators)
        )
        designated = look.for_one(lambda: self.accounts.account(home.account_id))
        region_enabled, memberships = self._memberships(look, delegation, management_id)
        return Seen(
            organization=organization,
            reader_refused=entered.why if isinstance(entered, Unknown) else None,
            designated=designated,
            region_enabled=region_enabled,
            memberships=memberships,
            delegation=delegation,
            trusted=look.at(self.organizations.trusted_services),
            triage_role=look.at(self.management.has_triage_role),
            stack_sets_access=look.at(self.stack_sets.organizations_access) if wants_stack_sets(desired) else None,
            containment_roles=look.at(self._containment_roles) if wants_role_names(desired) else None,
            trails=look.at(self.trails.trails),
            contacts=look.at(self.contacts.contacts),
            denials=tuple(look.denials),
        )

    def _memberships(
        self, look: _Look, delegation: Delegation, management_id: str
    ) -> tuple[Observed[bool], MembershipSearch]:
        """Look in every Region from both accounts, and tell whether home's Region is enabled."""
        home = self.vantage.home
        everywhere = MembershipsEverywhere(self.reader, self.management, home, look.in_region)
        off: str | None = None
        try:
            everywhere.look(management_id)
        except OrganizationNotReadyError as error:
            off = str(error)
        at_home = everywhere.from_home.get(home.region)
        if not (isinstance(at_home, Unknown) and isinstance(delegation, Registered | NoRegistrationNeeded)):
            # Before it is registered nobody owes the account an answer, and a policy may well close other Regions.
            look.denials.pop(Denial(LIST_MEMBERSHIPS, home.account_id), None)
        if off is not None:
            return Known(value=False), MembershipUnclear((home.region,), off)
        enabled: Observed[bool] = at_home if isinstance(at_home, Unknown) else Known(value=True)
        try:
            return enabled, everywhere.judge_or_retry()
        except MembershipConflictError as conflict:
            return enabled, MembershipConflict(str(conflict))

    def _containment_roles(self) -> frozenset[str]:
        return frozenset(name for name in CONTAINMENT_ROLES if self.management.has_role(name))

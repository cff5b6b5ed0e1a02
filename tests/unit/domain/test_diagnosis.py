"""The diagnosis table, row by row, and what must hold for every account whatever was read."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.domain.desired import CoverageException
from muster.domain.diagnosis import (
    Cause,
    Circumstances,
    Coverage,
    Diagnosis,
    diagnose,
    exceptions_by_target,
    needs_triage_role,
)
from muster.domain.membership import Association, Membership
from muster.domain.observed import Known, Observed, Unknown
from muster.domain.organization import Account, AccountState
from muster.domain.scope import EntireOrganization, OrganizationalUnits

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)
JUST_NOW = AT - timedelta(minutes=10)
UNITS = OrganizationalUnits(frozenset({"ou-prod"}))
IN_PROD = Account("300000000000", "prod", AccountState.ACTIVE, ("r-1", "ou-work", "ou-prod"), LONG_AGO)
IN_SANDBOX = replace(IN_PROD, ancestors=("r-1", "ou-sand"))
UNDER_ROOT = replace(IN_PROD, ancestors=("r-1",))
MEMBERSHIP = Membership(
    id="m-1",
    arn="arn:aws:security-ir:eu-west-1:222222222222:membership/m-1",
    account_id="222222222222",
    region="eu-west-1",
    name="example",
    status="Active",
    activated_at=LONG_AGO,
    accounts_covered=1,
    triage_enabled=True,
    covers_entire_organization=False,
    unit_ids=frozenset({"ou-prod"}),
)
AROUND = Circumstances(scope=UNITS, membership=MEMBERSHIP, at=AT, settle=timedelta(minutes=30))
EVERYTHING = replace(
    AROUND, scope=EntireOrganization(), membership=replace(MEMBERSHIP, covers_entire_organization=True)
)
ASSOCIATED, UNASSOCIATED = Known(Association.ASSOCIATED), Known(Association.UNASSOCIATED)
DISASSOCIATED = Known(Association.DISASSOCIATED)
ROLE, NO_ROLE, ROLE_UNREADABLE = Known(value=True), Known(value=False), Unknown("no reader")


def judge(
    account: Account = IN_PROD,
    association: Observed[Association] = UNASSOCIATED,
    role: Observed[bool] = ROLE,
    *,
    arrived_at: datetime | None = None,
    around: Circumstances = AROUND,
) -> Diagnosis:
    return diagnose(account, association, role, arrived_at=arrived_at, around=around)


def verdict(diagnosis: Diagnosis) -> tuple[Coverage, Cause | None]:
    return diagnosis.coverage, diagnosis.cause


def excepted(target: str, until: date) -> CoverageException:
    return CoverageException(target, "Team Blue", "migration", until)


class TestTable:
    def test_account_in_scope_and_associated_is_covered(self) -> None:
        assert judge(association=ASSOCIATED) == Diagnosis(Coverage.COVERED, None, "in scope and Associated")

    @pytest.mark.parametrize("association", [ASSOCIATED, DISASSOCIATED, Unknown("not asked")])
    def test_account_of_an_undocumented_state_is_unknown_whatever_else(
        self, association: Observed[Association]
    ) -> None:
        account = replace(IN_PROD, state=AccountState.UNDOCUMENTED)
        assert verdict(judge(account, association)) == (Coverage.UNKNOWN, Cause.UNKNOWN)

    @pytest.mark.parametrize("state", sorted(set(AccountState) - {AccountState.ACTIVE, AccountState.UNDOCUMENTED}))
    def test_account_that_is_not_active_is_no_drift(self, state: AccountState) -> None:
        account = replace(IN_PROD, state=state)
        assert verdict(judge(account, ASSOCIATED)) == (Coverage.INACTIVE, None)
        assert state in judge(account).reason

    def test_unreadable_association_is_unknown(self) -> None:
        found = judge(association=Unknown("throttled"))
        assert found == Diagnosis(Coverage.UNKNOWN, Cause.UNKNOWN, "its association could not be read: throttled")

    def test_unreadable_path_leaves_the_scope_open(self) -> None:
        account = replace(IN_PROD, ancestors=None)
        assert verdict(judge(account, ASSOCIATED)) == (Coverage.UNKNOWN, Cause.UNKNOWN)

    def test_unreadable_path_does_not_matter_when_everything_is_in_scope_and_covered(self) -> None:
        account = replace(IN_PROD, ancestors=None)
        assert verdict(judge(account, ASSOCIATED, around=EVERYTHING)) == (Coverage.COVERED, None)
        assert verdict(judge(account, around=EVERYTHING)) == (Coverage.NOT_COVERED, Cause.SERVICE_SIDE)

    def test_unreadable_path_leaves_the_unit_open(self) -> None:
        around = replace(AROUND, scope=EntireOrganization())
        assert verdict(judge(replace(IN_PROD, ancestors=None), around=around)) == (Coverage.UNKNOWN, Cause.UNKNOWN)

    @pytest.mark.parametrize("association", [UNASSOCIATED, DISASSOCIATED])
    def test_no_unit_above_it_in_the_membership_is_unit_missing(self, association: Known[Association]) -> None:
        around = replace(AROUND, membership=replace(MEMBERSHIP, unit_ids=frozenset()))
        found = judge(association=association, around=around)
        assert verdict(found) == (Coverage.NOT_COVERED, Cause.UNIT_MISSING)
        assert found.reason == f"{association.value}; no unit above it is in the membership"

    def test_entire_organization_that_the_membership_does_not_cover_is_unit_missing(self) -> None:
        around = replace(AROUND, scope=EntireOrganization())
        found = judge(IN_SANDBOX, around=around)
        assert verdict(found) == (Coverage.NOT_COVERED, Cause.UNIT_MISSING)
        assert "does not cover the entire organization" in found.reason

    def test_unit_that_was_just_added_settles(self) -> None:
        around = replace(
            AROUND, membership=replace(MEMBERSHIP, unit_ids=frozenset()), scope_changed_at=AT - timedelta(minutes=1)
        )
        assert verdict(judge(around=around)) == (Coverage.SETTLING, Cause.PROPAGATION)

    def test_account_directly_under_the_root_cannot_be_selected_by_unit(self) -> None:
        assert verdict(judge(UNDER_ROOT)) == (Coverage.OUT_OF_SCOPE, Cause.CANNOT_BE_SELECTED)

    def test_account_directly_under_the_root_is_in_the_entire_organization(self) -> None:
        assert verdict(judge(UNDER_ROOT, ASSOCIATED, around=EVERYTHING)) == (Coverage.COVERED, None)

    def test_missing_role_is_role_missing_with_the_remedy(self) -> None:
        found = judge(role=NO_ROLE)
        assert verdict(found) == (Coverage.NOT_COVERED, Cause.ROLE_MISSING)
        assert "aws iam create-service-linked-role" in found.reason

    def test_role_may_still_come_while_the_account_settles(self) -> None:
        assert verdict(judge(role=NO_ROLE, arrived_at=JUST_NOW)) == (Coverage.SETTLING, Cause.ROLE_MISSING)

    def test_unreadable_role_is_never_called_missing(self) -> None:
        found = judge(role=ROLE_UNREADABLE)
        assert verdict(found) == (Coverage.NOT_COVERED, Cause.UNKNOWN)
        assert "check it, or deploy the member reader" in found.reason

    @pytest.mark.parametrize("role", [ROLE, ROLE_UNREADABLE])
    def test_all_in_place_and_settled_is_service_side_only_where_the_role_was_seen(self, role: Observed[bool]) -> None:
        expected = Cause.SERVICE_SIDE if role == ROLE else Cause.UNKNOWN
        assert verdict(judge(role=role)) == (Coverage.NOT_COVERED, expected)

    def test_membership_that_is_not_active_covers_nobody(self) -> None:
        around = replace(AROUND, membership=replace(MEMBERSHIP, status="Terminated"))
        assert verdict(judge(association=ASSOCIATED, around=around)) == (
            Coverage.NOT_COVERED, Cause.MEMBERSHIP_NOT_ACTIVE,
        )  # fmt: skip
        assert verdict(judge(IN_SANDBOX, ASSOCIATED, around=around)) == (Coverage.OUT_OF_SCOPE, None)

    def test_account_below_no_unit_asked_for_is_out_of_scope(self) -> None:
        assert verdict(judge(IN_SANDBOX)) == (Coverage.OUT_OF_SCOPE, None)

    def test_account_covered_beyond_the_scope_is_reported_once_settled(self) -> None:
        assert verdict(judge(IN_SANDBOX, ASSOCIATED)) == (Coverage.OUT_OF_SCOPE, Cause.COVERED_OUT_OF_SCOPE)
        assert verdict(judge(IN_SANDBOX, ASSOCIATED, arrived_at=JUST_NOW)) == (Coverage.SETTLING, Cause.PROPAGATION)


class TestSettling:
    @pytest.mark.parametrize("role", [ROLE, ROLE_UNREADABLE])
    @pytest.mark.parametrize(
        ("joined_at", "activated_at", "scope_changed_at", "arrived_at"),
        [
            (JUST_NOW, LONG_AGO, None, None),
            (LONG_AGO, JUST_NOW, None, None),
            (LONG_AGO, LONG_AGO, JUST_NOW, None),
            (LONG_AGO, LONG_AGO, None, JUST_NOW),
        ],
        ids=["joined", "membership activated", "scope changed", "moved"],
    )
    def test_time_counts_from_whatever_happened_last(
        self,
        role: Observed[bool],
        joined_at: datetime | None,
        activated_at: datetime | None,
        scope_changed_at: datetime | None,
        arrived_at: datetime | None,
    ) -> None:
        around = replace(
            AROUND, membership=replace(MEMBERSHIP, activated_at=activated_at), scope_changed_at=scope_changed_at
        )
        found = judge(replace(IN_PROD, joined_at=joined_at), role=role, arrived_at=arrived_at, around=around)
        assert verdict(found) == (Coverage.SETTLING, Cause.PROPAGATION)
        assert found.reason.endswith("settles until 2026-03-02 09:20 UTC")

    def test_time_ends_with_the_settle_time(self) -> None:
        assert judge(arrived_at=AT - timedelta(minutes=30)).coverage is Coverage.NOT_COVERED
        assert judge(arrived_at=AT - timedelta(minutes=29)).coverage is Coverage.SETTLING

    def test_account_of_unknown_age_is_settled(self) -> None:
        around = replace(AROUND, membership=replace(MEMBERSHIP, activated_at=None))
        assert judge(replace(IN_PROD, joined_at=None), around=around).cause is Cause.SERVICE_SIDE


class TestExceptions:
    @pytest.mark.parametrize("target", ["300000000000", "ou-work"])
    def test_excepted_account_is_no_gap_to_the_end_of_the_day(self, target: str) -> None:
        around = replace(AROUND, exceptions=exceptions_by_target([excepted(target, AT.date())]))
        found = judge(around=around)
        assert verdict(found) == (Coverage.EXCEPTED, None)
        assert found.reason == "Unassociated; Team Blue excepted it until 2026-03-02: migration"

    def test_exception_for_another_account_does_not_count(self) -> None:
        around = replace(AROUND, exceptions=exceptions_by_target([excepted("999999999999", AT.date())]))
        assert judge(around=around).coverage is Coverage.NOT_COVERED

    def test_expired_exception_is_drift_and_says_so(self) -> None:
        around = replace(AROUND, exceptions=exceptions_by_target([excepted("ou-work", AT.date() - timedelta(days=1))]))
        found = judge(around=around)
        assert verdict(found) == (Coverage.NOT_COVERED, Cause.SERVICE_SIDE)
        assert found.reason.endswith("the exception of Team Blue ended with 2026-03-01")

    def test_the_exception_that_lasts_longest_counts(self) -> None:
        several = [
            excepted("ou-work", AT.date()),
            excepted("ou-work", date(2025, 1, 1)),
            excepted("300000000000", date(2025, 1, 1)),
        ]
        around = replace(AROUND, exceptions=exceptions_by_target(several))
        assert judge(around=around).coverage is Coverage.EXCEPTED

    def test_covered_account_is_covered_whatever_is_excepted(self) -> None:
        around = replace(AROUND, exceptions=exceptions_by_target([excepted("ou-work", AT.date())]))
        assert judge(association=ASSOCIATED, around=around).coverage is Coverage.COVERED

    def test_day_is_that_of_utc(self) -> None:
        late = replace(AROUND, at=datetime(2026, 3, 3, 1, 0, tzinfo=UTC).astimezone(tz=None))
        assert late.today == date(2026, 3, 3)


class TestRoleIsAskedFor:
    @pytest.mark.parametrize(
        ("account", "association", "around", "asked"),
        [
            (IN_PROD, UNASSOCIATED, AROUND, True),
            (IN_PROD, DISASSOCIATED, EVERYTHING, True),
            (IN_PROD, ASSOCIATED, AROUND, False),
            (IN_PROD, Unknown("denied"), AROUND, False),
            (IN_SANDBOX, UNASSOCIATED, AROUND, False),
            (replace(IN_PROD, ancestors=None), UNASSOCIATED, AROUND, False),
            (replace(IN_PROD, state=AccountState.CLOSED), UNASSOCIATED, AROUND, False),
            (IN_PROD, UNASSOCIATED, replace(AROUND, membership=replace(MEMBERSHIP, status="Cancelled")), False),
            (IN_PROD, UNASSOCIATED, replace(AROUND, membership=replace(MEMBERSHIP, unit_ids=frozenset())), False),
            (
                IN_PROD,
                UNASSOCIATED,
                replace(AROUND, exceptions=exceptions_by_target([excepted("ou-prod", AT.date())])),
                False,
            ),
        ],
    )
    def test_only_where_the_diagnosis_depends_on_it(
        self, account: Account, association: Observed[Association], around: Circumstances, *, asked: bool
    ) -> None:
        assert needs_triage_role(account, association, around) is asked


ANCESTORS = st.sampled_from([None, ("r-1",), ("r-1", "ou-sand"), ("r-1", "ou-work"), ("r-1", "ou-work", "ou-prod")])
TIMES = st.none() | st.datetimes(datetime(2026, 3, 1), datetime(2026, 3, 3), timezones=st.just(UTC))  # noqa: DTZ001
ACCOUNTS = st.builds(
    Account,
    id=st.sampled_from(["300000000000", "300000000001"]),
    name=st.just("any"),
    state=st.sampled_from(AccountState),
    ancestors=ANCESTORS,
    joined_at=TIMES,
)
ASSOCIATIONS = st.builds(Known, st.sampled_from(Association)) | st.just(Unknown("denied"))
ROLES = st.builds(Known, st.booleans()) | st.just(Unknown("denied"))
SCOPES = st.just(EntireOrganization()) | st.builds(
    OrganizationalUnits, st.frozensets(st.sampled_from(["ou-sand", "ou-work", "ou-prod"]), min_size=1)
)
MEMBERSHIPS = st.builds(
    lambda status, activated_at, everything, unit_ids: replace(
        MEMBERSHIP,
        status=status,
        activated_at=activated_at,
        covers_entire_organization=everything,
        unit_ids=unit_ids,
    ),
    st.sampled_from(["Active", "Cancelled", "Pending"]),
    TIMES,
    st.booleans(),
    st.frozensets(st.sampled_from(["ou-sand", "ou-work", "ou-prod"])),
)
EXCEPTIONS = st.lists(
    st.builds(excepted, st.sampled_from(["300000000000", "ou-work"]), st.dates(date(2026, 2, 20), date(2026, 3, 20))),
    max_size=3,
).map(exceptions_by_target)
CIRCUMSTANCES = st.builds(
    Circumstances,
    scope=SCOPES,
    membership=MEMBERSHIPS,
    at=st.just(AT),
    settle=st.just(timedelta(minutes=30)),
    scope_changed_at=TIMES,
    exceptions=EXCEPTIONS,
)


@given(account=ACCOUNTS, association=ASSOCIATIONS, role=ROLES, arrived_at=TIMES, around=CIRCUMSTANCES)
def test_covered_means_active_in_scope_and_associated(
    account: Account,
    association: Observed[Association],
    role: Observed[bool],
    arrived_at: datetime | None,
    around: Circumstances,
) -> None:
    found = diagnose(account, association, role, arrived_at=arrived_at, around=around)
    in_scope = isinstance(around.scope, EntireOrganization) or not around.scope.unit_ids.isdisjoint(
        account.ancestors or ()
    )
    assert (found.coverage is Coverage.COVERED) == (
        account.state is AccountState.ACTIVE
        and in_scope
        and association == ASSOCIATED
        and around.membership.status == "Active"
    )


@given(account=ACCOUNTS, association=ASSOCIATIONS, role=ROLES, arrived_at=TIMES, around=CIRCUMSTANCES)
def test_what_could_not_be_read_is_never_covered_and_names_no_remedy(
    account: Account,
    association: Observed[Association],
    role: Observed[bool],
    arrived_at: datetime | None,
    around: Circumstances,
) -> None:
    found = diagnose(account, association, role, arrived_at=arrived_at, around=around)
    active = account.state is AccountState.ACTIVE
    if active and isinstance(association, Unknown):
        assert verdict(found) == (Coverage.UNKNOWN, Cause.UNKNOWN)
    if isinstance(role, Unknown):
        assert found.cause not in (Cause.ROLE_MISSING, Cause.SERVICE_SIDE)
    if active and account.ancestors is None:
        assert found.cause not in (Cause.UNIT_MISSING, Cause.CANNOT_BE_SELECTED)


@given(account=ACCOUNTS, association=ASSOCIATIONS, arrived_at=TIMES, around=CIRCUMSTANCES)
def test_a_role_that_is_not_asked_for_would_not_change_the_diagnosis(
    account: Account, association: Observed[Association], arrived_at: datetime | None, around: Circumstances
) -> None:
    if not needs_triage_role(account, association, around):
        answers: list[Observed[bool]] = [ROLE, NO_ROLE, ROLE_UNREADABLE]
        found = {diagnose(account, association, role, arrived_at=arrived_at, around=around) for role in answers}
        assert len(found) == 1

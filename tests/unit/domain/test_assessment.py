"""What makes an inventory plausible, when an account arrived, and what the assessment's document keeps."""

import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.domain.assessment import (
    EarlierAssessment,
    InventoryRow,
    assess_accounts,
    count_coverage,
    date_arrival,
    date_scope_change,
    earlier_from_document,
    note_assessment,
    question_inventory,
    row_from_document,
    row_to_document,
    to_document,
)
from muster.domain.diagnosis import Circumstances, Coverage
from muster.domain.membership import Association, Membership
from muster.domain.observed import Known, Observed, Unknown
from muster.domain.organization import Account, AccountState
from muster.domain.scope import EntireOrganization, OrganizationalUnits

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)
MANAGEMENT, SECURITY = "111111111111", "222222222222"
MEMBERSHIP = Membership(
    id="m-1",
    arn="arn:aws:security-ir:eu-west-1:222222222222:membership/m-1",
    account_id=SECURITY,
    region="eu-west-1",
    name="example",
    status="Active",
    activated_at=LONG_AGO,
    accounts_covered=None,
    triage_enabled=True,
    covers_entire_organization=True,
    unit_ids=frozenset(),
)
AROUND = Circumstances(scope=EntireOrganization(), membership=MEMBERSHIP, at=AT, settle=timedelta(minutes=30))


def account(
    account_id: str = "300000000000",
    *,
    ancestors: tuple[str, ...] | None = ("r-1", "ou-prod"),
    state: AccountState = AccountState.ACTIVE,
    joined_at: datetime | None = LONG_AGO,
) -> Account:
    return Account(account_id, "any", state, ancestors, joined_at)


ASSOCIATED = Known(Association.ASSOCIATED)


def row(found: Account | None = None, association: Observed[Association] | None = ASSOCIATED) -> InventoryRow:
    return InventoryRow(found or account(), association)


def earlier(*rows: InventoryRow, around: Circumstances = AROUND, at: datetime = AT) -> EarlierAssessment:
    accounts = assess_accounts(rows, {}, around=replace(around, at=at), earlier=None)
    document = to_document(accounts, run="run-0", management=MANAGEMENT, around=replace(around, at=at))
    found = earlier_from_document(json.loads(json.dumps(document)))
    assert found is not None
    return found


class TestPlausibility:
    @staticmethod
    def question(*account_ids: str, previous: int | None = None, drop: float = 0.1) -> str | None:
        return question_inventory(
            set(account_ids), management=MANAGEMENT, membership=SECURITY, previous=previous, drop=drop
        )

    def test_list_with_the_accounts_we_know_is_plausible(self) -> None:
        assert self.question(MANAGEMENT, SECURITY) is None

    @pytest.mark.parametrize(
        ("account_ids", "message"),
        [
            ([], "is empty"),
            ([SECURITY], "lacks 111111111111, the management account"),
            ([MANAGEMENT], "lacks 222222222222, the membership's account"),
        ],
    )
    def test_list_without_them_is_not(self, account_ids: list[str], message: str) -> None:
        assert message in (self.question(*account_ids) or "")

    @pytest.mark.parametrize(
        ("found", "previous", "plausible"), [(90, 100, True), (89, 100, False), (8, 9, True), (7, 9, False)]
    )
    def test_list_may_shrink_by_the_guardrail(self, found: int, previous: int, *, plausible: bool) -> None:
        account_ids = [MANAGEMENT, SECURITY, *(f"{number:012d}" for number in range(found - 2))]
        assert (self.question(*account_ids, previous=previous) is None) is plausible

    def test_doubt_says_the_numbers_and_how_to_go_on(self) -> None:
        doubt = self.question(MANAGEMENT, SECURITY, previous=3)
        assert doubt is None
        doubt = self.question(MANAGEMENT, SECURITY, previous=7)
        assert doubt is not None
        assert "has 2 accounts, the last assessment had 7, and fewer than 6 (guardrails.inventory_drop: 0.1)" in doubt
        assert "set guardrails.inventory_drop: 0.72 for one run" in doubt
        assert self.question(MANAGEMENT, SECURITY, previous=7, drop=0.72) is None


class TestArrival:
    def test_first_assessment_dates_nothing(self) -> None:
        assert date_arrival(account(), None, AT) is None

    def test_account_seen_before_where_it_sits_arrived_before(self) -> None:
        assert date_arrival(account(), earlier(row()), AT) is None

    def test_account_that_moved_arrived_now(self) -> None:
        assert date_arrival(account(ancestors=("r-1",)), earlier(row()), AT) == AT

    def test_arrival_is_carried_on(self) -> None:
        first = earlier(row())
        moved = row(account(ancestors=("r-1",)))
        assessed = assess_accounts([moved], {}, around=AROUND, earlier=first)
        document = to_document(assessed, run="run-1", management=MANAGEMENT, around=AROUND)
        assert date_arrival(moved.account, earlier_from_document(document), AT + timedelta(hours=1)) == AT

    @pytest.mark.parametrize(
        ("before", "now"), [(None, ("r-1",)), (("r-1",), None)], ids=["unreadable before", "unreadable now"]
    )
    def test_path_that_could_not_be_read_is_no_move(
        self, before: tuple[str, ...] | None, now: tuple[str, ...] | None
    ) -> None:
        assert date_arrival(account(ancestors=now), earlier(row(account(ancestors=before))), AT) is None

    def test_account_that_became_active_again_arrived_now(self) -> None:
        assert date_arrival(account(), earlier(row(account(state=AccountState.SUSPENDED), None)), AT) == AT

    def test_new_account_counts_from_its_joining_where_that_is_known(self) -> None:
        assert date_arrival(account("400000000000"), earlier(row()), AT) is None
        assert date_arrival(account("400000000000", joined_at=None), earlier(row()), AT) == AT


class TestScopeChange:
    later = AT + timedelta(hours=1)

    def test_without_change_there_is_no_date(self) -> None:
        assert date_scope_change(None, MEMBERSHIP, changed_at=None, at=AT) is None
        assert date_scope_change(earlier(row()), MEMBERSHIP, changed_at=None, at=AT) is None

    def test_change_of_this_run_is_dated_and_carried(self) -> None:
        assert date_scope_change(None, MEMBERSHIP, changed_at=AT, at=self.later) == AT
        before = earlier(row(), around=replace(AROUND, scope_changed_at=AT))
        assert date_scope_change(before, MEMBERSHIP, changed_at=None, at=self.later) == AT
        assert date_scope_change(before, MEMBERSHIP, changed_at=self.later, at=self.later) == self.later

    def test_change_that_somebody_else_made_is_dated_when_it_is_seen(self) -> None:
        wider = replace(MEMBERSHIP, unit_ids=frozenset({"ou-new"}))
        assert date_scope_change(earlier(row()), wider, changed_at=None, at=self.later) == self.later


class TestDocuments:
    @pytest.mark.parametrize(
        "found",
        [
            row(),
            row(association=Unknown("denied")),
            row(account(ancestors=None, joined_at=None, state=AccountState.CLOSED), None),
        ],
    )
    def test_row_survives_being_stored(self, found: InventoryRow) -> None:
        assert row_from_document(json.loads(json.dumps(row_to_document(found)))) == found

    @pytest.mark.parametrize("document", [None, {}, {"schema": 2}])
    def test_assessment_of_another_schema_is_no_assessment(self, document: dict[str, int] | None) -> None:
        assert earlier_from_document(document) is None

    def test_document_is_plain_and_complete(self) -> None:
        rows = [
            row(account(MANAGEMENT, ancestors=("r-1",))),
            row(association=Unknown("denied")),
            row(account("400000000000", state=AccountState.CLOSED), None),
        ]
        around = replace(
            AROUND,
            scope=OrganizationalUnits(frozenset({"ou-prod"})),
            membership=replace(MEMBERSHIP, accounts_covered=1),
        )
        assessed = assess_accounts(rows, {}, around=around, earlier=None)

        document = to_document(assessed, run="run-1", management=MANAGEMENT, around=around)

        assert json.loads(json.dumps(document)) == {
            "schema": 1,
            "run": "run-1",
            "at": "2026-03-02T09:00:00+00:00",
            "membership": {
                "id": "m-1",
                "account_id": SECURITY,
                "region": "eu-west-1",
                "status": "Active",
                "activated_at": "2024-01-01T00:00:00+00:00",
                "triage_enabled": True,
                "accounts_covered": 1,
                "accounts_associated": 1,
            },
            "scope": {
                "asked": {"entire_organization": False, "unit_ids": ["ou-prod"]},
                "found": {"entire_organization": True, "unit_ids": []},
            },
            "scope_changed_at": None,
            "counts": {
                "Covered": 0, "NotCovered": 0, "OutOfScope": 1, "Settling": 0, "Excepted": 0, "Inactive": 1,
                "Unknown": 1,
            },
            "causes": {"unknown": 1, "covered_out_of_scope": 1},
            "notices": [
                {
                    "subject": "accounts are covered though they are not in scope",
                    "detail": "1 of them; a plan that takes their coverage away needs a person's approval",
                }
            ],
            "accounts": [
                {
                    "id": MANAGEMENT,
                    "name": "any",
                    "state": "ACTIVE",
                    "ancestors": ["r-1"],
                    "coverage": "OutOfScope",
                    "cause": "covered_out_of_scope",
                    "reason": "Associated, though not in scope; taking its coverage away needs a person's approval",
                    "association": "Associated",
                    "since": "2026-03-02T09:00:00+00:00",
                    "arrived_at": None,
                    "management": True,
                },
                {
                    "id": "300000000000",
                    "name": "any",
                    "state": "ACTIVE",
                    "ancestors": ["r-1", "ou-prod"],
                    "coverage": "Unknown",
                    "cause": "unknown",
                    "reason": "its association could not be read: denied",
                    "association": "Unknown",
                    "since": "2026-03-02T09:00:00+00:00",
                    "arrived_at": None,
                },
                {
                    "id": "400000000000",
                    "name": "any",
                    "state": "CLOSED",
                    "ancestors": ["r-1", "ou-prod"],
                    "coverage": "Inactive",
                    "cause": None,
                    "reason": "the account is CLOSED; only ACTIVE accounts are covered",
                    "association": None,
                    "since": "2026-03-02T09:00:00+00:00",
                    "arrived_at": None,
                },
            ],
        }  # fmt: skip

    def test_entire_organization_is_written_as_such(self) -> None:
        assessed = assess_accounts([row(account(ancestors=None))], {}, around=AROUND, earlier=None)
        document = to_document(assessed, run="run-1", management=MANAGEMENT, around=AROUND)
        assert document["scope"]["asked"] == {"entire_organization": True, "unit_ids": []}
        assert document["accounts"][0]["ancestors"] is None

    def test_since_is_when_the_present_coverage_was_first_seen(self) -> None:
        before = earlier(row(), at=LONG_AGO)
        same = assess_accounts([row()], {}, around=AROUND, earlier=before)
        other = assess_accounts([row(association=Unknown("denied"))], {}, around=AROUND, earlier=before)
        assert [same[0].since, other[0].since] == [LONG_AGO.isoformat(), AT.isoformat()]


class TestNotices:
    @staticmethod
    def subjects(*rows: InventoryRow, around: Circumstances = AROUND) -> list[str]:
        assessed = assess_accounts(rows, {}, around=around, earlier=None)
        return [notice.subject for notice in note_assessment(assessed, around.membership)]

    def test_accounts_that_no_unit_selects_are_named(self) -> None:
        around = replace(AROUND, scope=OrganizationalUnits(frozenset({"ou-prod"})))
        root = row(account(ancestors=("r-1",)), Known(Association.UNASSOCIATED))
        assert self.subjects(root, around=around) == ["accounts directly under the root are not covered"]

    @pytest.mark.parametrize(("told", "odd"), [(2, False), (3, False), (1, False), (4, True), (0, True)])
    def test_sums_that_differ_by_more_than_the_management_account_are_odd(self, told: int, *, odd: bool) -> None:
        around = replace(AROUND, membership=replace(MEMBERSHIP, accounts_covered=told))
        found = self.subjects(row(), row(account("400000000000")), around=around)
        assert (found == ["the service counts other accounts than it lists"]) is odd

    def test_accounts_that_could_not_be_read_may_make_the_difference(self) -> None:
        around = replace(AROUND, membership=replace(MEMBERSHIP, accounts_covered=3))
        assert self.subjects(row(), row(account("400000000000"), Unknown("denied")), around=around) == []


ROWS = st.lists(
    st.builds(
        row,
        st.builds(
            account,
            st.integers(0, 30).map(lambda number: f"{number:012d}"),
            ancestors=st.sampled_from([None, ("r-1",), ("r-1", "ou-prod")]),
            state=st.sampled_from(AccountState),
        ),
        st.builds(Known, st.sampled_from(Association)) | st.just(Unknown("denied")),
    ),
    unique_by=lambda each: each.account.id,
    max_size=20,
)


@given(rows=ROWS, order=st.randoms(use_true_random=False))
def test_order_of_the_accounts_is_irrelevant_and_each_is_counted_once(rows: list[InventoryRow], order: object) -> None:
    shuffled = sorted(rows, key=lambda _row: order.random())  # type: ignore[attr-defined]
    around = replace(AROUND, scope=OrganizationalUnits(frozenset({"ou-prod"})))
    assessed = assess_accounts(rows, {}, around=around, earlier=None)
    assert assess_accounts(shuffled, {}, around=around, earlier=None) == assessed
    assert sum(count_coverage(assessed).values()) == len(rows)


def test_fifty_thousand_accounts_take_about_a_second() -> None:
    units = OrganizationalUnits(frozenset(f"ou-{number}" for number in range(0, 2000, 2)))
    associations: list[Observed[Association]] = [Known(each) for each in Association]
    rows = [
        row(account(f"{number:012d}", ancestors=("r-1", f"ou-{number % 2000}")), associations[number % 3])
        for number in range(50_000)
    ]
    around = replace(AROUND, scope=units, membership=replace(MEMBERSHIP, unit_ids=units.unit_ids))
    start = time.process_time()
    assessed = assess_accounts(rows, {}, around=around, earlier=None)
    to_document(assessed, run="run-1", management=MANAGEMENT, around=around)
    assert time.process_time() - start < 5
    assert count_coverage(assessed)[Coverage.OUT_OF_SCOPE] == 25_000

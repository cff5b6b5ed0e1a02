"""Assess reads everything, in slices and within its budget of calls, and never takes half a list for the whole."""

import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.domain.membership import SERVICE_PRINCIPAL, Association
from muster.domain.organization import AccountState
from muster.domain.outcomes import AssessCursor, AssessOutcome
from muster.domain.scope import UnitPath, UnitReferences
from muster.errors import (
    AbsentError,
    DeniedError,
    ImplausibleInventoryError,
    NotYetConsistentError,
    OrganizationNotReadyError,
    RefusedError,
    RegionNotEnabledError,
    ScopeError,
    ThrottledError,
    UnavailableError,
)
from muster.steps.assess import MAX_SLICES, Assess
from tests.fakes.ports import FakeDocuments, FakeOrganizations, FakeReader, FakeTriageRoles
from tests.fakes.steps import SETTLE, assess, desired_state
from tests.fakes.world import MANAGEMENT, SECURITY, World, example_world

LIST_ACCOUNTS = "organizations:ListAccounts"
BATCH_GET = "security-ir:BatchGetMemberAccountDetails"
PROD = "ou-ex01-wlprod00"


def denied(operation: str, account_id: str) -> DeniedError:
    return DeniedError(operation, account_id, "not allowed")


def signed_up(world: World) -> World:
    world.trusted.add(SERVICE_PRINCIPAL)
    world.delegated.add(SECURITY)
    world.triage_roles.add(MANAGEMENT)
    world.add_membership(entire_organization=True)
    return world


@pytest.fixture
def world() -> World:
    return signed_up(example_world())


def large_world(accounts: int) -> World:
    world = signed_up(example_world())
    for number in range(accounts - len(world.accounts)):
        world.add_account(f"{800_000_000_000 + number}", PROD)
    return world


def account(world: World, account_id: str) -> dict[str, Any]:
    accounts: list[dict[str, Any]] = world.read_document("assessments/latest.json")["accounts"]
    return next(each for each in accounts if each["id"] == account_id)


def coverage(world: World, account_id: str) -> tuple[str, str | None]:
    found = account(world, account_id)
    return found["coverage"], found["cause"]


class TestOutcome:
    def test_covered_organization(self, world: World) -> None:
        assert assess(world) == AssessOutcome(
            cursor=None,
            settled=True,
            accounts_read=9,
            counts={
                "Covered": 8, "NotCovered": 0, "OutOfScope": 0, "Settling": 0, "Excepted": 0, "Inactive": 1,
                "Unknown": 0,
            },
            needs_person=0,
            assessment_key="runs/run-1/assessment.json",
        )  # fmt: skip
        assert world.documents["runs/run-1/assessment.json"] == world.documents["assessments/latest.json"]
        assert account(world, MANAGEMENT)["management"] is True
        assert world.writes == []

    def test_units_leave_the_others_out(self, world: World) -> None:
        world.memberships.clear()
        world.add_membership(unit_ids=frozenset({PROD}))
        outcome = assess(world, desired_state(scope=UnitReferences((UnitPath(("Workloads", "Prod")),))))
        assert (outcome.counts["Covered"], outcome.counts["OutOfScope"], outcome.needs_person) == (3, 5, 0)
        assert coverage(world, MANAGEMENT) == ("OutOfScope", "cannot_be_selected")

    def test_unreadable_associations_need_a_person_and_are_never_covered(self, world: World) -> None:
        world.unreadable_associations |= {"300000000000"}
        outcome = assess(world)
        assert (outcome.counts["Covered"], outcome.counts["Unknown"], outcome.needs_person) == (7, 1, 1)

    def test_denied_batch_makes_its_accounts_unknown(self, world: World) -> None:
        world.fail(BATCH_GET, denied)
        assert assess(world).counts["Unknown"] == 8

    @pytest.mark.parametrize("error", [AbsentError, NotYetConsistentError, RefusedError])
    def test_membership_that_answers_nothing_covers_nobody(self, world: World, error: type[RefusedError]) -> None:
        world.fail(BATCH_GET, lambda op, account: error(op, account, "not active"))
        assert assess(world).counts["Unknown"] == 8

    def test_account_that_the_service_leaves_out_is_unknown(self, world: World) -> None:
        class Forgetful(FakeReader):
            def associations(self, membership_id: str, account_ids: Any) -> Any:
                found = dict(FakeReader.associations(self, membership_id, account_ids))
                del found["300000000000"]
                return found

        assess(world)
        step = Assess(FakeOrganizations(world), Forgetful(world), FakeTriageRoles(world), FakeDocuments(world))
        step.apply(
            desired_state(), run="run-1", membership_id="m-0123456789ab", at=world.now, number=1, cursor=None,
            changed_at=None, settle=SETTLE,
        )  # fmt: skip
        assert coverage(world, "300000000000") == ("Unknown", "unknown")


class TestRoles:
    def test_role_is_asked_for_only_where_the_diagnosis_depends_on_it(self, world: World) -> None:
        world.associations["300000000000"] = Association.DISASSOCIATED
        assess(world)
        assert [call.account_id for call in world.calls if call.operation == "iam:GetRole"] == ["300000000000"]
        assert coverage(world, "300000000000") == ("NotCovered", "service_side")

    def test_missing_role_is_told_from_an_unreadable_one(self, world: World) -> None:
        world.triage_roles -= {"300000000000", "300000000001"}
        world.unreadable_roles.add("300000000001")
        assess(world)
        assert coverage(world, "300000000000") == ("NotCovered", "role_missing")
        assert coverage(world, "300000000001") == ("NotCovered", "unknown")

    def test_role_of_the_management_account_counts_too(self, world: World) -> None:
        world.triage_roles.discard(MANAGEMENT)
        assess(world)
        assert coverage(world, MANAGEMENT) == ("NotCovered", "role_missing")

    def test_two_hundred_roles_are_asked_for_and_the_rest_is_unknown(self) -> None:
        world = large_world(320)
        world.triage_roles.clear()
        outcome = assess(world)
        assert world.count("iam:GetRole") == 200
        causes = world.read_document("assessments/latest.json")["causes"]
        assert causes == {"role_missing": 200, "unknown": 119}
        assert outcome.needs_person == 319

    @pytest.mark.parametrize("error", [RegionNotEnabledError, RefusedError])
    def test_odd_answer_of_one_account_is_unknown_there(self, world: World, error: type[RefusedError]) -> None:
        world.associations |= dict.fromkeys(["300000000000", "300000000001"], Association.DISASSOCIATED)
        world.fail("iam:GetRole", lambda op, account: error(op, account, "odd"), account="300000000000")
        assess(world)
        assert coverage(world, "300000000000") == ("NotCovered", "unknown")
        assert coverage(world, "300000000001") == ("NotCovered", "service_side")


class TestSettling:
    def test_new_scope_settles_then_is_judged(self, world: World) -> None:
        world.propagated = False
        first = assess(world, changed_at=world.now)
        assert (first.settled, first.counts["Settling"], first.needs_person) == (False, 8, 0)
        world.now += timedelta(minutes=40)
        second = assess(world, number=2, changed_at=world.now - timedelta(minutes=40))
        assert (second.settled, second.counts["NotCovered"]) == (True, 8)

    def test_scope_change_is_remembered_by_the_next_run(self, world: World) -> None:
        world.propagated = False
        assess(world, changed_at=world.now)
        world.now += timedelta(minutes=10)
        assert assess(world, run="run-2").settled is False

    def test_units_that_a_person_added_settle(self, world: World) -> None:
        assess(world)
        world.propagated = False
        world.memberships[0].membership = replace(world.memberships[0].membership, unit_ids=frozenset({PROD}))
        assert assess(world, run="run-2").counts["Settling"] == 8

    def test_moved_account_settles_and_then_counts(self, world: World) -> None:
        assess(world)
        world.move("300000000000", "ou-ex01-sandbox0")
        world.associations["300000000000"] = Association.DISASSOCIATED
        assess(world, run="run-2")
        assert coverage(world, "300000000000") == ("Settling", "propagation")
        world.now += timedelta(minutes=20)
        assess(world, run="run-3")
        assert coverage(world, "300000000000") == ("Settling", "propagation")
        world.now += timedelta(minutes=20)
        assess(world, run="run-4")
        assert coverage(world, "300000000000") == ("NotCovered", "service_side")


class TestInventory:
    def test_slices_are_resumed_and_put_together(self) -> None:
        world = large_world(130)
        world.empty_pages |= {0, 3}
        outcome = assess(world, pages_per_slice=2)
        assert (outcome.accounts_read, outcome.counts["Covered"]) == (130, 129)
        assert len([key for key in world.documents if key.startswith("runs/run-1/inventory/1/")]) == 5

    def test_slice_tells_where_to_go_on(self) -> None:
        world = large_world(130)
        step = Assess(FakeOrganizations(world), FakeReader(world), FakeTriageRoles(world), FakeDocuments(world))
        outcome = step.apply(
            desired_state(), run="run-1", membership_id="m-0123456789ab", at=world.now, number=1, cursor=None,
            changed_at=None, settle=SETTLE, pages_per_slice=3,
        )  # fmt: skip
        assert outcome == AssessOutcome(
            AssessCursor("3", 1, 60), settled=False, accounts_read=60, counts={}, needs_person=0, assessment_key=None
        )

    @pytest.mark.parametrize("error", [ThrottledError, UnavailableError])
    def test_slice_can_be_repeated(self, world: World, error: type[Exception]) -> None:
        world.fail(BATCH_GET, lambda _operation, _account: error("later"), times=1)
        with pytest.raises(error):
            assess(world)
        assert assess(world).counts["Covered"] == 8

    def test_account_listed_twice_is_one(self) -> None:
        world = large_world(30)

        class Repeating(FakeOrganizations):
            def account_page(self, token: str | None) -> Any:
                page = FakeOrganizations.account_page(self, token)
                return replace(page, accounts=page.accounts + page.accounts[:1])

        assess(world)
        step = Assess(Repeating(world), FakeReader(world), FakeTriageRoles(world), FakeDocuments(world))
        outcome = step.apply(
            desired_state(), run="run-1", membership_id="m-0123456789ab", at=world.now, number=1, cursor=None,
            changed_at=None, settle=SETTLE,
        )  # fmt: skip
        assert (outcome.accounts_read, sum(outcome.counts.values())) == (30, 30)

    def test_page_of_inactive_accounts_asks_for_no_association(self, world: World) -> None:
        world.page_size = 1
        assess(world, pages_per_slice=1)
        assert world.count(BATCH_GET) == 8

    def test_lost_slice_stops(self) -> None:
        world = large_world(130)
        step = Assess(FakeOrganizations(world), FakeReader(world), FakeTriageRoles(world), FakeDocuments(world))
        with pytest.raises(ImplausibleInventoryError, match="125 rows of the inventory were read but 10 are stored"):
            step.apply(
                desired_state(), run="run-1", membership_id="m-0123456789ab", at=world.now, number=1,
                cursor=AssessCursor("6", 1, 115), changed_at=None, settle=SETTLE,
            )  # fmt: skip

    def test_list_without_end_stops(self) -> None:
        world = large_world(130)
        step = Assess(FakeOrganizations(world), FakeReader(world), FakeTriageRoles(world), FakeDocuments(world))
        with pytest.raises(ImplausibleInventoryError, match="has no end"):
            step.apply(
                desired_state(), run="run-1", membership_id="m-0123456789ab", at=world.now, number=1,
                cursor=AssessCursor("0", MAX_SLICES, 0), changed_at=None, settle=SETTLE, pages_per_slice=1,
            )  # fmt: skip

    def test_list_that_may_not_be_read_stops(self, world: World) -> None:
        world.fail(LIST_ACCOUNTS, denied)
        with pytest.raises(ImplausibleInventoryError, match="Allow organizations:ListAccounts"):
            assess(world)

    def test_empty_list_stops(self, world: World) -> None:
        world.accounts.clear()
        with pytest.raises(ImplausibleInventoryError, match="is empty"):
            assess(world)

    def test_list_that_shrank_stops_and_leaves_the_last_assessment(self, world: World) -> None:
        assess(world)
        before = world.documents["assessments/latest.json"]
        for number in range(3):
            del world.accounts[f"30000000000{number}"]
        with pytest.raises(ImplausibleInventoryError, match="has 6 accounts, the last assessment had 9"):
            assess(world, run="run-2")
        assert world.documents["assessments/latest.json"] == before

    def test_unreadable_organization_stops(self, world: World) -> None:
        world.fail("organizations:DescribeOrganization", denied)
        with pytest.raises(OrganizationNotReadyError):
            assess(world)

    def test_run_without_a_resolved_scope_stops(self, world: World) -> None:
        with pytest.raises(ScopeError, match=r"runs/run-1/scope.json is gone"):
            assess(world, scoped=False)


@pytest.mark.parametrize("number", [1_000, 10_000, 10_007])
@pytest.mark.parametrize("inactive", [0, 7], ids=["all active", "every seventh closed"])
def test_calls_stay_within_the_budget(number: int, inactive: int) -> None:
    world = large_world(number)
    if inactive:
        for account_id in list(world.accounts)[10::inactive]:
            world.accounts[account_id] = replace(world.accounts[account_id], state=AccountState.CLOSED)
    world.calls.clear()

    outcome = assess(world)

    calls = [call for call in world.calls if not call.operation.startswith("s3:")]
    assert len(calls) <= math.ceil(number / 20) + math.ceil(number / 100) + 12
    assert outcome.accounts_read == number
    assert outcome.needs_person == 0


@given(
    unreadable=st.sets(st.integers(0, 2)),
    lost=st.sets(st.integers(0, 2)),
    empty=st.sets(st.integers(0, 3)),
    page_size=st.integers(1, 20),
    pages=st.integers(1, 3),
)
def test_no_fault_makes_an_account_covered_that_is_not(
    unreadable: set[int], lost: set[int], empty: set[int], page_size: int, pages: int
) -> None:
    world = signed_up(example_world())
    world.page_size, world.empty_pages = page_size, set(empty)
    world.unreadable_associations = {f"30000000000{number}" for number in unreadable}
    world.associations = {f"30000000000{number}": Association.UNASSOCIATED for number in lost}

    outcome = assess(world, pages_per_slice=pages)

    assert outcome.counts["Covered"] == 8 - len(unreadable | lost)
    assert outcome.needs_person == len(unreadable | lost)

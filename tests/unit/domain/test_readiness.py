"""Ready is what was read of the roles, lately; everything else is told with its reason, and nothing unknown is good."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from muster.domain.containment import Deployment, DeploymentState, Member, find_lost, note_lost
from muster.domain.containment_roles import CONTAINMENT_ROLE, Defect, DefectKind
from muster.domain.readiness import AccountReadiness, Readiness, count_readiness, judge_readiness
from muster.domain.readings import VALID, Reading

AT = datetime(2026, 3, 9, 9, 0, tzinfo=UTC)
SHOP = Member("300000000001", "Shop", "ACTIVE", ("r-1", "ou-1"))
GOOD = Reading("run-1", AT - timedelta(days=2), "g", frozenset({CONTAINMENT_ROLE}))
BAD = replace(GOOD, defects=(Defect(DefectKind.BOUNDARY, CONTAINMENT_ROLE, "a boundary blocks it"),))


def judge(
    reading: Reading | None, state: DeploymentState = DeploymentState.DEPLOYED, *, ground: str | None = "g"
) -> AccountReadiness:
    return judge_readiness(
        Deployment(SHOP, state, "as CloudFormation says"), reading, ground=ground, at=AT, not_read="none"
    )


class TestVerdict:
    def test_good_roles_are_ready_as_read_on_a_day(self) -> None:
        found = judge(GOOD)
        assert (found.state, found.reason, found.read_at) == (Readiness.READY, "as read on 2026-03-07", GOOD.at)
        assert not found.needs_person

    @pytest.mark.parametrize(
        ("reading", "reason"),
        [
            (None, "none"),
            (replace(GOOD, unknown="denied"), "denied"),
            (replace(GOOD, ground="other"), "its roles were read before its stack changed, and not since"),
            (
                replace(GOOD, at=AT - VALID - timedelta(seconds=1)),
                "its roles were last read on 2026-03-02, more than 7 days ago",
            ),
        ],
    )
    def test_what_was_not_read_or_long_ago_is_unknown_and_needs_a_person(
        self, reading: Reading | None, reason: str
    ) -> None:
        found = judge(reading)
        assert (found.state, found.reason, found.needs_person) == (Readiness.UNKNOWN, reason, True)
        assert found.remedy
        assert found.row == ("Unknown", f"{reason}; {found.remedy}")

    def test_reading_counts_to_the_end_of_its_last_day(self) -> None:
        assert judge(replace(GOOD, at=AT - VALID)).state is Readiness.READY

    def test_any_ground_counts_where_the_present_one_is_not_known(self) -> None:
        assert judge(replace(GOOD, ground="other"), ground=None).state is Readiness.READY

    def test_defects_are_told_with_their_remedy(self) -> None:
        found = judge(BAD)
        assert (found.state, found.reason) == (Readiness.NOT_READY, "boundary: a boundary blocks it")
        assert "aws iam delete-role-permissions-boundary" in found.remedy
        assert found.needs_person
        assert found.row == ("NotReady", f"{found.reason}; {found.remedy}")

    def test_stack_that_failed_is_told_as_the_cause(self) -> None:
        found = judge(BAD, DeploymentState.FAILED)
        assert found.row == ("NotReady", f"{found.reason}; Failed, as CloudFormation says; {found.remedy}")

    def test_absence_by_choice_is_no_question_of_roles(self) -> None:
        found = judge(BAD, DeploymentState.ABSENT_BY_CHOICE)
        assert (found.state, found.needs_person) == (Readiness.ABSENT_BY_CHOICE, False)

    @pytest.mark.parametrize("reading", [None, BAD, replace(GOOD, unknown="denied"), replace(GOOD, ground="other")])
    def test_roles_on_their_way_are_unknown_and_need_nobody(self, reading: Reading | None) -> None:
        found = judge(reading, DeploymentState.PENDING)
        assert (found.state, found.needs_person) == (Readiness.UNKNOWN, False)

    def test_good_roles_of_an_account_that_gets_an_operation_are_ready(self) -> None:
        assert judge(GOOD, DeploymentState.PENDING).state is Readiness.READY


class TestNeed:
    @pytest.mark.parametrize("state", DeploymentState)
    def test_ready_account_needs_a_person_only_for_its_stack(self, state: DeploymentState) -> None:
        found = judge(GOOD, state)
        wrong = state in (DeploymentState.FAILED, DeploymentState.OUTDATED, DeploymentState.UNKNOWN)
        assert found.needs_person is wrong
        expected = (state.value, "as CloudFormation says") if wrong else (found.state.value, found.reason)
        assert found.row == expected

    def test_every_verdict_is_counted(self) -> None:
        found = count_readiness([judge(GOOD), judge(BAD), judge(BAD)])
        assert found == {"Ready": 1, "NotReady": 2, "AbsentByChoice": 0, "Unknown": 0}


class TestLost:
    HAD: Final[Mapping[str, Any]] = {"run": "run-1", "accounts": [{"id": SHOP.id, "state": "Deployed"}]}

    def lost(self, previous: Mapping[str, Any] | None, state: DeploymentState) -> list[str]:
        deployments = (Deployment(SHOP, state, "no instance"),)
        return [each.account.id for each in find_lost(previous, deployments, "run-2")]

    @pytest.mark.parametrize("state", DeploymentState)
    def test_account_whose_stack_is_gone_has_lost_its_roles(self, state: DeploymentState) -> None:
        gone = state in (DeploymentState.MISSING, DeploymentState.ABSENT_BY_CHOICE)
        assert self.lost(self.HAD, state) == [SHOP.id] * gone

    def test_account_that_never_had_them_has_lost_nothing(self) -> None:
        assert self.lost(None, DeploymentState.MISSING) == []
        pending = {"run": "run-1", "accounts": [{"id": SHOP.id, "state": "Pending"}]}
        assert self.lost(pending, DeploymentState.MISSING) == []

    def test_loss_is_told_by_the_last_look_of_its_run_too(self) -> None:
        looked = {"run": "run-2", "lost": [SHOP.id], "accounts": [{"id": SHOP.id, "state": "Missing"}]}
        assert self.lost(looked, DeploymentState.MISSING) == [SHOP.id]
        assert self.lost(looked | {"run": "run-1"}, DeploymentState.MISSING) == []
        assert self.lost({"run": "run-2", "accounts": []}, DeploymentState.MISSING) == []

    def test_few_are_named_and_many_are_counted(self) -> None:
        lost = [Deployment(replace(SHOP, id=str(each)), DeploymentState.MISSING, "why") for each in range(23)]
        assert note_lost([]) == ()
        (few,), (many,) = note_lost(lost[:1]), note_lost(lost)
        assert few.detail.startswith("1 account: 0. ")
        assert "23 accounts: 0, 1, 2, " in many.detail
        assert " 19 and 3 more. " in many.detail
        assert few.needs_person

"""Who lacks the triage role, who is asked for it, and what a pass leaves."""

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.domain.member_repair import (
    MAX_ACCOUNTS,
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
from muster.domain.outcomes import HandoffTo
from muster.domain.remediation import Concern, RemediationKind, Step

HOME = Home("222222222222", "eu-west-1")


def account(account_id: str, coverage: str = "NotCovered", cause: str | None = "role_missing", **over: Any) -> Any:
    return {"id": account_id, "coverage": coverage, "cause": cause, "ancestors": ["r-ex01", "ou-1"], **over}


def ids(number: int) -> list[str]:
    return [f"{300_000_000_000 + each}" for each in range(number)]


def test_accounts_without_the_role_are_told_from_those_where_nobody_may_look() -> None:
    found = roles_in_question(
        {
            "accounts": [
                account("300000000002"),
                account("300000000001", ancestors=None),
                account("300000000003", cause="unknown"),
                account("300000000004", coverage="Settling"),
                account("300000000005", cause="service_side"),
                account("300000000006", coverage="Unknown", cause="unknown"),
                account("300000000007", coverage="Covered", cause=None),
                account("111111111111", management=True),
                account("111111111112", cause="unknown", management=True),
            ]
        }
    )

    assert found == RolesInQuestion(("300000000001", "300000000002"), ("300000000003",), "r-ex01", "111111111111")


def test_without_any_path_the_root_is_not_known() -> None:
    assert roles_in_question({"accounts": [account("300000000001", ancestors=None)]}).root_id is None


@given(number=st.integers(0, 450))
def test_passes_reach_every_account_once(number: int) -> None:
    missing, reached, cursor = ids(number), list[str](), None
    while True:
        batch, cursor = next_accounts(missing, cursor)
        assert len(batch) <= MAX_ACCOUNTS
        reached += batch
        if cursor is None:
            break

    assert reached == missing


def test_progress_is_read_back_as_it_was_written() -> None:
    progress = Progress({"1"}, {"2"}, {"3": "denied"}, {"4": "throttled"}, 2)

    assert progress_from_document(json.loads(json.dumps(progress_to_document(progress)))) == progress
    assert progress_from_document(None) == Progress()
    assert [progress.is_settled(each) for each in "12345"] == [True, True, True, False, False]


def test_roles_of_one_pass_are_one_change() -> None:
    (change,) = describe_created(ids(25))

    assert (change.kind, change.resource) == ("create_triage_role", "25 accounts")
    assert change.detail.endswith("300000000019 and 5 more")
    assert describe_created([]) == ()


@pytest.mark.parametrize("access", [MemberAccess.NONE, MemberAccess.READ])
def test_access_that_keeps_every_run_from_creating_roles_is_named(access: MemberAccess) -> None:
    assert object_to_repair(access) == f"MemberAccess is {access}, so nothing may be written in the member accounts"


def test_access_to_repair_is_all_that_a_run_needs_of_the_deployment() -> None:
    assert object_to_repair(MemberAccess.REPAIR) is None


def test_roles_of_all_accounts_are_one_remediation_that_concerns_each_of_them() -> None:
    one, many = plan_roles(ids(1)), plan_roles(ids(25))

    assert (one.step, one.kind, one.cause) == (
        Step.MEMBER_REPAIR, RemediationKind.CREATE_TRIAGE_ROLE, "role_missing"
    )  # fmt: skip
    assert one.what == "create the triage role in 300000000000"
    assert one.before.startswith("missing in 1 account (")
    assert many.what.endswith("300000000019 and 5 more")
    assert many.concern == Concern(only=tuple(ids(25)))


@given(missing=st.lists(st.sampled_from(ids(9)), unique=True, min_size=1), chance=st.randoms(use_true_random=False))
def test_roles_of_the_same_accounts_are_the_same_write_and_those_of_others_another(
    missing: list[str], chance: Random
) -> None:
    shuffled = list(missing)
    chance.shuffle(shuffled)
    planned = plan_roles(missing)

    assert plan_roles(shuffled).id == planned.id
    assert plan_roles([*missing[1:], "400000000000"]).target == planned.target
    assert plan_roles([*missing[1:], "400000000000"]).id != planned.id


def test_owners_are_asked_once_with_the_command_of_aws_and_fifty_accounts_by_name() -> None:
    (few,) = ask_owners(ids(1), "denied")
    (many,) = ask_owners(ids(60), "denied")

    assert (few.to, few.what) == (
        HandoffTo.ACCOUNT_OWNERS, "create the triage service-linked role in 1 account"
    )  # fmt: skip
    assert (few.why, few.accounts) == ("denied", ("300000000000",))
    assert few.command == (
        "aws iam create-service-linked-role --aws-service-name triage.security-ir.amazonaws.com"
    )  # fmt: skip
    assert (many.why, len(many.accounts)) == ("denied; 10 more are in the assessment", 50)
    assert ask_owners([], "denied") == ()


def test_reader_is_asked_for_once_where_there_is_none_and_somebody_is_not_covered() -> None:
    found = RolesInQuestion((), tuple(ids(3)), "r-ex01", "111111111111")

    (handoff,) = ask_for_reader(found, MemberAccess.NONE, deployment="muster", home=HOME, region="us-east-1")

    assert (handoff.to, handoff.what) == (
        HandoffTo.MANAGEMENT_TEAM, "deploy the member reader, then muster with MemberAccess=read"
    )  # fmt: skip
    assert "OrganizationalUnitIds=r-ex01" in handoff.command
    assert handoff.accounts == ("111111111111",)
    for there_is, nobody in ((MemberAccess.READ, found), (MemberAccess.NONE, RolesInQuestion((), (), None, None))):
        assert ask_for_reader(nobody, there_is, deployment="muster", home=HOME, region="us-east-1") == ()


def test_accounts_with_one_reason_are_one_step() -> None:
    progress = Progress(
        refused={each: f"denied in account {each}" for each in ids(3)} | {"400000000000": "refused by 400000000000"},
        failed={each: f"throttled in account {each}" for each in ids(2)},
    )

    handoffs, notices = conclude(progress)

    assert [(each.why, len(each.accounts)) for each in handoffs] == [
        ("denied in account …", 3), ("refused by 400000000000", 1)
    ]  # fmt: skip
    (notice,) = notices
    assert notice.subject == "the triage role could not be created in 2 accounts"
    assert notice.detail == (
        "throttled in account …; the next run tries again: 300000000000, 300000000001"
    )  # fmt: skip
    assert conclude(Progress()) == ((), ())

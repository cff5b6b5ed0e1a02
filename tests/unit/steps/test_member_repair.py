from collections.abc import Callable

import pytest

from muster.domain.desired import ChangeKind, Mode
from muster.domain.member_repair import MAX_TRIES, MemberAccess
from muster.domain.membership import SERVICE_PRINCIPAL, Association
from muster.domain.outcomes import HandoffTo, MemberRepairOutcome
from muster.domain.remediation import Concern, Remediation, RemediationKind, Step
from muster.errors import (
    DeniedError,
    ImplausibleInventoryError,
    RefusedError,
    ThrottledError,
    TransientError,
    UnavailableError,
    WorldMovedError,
)
from muster.steps.gate import Gate, Looking
from tests.fakes.gates import grant
from tests.fakes.steps import assess, desired_state, kinds, repair_members
from tests.fakes.world import MANAGEMENT, SECURITY, World, example_world

CREATE = "iam:CreateServiceLinkedRole"
FIRST, SECOND, THIRD = "300000000000", "300000000001", "300000000002"


@pytest.fixture
def world() -> World:
    found = example_world()
    found.trusted.add(SERVICE_PRINCIPAL)
    found.delegated.add(SECURITY)
    found.triage_roles.add(MANAGEMENT)
    found.add_membership(entire_organization=True)
    found.triage_roles -= {FIRST, SECOND, THIRD}
    found.associations[MANAGEMENT] = Association.DISASSOCIATED
    return found


def saying(kind: type[Exception]) -> Callable[[str, str], Exception]:
    return lambda operation, account: kind(operation, account, "said so")


def failing(kind: type[Exception]) -> Callable[[str, str], Exception]:
    return lambda operation, account: kind(f"{operation} in account {account}")


def look(world: World, *, access: MemberAccess = MemberAccess.REPAIR) -> list[Remediation]:
    gate = Looking()
    repair_members(world, access=access, gate=gate)
    return gate.proposed


def as_the_machine(world: World, gate: Gate | None = None) -> MemberRepairOutcome:
    """Try again as often as the machine does."""
    for _ in range(6):
        try:
            return repair_members(world, gate=gate)
        except TransientError:
            continue
    raise AssertionError("the machine would have failed")


def test_assessment_counts_the_roles_that_are_missing_and_those_that_nobody_may_read(world: World) -> None:
    world.unreadable_roles |= {THIRD}

    outcome = assess(world)

    assert (outcome.missing_triage_roles, outcome.unread_triage_roles) == (2, 1)


def test_missing_roles_are_created_and_a_second_assessment_finds_everybody_covered(world: World) -> None:
    assess(world)

    outcome = repair_members(world)

    assert kinds(outcome.changes) == [ChangeKind.CREATE_TRIAGE_ROLE]
    assert (outcome.cursor, outcome.repaired, outcome.handoffs, outcome.notices) == (None, 3, (), ())
    assert {call.account_id for call in world.writes} == {FIRST, SECOND, THIRD}
    assert assess(world).missing_triage_roles == 0


def test_management_account_is_left_to_sign_up(world: World) -> None:
    world.triage_roles.discard(MANAGEMENT)
    assess(world)

    repair_members(world)

    assert MANAGEMENT not in {call.account_id for call in world.writes}


def test_role_that_is_there_by_now_is_no_change_and_worth_another_look(world: World) -> None:
    assess(world)
    world.triage_roles |= {FIRST, SECOND, THIRD}

    outcome = repair_members(world)

    assert (outcome.changes, outcome.handoffs, outcome.repaired) == ((), (), 3)


@pytest.mark.parametrize("kind", [DeniedError, RefusedError])
def test_one_account_that_refuses_is_left_to_its_owners_and_the_others_are_repaired(
    world: World, kind: type[Exception]
) -> None:
    world.fail(CREATE, saying(kind), account=SECOND)
    assess(world)

    outcome = repair_members(world)

    assert outcome.repaired == 2
    (handoff,) = outcome.handoffs
    assert (handoff.to, handoff.accounts) == (HandoffTo.ACCOUNT_OWNERS, (SECOND,))
    assert "said so" in handoff.why


@pytest.mark.parametrize("kind", [ThrottledError, UnavailableError])
def test_failure_that_passes_is_tried_again_and_no_change_is_lost(world: World, kind: type[Exception]) -> None:
    world.fail(CREATE, failing(kind), account=SECOND, times=2)
    assess(world)

    outcome = as_the_machine(world)

    assert outcome.changes[0].detail == f"create the triage role in {FIRST}, {SECOND}, {THIRD}"
    assert (outcome.notices, outcome.repaired) == ((), 3)


def test_answer_that_was_lost_is_made_up_for(world: World) -> None:
    world.fail(CREATE, failing(UnavailableError), account=SECOND, times=1, after=True)
    assess(world)

    outcome = as_the_machine(world)

    assert outcome.repaired == 3
    assert world.count(CREATE) == 4


def test_account_that_fails_for_good_does_not_hold_the_run_up(world: World) -> None:
    world.fail(CREATE, failing(ThrottledError), account=SECOND)
    assess(world)

    outcome = as_the_machine(world)

    assert (outcome.repaired, outcome.handoffs) == (2, ())
    assert [notice.subject for notice in outcome.notices] == ["the triage role could not be created in 1 account"]
    assert sum(call.account_id == SECOND for call in world.writes) == MAX_TRIES


def test_more_than_a_hundred_accounts_take_more_passes_and_the_last_one_tells_all(world: World) -> None:
    for number in range(150):
        world.add_account(f"{900_000_000_000 + number}", "ou-ex01-sandbox0", triage_role=False)
    world.fail(CREATE, saying(DeniedError), account=FIRST)
    assess(world)

    outcomes = [repair_members(world)]
    while outcomes[-1].cursor is not None:
        outcomes.append(repair_members(world, cursor=outcomes[-1].cursor))

    assert [outcome.repaired for outcome in outcomes] == [99, 53]
    assert [handoff.accounts for handoff in outcomes[-1].handoffs] == [(FIRST,)]
    assert len(world.writes) == 153


def test_roles_of_all_accounts_are_proposed_as_one_and_made_when_that_is_granted(world: World) -> None:
    assess(world)
    (found,) = look(world)
    assert (found.kind, found.concern) == (
        RemediationKind.CREATE_TRIAGE_ROLE, Concern(only=(FIRST, SECOND, THIRD))
    )  # fmt: skip
    assert repair_members(world, gate=Looking()) == MemberRepairOutcome(None)
    assert world.writes == []

    gate = grant(Step.MEMBER_REPAIR, [found])
    outcome = repair_members(world, gate=gate)

    assert (kinds(outcome.changes), outcome.repaired) == (["create_triage_role"], 3)
    assert (list(gate.made), gate.left) == ([found.id], {})
    assess(world)
    assert look(world) == []


def test_look_at_more_than_a_hundred_accounts_is_one_call_and_one_proposal(world: World) -> None:
    for number in range(150):
        world.add_account(f"{900_000_000_000 + number}", "ou-ex01-sandbox0", triage_role=False)
    assess(world)

    (found,) = look(world)

    assert len(found.concern.only) == 153
    gate = grant(Step.MEMBER_REPAIR, [found])
    first = repair_members(world, gate=gate)
    repair_members(world, gate=gate, cursor=first.cursor)
    assert len(world.writes) == 153
    assert list(gate.made) == [found.id]


def test_other_accounts_than_were_planned_stop_before_the_first_write(world: World) -> None:
    assess(world)
    found = look(world)
    world.add_account("900000000000", "ou-ex01-sandbox0", triage_role=False)
    assess(world)

    with pytest.raises(WorldMovedError, match=r"missing in 3 accounts .*found 'missing in 4 accounts"):
        repair_members(world, gate=grant(Step.MEMBER_REPAIR, found))
    assert world.writes == []


def test_repeat_after_a_failure_that_passes_stands_on_the_same_ground(world: World) -> None:
    world.fail(CREATE, failing(UnavailableError), account=SECOND, times=1, after=True)
    assess(world)

    outcome = as_the_machine(world, grant(Step.MEMBER_REPAIR, look(world)))

    assert (outcome.repaired, world.count(CREATE)) == (3, 4)


def test_what_was_not_granted_is_left_to_the_plan(world: World) -> None:
    assess(world)

    for outcome in (
        repair_members(world, gate=grant(Step.MEMBER_REPAIR, [])),
        repair_members(world, desired_state(mode=Mode.PROPOSE)),
        repair_members(world, desired_state(automatic=frozenset({ChangeKind.ADD_UNIT}))),
    ):
        assert outcome == MemberRepairOutcome(None)
    assert world.writes == []


@pytest.mark.parametrize("access", [MemberAccess.NONE, MemberAccess.READ])
def test_what_the_deployment_does_not_let_a_run_repair_is_no_proposal_and_one_step_for_the_owners(
    world: World, access: MemberAccess
) -> None:
    assess(world)

    outcome = repair_members(world, access=access)

    (handoff,) = outcome.handoffs
    assert (handoff.to, handoff.accounts) == (HandoffTo.ACCOUNT_OWNERS, (FIRST, SECOND, THIRD))
    assert (outcome.cursor, outcome.repaired) == (None, 0)
    assert (look(world, access=access), world.writes) == ([], [])
    assert repair_members(world, access=access, gate=Looking()) == outcome


def test_reader_is_asked_for_where_nobody_may_read_the_members(world: World) -> None:
    world.unreadable_roles |= {FIRST, SECOND, THIRD}
    assess(world)

    (handoff,) = repair_members(world, access=MemberAccess.NONE).handoffs

    assert handoff.to is HandoffTo.MANAGEMENT_TEAM
    assert repair_members(world).handoffs == ()
    assert world.writes == []


def test_assessment_that_is_gone_stops(world: World) -> None:
    with pytest.raises(ImplausibleInventoryError, match="run again"):
        repair_members(world)

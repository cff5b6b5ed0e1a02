"""Scoping adds what is missing, five units a call, and never takes anything away."""

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.domain.desired import ChangeKind, DesiredState, Mode
from muster.domain.membership import SERVICE_PRINCIPAL
from muster.domain.outcomes import HandoffTo
from muster.domain.scope import EntireOrganization, UnitId, UnitPath, UnitReference, UnitReferences
from muster.errors import (
    AbsentError,
    AlreadyThereError,
    DeniedError,
    MembershipUnknownError,
    RefusedError,
    ScopeError,
    UnavailableError,
)
from tests.fakes.steps import desired_state, kinds, scope, scope_until_done
from tests.fakes.world import SECURITY, World, example_world

UPDATE = "security-ir:UpdateMembership"
PROD, NONPROD, WORKLOADS, SANDBOX = "ou-ex01-wlprod00", "ou-ex01-wlnonprd", "ou-ex01-workload", "ou-ex01-sandbox0"


def denied(operation: str, account_id: str) -> DeniedError:
    return DeniedError(operation, account_id, "not allowed")


@pytest.fixture
def world() -> World:
    world = example_world()
    world.trusted.add(SERVICE_PRINCIPAL)
    world.delegated.add(SECURITY)
    world.add_membership()
    return world


def wide_world(units: int) -> World:
    world = example_world()
    world.delegated.add(SECURITY)
    world.add_membership()
    for number in range(units):
        world.add_unit(f"ou-wide-{number:08d}", f"Team {number}", WORKLOADS)
    return world


def units(*references: UnitReference, mode: Mode = Mode.ENFORCE) -> DesiredState:
    return desired_state(scope=UnitReferences(references), mode=mode)


def ids(unit_ids: set[str] | list[str]) -> DesiredState:
    return units(*(UnitId(unit_id) for unit_id in unit_ids))


class TestUnits:
    def test_units_by_id_and_by_path_are_added_in_one_call(self, world: World) -> None:
        outcome = scope(world, units(UnitPath(("Workloads", "Prod")), UnitId(SANDBOX)))

        assert world.memberships[0].membership.unit_ids == {PROD, SANDBOX}
        assert kinds(outcome.changes) == [ChangeKind.ADD_UNIT]
        assert (outcome.cursor, outcome.more, outcome.resolved, outcome.remaining) == (None, False, 2, 0)
        assert world.read_document("runs/run-1/scope.json") == {
            "schema": 1, "kind": "organizational_units", "unit_ids": [SANDBOX, PROD], "nested": [],
        }  # fmt: skip

    def test_second_run_writes_nothing(self, world: World) -> None:
        desired = units(UnitPath(("Workloads",)))
        scope(world, desired)
        world.calls.clear()

        assert scope(world, desired, run="run-2").changes == ()
        assert world.writes == []

    def test_unit_listed_twice_is_one(self, world: World) -> None:
        outcome = scope(world, units(UnitPath(("Workloads", "Prod")), UnitId(PROD)))
        assert (outcome.resolved, outcome.notices) == (1, ())

    def test_nested_unit_is_named_and_dropped(self, world: World) -> None:
        outcome = scope(world, units(UnitPath(("Workloads", "Prod")), UnitPath(("Workloads",))))
        assert world.memberships[0].membership.unit_ids == {WORKLOADS}
        assert [notice.subject for notice in outcome.notices] == [f"unit Prod ({PROD}) is listed twice over"]

    def test_notices_are_in_every_outcome(self) -> None:
        world = wide_world(7)
        listed = {unit_id for unit_id in world.units if unit_id.startswith("ou-wide")} | {NONPROD, SANDBOX}
        world.add_unit("ou-deep-00000000", "Deep", NONPROD)
        outcomes = scope_until_done(world, ids(listed | {"ou-deep-00000000"}))
        assert len({outcome.notices for outcome in outcomes}) == 1
        assert len(outcomes[0].notices) == 1

    @pytest.mark.parametrize(
        ("reference", "message"),
        [
            (UnitPath(("Workload", "Prod")), r'no unit "Workload" directly below the root; near matches: Workloads'),
            (UnitPath(("Workloads", "prod")), r'no unit "prod" below "Workloads"; near matches: Prod, NonProd'),
            (UnitPath(("Zzz",)), r'no unit "Zzz" directly below the root; there are: Sandbox, Security, Workloads'),
            (UnitPath(("Sandbox", "Inner")), r'no unit "Inner" below "Sandbox"; it has no units at all'),
            (UnitPath(()), "a path of no names"),
            (UnitId("ou-ex01-nothere0"), r'"ou-ex01-nothere0": there is no such unit'),
        ],
    )
    def test_unknown_unit_stops_and_lists_near_matches(
        self, world: World, reference: UnitReference, message: str
    ) -> None:
        with pytest.raises(ScopeError, match=message):
            scope(world, units(UnitPath(("Workloads",)), reference))
        assert world.writes == []

    def test_ambiguous_name_stops_and_lists_the_ids(self, world: World) -> None:
        world.add_unit("ou-ex01-sandbox1", "Sandbox")
        with pytest.raises(ScopeError, match=r"ambiguous, 2 units .*: ou-ex01-sandbox0, ou-ex01-sandbox1"):
            scope(world, units(UnitPath(("Sandbox",))))

    @pytest.mark.parametrize(
        ("operation", "reference"),
        [
            ("organizations:ListRoots", UnitPath(("Sandbox",))),
            ("organizations:ListOrganizationalUnitsForParent", UnitPath(("Sandbox",))),
            ("organizations:DescribeOrganizationalUnit", UnitId(SANDBOX)),
        ],
    )
    def test_units_that_may_not_be_read_stop(self, world: World, operation: str, reference: UnitReference) -> None:
        world.fail(operation, denied)
        with pytest.raises(ScopeError, match="Allow organizations:ListRoots"):
            scope(world, units(reference))

    def test_rename_does_not_mislead_a_path(self, world: World) -> None:
        scope(world, units(UnitPath(("Sandbox",))))
        world.units[SANDBOX] = replace(world.units[SANDBOX], name="Playground")
        with pytest.raises(ScopeError, match="Playground"):
            scope(world, units(UnitPath(("Sandbox",))), run="run-2")

    def test_known_units_are_not_looked_up_again(self, world: World) -> None:
        scope(world, ids([PROD]))
        world.calls.clear()
        scope(world, ids([PROD]), run="run-2")
        assert world.count("organizations:DescribeOrganizationalUnit") == 0

    def test_three_hundred_lookups_are_enough_for_one_call(self) -> None:
        world = wide_world(650)
        wanted = ids([unit_id for unit_id in world.units if unit_id.startswith("ou-wide")])
        first = scope(world, wanted)
        assert (first.more, first.resolved, first.cursor) == (True, 300, None)
        assert world.count("organizations:DescribeOrganizationalUnit") == 300
        assert world.writes == []

        outcomes = scope_until_done(world, wanted)

        assert world.count("organizations:DescribeOrganizationalUnit") == 650
        assert len(world.memberships[0].membership.unit_ids) == 650
        assert outcomes[-1].resolved == 650

    def test_deleted_unit_that_was_remembered_stops_and_is_forgotten(self, world: World) -> None:
        scope(world, ids([PROD]))
        world.memberships[0].membership = replace(world.memberships[0].membership, unit_ids=frozenset())
        del world.units[PROD]
        for message in ("was deleted from the organization", "there is no such unit"):
            with pytest.raises(ScopeError, match=message):
                scope(world, ids([PROD]), run=message)


class TestBatches:
    def test_two_thousand_units_take_four_hundred_calls_of_five_in_order(self) -> None:
        world = wide_world(2000)
        wanted = units(*(UnitPath(("Workloads", f"Team {number}")) for number in range(2000)))

        outcomes = scope_until_done(world, wanted)

        sent = [call.detail for call in world.writes]
        assert (len(outcomes), len(sent), {len(batch) for batch in sent}) == (400, 400, {5})
        assert sent == sorted(sent)
        assert [outcome.remaining for outcome in outcomes[:2]] == [1995, 1990]
        assert world.count("organizations:ListOrganizationalUnitsForParent") == 2

    def test_addition_that_shows_late_is_not_sent_twice(self) -> None:
        world = wide_world(12)
        wanted = ids([unit_id for unit_id in world.units if unit_id.startswith("ou-wide")])
        first = scope(world, wanted)
        world.memberships[0].membership = replace(world.memberships[0].membership, unit_ids=frozenset())

        second = scope(world, wanted, cursor=first.cursor)

        assert first.cursor == "ou-wide-00000004"
        assert world.writes[1].detail[0] == "ou-wide-00000005"
        assert (second.remaining, second.more) == (2, True)

    def test_write_lost_in_transit_is_safe_to_repeat(self, world: World) -> None:
        world.fail(UPDATE, lambda _operation, _account: UnavailableError("lost"), times=1, after=True)
        with pytest.raises(UnavailableError):
            scope(world, ids([PROD]))
        outcome = scope(world, ids([PROD]))
        assert (outcome.changes, outcome.more) == ((), False)
        assert len(world.writes) == 1


class TestNeverLess:
    def test_unit_that_was_not_asked_for_is_reported_and_left(self, world: World) -> None:
        world.memberships[0].membership = replace(world.memberships[0].membership, unit_ids=frozenset({NONPROD}))
        outcome = scope(world, ids([PROD]))
        assert world.memberships[0].membership.unit_ids == {NONPROD, PROD}
        assert [notice.subject for notice in outcome.notices] == ["the membership has units that are not asked for"]
        assert NONPROD in outcome.notices[0].detail

    def test_entire_organization_is_not_narrowed_to_units(self, world: World) -> None:
        world.memberships[0].membership = replace(world.memberships[0].membership, covers_entire_organization=True)
        outcome = scope(world, ids([PROD]))
        assert world.writes == []
        assert "does not document" in outcome.notices[0].detail

    def test_units_beside_the_entire_organization_are_reported(self, world: World) -> None:
        world.memberships[0].membership = replace(world.memberships[0].membership, unit_ids=frozenset({NONPROD}))
        outcome = scope(world, desired_state(scope=EntireOrganization()))
        assert world.memberships[0].membership.unit_ids == {NONPROD}
        assert [notice.subject for notice in outcome.notices] == ["the membership also lists single units"]

    def test_membership_that_is_not_active_is_left_alone(self, world: World) -> None:
        world.memberships[0].membership = replace(world.memberships[0].membership, status="Cancelled")
        outcome = scope(world, ids([PROD]))
        assert world.writes == []
        assert outcome.notices[-1].detail.endswith("is Cancelled, not Active")


class TestEntireOrganization:
    def test_flag_is_set_once(self, world: World) -> None:
        desired = desired_state(scope=EntireOrganization())
        outcome = scope(world, desired)
        assert [change.detail for change in outcome.changes] == ["cover the entire organization"]
        assert world.read_document("runs/run-1/scope.json")["kind"] == "entire_organization"
        assert scope(world, desired, run="run-2").changes == ()

    def test_propose_hands_it_off(self, world: World) -> None:
        outcome = scope(world, desired_state(scope=EntireOrganization(), mode=Mode.PROPOSE))
        assert (world.writes, [handoff.what for handoff in outcome.handoffs]) == ([], ["cover the entire organization"])

    def test_denial_hands_off_the_command(self, world: World) -> None:
        world.fail(UPDATE, denied)
        outcome = scope(world, desired_state(scope=EntireOrganization()))
        assert outcome.handoffs[0].command == (
            "aws security-ir update-membership --region eu-west-1 --membership-id m-0123456789ab"
            " --membership-accounts-configurations-update coverEntireOrganization=true"
        )


class TestHandoffs:
    def test_propose_hands_off_all_missing_units(self, world: World) -> None:
        outcome = scope(world, units(UnitId(PROD), UnitId(SANDBOX), mode=Mode.PROPOSE))
        assert world.writes == []
        assert outcome.handoffs[0].what == f"add 2 units to the membership: {SANDBOX}, {PROD}"
        assert (outcome.more, outcome.remaining) == (False, 2)

    def test_long_lists_are_counted(self) -> None:
        world = wide_world(30)
        wanted = [unit_id for unit_id in world.units if unit_id.startswith("ou-wide")]
        outcome = scope(world, units(*map(UnitId, wanted), mode=Mode.PROPOSE))
        assert outcome.handoffs[0].what.endswith("ou-wide-00000019 and 10 more")

    def test_denial_hands_off_commands_of_five_units(self) -> None:
        world = wide_world(6)
        world.fail(UPDATE, denied)
        outcome = scope(world, ids([unit_id for unit_id in world.units if unit_id.startswith("ou-wide")]))
        assert (outcome.more, outcome.remaining, len(world.writes)) == (False, 6, 1)
        handoff = outcome.handoffs[0]
        assert handoff.to is HandoffTo.PERSON
        start = "aws security-ir update-membership --region eu-west-1 --membership-id m-0123456789ab"
        five = ",".join(f"ou-wide-{number:08d}" for number in range(5))
        assert handoff.command == (
            f"{start} --membership-accounts-configurations-update organizationalUnitsToAdd={five}; sleep 1; "
            f"{start} --membership-accounts-configurations-update organizationalUnitsToAdd=ou-wide-00000005"
        )

    @pytest.mark.parametrize("error", [RefusedError, AbsentError])
    def test_refusal_without_a_deleted_unit_is_handed_off(self, world: World, error: type[RefusedError]) -> None:
        world.fail(UPDATE, lambda operation, account: error(operation, account, "whatever it says"))
        outcome = scope(world, ids([PROD]))
        assert "whatever it says" in outcome.handoffs[0].why

    def test_unit_that_may_not_be_looked_up_is_not_called_deleted(self, world: World) -> None:
        scope(world, ids([PROD]))
        world.memberships[0].membership = replace(world.memberships[0].membership, unit_ids=frozenset())
        world.fail(UPDATE, lambda operation, account: RefusedError(operation, account, "whatever it says"))
        world.fail("organizations:DescribeOrganizationalUnit", denied)
        assert len(scope(world, ids([PROD]), run="run-2").handoffs) == 1

    def test_unit_that_is_there_already_is_as_good(self, world: World) -> None:
        world.fail(UPDATE, lambda operation, account: AlreadyThereError(operation, account, "there"))
        outcome = scope(world, ids([PROD]))
        assert (outcome.changes, outcome.handoffs) == ((), ())


class TestReading:
    def test_membership_that_may_not_be_read_stops(self, world: World) -> None:
        world.fail("security-ir:GetMembership", denied)
        with pytest.raises(MembershipUnknownError):
            scope(world, ids([PROD]))

    def test_membership_that_is_not_readable_yet_is_tried_again(self, world: World) -> None:
        with pytest.raises(UnavailableError):
            scope(world, ids([PROD]), membership_id="m-notthereyet0")


@given(
    wanted=st.sets(st.sampled_from(sorted(wide_world(12).units)), min_size=1),
    present=st.sets(st.sampled_from(sorted(wide_world(12).units))),
    late=st.booleans(),
)
def test_adding_until_quiet_leaves_no_missing_unit_and_removes_none(
    wanted: set[str], present: set[str], *, late: bool
) -> None:
    world = wide_world(12)
    world.memberships[0].membership = replace(world.memberships[0].membership, unit_ids=frozenset(present))
    if late:
        world.fail(UPDATE, lambda _operation, _account: UnavailableError("lost"), times=1, after=True)
        with contextlib.suppress(UnavailableError):
            scope_until_done(world, ids(wanted))

    scope_until_done(world, ids(wanted))

    found = world.memberships[0].membership.unit_ids
    assert present <= found
    for unit_id in wanted:
        assert not found.isdisjoint({unit_id, *world.units[unit_id].ancestors})
    assert all(1 <= len(call.detail) <= 5 for call in world.writes)
    world.calls.clear()
    scope_until_done(world, ids(wanted), run="run-2")
    assert world.writes == []

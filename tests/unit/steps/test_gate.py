"""Nothing is written that no plan has, and nothing on another ground than the planned one."""

from dataclasses import replace

import pytest

from muster.domain.grant import Grant, seal_grant
from muster.domain.remediation import Remediation, RemediationKind, Step, to_document
from muster.errors import PlanUnusableError, WorldMovedError
from muster.steps.gate import Granted, Looking, keep_proposals, open_granted
from tests.fakes.ports import FakeDocuments
from tests.fakes.world import World

PLAN = "0123456789abcdef" * 4
KEY = "runs/run-1/grants/1.json"
UNIT = Remediation(Step.SCOPING, RemediationKind.ADD_UNIT, "ou-1", "out", "in", "add unit ou-1", "asked")
TAGS = Remediation(Step.SIGN_UP, RemediationKind.SET_TAGS, "m-1", "absent", "there", "set the tags", "asked")


class TestLooking:
    def test_a_look_lets_nothing_through_and_keeps_all_in_its_order(self) -> None:
        gate = Looking()

        assert gate.looks
        assert [gate.takes(each) for each in (UNIT, TAGS)] == [False, False]
        assert gate.proposed == [UNIT, TAGS]

    def test_proposals_are_kept_for_the_plan_of_the_round(self) -> None:
        world, gate = World(), Looking()
        gate.takes(UNIT)

        keep_proposals(FakeDocuments(world), "runs/run-1/proposed/1/scoping.json", gate)
        keep_proposals(FakeDocuments(world), "runs/run-1/proposed/1/sign_up.json", Looking())

        assert world.read_document("runs/run-1/proposed/1/scoping.json") == [to_document(UNIT)]
        assert world.read_document("runs/run-1/proposed/1/sign_up.json") == []


class TestGranted:
    def test_what_was_granted_on_this_ground_is_let_through_however_often(self) -> None:
        gate = Granted(Step.SCOPING, Grant(PLAN, (TAGS, UNIT)))

        assert not gate.looks
        assert gate.takes(UNIT)
        assert gate.takes(replace(UNIT, what="in other words"))

    def test_what_nobody_planned_or_another_step_was_granted_is_left(self) -> None:
        gate = Granted(Step.SCOPING, Grant(PLAN, (TAGS, UNIT)))

        assert not gate.takes(replace(UNIT, resource="ou-2"))
        assert not gate.takes(replace(UNIT, kind=RemediationKind.REMOVE_UNIT))
        assert not gate.takes(TAGS)
        assert not Granted(Step.SCOPING, Grant(PLAN, ())).takes(UNIT)

    @pytest.mark.parametrize("found", [replace(UNIT, before="elsewhere"), replace(UNIT, after="elsewhere")])
    def test_a_world_that_moved_stops_with_the_difference_and_the_next_command(self, found: Remediation) -> None:
        gate = Granted(Step.SCOPING, Grant(PLAN, (UNIT,)))

        with pytest.raises(WorldMovedError) as caught:
            gate.takes(found)

        assert str(caught.value) == (
            f"the world moved since plan 0123456789ab was made, so it goes no further. "
            f"add unit ou-1: planned from 'out' to 'in', found {found.before!r}, which would become {found.after!r}. "
            f"Plan again: muster plan"
        )

    def test_of_two_granted_writes_to_one_target_each_is_let_through(self) -> None:
        second = replace(UNIT, before="in", after="in twice")
        gate = Granted(Step.SCOPING, Grant(PLAN, (UNIT, second)))

        assert gate.takes(UNIT)
        assert gate.takes(second)


class TestOpenGranted:
    def test_a_stored_grant_is_the_gate_of_its_step(self) -> None:
        world = World()
        text, sha256 = seal_grant(PLAN, [UNIT, TAGS])
        FakeDocuments(world).write_text(KEY, text)

        gate = open_granted(FakeDocuments(world), Step.SCOPING, KEY, sha256)

        assert gate == Granted(Step.SCOPING, Grant(PLAN, (UNIT, TAGS)))

    def test_a_grant_that_is_gone_lets_nothing_be_written(self) -> None:
        with pytest.raises(
            PlanUnusableError, match=rf"{KEY} is gone, so nothing may be written. Plan again: muster plan"
        ):
            open_granted(FakeDocuments(World()), Step.SCOPING, KEY, "5" * 64)

    def test_a_grant_that_was_changed_lets_nothing_be_written(self) -> None:
        world = World()
        text, sha256 = seal_grant(PLAN, [UNIT])
        FakeDocuments(world).write_text(KEY, text.replace("ou-1", "ou-2"))

        with pytest.raises(PlanUnusableError, match=r"was changed after it was made; .* Plan again: muster plan"):
            open_granted(FakeDocuments(world), Step.SCOPING, KEY, sha256)

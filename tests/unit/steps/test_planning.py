"""A plan is stored before anything of it is done, and nothing is done that it does not grant."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from muster.domain.approval import RequestState
from muster.domain.desired import ChangeKind, DesiredState, Guardrails, Mode
from muster.domain.diagnosis import Cause, Coverage
from muster.domain.freezing import FREEZE_KEY, Freeze, freeze_to_document
from muster.domain.grant import open_grant
from muster.domain.outcomes import Handoff, HandoffTo, PlanOutcome
from muster.domain.plan import SealedPlan, open_sealed, plan_key
from muster.domain.planning import affected_key
from muster.domain.remediation import Concern, Remediation, RemediationKind, Step, to_document
from muster.domain.scope import UnitId, UnitReferences
from muster.errors import DeniedError, PlanUnusableError, UnavailableError, WorldMovedError
from muster.steps.planning import Planning, proposals_key
from tests.fakes.planning import MAX_AGE, VERSION, FakeCalendars, MeasuredWorld, Rounds, approve
from tests.fakes.ports import FakeDocuments
from tests.fakes.steps import desired_state
from tests.fakes.world import MANAGEMENT, ROOT, SECURITY, START, TEAM, World

KIND = RemediationKind
ASSESSMENT = "runs/run-1/assessment.json"
LIMITS = Guardrails(max_accounts=2, max_share=1.0, max_units=10)
NAME = Remediation(Step.SIGN_UP, KIND.SET_NAME, "m-1", "named a", "named b", "rename it", "asked")
UNIT = Remediation(
    Step.SCOPING, KIND.ADD_UNIT, "ou-1", "out", "in", "add unit ou-1", "asked", concern=Concern(below=("ou-1",))
)
REMOVAL = Remediation(
    Step.SCOPING, KIND.REMOVE_UNIT, "ou-2", "in", "out", "remove unit ou-2", "asked", concern=Concern(only=("3",))
)


def row(account_id: str, *ancestors: str, cause: Cause | None = None) -> dict[str, Any]:
    return {
        "id": account_id,
        "ancestors": [ROOT, *ancestors],
        "coverage": Coverage.NOT_COVERED.value,
        "cause": cause,
        "reason": "a reason",
    }


@dataclass
class Bench:
    """A bucket, and what the steps would have put there."""

    world: World = field(default_factory=World)
    desired: DesiredState = field(default_factory=lambda: replace(desired_state(), guardrails=LIMITS))
    calendars: FakeCalendars = field(default_factory=FakeCalendars)

    def propose(self, *remediations: Remediation, number: int = 1) -> None:
        for step in Step:
            found = [to_document(each) for each in remediations if each.step is step]
            if found:
                FakeDocuments(self.world).write(proposals_key("run-1", number, step), found)

    def assess(self, *rows: dict[str, Any]) -> None:
        FakeDocuments(self.world).write(ASSESSMENT, {"accounts": list(rows)})

    def plan(self, number: int = 1, **change: Any) -> PlanOutcome:
        told: dict[str, Any] = {
            "desired_version": VERSION,
            "run": "run-1",
            "at": START,
            "membership_id": "m-1",
            "assessment_key": ASSESSMENT,
            "applies": True,
            "pinned": None,
            "approved": None,
            "handoffs": (),
        }
        step = Planning(FakeDocuments(self.world), self.calendars, MAX_AGE)
        return step.apply(self.desired, number=number, **(told | change))

    def stored(self, sha256: str) -> SealedPlan:
        return open_sealed(self.world.documents[plan_key(sha256)], sha256)

    def granted(self, outcome: PlanOutcome) -> tuple[Remediation, ...]:
        assert outcome.grant_key is not None
        assert outcome.grant_sha256 is not None
        return open_grant(self.world.documents[outcome.grant_key], outcome.grant_sha256).remediations


@pytest.fixture
def bench() -> Bench:
    found = Bench()
    found.assess(row("1", "ou-1"), row("2", "ou-1"), row("3", "ou-2"))
    return found


class TestPlan:
    def test_the_plan_lies_under_the_digest_of_its_bytes_with_what_it_stands_on(self, bench: Bench) -> None:
        bench.propose(UNIT, NAME)

        outcome = bench.plan()

        plan = bench.stored(outcome.plan).plan
        assert [each.remediation for each in plan.remediations] == [NAME, UNIT]
        assert (plan.run, plan.number, plan.at, plan.desired_version) == ("run-1", 1, START, VERSION)
        assert (plan.mode, plan.membership_id, plan.accounts) == ("enforce", "m-1", 3)
        assert bench.world.read_document(affected_key("run-1", 1)) == {UNIT.id: ["1", "2"]}

    def test_the_same_proposals_give_the_same_plan(self, bench: Bench) -> None:
        bench.propose(UNIT, NAME)

        assert bench.plan().plan == bench.plan().plan

    def test_an_empty_round_has_a_plan_too(self, bench: Bench) -> None:
        outcome = bench.plan()

        assert (outcome.verdict, outcome.grant_key, outcome.todo, outcome.open) == ("nothing", None, (), 0)
        assert bench.stored(outcome.plan).plan.remediations == ()
        assert affected_key("run-1", 1) not in bench.world.documents

    def test_proposals_of_another_round_are_none_of_this_one(self, bench: Bench) -> None:
        bench.propose(UNIT, number=2)

        assert bench.plan().verdict == "nothing"

    def test_what_others_have_to_do_is_in_the_plan(self, bench: Bench) -> None:
        bench.assess(row("1", "ou-1", cause=Cause.SERVICE_SIDE))
        handoff = Handoff(HandoffTo.MANAGEMENT_TEAM, "look", "denied", "aws iam get-role")

        plan = bench.stored(bench.plan(handoffs=(handoff, handoff)).plan).plan

        assert [(each.who, each.what) for each in plan.left] == [
            ("management team", "look"),
            ("nobody", "cover 1 account (service_side)"),
        ]

    @pytest.mark.parametrize("key", [None, "runs/run-1/gone.json"])
    def test_without_an_assessment_nobody_knows_how_many_accounts_a_unit_has(
        self, bench: Bench, key: str | None
    ) -> None:
        bench.propose(UNIT)

        outcome = bench.plan(assessment_key=key)

        (planned,) = bench.stored(outcome.plan).plan.remediations
        assert (outcome.verdict, planned.affected.number) == ("ask", None)
        assert "is unknown" in planned.approval[0]


class TestVerdicts:
    def test_what_may_be_done_is_granted_step_by_step(self, bench: Bench) -> None:
        bench.propose(UNIT, NAME, REMOVAL)

        outcome = bench.plan()

        assert (outcome.verdict, outcome.todo, outcome.open) == ("apply", ("sign_up", "scoping"), 3)
        assert bench.granted(outcome) == (NAME, UNIT)
        assert outcome.handoffs == ()
        assert bench.world.read_document("runs/run-1/granted.json") == {
            "schema": 1,
            "rounds": [
                {
                    "number": 1,
                    "ids": sorted((NAME.id, UNIT.id)),
                    "accounts": ["1", "2"],
                    "units": 1,
                    "wave": None,
                }
            ],
        }

    def test_people_are_asked_for_what_is_left_when_the_rest_is_done(self, bench: Bench) -> None:
        bench.propose(NAME, REMOVAL)
        bench.plan()
        bench.propose(REMOVAL, number=2)

        outcome = bench.plan(2)

        assert (outcome.verdict, outcome.grant_key, outcome.todo, outcome.open) == ("ask", None, (), 1)
        (handoff,) = outcome.handoffs
        assert handoff.what == f"approve or reject plan {outcome.plan[:12]}: remove unit ou-2"
        assert handoff.why == "it takes protection away"

    def test_whoever_only_wants_the_plan_is_given_it(self, bench: Bench) -> None:
        bench.propose(NAME)

        outcome = bench.plan(applies=False)

        assert (outcome.verdict, outcome.grant_key, outcome.handoffs, outcome.open) == ("tell", None, (), 1)

    def test_a_run_that_only_observes_says_what_would_let_it_write(self, bench: Bench) -> None:
        bench.desired = replace(bench.desired, mode=Mode.OBSERVE)
        bench.propose(NAME)

        outcome = bench.plan()

        assert (outcome.verdict, outcome.grant_key) == ("tell", None)
        assert [each.what for each in outcome.handoffs] == ["rename it"]
        assert "mode: enforce" in outcome.handoffs[0].command

    def test_what_is_held_waits_and_is_told(self, bench: Bench) -> None:
        freeze = Freeze(START + timedelta(hours=1), "case 42")
        FakeDocuments(bench.world).write(FREEZE_KEY, freeze_to_document(freeze))
        bench.propose(NAME, replace(NAME, kind=KIND.SET_TAGS, what="set the tags"))

        outcome = bench.plan()

        assert (outcome.verdict, outcome.grant_key) == ("hold", None)
        (notice,) = outcome.notices
        assert (notice.subject, notice.needs_person) == ("2 writes wait", True)
        assert notice.detail.endswith("muster freeze --lift: rename it, set the tags")

    def test_more_coverage_comes_during_a_freeze(self, bench: Bench) -> None:
        freeze = Freeze(START + timedelta(hours=1), "case 42")
        FakeDocuments(bench.world).write(FREEZE_KEY, freeze_to_document(freeze))
        bench.propose(NAME, UNIT)

        outcome = bench.plan()

        assert bench.granted(outcome) == (UNIT,)
        assert [each.subject for each in outcome.notices] == ["1 write waits"]


class TestHolding:
    @pytest.mark.parametrize("text", ['{"until": "soon"}', "[]"])
    def test_a_freeze_that_cannot_be_understood_is_one(self, bench: Bench, text: str) -> None:
        bench.world.documents[FREEZE_KEY] = text
        bench.propose(NAME)

        assert bench.plan().verdict == "hold"

    def test_a_freeze_that_may_not_be_read_is_one(self, bench: Bench) -> None:
        bench.world.fail(
            "s3:GetObject", lambda operation, account: DeniedError(operation, account, "no"), detail=FREEZE_KEY
        )
        bench.propose(NAME)

        outcome = bench.plan()

        assert outcome.verdict == "hold"
        assert "whether the automation is frozen is unknown" in outcome.notices[0].detail

    def test_a_read_that_failed_for_now_is_tried_again(self, bench: Bench) -> None:
        bench.world.fail("s3:GetObject", lambda *_: UnavailableError("lost"), detail=FREEZE_KEY)

        with pytest.raises(UnavailableError):
            bench.plan()

    @pytest.mark.parametrize(("says", "verdict"), [("OPEN", "apply"), ("CLOSED", "hold"), (None, "hold")])
    def test_only_an_open_window_lets_writes_through(self, bench: Bench, says: str | None, verdict: str) -> None:
        bench.desired = replace(bench.desired, change_calendar="office-hours")
        bench.calendars.says = says
        bench.propose(UNIT)

        outcome = bench.plan()

        assert outcome.verdict == verdict
        assert all("office-hours" in each.detail for each in outcome.notices)

    def test_no_calendar_is_asked_where_none_is_named(self, bench: Bench) -> None:
        bench.calendars.says = "CLOSED"
        bench.propose(UNIT)

        assert bench.plan().verdict == "apply"


class TestRounds:
    def test_what_was_granted_before_is_not_granted_again_and_is_told(self, bench: Bench) -> None:
        bench.propose(NAME)
        bench.plan()
        bench.propose(NAME, number=2)

        outcome = bench.plan(2)

        assert (outcome.verdict, outcome.grant_key, outcome.open) == ("nothing", None, 0)
        (notice,) = outcome.notices
        assert notice.subject == "some of what this run did is not seen yet"
        assert notice.detail == "rename it; the next run looks again"

    def test_a_round_whose_answer_was_lost_is_planned_again_as_it_was(self, bench: Bench) -> None:
        bench.propose(NAME, UNIT)

        first, second = bench.plan(), bench.plan()

        assert first == second
        assert len(bench.world.read_document("runs/run-1/granted.json")["rounds"]) == 1

    def test_guardrails_measure_the_whole_run(self, bench: Bench) -> None:
        bench.propose(UNIT)
        bench.plan()
        other = replace(UNIT, resource="ou-2", concern=Concern(below=("ou-2",)))
        bench.propose(other, number=2)

        outcome = bench.plan(2)

        assert outcome.verdict == "ask"
        assert outcome.handoffs[0].why == (
            "guardrails.max_accounts: it changes the protection of 3 accounts, and the limit is 2"
        )
        assert bench.plan(2, run="run-2", approved=None).verdict == "nothing"

    def test_units_of_earlier_rounds_count_too(self, bench: Bench) -> None:
        bench.desired = replace(bench.desired, guardrails=replace(LIMITS, max_units=1))
        bench.propose(UNIT)
        bench.plan()
        bench.propose(replace(UNIT, resource="ou-9", concern=Concern(below=("ou-9",))), number=2)

        outcome = bench.plan(2)

        assert "guardrails.max_units: it adds or removes 2 units" in outcome.handoffs[0].why


LARGE = replace(UNIT, resource="ou-9", what="add unit ou-9", concern=Concern(only=("5", "6", "7")))


class TestWaves:
    """The units together concern five accounts, and a run may change two."""

    @pytest.fixture
    def approved(self, bench: Bench) -> str:
        """Return a plan of two units that people approved."""
        bench.propose(LARGE, UNIT)
        sha256 = bench.plan(applies=False).plan
        approve(bench.world, sha256)
        return sha256

    def apply(self, bench: Bench, approved: str, number: int, *proposed: Remediation) -> PlanOutcome:
        bench.propose(*proposed, number=number)
        return bench.plan(number, approved=approved)

    def test_one_unit_comes_first_with_all_that_is_no_unit(self, bench: Bench, approved: str) -> None:
        outcome = self.apply(bench, approved, 2, LARGE, UNIT, NAME)

        assert bench.granted(outcome) == (NAME, UNIT)
        assert outcome.open == 3
        (round_,) = bench.world.read_document("runs/run-1/granted.json")["rounds"]
        assert round_["wave"] == {"number": 2, "ids": [UNIT.id], "accounts": ["1", "2"], "kind": "gain"}

    def test_a_wave_whose_answer_was_lost_is_the_same_again(self, bench: Bench, approved: str) -> None:
        first = self.apply(bench, approved, 2, LARGE, UNIT)

        assert bench.plan(2, approved=approved) == first

    def test_when_it_went_well_the_others_follow(self, bench: Bench, approved: str) -> None:
        self.apply(bench, approved, 2, LARGE, UNIT)
        bench.assess(*(row(each, "ou-1") | {"coverage": Coverage.COVERED.value} for each in "12"), row("3", "ou-2"))

        outcome = self.apply(bench, approved, 3, LARGE)

        assert bench.granted(outcome) == (LARGE,)

    def test_when_it_went_wrong_no_other_unit_is_changed_and_why_is_told(self, bench: Bench, approved: str) -> None:
        self.apply(bench, approved, 2, LARGE, UNIT)

        outcome = self.apply(bench, approved, 3, LARGE, NAME)

        assert bench.granted(outcome) == (NAME,)
        (notice,) = outcome.notices
        assert notice.subject == "1 write waits"
        assert "wave 2 did not end well: 2 accounts should have coverage by it" in notice.detail
        assert self.apply(bench, approved, 4, LARGE).verdict == "hold"

    def test_a_wave_whose_beginning_nobody_knows_any_more_did_not_go_well(self, bench: Bench, approved: str) -> None:
        self.apply(bench, approved, 2, LARGE, UNIT)
        del bench.world.documents["runs/run-1/waves/2.json"]

        outcome = self.apply(bench, approved, 3, LARGE)

        assert outcome.verdict == "hold"
        assert "what the accounts had before wave 2 is not known any more; run muster onboard" in (
            outcome.notices[0].detail
        )

    def test_units_within_the_guardrails_come_at_once(self, bench: Bench) -> None:
        bench.propose(UNIT, replace(UNIT, resource="ou-8", concern=Concern(only=("1",))))

        assert len(bench.granted(bench.plan())) == 2


class TestApproved:
    def test_what_people_approved_is_granted(self, bench: Bench) -> None:
        bench.propose(REMOVAL)
        asked = bench.plan()
        approve(bench.world, asked.plan)
        bench.propose(REMOVAL, number=2)

        outcome = bench.plan(2, approved=asked.plan)

        assert (outcome.verdict, bench.granted(outcome)) == ("apply", (REMOVAL,))

    def test_what_was_not_in_the_approved_plan_is_asked_for_anew(self, bench: Bench) -> None:
        bench.propose(REMOVAL)
        asked = bench.plan()
        approve(bench.world, asked.plan)
        other = replace(REMOVAL, resource="ou-9")
        bench.propose(other, number=2)

        assert bench.plan(2, approved=asked.plan).verdict == "ask"

    def test_what_was_held_when_people_were_asked_is_asked_for_anew(self, bench: Bench) -> None:
        bench.desired = replace(bench.desired, mode=Mode.PROPOSE)
        documents = FakeDocuments(bench.world)
        documents.write(FREEZE_KEY, freeze_to_document(Freeze(START + timedelta(hours=1), "case 42")))
        bench.propose(UNIT, REMOVAL)
        asked = bench.plan()
        approve(bench.world, asked.plan)
        documents.write(FREEZE_KEY, freeze_to_document(Freeze(START, "case 42")))
        bench.propose(REMOVAL, number=2)

        outcome = bench.plan(2, approved=asked.plan)

        assert (asked.verdict, outcome.verdict) == ("ask", "ask")

    @pytest.mark.parametrize("state", [each for each in RequestState if each is not RequestState.APPROVED])
    def test_an_approval_that_the_request_does_not_show_counts_for_nothing(
        self, bench: Bench, state: RequestState
    ) -> None:
        bench.propose(REMOVAL)
        asked = bench.plan()
        approve(bench.world, asked.plan, state=state)

        with pytest.raises(PlanUnusableError, match=r"nobody is recorded to have approved .*; plan again: muster plan"):
            bench.plan(2, approved=asked.plan)

    def test_an_approval_without_a_request_or_of_another_run_counts_for_nothing(self, bench: Bench) -> None:
        bench.propose(REMOVAL)
        asked = bench.plan()

        with pytest.raises(PlanUnusableError, match="nobody is recorded"):
            bench.plan(2, approved=asked.plan)
        approve(bench.world, asked.plan, run="run-0")
        with pytest.raises(PlanUnusableError, match="nobody is recorded"):
            bench.plan(2, approved=asked.plan)

    def test_a_world_that_moved_while_people_thought_stops_with_the_difference(self, bench: Bench) -> None:
        bench.propose(REMOVAL)
        asked = bench.plan()
        approve(bench.world, asked.plan)
        bench.propose(replace(REMOVAL, before="in, with more accounts"), number=2)

        with pytest.raises(WorldMovedError) as caught:
            bench.plan(2, approved=asked.plan)

        assert str(caught.value) == (
            "the world moved since the plan was made, so it goes no further. remove unit ou-2: planned from 'in' to "
            "'out', found 'in, with more accounts → out'. plan again: muster plan"
        )


class TestPinned:
    def test_a_run_that_is_limited_to_a_plan_is_granted_nothing_else(self, bench: Bench) -> None:
        bench.propose(NAME)
        pinned = bench.plan(applies=False).plan
        bench.propose(NAME, UNIT, number=2)

        outcome = bench.plan(2, pinned=pinned)

        assert (outcome.verdict, bench.granted(outcome), outcome.open) == ("apply", (NAME,), 2)

    def test_people_are_asked_for_the_plan_that_was_named(self, bench: Bench) -> None:
        bench.propose(REMOVAL)
        pinned = bench.plan(applies=False).plan
        bench.propose(REMOVAL, number=2)

        outcome = bench.plan(2, pinned=pinned)

        assert (outcome.verdict, outcome.plan) == ("ask", pinned)
        assert pinned[:12] in outcome.handoffs[0].what

    def test_what_was_held_in_the_named_plan_is_asked_for_in_the_name_of_another(self, bench: Bench) -> None:
        documents = FakeDocuments(bench.world)
        documents.write(FREEZE_KEY, freeze_to_document(Freeze(START + timedelta(hours=1), "case 42")))
        bench.propose(REMOVAL)
        pinned = bench.plan(applies=False).plan
        documents.write(FREEZE_KEY, freeze_to_document(Freeze(START, "case 42")))
        bench.propose(REMOVAL, number=2)

        outcome = bench.plan(2, pinned=pinned)

        assert outcome.verdict == "ask"
        assert outcome.plan != pinned
        assert [each.remediation for each in bench.stored(outcome.plan).plan.asked] == [REMOVAL]

    def test_when_a_plan_is_done_what_else_there_is_to_do_is_told(self, bench: Bench) -> None:
        bench.propose(NAME)
        pinned = bench.plan(applies=False).plan
        bench.propose(UNIT, number=2)

        outcome = bench.plan(2, pinned=pinned)

        assert (outcome.verdict, outcome.grant_key, outcome.open) == ("tell", None, 1)
        assert outcome.plan != pinned

    def test_when_all_is_done_there_is_nothing_to_tell(self, bench: Bench) -> None:
        bench.propose(NAME)
        pinned = bench.plan(applies=False).plan

        assert bench.plan(2, pinned=pinned).verdict == "nothing"

    def test_a_plan_that_is_not_there_stops(self, bench: Bench) -> None:
        with pytest.raises(PlanUnusableError, match=r"^there is no plan 555555555555; plan again: muster plan$"):
            bench.plan(pinned="5" * 64)

    def test_a_plan_that_was_changed_stops(self, bench: Bench) -> None:
        bench.propose(NAME)
        pinned = bench.plan(applies=False).plan
        bench.world.documents[plan_key(pinned)] += " "

        with pytest.raises(PlanUnusableError, match=r"was changed after it was made: .*; plan again: muster plan$"):
            bench.plan(2, pinned=pinned)

    def test_a_plan_for_another_desired_state_stops(self, bench: Bench) -> None:
        bench.propose(NAME)
        pinned = bench.plan(applies=False).plan

        with pytest.raises(PlanUnusableError, match="was made for another desired state than the present; plan again"):
            bench.plan(2, pinned=pinned, desired_version="version-2")

    def test_a_plan_that_is_too_old_stops(self, bench: Bench) -> None:
        bench.propose(NAME)
        pinned = bench.plan(applies=False).plan
        bench.propose(NAME, number=2)

        assert bench.plan(2, pinned=pinned, at=START + MAX_AGE).verdict == "apply"
        with pytest.raises(PlanUnusableError, match="is older than 72 hours; plan again: muster plan"):
            bench.plan(2, pinned=pinned, at=START + MAX_AGE + timedelta(seconds=1))

    def test_a_plan_that_does_not_fit_the_world_stops_before_anything_is_granted(self, bench: Bench) -> None:
        bench.propose(NAME, UNIT)
        pinned = bench.plan(applies=False).plan
        bench.propose(replace(NAME, before="named c"), UNIT, number=2)

        with pytest.raises(WorldMovedError, match="found 'named c → named b'"):
            bench.plan(2, pinned=pinned)
        assert "runs/run-1/granted.json" not in bench.world.documents

    def test_many_differences_are_not_all_told(self, bench: Bench) -> None:
        tags = [replace(NAME, resource=f"m-{each}", what=f"rename {each}") for each in range(7)]
        bench.propose(*tags)
        pinned = bench.plan(applies=False).plan
        bench.propose(*(replace(each, before="named c") for each in tags), number=2)

        with pytest.raises(WorldMovedError) as caught:
            bench.plan(2, pinned=pinned)

        assert str(caught.value).count("planned from") == 5


class TestUnitsThatAwsTakesOnlyAfterwards:
    """AWS refuses units beside the flag of the entire organization: there is a gap that people agree to."""

    @pytest.fixture
    def run(self) -> Rounds:
        world = MeasuredWorld(takes_units_beside_flag=False)
        world.add_unit("ou-ex01-keep0000", "Keep")
        world.add_account(MANAGEMENT)
        world.add_account(SECURITY, "ou-ex01-keep0000")
        world.add_account("300000000000", "ou-ex01-keep0000")
        world.trusted.add("security-ir.amazonaws.com")
        world.delegated.add(SECURITY)
        world.add_membership(entire_organization=True, tags={"team": "security"})
        return Rounds(world, replace(scoped_to("ou-ex01-keep0000"), guardrails=Guardrails(25, 1.0, 10)))

    @pytest.mark.parametrize("mode", [Mode.ENFORCE, Mode.PROPOSE])
    def test_clearing_and_units_are_approved_and_made_together(self, run: Rounds, mode: Mode) -> None:
        run.desired = replace(run.desired, mode=mode)

        assert run.go().verdict == "nothing"

        (membership,) = [each.membership for each in run.world.memberships]
        assert not membership.covers_entire_organization
        assert membership.unit_ids == {"ou-ex01-keep0000"}
        assert [each.detail for each in run.world.effects] == [("entire", False), ("ou-ex01-keep0000",)]
        assert SECURITY in run.world.protection().covered

    def test_without_an_approval_nothing_is_cleared_and_nothing_is_sent_twice(self, run: Rounds) -> None:
        assert run.go(approves=lambda _: False).verdict == "ask"

        assert run.world.effects == []
        assert len(run.world.writes) == 1
        assert [each.remediation.kind for each in run.plan.remediations] == [
            KIND.ADD_UNIT,
            KIND.CLEAR_ENTIRE_ORGANIZATION,
        ]
        assert all(each.approval for each in run.plan.remediations)


def scoped_to(*unit_ids: str) -> DesiredState:
    return desired_state(scope=UnitReferences(tuple(map(UnitId, unit_ids))))


def test_a_run_that_is_limited_to_a_plan_goes_on_when_its_own_update_changed_the_team() -> None:
    """Adding somebody stands on the team as it is, which the update of the same plan changes."""
    world = MeasuredWorld()
    world.add_account(MANAGEMENT)
    world.add_account(SECURITY)
    world.trusted.add("security-ir.amazonaws.com")
    world.delegated.add(SECURITY)
    world.add_membership(entire_organization=True, tags={"team": "security"}, team=TEAM[:2])
    world.contacts = (replace(TEAM[0], job_title="Director"), *TEAM[1:])
    desired = replace(desired_state(), automatic=frozenset({ChangeKind.UPDATE_RESPONDER}))
    look = Rounds(world, desired, applies=False)
    look.plan_once()
    run = Rounds(world, desired, run="run-2", pinned=look.plans[-1].sha256)

    assert run.go().verdict == "tell"

    assert [each.remediation.kind for each in run.plan.remediations] == [KIND.ADD_RESPONDER]
    assert [each.detail for each in world.writes] == [("team", 2)]

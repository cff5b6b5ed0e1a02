"""Report says what people need to know, once."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.domain.containment import DeploymentState
from muster.domain.desired import ContainmentRoles, Mode
from muster.domain.handoffs import ask_to_allow
from muster.domain.membership import SERVICE_PRINCIPAL, Association
from muster.domain.organization import AccountState
from muster.domain.outcomes import Change, Handoff, HandoffTo, Notice, ReportOutcome, ReportStatus
from muster.domain.plan import Affected, PlannedRemediation
from muster.domain.scope import EntireOrganization, UnitId, UnitReferences
from muster.errors import DeniedError
from muster.steps.gate import Looking
from tests.fakes.containment import containing
from tests.fakes.ports import FakeDocuments
from tests.fakes.preference import attest_default
from tests.fakes.steps import assess, desired_state, onboard, report, sign_up
from tests.fakes.world import MANAGEMENT, SECURITY, World, example_world

HANDOFF = Handoff(HandoffTo.MANAGEMENT_TEAM, "enable trusted access", "denied", "aws organizations enable")


@pytest.fixture
def world() -> World:
    world = example_world()
    world.trusted.add(SERVICE_PRINCIPAL)
    world.delegated.add(SECURITY)
    world.triage_roles.add(MANAGEMENT)
    world.add_membership(entire_organization=True, tags={"team": "security"})
    return world


def uncovered(world: World, number: int) -> World:
    for each in range(number):
        account_id = world.add_account(f"{900_000_000_000 + each}", "ou-ex01-sandbox0")
        world.associations[account_id] = Association.DISASSOCIATED
    assess(world)
    return world


class TestStatus:
    def test_everything_covered(self, world: World) -> None:
        assess(world)
        outcome = report(world)
        assert (outcome.status, outcome.subject) == (ReportStatus.COVERED, "Muster: Covered - 8 covered")
        assert (outcome.text_key, outcome.json_key) == ("runs/run-1/report.txt", "runs/run-1/report.json")
        assert world.documents[outcome.text_key] == outcome.message
        assert world.documents[outcome.json_key] == world.documents["reports/latest.json"]

    def test_account_without_coverage_needs_attention(self, world: World) -> None:
        outcome = report(uncovered(world, 1))
        assert (outcome.status, outcome.subject) == (
            ReportStatus.NEEDS_ATTENTION, "Muster: NeedsAttention - 8 covered, 1 account needs a person",
        )  # fmt: skip

    def test_unknown_account_is_not_called_covered(self, world: World) -> None:
        world.unreadable_associations.add("300000000000")
        assess(world)
        assert report(world).status is ReportStatus.NEEDS_ATTENTION

    def test_coverage_that_nobody_asked_for_is_one_decision_for_a_person(self, world: World) -> None:
        narrower = desired_state(scope=UnitReferences((UnitId("ou-ex01-security"),)))
        assess(world, narrower)
        outcome = report(world, narrower)
        assert outcome.status is ReportStatus.NEEDS_ATTENTION
        assert "7 accounts are covered though not in scope; taking protection away is a person's" in (
            outcome.message or ""
        )
        assert "Accounts that need a person" not in (outcome.message or "")

    def test_what_only_a_person_can_settle_is_no_good_ending(self, world: World) -> None:
        assess(world)
        outcome = report(
            world, notices=(Notice("the team is unknown", "denied", needs_person=True), Notice("by", "way"))
        )
        assert outcome.status is ReportStatus.NEEDS_ATTENTION
        assert "1 thing is to be settled by a person." in (outcome.message or "")
        assert "To be settled by a person\n  - the team is unknown: denied" in (outcome.message or "")
        assert "To know\n  - by: way" in (outcome.message or "")

    def test_handoff_is_waited_for(self, world: World) -> None:
        assert report(uncovered(world, 1), handoffs=(HANDOFF,)).status is ReportStatus.WAITING_FOR_HANDOFF

    def test_accounts_that_settle_are_not_settled(self, world: World) -> None:
        world.propagated = False
        assess(world, changed_at=world.now)
        outcome = report(world, settled=False)
        assert outcome.status is ReportStatus.NOT_SETTLED
        assert "8 accounts settle; the next run looks again." in (outcome.message or "")

    @pytest.mark.parametrize("membership_id", [None, "m-0123456789ab"])
    def test_without_an_assessment_nothing_is_called_covered(self, world: World, membership_id: str | None) -> None:
        outcome = report(world, membership_id=membership_id, assessment_key=None)
        assert (outcome.status, outcome.subject) == (ReportStatus.NEEDS_ATTENTION, "Muster: NeedsAttention")
        assert "No account was assessed" in (outcome.message or "")

    def test_assessment_that_is_gone_is_none(self, world: World) -> None:
        assert report(world).status is ReportStatus.NEEDS_ATTENTION


class TestContainment:
    """Coverage and containment roles are told apart, and both have to be well."""

    KEY = "runs/run-1/containment.json"

    def told(self, world: World, *rows: tuple[str, str, str], settled: bool = True) -> ReportOutcome:
        counts = {state.value: sum(row[1] == state for row in rows) for state in DeploymentState}
        accounts = [
            {
                "id": each,
                "name": f"name-{each}",
                "told": {"state": state, "reason": why},
                "needs_person": DeploymentState(state).needs_person,
            }
            for each, state, why in rows
        ]
        attest_default(world)
        assess(world)
        FakeDocuments(world).write(self.KEY, {"counts": counts, "readiness": {"Ready": 3}, "accounts": accounts})
        return report(world, containing(roles=ContainmentRoles.VERIFY), containment_key=self.KEY, settled=settled)

    @pytest.mark.parametrize("state", DeploymentState)
    def test_roles_that_need_a_person_keep_a_run_from_being_well(self, world: World, state: DeploymentState) -> None:
        outcome = self.told(world, ("1", state, "because"))
        needed = state in ("Missing", "Failed", "Outdated", "Unknown")
        assert outcome.status is (ReportStatus.NEEDS_ATTENTION if needed else ReportStatus.COVERED)
        assert ("  1 name-1: " in (outcome.message or "")) == needed

    def test_roles_that_were_asked_for_and_not_looked_at_are_not_well(self, world: World) -> None:
        assess(world)
        wanted = containing(roles=ContainmentRoles.VERIFY)
        assert report(world, wanted).status is ReportStatus.NEEDS_ATTENTION
        assert report(world, wanted, containment_key="gone").status is ReportStatus.NEEDS_ATTENTION

    def test_deployment_that_goes_on_is_not_settled(self, world: World) -> None:
        outcome = self.told(world, ("1", "Pending", "an operation"), settled=False)
        assert outcome.status is ReportStatus.NOT_SETTLED
        assert "The containment roles are being deployed; the next run looks again." in (outcome.message or "")

    def test_accounts_with_one_reason_are_one_line(self, world: World) -> None:
        many = [(str(each), "Missing", "no StackSet") for each in range(70)]
        few = [("a", "Failed", "odd"), ("b", "Failed", "odd")]
        outcome = self.told(world, *many, *few)
        assert "  70 accounts, 0 the first of them: Missing, no StackSet\n" in (outcome.message or "")
        assert "  a name-a, b name-b: Failed, odd\n" in (outcome.message or "")
        assert outcome.subject == "Muster: NeedsAttention - 8 covered, 72 accounts are not ready for containment"

    def test_many_reasons_are_cut_and_counted(self, world: World) -> None:
        outcome = self.told(world, *((str(each), "Failed", f"reason {each}") for each in range(23)))
        assert f"  ... and 3 more, all in {self.KEY}\n" in (outcome.message or "")
        stored = world.read_document("runs/run-1/report.json")["containment"]
        assert (stored["accounts_that_need_a_person"]["total"], stored["key"]) == (23, self.KEY)
        assert len(stored["accounts_that_need_a_person"]["first"]) == 20

    def test_same_roles_in_need_are_no_news(self, world: World) -> None:
        self.told(world, ("1", "Failed", "odd"))
        assert (
            report(world, containing(roles=ContainmentRoles.VERIFY), run="run-2", containment_key=self.KEY).message
            is None
        )
        empty = {"counts": dict.fromkeys(DeploymentState, 0), "readiness": {}, "accounts": []}
        FakeDocuments(world).write(self.KEY, empty)
        assert report(world, containing(roles=ContainmentRoles.VERIFY), run="run-3", containment_key=self.KEY).message


class TestText:
    def test_verdict_comes_first_then_what_to_do(self, world: World) -> None:
        world.associations["300000000000"] = Association.UNASSOCIATED
        world.triage_roles.discard("300000000000")
        assess(world)
        outcome = report(
            world,
            changes=(Change("add_unit", "m-0123456789ab", "add units ou-1"),),
            handoffs=(HANDOFF,),
            notices=(Notice("a unit is left", "removing it is left to a person"),),
        )
        assert outcome.message == (
            "Muster, run run-1, 2026-03-02 09:00 UTC\n"
            "\n"
            "WaitingForHandoff: 1 step waits for somebody else. 1 account needs a person.\n"
            "Membership: m-0123456789ab, account and Region 222222222222/eu-west-1; mode enforce\n"
            "\n"
            "To do by somebody else; the next run verifies it\n"
            "  1. For the management team: enable trusted access\n"
            "     Why: denied\n"
            "       aws organizations enable\n"
            "\n"
            "Accounts that need a person\n"
            "  300000000000 account-0000: NotCovered, Unassociated; the triage role is missing: in that account run"
            " aws iam create-service-linked-role --aws-service-name triage.security-ir.amazonaws.com\n"
            "\n"
            "Accounts by coverage\n"
            "       7  Covered\n"
            "       1  NotCovered\n"
            "       0  OutOfScope\n"
            "       0  Settling\n"
            "       0  Excepted\n"
            "       1  Inactive\n"
            "       0  Unknown\n"
            "\n"
            "Causes\n"
            "       1  role_missing\n"
            "\n"
            "Containment roles: off\n"
            "\n"
            "Changed in this run\n"
            "  - add units ou-1 (m-0123456789ab)\n"
            "\n"
            "To know\n"
            "  - a unit is left: removing it is left to a person\n"
            "\n"
            "Where the rest is (keys in the state bucket)\n"
            "  every account: runs/run-1/assessment.json\n"
            "  this report:   runs/run-1/report.txt\n"
            "  as JSON:       runs/run-1/report.json\n"
        )

    def test_first_twenty_accounts_are_named_and_the_rest_is_counted(self, world: World) -> None:
        message = report(uncovered(world, 25)).message or ""
        assert message.count("\n  9000000000") == 20
        assert "  ... and 5 more, all in runs/run-1/assessment.json" in message
        assert world.read_document("reports/latest.json")["accounts_that_need_a_person"]["total"] == 25

    def test_accounts_without_coverage_come_before_unknown_ones(self, world: World) -> None:
        world.unreadable_associations.add("300000000000")
        message = report(uncovered(world, 1)).message or ""
        assert message.index("900000000000") < message.index("300000000000")

    def test_long_lists_and_commands_are_cut(self, world: World) -> None:
        assess(world)
        changes = tuple(Change("add_unit", "m-1", f"change {number}") for number in range(30))
        long = Handoff(HandoffTo.PERSON, "add units", "denied", "x" * 5000)
        message = report(world, changes=changes, handoffs=(long,) * 22).message or ""
        assert message.count("  ... and 10 more\n") == 1
        assert message.count("  ... and 2 more\n") == 1
        assert "see handoffs in runs/run-1/report.json" in message
        assert len(message) < 10_000
        assert len(world.read_document("runs/run-1/report.json")["handoffs"][0]["command"]) == 5000

    def test_name_of_an_account_cannot_forge_a_line(self, world: World) -> None:
        world.add_account("900000000000", name="x\nCovered: nothing to do\x1b[2K", state=AccountState.ACTIVE)
        world.associations["900000000000"] = Association.UNASSOCIATED
        assess(world)
        assert "  900000000000 x Covered: nothing to do [2K: NotCovered" in (report(world).message or "")

    def test_subject_fits_a_topic(self, world: World) -> None:
        subject = report(uncovered(world, 25), handoffs=(HANDOFF,) * 12).subject or ""
        assert subject == "Muster: WaitingForHandoff - 8 covered, 25 accounts need a person, 12 steps wait"
        assert subject.isascii()
        assert len(subject) <= 100


class TestNews:
    @staticmethod
    def told(outcome: ReportOutcome) -> bool:
        return outcome.message is not None

    def test_first_report_is_news_and_the_same_again_is_not(self, world: World) -> None:
        uncovered(world, 2)
        assert self.told(report(world))
        world.now += timedelta(hours=1)
        again = report(world, run="run-2")
        assert (again.subject, again.message, again.status) == (None, None, ReportStatus.NEEDS_ATTENTION)

    def test_change_is_news(self, world: World) -> None:
        assess(world)
        report(world)
        assert self.told(report(world, run="run-2", changes=(Change("set_name", "m-1", "rename"),)))

    def test_gap_that_opens_or_closes_is_news(self, world: World) -> None:
        assess(world)
        report(world)
        world.associations["300000000000"] = Association.UNASSOCIATED
        assess(world)
        assert self.told(report(world, run="run-2"))
        world.associations.clear()
        assess(world)
        assert self.told(report(world, run="run-3"))
        assert not self.told(report(world, run="run-4"))

    def test_handoff_and_notice_are_news_once(self, world: World) -> None:
        assess(world)
        report(world)
        notice = Notice("a unit is left", "3 of them")
        assert self.told(report(world, run="run-2", handoffs=(HANDOFF,)))
        assert self.told(report(world, run="run-3", handoffs=(HANDOFF,), notices=(notice,)))
        other = Notice("a unit is left", "4 of them")
        assert not self.told(report(world, run="run-4", handoffs=(HANDOFF,), notices=(other,)))

    def test_settling_that_ends_well_is_news(self, world: World) -> None:
        assess(world)
        report(world, settled=False)
        assert self.told(report(world, run="run-2"))

    def test_repeat_of_a_lost_answer_tells_it_again(self, world: World) -> None:
        assess(world)
        first = report(world)
        assert report(world) == first
        assert self.told(first)
        assert not self.told(report(world, run="run-2"))
        assert not self.told(report(world, run="run-2"))

    def test_report_of_another_schema_is_not_compared_with(self, world: World) -> None:
        assess(world)
        report(world)
        world.documents["reports/latest.json"] = '{"schema": 2}'
        assert self.told(report(world, run="run-2"))


class TestWholeRun:
    def test_onboarding_from_nothing_then_zero_writes_and_no_message(self) -> None:
        world = example_world()
        first = onboard(world)
        assert (first.status, first.message is not None) == (ReportStatus.COVERED, True)
        world.calls.clear()
        second = onboard(world, run="run-2")
        assert (second.status, second.message, world.writes) == (ReportStatus.COVERED, None, [])

    def test_propose_from_nothing_writes_nothing_and_is_not_called_covered(self) -> None:
        world = example_world()
        outcome = onboard(world, desired_state(mode=Mode.PROPOSE))
        assert (outcome.status, world.writes) == (ReportStatus.NEEDS_ATTENTION, [])

    def test_what_a_plan_leaves_to_a_person_is_waited_for(self) -> None:
        world = example_world()
        desired = desired_state(mode=Mode.OBSERVE)
        gate = Looking()
        sign_up(world, desired, gate=gate)
        planned = [PlannedRemediation(each, Affected(0), ("mode is observe",)) for each in gate.proposed]

        outcome = report(
            world, desired, membership_id=None, assessment_key=None, handoffs=ask_to_allow(desired, planned)
        )

        assert (outcome.status, world.writes) == (ReportStatus.WAITING_FOR_HANDOFF, [])
        assert "create the membership" in (outcome.message or "")
        assert "set mode: enforce and automatic: [" in (outcome.message or "")

    def test_no_responder_is_in_anything_that_is_stored_or_told(self) -> None:
        world = example_world()
        world.fail("security-ir:CreateMembership", lambda operation, account: DeniedError(operation, account, "no"))
        outcome = onboard(world)
        told = "".join(world.documents.values()) + str(outcome)
        assert "create-membership" in told
        assert "@" not in told
        assert "Responder 0" not in told


@given(
    asked=st.none() | st.sets(st.sampled_from(sorted(example_world().units)), min_size=1),
    moves=st.dictionaries(st.sampled_from(["300000000000", "400000000000", "600000000000"]),
                          st.sampled_from(sorted(example_world().units)), max_size=3),
)  # fmt: skip
def test_onboarding_any_scope_covers_it_and_the_second_run_writes_and_tells_nothing(
    asked: set[str] | None, moves: dict[str, str]
) -> None:
    world = example_world()
    for account_id, unit_id in moves.items():
        world.move(account_id, unit_id)
    scope = EntireOrganization() if asked is None else UnitReferences(tuple(map(UnitId, sorted(asked))))
    desired = desired_state(scope=scope)

    first = onboard(world, desired)
    world.calls.clear()
    second = onboard(world, desired, run="run-2")

    assert (first.status, second.status) == (ReportStatus.COVERED, ReportStatus.COVERED)
    assert (second.message, world.writes) == (None, [])
    for each in world.read_document("assessments/latest.json")["accounts"]:
        within = asked is None or not asked.isdisjoint(each["ancestors"])
        assert (each["coverage"] == "Covered") == (within and each["state"] == "ACTIVE")


@pytest.mark.parametrize(
    ("number", "named"),
    [
        (0, None),
        (1, "In: account 300000000000\n"),
        (12, "In: accounts 300000000000, "),
        (12, "300000000009 and 2 more\n"),
    ],
)
def test_step_says_in_which_accounts_it_is_to_be_done(world: World, number: int, named: str | None) -> None:
    accounts = tuple(f"{300_000_000_000 + each}" for each in range(number))
    handoff = Handoff(HandoffTo.ACCOUNT_OWNERS, "create the role", "it is missing", "aws iam", accounts=accounts)
    assess(world)

    text = world.documents[report(world, handoffs=(handoff,)).text_key]

    assert ("In: " in text) == (named is not None)
    assert (named or "") in text

"""The report tells how the containment preference stands, once, and never calls good what is unknown."""

from dataclasses import replace
from datetime import timedelta

import pytest

from muster.domain.containment import DeploymentState
from muster.domain.desired import ContainmentPreference, ContainmentRoles, DesiredState
from muster.domain.membership import SERVICE_PRINCIPAL
from muster.domain.outcomes import ReportOutcome, ReportStatus
from muster.domain.preference import Entry
from muster.domain.preference_history import PREFERENCE_KEY, to_document
from muster.domain.readiness import Readiness
from muster.errors import DeniedError
from tests.fakes.containment import containing
from tests.fakes.ports import FakeDocuments
from tests.fakes.preference import APPROVAL, BY, CONFIRMED, SUSPECTED, asked, attest_default, attested, known
from tests.fakes.steps import assess, desired_state, report
from tests.fakes.world import MANAGEMENT, SECURITY, World, example_world

KEY = "runs/run-1/containment.json"


@pytest.fixture
def world() -> World:
    world = example_world()
    world.trusted.add(SERVICE_PRINCIPAL)
    world.delegated.add(SECURITY)
    world.triage_roles.add(MANAGEMENT)
    world.add_membership(entire_organization=True, tags={"team": "security"})
    assess(world)
    counts = dict.fromkeys(DeploymentState, 0)
    FakeDocuments(world).write(KEY, {"counts": counts, "readiness": dict.fromkeys(Readiness, 0), "accounts": []})
    return world


def wanting(level: ContainmentPreference = APPROVAL) -> DesiredState:
    desired = containing(roles=ContainmentRoles.VERIFY)
    return replace(desired, containment=replace(desired.containment, preference=level))


def run(world: World, desired: DesiredState | None = None, name: str = "run-1") -> ReportOutcome:
    return report(world, desired or wanting(), run=name, containment_key=KEY)


def store(world: World, *history: Entry) -> None:
    """Store a history that happened now."""
    FakeDocuments(world).write(PREFERENCE_KEY, to_document(known(*(replace(each, at=world.now) for each in history))))


def test_preference_that_nobody_asked_for_is_no_good_ending(world: World) -> None:
    outcome = run(world)

    assert outcome.status is ReportStatus.NEEDS_ATTENTION
    message = outcome.message or ""
    assert (
        "\nContainment preference: ApprovalRequired not requested: AWS contains nothing until it is lodged\n" in message
    )
    assert "To be settled by a person\n  - containment preference of the organization is not requested: " in message
    document = world.read_document("reports/latest.json")
    assert document["preference"]["subjects"][0]["status"] == "NotRequested"


def test_preference_that_is_attested_is_said_to_be_and_nothing_is_to_do(world: World) -> None:
    attest_default(world)

    outcome = run(world)

    assert outcome.status is ReportStatus.COVERED
    said = f"Containment preference: ApprovalRequired, attested 2026-03-02 by {BY} (case 10001)\n"
    assert said in (outcome.message or "")


@pytest.mark.parametrize("text", ["{", '{"schema": 2, "history": []}', '{"schema": 1, "history": [{}]}'])
def test_document_that_cannot_be_understood_is_unknown_and_never_good(world: World, text: str) -> None:
    attest_default(world)
    world.documents[PREFERENCE_KEY] = text

    outcome = run(world)

    assert outcome.status is ReportStatus.NEEDS_ATTENTION
    assert "  - the containment preference is unknown: " in (outcome.message or "")
    assert world.read_document("reports/latest.json")["preference"]["subjects"] == []


def test_document_that_may_not_be_read_is_unknown_and_never_good(world: World) -> None:
    attest_default(world)
    world.fail("s3:GetObject", lambda operation, account: DeniedError(operation, account, "no"), detail=PREFERENCE_KEY)

    outcome = run(world)

    assert outcome.status is ReportStatus.NEEDS_ATTENTION
    assert "Containment preference: unknown, s3:GetObject in account 222222222222: no\n" in (outcome.message or "")


def test_nobody_asks_for_a_preference_where_no_roles_are_wanted_or_no_membership_is(world: World) -> None:
    off = report(world, desired_state())
    assert off.status is ReportStatus.COVERED
    assert world.read_document("reports/latest.json")["preference"] is None
    assert "Containment preference" not in (off.message or "")

    none = report(world, wanting(), run="run-2", membership_id=None, assessment_key=None)
    assert "Containment preference" not in (none.message or "")


def test_whole_life_is_told_once_at_each_turn_and_days_that_pass_tell_nothing(world: World) -> None:
    wanted = wanting(CONFIRMED)
    runs = iter(range(1, 100))

    def told(history: tuple[Entry, ...] | None = None, days: int = 0) -> tuple[bool, ReportStatus]:
        world.now += timedelta(days=days)
        if history is not None:
            store(world, *history)
        outcome = run(world, wanted, f"run-{next(runs)}")
        return outcome.message is not None, outcome.status

    covered, needs = ReportStatus.COVERED, ReportStatus.NEEDS_ATTENTION
    assert [told(), told(days=3)] == [(True, needs), (False, needs)]
    assert [told((asked(),)), told(days=7)] == [(True, covered), (False, covered)]
    assert [told(days=1), told(days=5)] == [(True, needs), (False, needs)]
    assert [told((attested(SUSPECTED),)), told(days=1)] == [(True, needs), (False, needs)]
    assert [told((attested(),)), told(days=165)] == [(True, covered), (False, covered)]
    assert [told(days=1), told(days=13)] == [(True, covered), (False, covered)]
    assert [told(days=1), told(days=100)] == [(True, needs), (False, needs)]
    assert told((attested(),)) == (True, covered)

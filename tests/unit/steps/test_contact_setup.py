from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import pytest

from muster.domain.desired import ChangeKind
from muster.domain.membership import Home
from muster.domain.observed import Known, Unknown
from muster.domain.outcomes import ContactSetupOutcome
from muster.domain.remediation import Remediation, RemediationKind, Step
from muster.domain.responders import IncidentResponder, IncidentResponseTeam
from muster.domain.team import TeamInMembership
from muster.errors import (
    AbsentError,
    AlreadyThereError,
    DeniedError,
    DesiredStateError,
    NotYetConsistentError,
    RefusedError,
    ThrottledError,
    UnavailableError,
    WorldMovedError,
)
from muster.steps.contact_setup import MAX_LOOKS, ContactSetup
from muster.steps.gate import Gate, Looking
from tests.fakes.gates import Automatic, Counted, grant
from tests.fakes.ports import FakeResponders, FakeTeam
from tests.fakes.steps import desired_state, kinds, set_up_contacts
from tests.fakes.world import HOME_REGION, SECURITY, TEAM, World, example_world

READ, WRITE = "security-ir:GetMembership", "security-ir:UpdateMembership"
NEWCOMER = IncidentResponder("Somebody New", "Analyst", "new@example.com")


@pytest.fixture
def world() -> World:
    found = example_world()
    found.add_membership(team=TEAM[:2])
    return found


def team_of(world: World) -> IncidentResponseTeam:
    team = world.memberships[0].team
    assert isinstance(team, Known)
    return team.value


def saying(kind: type[Exception]) -> Callable[[str, str], Exception]:
    return lambda operation, account: kind(operation, account, "said so")


def look(world: World) -> list[Remediation]:
    gate = Looking()
    set_up_contacts(world, gate=gate)
    return gate.proposed


def apply(world: World, granted: Iterable[Remediation]) -> tuple[ContactSetupOutcome, Counted]:
    gate = grant(Step.CONTACT_SETUP, granted)
    return set_up_contacts(world, gate=gate), gate


@dataclass(slots=True)
class Busy:
    """A team that somebody else edits after each of the next readings, or that is unknown then."""

    world: World
    edits: list[IncidentResponseTeam | Unknown]

    def team_in(self, membership_id: str) -> TeamInMembership:
        found = FakeTeam(self.world).team_in(membership_id)
        if self.edits:
            edit = self.edits.pop(0)
            self.world.memberships[0].team = edit if isinstance(edit, Unknown) else Known(edit)
        return found


def busy(world: World, edits: Sequence[IncidentResponseTeam | Unknown], gate: Gate) -> ContactSetupOutcome:
    step = ContactSetup(FakeResponders(world), Busy(world, list(edits)), FakeTeam(world), Home(SECURITY, HOME_REGION))
    return step.apply(gate, membership_id="m-0123456789ab")


RETITLED = replace(TEAM[0], job_title="Lead")
ADD, UPDATE = RemediationKind.ADD_RESPONDER, RemediationKind.UPDATE_RESPONDER


@pytest.mark.parametrize(
    ("contacts", "proposed"),
    [
        (TEAM, [ADD]),
        ((RETITLED, TEAM[1]), [UPDATE]),
        ((RETITLED, *TEAM[1:]), [UPDATE, ADD]),
        (TEAM[:2], []),
    ],
)
def test_what_a_look_proposes_is_written_at_once_and_not_proposed_again(
    world: World, contacts: IncidentResponseTeam, proposed: list[RemediationKind]
) -> None:
    world.contacts = contacts
    found = look(world)
    assert ([each.kind for each in found], world.writes) == (proposed, [])

    outcome, gate = apply(world, found)

    assert (team_of(world), len(world.writes)) == (contacts, min(len(found), 1))
    assert ({each.kind for each in gate.made.values()}, gate.left) == (set(proposed), {})
    assert [(change.kind, change.detail) for change in outcome.changes] == [(each.kind, each.what) for each in found]
    assert look(world) == []


@pytest.mark.parametrize(
    ("kind", "written"), [(ADD, TEAM), (UPDATE, (RETITLED, TEAM[1]))], ids=["add only", "update only"]
)
def test_only_the_granted_kind_of_change_is_in_the_list_that_is_written(
    world: World, kind: RemediationKind, written: IncidentResponseTeam
) -> None:
    world.contacts = (RETITLED, *TEAM[1:])

    outcome, gate = apply(world, [each for each in look(world) if each.kind is kind])

    assert (team_of(world), kinds(outcome.changes), outcome.handoffs) == (written, [kind], ())
    assert {each.kind for each in gate.left.values()} == {ADD, UPDATE} - {kind}
    assert {each.kind for each in look(world)} == {ADD, UPDATE} - {kind}


def test_nothing_granted_is_nothing_written_and_nothing_handed_off(world: World) -> None:
    outcome, _ = apply(world, [])
    assert (outcome, world.writes) == (ContactSetupOutcome(), [])


def test_team_that_somebody_changed_since_the_plan_is_not_written(world: World) -> None:
    found = look(world)
    world.memberships[0].team = Known((*TEAM[:2], NEWCOMER))

    with pytest.raises(WorldMovedError, match="add responder 3: planned from 'team") as moved:
        apply(world, found)

    assert world.writes == []
    assert "new@example.com" not in str(moved.value)


def test_team_that_somebody_changes_between_the_two_readings_is_not_written_on_an_old_grant(world: World) -> None:
    gate = grant(Step.CONTACT_SETUP, look(world))

    with pytest.raises(WorldMovedError):
        busy(world, [(*TEAM[:2], NEWCOMER)], gate)

    assert world.writes == []


def test_contacts_that_were_pushed_since_the_plan_are_not_written_on_its_grant(world: World) -> None:
    found = look(world)
    world.contacts = (*TEAM, NEWCOMER)

    with pytest.raises(WorldMovedError):
        apply(world, found)
    assert world.writes == []


def test_order_in_which_the_service_lists_people_is_no_move(world: World) -> None:
    found = look(world)
    world.memberships[0].team = Known(TEAM[1::-1])

    apply(world, found)

    assert set(team_of(world)) == set(TEAM)


def test_look_reads_the_team_once_and_tells_what_only_a_person_can_settle(world: World) -> None:
    world.contacts = (replace(TEAM[0], email="elsewhere@example.com"), *TEAM[1:])

    outcome = set_up_contacts(world, gate=Looking())

    assert [handoff.what for handoff in outcome.handoffs] == ["e-mail differs: settle the address of responder 1"]
    assert world.count(READ) == 1


def test_missing_responder_is_added_by_one_write(world: World) -> None:
    outcome = set_up_contacts(world)

    assert kinds(outcome.changes) == [ChangeKind.ADD_RESPONDER]
    assert (outcome.handoffs, outcome.notices) == ((), ())
    assert team_of(world) == TEAM
    assert len(world.writes) == 1
    assert set_up_contacts(world).changes == ()
    assert len(world.writes) == 1


def test_team_as_it_is_asked_for_is_read_once_and_not_written(world: World) -> None:
    world.contacts = TEAM[:2]

    assert set_up_contacts(world).changes == ()
    assert (world.count(READ), world.writes) == (1, [])


def test_what_somebody_else_wrote_between_the_readings_is_kept(world: World) -> None:
    outcome = busy(world, [(*TEAM[:2], NEWCOMER)], Automatic(desired_state()))

    assert team_of(world) == (*TEAM[:2], NEWCOMER, TEAM[2])
    assert [notice.subject for notice in outcome.notices] == [
        "the membership's team has 1 of 3 people who are not in the desired state"
    ]
    assert len(world.writes) == 1


def test_team_that_never_rests_is_tried_again_later_and_not_written(world: World) -> None:
    edits: list[IncidentResponseTeam] = [
        (TEAM[0], IncidentResponder("Ben", f"Title {each}", "ben@example.com")) for each in range(MAX_LOOKS)
    ]
    with pytest.raises(UnavailableError, match="somebody writes it"):
        busy(world, edits, Automatic(desired_state()))
    assert world.writes == []


@pytest.mark.parametrize("kind", [DeniedError, RefusedError, AlreadyThereError, NotYetConsistentError])
def test_write_that_the_service_does_not_take_is_handed_off_with_a_command(world: World, kind: type[Exception]) -> None:
    world.fail(WRITE, saying(kind))

    outcome = set_up_contacts(world)

    assert outcome.changes == ()
    (handoff,) = outcome.handoffs
    assert (handoff.what, handoff.accounts) == ("add responder 3", (SECURITY,))
    assert "said so" in handoff.why
    assert "--incident-response-team file://team.json" in handoff.command


@pytest.mark.parametrize("kind", [ThrottledError, UnavailableError])
def test_write_that_may_or_may_not_have_happened_is_tried_again(world: World, kind: type[Exception]) -> None:
    world.fail(WRITE, lambda operation, _: kind(operation), times=1, after=True)

    with pytest.raises(kind):
        set_up_contacts(world)
    assert set_up_contacts(world).changes == ()
    assert len(world.writes) == 1


def test_team_that_the_answer_lacks_is_unknown_and_not_written(world: World) -> None:
    world.memberships[0].team = Unknown("the answer lacks the team")

    outcome = set_up_contacts(world)

    assert [notice.subject for notice in outcome.notices] == ["the membership's team is unknown"]
    assert world.writes == []


def test_team_that_is_unknown_right_before_the_write_is_not_written(world: World) -> None:
    world.contacts = TEAM

    outcome = busy(world, [Unknown("the answer lacks the team")], Automatic(desired_state()))

    assert [notice.subject for notice in outcome.notices] == ["the membership's team is unknown"]
    assert world.writes == []


def test_team_that_may_not_be_read_is_unknown(world: World) -> None:
    world.fail(READ, saying(DeniedError))

    assert "said so" in set_up_contacts(world).notices[0].detail
    assert world.writes == []


@pytest.mark.parametrize("kind", [AbsentError, NotYetConsistentError])
def test_membership_that_is_not_there_yet_is_tried_again(world: World, kind: type[Exception]) -> None:
    world.fail(READ, saying(kind))

    with pytest.raises(UnavailableError):
        set_up_contacts(world)


def test_team_of_a_membership_that_is_not_active_is_left() -> None:
    world = example_world()
    world.add_membership(team=TEAM[:2], status="Cancelled")

    assert "is Cancelled, not Active" in set_up_contacts(world).notices[0].detail
    assert world.writes == []


def test_contacts_that_may_not_be_read_leave_the_team_as_it_is(world: World) -> None:
    world.fail("ssm:GetParameter", saying(DeniedError))

    assert [notice.subject for notice in set_up_contacts(world).notices] == ["the contacts could not be read"]
    assert world.count(READ) == 0


def test_unusable_contacts_stop(world: World) -> None:
    world.contacts = DesiredStateError("contacts: fewer than two")

    with pytest.raises(DesiredStateError):
        set_up_contacts(world)

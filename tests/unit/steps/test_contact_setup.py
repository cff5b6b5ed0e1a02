from collections.abc import Callable
from dataclasses import dataclass

import pytest

from muster.domain.desired import ChangeKind
from muster.domain.membership import Home
from muster.domain.observed import Known, Unknown
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
)
from muster.steps.contact_setup import MAX_LOOKS, ContactSetup
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


@dataclass(slots=True)
class Busy:
    """A team that somebody else edits after each of the next readings."""

    world: World
    edits: list[IncidentResponseTeam]

    def team_in(self, membership_id: str) -> TeamInMembership:
        found = FakeTeam(self.world).team_in(membership_id)
        if self.edits:
            self.world.memberships[0].team = Known(self.edits.pop(0))
        return found


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
    team = Busy(world, [(*TEAM[:2], NEWCOMER)])

    outcome = ContactSetup(FakeResponders(world), team, FakeTeam(world), Home(SECURITY, HOME_REGION)).apply(
        desired_state(), membership_id="m-0123456789ab"
    )

    assert team_of(world) == (*TEAM[:2], NEWCOMER, TEAM[2])
    assert [notice.subject for notice in outcome.notices] == [
        "the membership's team has 1 of 3 people who are not in the desired state"
    ]
    assert len(world.writes) == 1


def test_team_that_never_rests_is_tried_again_later_and_not_written(world: World) -> None:
    edits: list[IncidentResponseTeam] = [
        (TEAM[0], IncidentResponder("Ben", f"Title {each}", "ben@example.com")) for each in range(MAX_LOOKS)
    ]
    team = Busy(world, edits)

    with pytest.raises(UnavailableError, match="somebody writes it"):
        ContactSetup(FakeResponders(world), team, FakeTeam(world), Home(SECURITY, HOME_REGION)).apply(
            desired_state(), membership_id="m-0123456789ab"
        )
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

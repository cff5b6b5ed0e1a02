"""A command says in which account it is to be run."""

from muster.domain.handoffs import place_commands
from muster.domain.outcomes import Handoff, HandoffTo

MANAGEMENT, HOME = "111111111111", "222222222222"


def handoff(to: HandoffTo, command: str = "aws iam get-role", *accounts: str) -> Handoff:
    return Handoff(to, "look", "denied", command, accounts)


def test_command_of_the_management_team_is_run_there_and_that_of_a_person_at_home() -> None:
    placed = place_commands(
        [handoff(HandoffTo.MANAGEMENT_TEAM), handoff(HandoffTo.PERSON)], management=MANAGEMENT, home=HOME
    )

    assert [each.accounts for each in placed] == [(MANAGEMENT,), (HOME,)]


def test_what_is_placed_already_is_no_command_or_has_no_place_stays_as_it_is() -> None:
    left = (
        handoff(HandoffTo.PERSON, "aws iam get-role", "300000000001"),
        handoff(HandoffTo.PERSON, "in the desired state set mode: enforce"),
        handoff(HandoffTo.ACCOUNT_OWNERS),
    )

    assert place_commands(left, management=MANAGEMENT, home=HOME) == left
    assert place_commands([handoff(HandoffTo.PERSON)], management=MANAGEMENT, home=None)[0].accounts == ()

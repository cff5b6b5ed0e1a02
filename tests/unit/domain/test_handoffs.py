"""What a run leaves to somebody else is said with the reason, the place and the next command."""

from dataclasses import replace

import pytest

from muster.domain.desired import ChangeKind, DesiredMembership, DesiredState, Mode
from muster.domain.handoffs import (
    TEAM_FILE,
    ask_to_allow,
    ask_to_approve,
    ask_to_create_membership,
    ask_to_edit_team,
    place_commands,
)
from muster.domain.membership import Home
from muster.domain.outcomes import Handoff, HandoffTo
from muster.domain.plan import PlannedRemediation
from muster.domain.remediation import Remediation, RemediationKind, Step
from muster.domain.scope import EntireOrganization, UnitId, UnitReferences

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


DESIRED = DesiredState(
    DesiredMembership("example-org", HOME, "eu-west-1"),
    EntireOrganization(),
    mode=Mode.OBSERVE,
    automatic=frozenset({ChangeKind.SET_TAGS}),
)


def planned(kind: RemediationKind, what: str, *approval: str) -> PlannedRemediation:
    return PlannedRemediation(Remediation(Step.SCOPING, kind, what, "out", "in", what, "asked"), approval=approval)


class TestAskToAllow:
    def test_each_kind_is_one_step_with_the_setting_that_allows_it(self) -> None:
        units = [planned(RemediationKind.ADD_UNIT, f"add ou-{each}") for each in range(2)]
        name = planned(RemediationKind.SET_NAME, "rename it")

        first, second = ask_to_allow(DESIRED, [units[0], name, units[1]])

        assert first == Handoff(
            HandoffTo.PERSON,
            "add ou-0, add ou-1",
            "mode is observe, so nothing is changed without a person",
            "in the desired state set mode: enforce and automatic: [add_unit, set_tags]; "
            "then run: muster push FILE && muster onboard",
        )
        assert (second.what, "automatic: [set_name, set_tags]" in second.command) == ("rename it", True)

    @pytest.mark.parametrize("kind", [each for each in RemediationKind if each.reduces_protection])
    def test_what_takes_protection_away_is_never_automatic(self, kind: RemediationKind) -> None:
        (found,) = ask_to_allow(DESIRED, [planned(kind, "less")])

        assert found.command == "in the desired state set mode: propose; then run: muster push FILE && muster onboard"

    def test_many_writes_of_a_kind_are_counted(self) -> None:
        (found,) = ask_to_allow(DESIRED, [planned(RemediationKind.ADD_UNIT, f"add {each}") for each in range(23)])

        assert found.what.endswith("add 19 and 3 more")

    def test_nothing_planned_is_nothing_to_allow(self) -> None:
        assert ask_to_allow(DESIRED, []) == ()


class TestAskToApprove:
    def test_people_are_told_what_why_and_how_to_answer(self) -> None:
        writes = [
            planned(RemediationKind.ADD_UNIT, "add ou-1", "mode is propose"),
            planned(RemediationKind.REMOVE_UNIT, "remove ou-2", "it takes protection away", "mode is propose"),
        ]

        assert ask_to_approve("0123456789abcdef" * 4, writes) == Handoff(
            HandoffTo.PERSON,
            "approve or reject plan 0123456789ab: add ou-1, remove ou-2",
            "mode is propose; it takes protection away",
            "muster plan --show 0123456789ab; then: muster approve 0123456789ab, "
            "or: muster reject 0123456789ab --reason TEXT",
        )


def test_a_team_is_edited_in_the_membership_s_account_by_a_command_that_names_nobody() -> None:
    found = ask_to_edit_team(Home(HOME, "eu-west-1"), "m-0123456789ab", "set name of responder 1", "refused")

    assert (found.to, found.what, found.accounts) == (HandoffTo.PERSON, "set name of responder 1", (HOME,))
    assert found.why.startswith("refused; ")
    assert "m-0123456789ab" in found.command
    assert "@" not in found.command


@pytest.mark.parametrize("entire", [True, False])
def test_a_membership_is_made_by_a_person_as_it_was_asked_for(*, entire: bool) -> None:
    desired = DESIRED if entire else replace(DESIRED, scope=UnitReferences((UnitId("ou-ab12-11111111"),)))

    found = ask_to_create_membership(
        desired, Home(HOME, "eu-west-1"), client_token="token", tags={"team": "security"}, said="denied"
    )

    assert (found.to, found.accounts) == (HandoffTo.PERSON, ())
    assert found.what == f"create the membership in account {HOME}, with administrator rights there"
    assert found.why == f"denied; {TEAM_FILE}; the next run adopts the membership"
    assert found.command.startswith("aws security-ir create-membership")
    assert "--client-token token" in found.command
    assert ("--cover-entire-organization" in found.command) is entire

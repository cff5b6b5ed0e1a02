"""The team is brought to what is asked for, and nobody who is there is lost or hears less."""

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.domain.desired import ChangeKind, DesiredMembership, DesiredState, Mode
from muster.domain.membership import Home
from muster.domain.responders import COMMUNICATION_PREFERENCES, MAX_TEAM, IncidentResponder, IncidentResponseTeam
from muster.domain.scope import EntireOrganization
from muster.domain.team import TeamDecision, decide_team, is_same_team

HOME = Home("222222222222", "eu-west-1")
EVERYTHING = frozenset(COMMUNICATION_PREFERENCES)
CREATED, CLOSED = frozenset({"Case Created"}), frozenset({"Case Closed"})
BOTH = frozenset({ChangeKind.ADD_RESPONDER, ChangeKind.UPDATE_RESPONDER})


def person(
    name: str, *, title: str = "Analyst", email: str | None = None, preferences: frozenset[str] | None = None
) -> IncidentResponder:
    return IncidentResponder(f"{name} Canary", title, email or f"{name.lower()}.canary@example.com", preferences)


ADA, BEN, EVE, IDA = person("Ada"), person("Ben"), person("Eve"), person("Ida")


def desired(automatic: frozenset[ChangeKind] = BOTH, mode: Mode = Mode.ENFORCE) -> DesiredState:
    membership = DesiredMembership("example", HOME.account_id, HOME.region)
    return DesiredState(membership, EntireOrganization(), mode=mode, automatic=automatic)


def decide(
    wanted: Sequence[IncidentResponder],
    found: Sequence[IncidentResponder],
    *,
    automatic: frozenset[ChangeKind] = BOTH,
    mode: Mode = Mode.ENFORCE,
) -> TeamDecision:
    return decide_team(tuple(wanted), tuple(found), desired=desired(automatic, mode), membership_id="m-1", home=HOME)


def details(decision: TeamDecision) -> list[str]:
    return [change.detail for change in decision.changes]


def crowd(number: int) -> list[IncidentResponder]:
    return [person(f"Person{each}") for each in range(number)]


def test_team_as_it_is_asked_for_is_left() -> None:
    assert decide([ADA, BEN], [ADA, BEN]) == TeamDecision(None)


def test_another_order_is_no_difference() -> None:
    assert decide([ADA, BEN, EVE], [EVE, ADA, BEN]) == TeamDecision(None)


def test_address_with_other_capitals_is_the_same_address() -> None:
    assert decide([ADA, BEN], [person("Ada", email="ADA.canary@Example.com"), BEN]) == TeamDecision(None)


def test_preferences_left_out_are_all_sixteen() -> None:
    every = person("Ada", preferences=EVERYTHING)

    assert decide([ADA, BEN], [every, BEN]) == TeamDecision(None)
    assert decide([every, BEN], [ADA, BEN]) == TeamDecision(None)


def test_kind_of_message_that_is_not_documented_is_kept_and_no_excess() -> None:
    newer = person("Ada", preferences=EVERYTHING | {"Case Reopened"})

    assert decide([ADA, BEN], [newer, BEN]) == TeamDecision(None)


def test_missing_responder_is_added_behind_those_who_are_there() -> None:
    decision = decide([EVE, ADA, BEN], [ADA, BEN])

    assert decision.team == (ADA, BEN, EVE)
    assert [(change.kind, change.resource, change.detail) for change in decision.changes] == [
        ("add_responder", "m-1", "add responder 1")
    ]


def test_name_title_and_wider_preferences_are_set_in_one_write() -> None:
    old = IncidentResponder("Ada Before", "Intern", "ADA.canary@example.com", CREATED)

    decision = decide([BEN, ADA], [old, BEN])

    assert decision.team == (IncidentResponder(ADA.name, ADA.job_title, old.email, None), BEN)
    assert details(decision) == [
        "send more kinds of message to responder 2", "set job title of responder 2", "set name of responder 2"
    ]  # fmt: skip
    assert {change.kind for change in decision.changes} == {"update_responder"}


def test_narrowed_preferences_are_kept_and_named() -> None:
    decision = decide([person("Ada", preferences=CREATED), BEN], [ADA, BEN])

    assert (decision.team, decision.handoffs) == (None, ())
    assert [notice.subject for notice in decision.notices] == [
        "responder 1 gets more kinds of message than are asked for"
    ]


def test_other_preferences_are_added_and_none_is_taken() -> None:
    decision = decide([person("Ada", preferences=CREATED), BEN], [person("Ada", preferences=CLOSED), BEN])

    assert decision.team == (person("Ada", preferences=CREATED | CLOSED), BEN)
    assert len(decision.notices) == 1


def test_people_who_are_not_asked_for_are_kept_and_counted() -> None:
    decision = decide([ADA, BEN], [IDA, ADA, BEN, EVE])

    assert (decision.team, decision.handoffs) == (None, ())
    (notice,) = decision.notices
    assert notice.subject == "the membership's team has 2 of 4 people who are not in the desired state"
    assert notice.detail.startswith("responders 1, 4 of the membership as the service lists it")


def test_kind_that_is_not_automatic_stays_as_it_is_and_is_asked_for() -> None:
    wanted, found = [person("Ada", title="Lead"), BEN, EVE], [ADA, BEN]

    adds = decide(wanted, found, automatic=frozenset({ChangeKind.ADD_RESPONDER}))
    updates = decide(wanted, found, automatic=frozenset({ChangeKind.UPDATE_RESPONDER}))
    nothing = decide(wanted, found, mode=Mode.PROPOSE)

    assert adds.team == (ADA, BEN, EVE)
    assert [handoff.what for handoff in adds.handoffs] == ["set job title of responder 1"]
    assert updates.team == (wanted[0], BEN)
    assert [handoff.what for handoff in updates.handoffs] == ["add responder 3"]
    assert nothing.team is None
    assert [handoff.what for handoff in nothing.handoffs] == ["set job title of responder 1", "add responder 3"]


def test_another_address_of_a_known_name_is_left_to_a_person() -> None:
    decision = decide([person("Ada", email="ada.new@example.com"), BEN], [ADA, BEN])

    assert (decision.team, decision.notices) == (None, ())
    (handoff,) = decision.handoffs
    assert handoff.what == "e-mail differs: settle the address of responder 1"
    assert handoff.accounts == ("222222222222",)
    assert "update-membership --region eu-west-1 --membership-id m-1" in handoff.command


def test_name_that_somebody_else_has_is_not_given() -> None:
    other = person("Ada", email="other@example.com")
    decision = decide([ADA, BEN], [person("Before", email=ADA.email), BEN, other])

    assert decision.team is None
    assert [handoff.what for handoff in decision.handoffs] == ["set name of responder 1"]


def test_two_people_can_swap_their_names() -> None:
    swapped = [person("Ada", email=BEN.email), person("Ben", email=ADA.email)]

    assert decide([ADA, BEN], swapped).team == (BEN, ADA)


def test_nobody_is_added_who_does_not_fit() -> None:
    decision = decide([*crowd(3), ADA, BEN, EVE], crowd(8))

    assert decision.team == (*crowd(8), ADA, BEN)
    assert [handoff.what for handoff in decision.handoffs] == ["make room in the team for responder 6"]


@pytest.mark.parametrize("size", [1, 11])
def test_list_that_the_service_would_not_take_is_not_sent(size: int) -> None:
    found = crowd(size)
    decision = decide([person("Person0", title="Lead"), ADA], found, automatic=frozenset({ChangeKind.UPDATE_RESPONDER}))

    assert (decision.team, decision.changes) == (None, ())
    assert f"the team would have {size} people" in "".join(handoff.why for handoff in decision.handoffs)


def test_two_readings_are_the_same_whatever_their_order() -> None:
    assert is_same_team((ADA, BEN), (BEN, ADA))
    assert not is_same_team((ADA, BEN), (ADA, person("Ben", title="Lead")))
    assert not is_same_team((ADA, BEN), (ADA, BEN, BEN))


NAMES = ("Ada", "Ben", "Eve", "Ida", "Kim", "Leo", "ADA")
PEOPLE = st.builds(
    lambda name, title, email, preferences: IncidentResponder(
        f"{name} Canary", title, f"{email}.canary@example.com", preferences
    ),
    st.sampled_from(NAMES),
    st.sampled_from(["Analyst", "Lead"]),
    st.sampled_from([*"abcdefghijkl", "A", "B"]),
    st.none() | st.sets(st.sampled_from(COMMUNICATION_PREFERENCES), min_size=1).map(frozenset),
)


def distinct(people: list[IncidentResponder]) -> list[IncidentResponder]:
    """Keep the first of each address and name, as the contacts and the service do."""
    kept: list[IncidentResponder] = []
    for each in people:
        if all(each.key != one.key and each.name.casefold() != one.name.casefold() for one in kept):
            kept.append(each)
    return kept


def numbered(people: list[IncidentResponder]) -> IncidentResponseTeam:
    """Give everybody a name of its own, so that a team can be as large as the service lets it be."""
    return tuple(
        IncidentResponder(f"{each.name} {number}", each.job_title, f"{number}{each.email}", each.preferences)
        for number, each in enumerate(people)
    )


WANTED = st.lists(PEOPLE, min_size=2, max_size=10).map(distinct).filter(lambda team: len(team) > 1)
FOUND = WANTED | st.lists(PEOPLE, min_size=2, max_size=10).map(numbered)
KINDS = st.sets(st.sampled_from(sorted(BOTH))).map(frozenset)


@given(wanted=WANTED, found=FOUND, automatic=KINDS)
def test_team_is_settled_after_one_write_and_nobody_is_lost(
    wanted: list[IncidentResponder], found: IncidentResponseTeam, automatic: frozenset[ChangeKind]
) -> None:
    decision = decide(wanted, found, automatic=automatic)
    team = decision.team or tuple(found)

    assert (decision.team is None) == (not decision.changes)
    assert {change.kind for change in decision.changes} <= automatic
    assert len(team) <= MAX_TEAM
    heard = {each.key: each.hears for each in team}
    assert all(each.hears <= heard[each.key] for each in found)
    assert len({each.key for each in team}) == len(team)
    assert len({each.name.casefold() for each in team}) == len(team)
    again = decide(wanted, team, automatic=automatic)
    assert again.team is None
    assert {handoff.what for handoff in again.handoffs} == {handoff.what for handoff in decision.handoffs}


@given(wanted=WANTED, found=FOUND, automatic=KINDS, chance=st.randoms(use_true_random=False))
def test_order_of_the_membership_changes_nothing(
    wanted: list[IncidentResponder], found: IncidentResponseTeam, automatic: frozenset[ChangeKind], chance: Random
) -> None:
    shuffled = list(found)
    chance.shuffle(shuffled)
    one, other = decide(wanted, found, automatic=automatic), decide(wanted, shuffled, automatic=automatic)

    assert is_same_team(one.team or (), other.team or ())
    assert (one.changes, one.handoffs) == (other.changes, other.handoffs)
    assert {notice.subject for notice in one.notices} == {notice.subject for notice in other.notices}


@given(wanted=WANTED, found=FOUND, automatic=KINDS)
def test_no_value_of_anybody_shows(
    wanted: list[IncidentResponder], found: IncidentResponseTeam, automatic: frozenset[ChangeKind]
) -> None:
    shown = repr(decide(wanted, found, automatic=automatic))

    assert "Canary" not in shown
    assert "canary" not in shown

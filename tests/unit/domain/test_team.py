"""The team is brought to what is asked for, and nobody who is there is lost or hears less."""

import json
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.domain.membership import Home
from muster.domain.remediation import NOBODY, Remediation, RemediationKind, Step, to_document
from muster.domain.responders import COMMUNICATION_PREFERENCES, MAX_TEAM, IncidentResponder, IncidentResponseTeam
from muster.domain.team import TeamDecision, TeamDifference, compare_team, decide_team, is_same_team

HOME = Home("222222222222", "eu-west-1")
EVERYTHING = frozenset(COMMUNICATION_PREFERENCES)
CREATED, CLOSED = frozenset({"Case Created"}), frozenset({"Case Closed"})
ADD, UPDATE = RemediationKind.ADD_RESPONDER, RemediationKind.UPDATE_RESPONDER
BOTH, NOTHING = frozenset({ADD, UPDATE}), frozenset[RemediationKind]()
KEY, OTHER_KEY = b"a key of these tests", b"another key"


def person(
    name: str, *, title: str = "Analyst", email: str | None = None, preferences: frozenset[str] | None = None
) -> IncidentResponder:
    return IncidentResponder(f"{name} Canary", title, email or f"{name.lower()}.canary@example.com", preferences)


ADA, BEN, EVE, IDA = person("Ada"), person("Ben"), person("Eve"), person("Ida")


def compare(
    wanted: Sequence[IncidentResponder], found: Sequence[IncidentResponder], key: bytes = KEY
) -> TeamDifference:
    return compare_team(tuple(wanted), tuple(found), membership_id="m-1", key=key)


def decide(
    wanted: Sequence[IncidentResponder],
    found: Sequence[IncidentResponder],
    granted: frozenset[RemediationKind] = BOTH,
) -> TeamDecision:
    return decide_team(compare(wanted, found), granted, membership_id="m-1", home=HOME)


def proposed(difference: TeamDifference) -> list[Remediation]:
    return [each for each in (difference.update, difference.addition) if each]


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


def test_only_what_is_granted_is_made_and_the_rest_stays_as_it_is() -> None:
    wanted, found = [person("Ada", title="Lead"), BEN, EVE], [ADA, BEN]

    adds = decide(wanted, found, frozenset({ADD}))
    updates = decide(wanted, found, frozenset({UPDATE}))
    nothing = decide(wanted, found, NOTHING)

    assert (adds.team, details(adds)) == ((ADA, BEN, EVE), ["add responder 3"])
    assert (updates.team, details(updates)) == ((wanted[0], BEN), ["set job title of responder 1"])
    assert nothing == TeamDecision(None)
    assert (adds.handoffs, updates.handoffs) == ((), ())


def test_what_is_granted_and_not_asked_for_is_nothing() -> None:
    assert decide([ADA, BEN], [ADA, BEN], BOTH) == TeamDecision(None)


def test_update_and_addition_are_proposed_apart_on_one_ground() -> None:
    difference = compare([person("Ada", title="Lead"), BEN, EVE, IDA], [ADA, BEN])

    assert [(each.step, each.kind, each.resource, each.what, each.concern) for each in proposed(difference)] == [
        (Step.CONTACT_SETUP, UPDATE, "m-1", "set job title of responder 1", NOBODY),
        (Step.CONTACT_SETUP, ADD, "m-1", "add responder 3; add responder 4", NOBODY),
    ]
    assert len({each.before for each in proposed(difference)}) == 1
    assert all(each.before != each.after for each in proposed(difference))


def test_goal_of_what_is_proposed_is_the_ground_of_the_team_that_is_written() -> None:
    wanted, found = [person("Ada", title="Lead"), BEN, EVE], [ADA, BEN]
    first = compare(wanted, found)
    written = decide(wanted, found).team or ()
    third = compare([*wanted, IDA], written)

    assert first.addition is not None
    assert third.addition is not None
    assert first.addition.after == third.addition.before


def test_nobody_is_named_as_added_whose_name_somebody_keeps_without_the_update() -> None:
    """The first is to be called Ada from now on, so that another one can be Eve."""
    wanted, found = [ADA, BEN, EVE, IDA], [person("Eve", email=ADA.email), BEN]

    adds = decide(wanted, found, frozenset({ADD}))

    assert (adds.team, details(adds)) == ((*found, IDA), ["add responder 4"])
    assert decide([ADA, BEN, EVE], found, frozenset({ADD})) == TeamDecision(None)
    assert decide(wanted, found).team == (ADA, BEN, EVE, IDA)


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
    decision = decide([person("Person0", title="Lead"), ADA], found, frozenset({UPDATE}))

    assert (decision.team, decision.changes) == (None, ())
    assert f"the team would have {size} people" in "".join(handoff.why for handoff in decision.handoffs)


def test_two_readings_are_the_same_whatever_their_order() -> None:
    assert is_same_team((ADA, BEN), (BEN, ADA))
    assert not is_same_team((ADA, BEN), (ADA, person("Ben", title="Lead")))
    assert not is_same_team((ADA, BEN), (ADA, BEN, BEN))


def is_same_hearing(one: IncidentResponseTeam, other: IncidentResponseTeam) -> bool:
    """Tell whether two teams differ in nothing but preferences that are left out or all listed."""
    return is_same_team(*(tuple(replace(each, preferences=each.hears) for each in team) for team in (one, other)))


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


@given(wanted=WANTED, found=FOUND, granted=KINDS)
def test_team_is_settled_after_one_write_and_nobody_is_lost(
    wanted: list[IncidentResponder], found: IncidentResponseTeam, granted: frozenset[RemediationKind]
) -> None:
    decision = decide(wanted, found, granted)
    team = decision.team or tuple(found)

    assert (decision.team is None) == (not decision.changes)
    assert {change.kind for change in decision.changes} <= granted
    assert len(team) <= MAX_TEAM
    heard = {each.key: each.hears for each in team}
    assert all(each.hears <= heard[each.key] for each in found)
    assert len({each.key for each in team}) == len(team)
    assert len({each.name.casefold() for each in team}) == len(team)
    added = sum(change.kind == ADD for change in decision.changes)
    assert decision.team is None or len(team) == len(found) + added
    again = decide(wanted, team, granted)
    assert again.team is None
    assert {handoff.what for handoff in again.handoffs} == {handoff.what for handoff in decision.handoffs}


@given(wanted=WANTED, found=FOUND)
def test_what_was_proposed_and_made_is_not_proposed_again(
    wanted: list[IncidentResponder], found: IncidentResponseTeam
) -> None:
    first = compare(wanted, found)
    decision = decide(wanted, found)

    assert {change.kind for change in decision.changes} == {each.kind for each in proposed(first)}
    assert proposed(compare(wanted, decision.team or found)) == []
    assert decide(wanted, found, NOTHING).team is None


@given(wanted=WANTED, found=FOUND, granted=KINDS, chance=st.randoms(use_true_random=False))
def test_order_of_the_membership_changes_nothing(
    wanted: list[IncidentResponder], found: IncidentResponseTeam, granted: frozenset[RemediationKind], chance: Random
) -> None:
    shuffled = list(found)
    chance.shuffle(shuffled)
    one, other = decide(wanted, found, granted), decide(wanted, shuffled, granted)

    assert is_same_team(one.team or (), other.team or ())
    assert (one.changes, one.handoffs) == (other.changes, other.handoffs)
    assert {notice.subject for notice in one.notices} == {notice.subject for notice in other.notices}
    assert proposed(compare(wanted, found)) == proposed(compare(wanted, shuffled))


@given(wanted=WANTED, found=FOUND)
def test_digests_of_another_key_have_nothing_in_common(
    wanted: list[IncidentResponder], found: IncidentResponseTeam
) -> None:
    ours, theirs = proposed(compare(wanted, found)), proposed(compare(wanted, found, OTHER_KEY))

    assert [each.what for each in ours] == [each.what for each in theirs]
    grounds = [{text for each in side for text in (each.before, each.after)} for side in (ours, theirs)]
    assert grounds[0].isdisjoint(grounds[1])
    assert len({each.before for each in ours}) == len(ours[:1])


CHANGES = ("name", "job_title", "email", "preferences")


@given(found=FOUND, place=st.integers(0, 9), field=st.sampled_from(CHANGES))
def test_whatever_changes_in_anybody_is_another_ground(found: IncidentResponseTeam, place: int, field: str) -> None:
    person_, index = found[place % len(found)], place % len(found)
    values: dict[str, Any] = {
        "name": "Somebody Else",
        "job_title": "Chief",
        "email": "else@example.com",
        "preferences": CREATED,
    }
    changed = replace(person_, **{field: values[field]})
    other = (*found[:index], changed, *found[index + 1 :])
    newcomer = [IncidentResponder("New Canary", "Lead", "new.canary@example.com"), *found[: MAX_TEAM - 1]]

    one, two = (compare(newcomer, team[: MAX_TEAM - 1]).addition for team in (found, other))

    assert one is not None
    assert two is not None
    kept = found[: MAX_TEAM - 1]
    assert (one.before == two.before) == is_same_hearing(kept, other[: MAX_TEAM - 1])


@given(wanted=WANTED, found=FOUND, granted=KINDS)
def test_no_value_of_anybody_shows(
    wanted: list[IncidentResponder], found: IncidentResponseTeam, granted: frozenset[RemediationKind]
) -> None:
    difference = compare(wanted, found)
    planned = json.dumps([to_document(each) for each in proposed(difference)])
    shown = repr(decide(wanted, found, granted)) + repr(difference) + planned

    for value in ("Canary", "canary", "Analyst", "Lead", KEY.decode(), *COMMUNICATION_PREFERENCES):
        assert value not in shown

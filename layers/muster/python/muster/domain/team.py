"""The team in the membership against the team that is asked for. Nobody is removed, and nobody hears less.

People are called by their place, in the team that is asked for (primary, secondary, members as they are listed) or in
the membership as the service lists it: no text here has a value of anybody.
"""

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from muster.domain.handoffs import ask_to_edit_team
from muster.domain.membership import Home
from muster.domain.observed import Observed
from muster.domain.outcomes import Change, Handoff, Notice
from muster.domain.remediation import Remediation, RemediationKind, Step
from muster.domain.responders import MAX_TEAM, MIN_TEAM, IncidentResponder, IncidentResponseTeam


@dataclass(frozen=True, slots=True)
class TeamInMembership:
    """The membership's status, and its team as the service lists it; Unknown where the answer lacks a part of it."""

    status: str
    team: Observed[IncidentResponseTeam]


@dataclass(frozen=True, slots=True)
class TeamDecision:
    """What is done about a team. ``team`` is the whole list to write, and None when there is nothing to write.

    ``changes`` are those that the one write makes.
    """

    team: IncidentResponseTeam | None
    changes: tuple[Change, ...] = ()
    handoffs: tuple[Handoff, ...] = ()
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class _Updated:
    """The people of the membership with what is asked of them; ``clashing`` are those whose new name is taken."""

    people: tuple[IncidentResponder, ...]
    details: tuple[str, ...]
    clashing: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Added:
    """Who of the wanted team is missing, by number: who can be added, whose name is there, who does not fit."""

    people: tuple[tuple[int, IncidentResponder], ...]
    differing: tuple[int, ...]
    too_many: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TeamDifference:
    """What a team lacks, not yet decided: at most one update and one addition, and what a person has to settle.

    The team is the membership's own where neither is made: everybody who is there stays in it.
    """

    found: IncidentResponseTeam
    updated: IncidentResponseTeam
    added: tuple[tuple[int, IncidentResponder], ...]
    update: Remediation | None
    addition: Remediation | None
    left: tuple[tuple[str, str], ...]
    notices: tuple[Notice, ...]


def compare_team(
    wanted: IncidentResponseTeam, found: IncidentResponseTeam, *, membership_id: str, key: bytes
) -> TeamDifference:
    """Compare by e-mail address. A different order is no difference.

    ``key`` makes the digests that stand for both teams in a plan, so that nobody finds a person by trying addresses.
    """
    updated = _update(wanted, found)
    added = _add(wanted, updated.people)
    ground = f"team {_digest(found, key)}"

    def plan(kind: RemediationKind, after: IncidentResponseTeam, what: str) -> Remediation:
        goal = f"team {_digest(after, key)}"
        return Remediation(
            Step.CONTACT_SETUP, kind, membership_id, ground, goal, what, "the contacts of the desired state differ"
        )

    whole = (*updated.people, *(person for _, person in added.people))
    return TeamDifference(
        found=found,
        updated=updated.people,
        added=added.people,
        update=plan(RemediationKind.UPDATE_RESPONDER, updated.people, "; ".join(updated.details))
        if updated.details
        else None,
        addition=plan(RemediationKind.ADD_RESPONDER, whole, "; ".join(_addition(number) for number, _ in added.people))
        if added.people
        else None,
        left=tuple(_left_to_people(updated, added)),
        notices=_note(wanted, found, added),
    )


def decide_team(
    difference: TeamDifference, granted: frozenset[RemediationKind], *, membership_id: str, home: Home
) -> TeamDecision:
    """Return the whole list to write for the kinds of change that are granted: the service replaces all of it."""
    updates = difference.update if RemediationKind.UPDATE_RESPONDER in granted else None
    adds = difference.addition if RemediationKind.ADD_RESPONDER in granted else None
    kept = difference.updated if updates else difference.found
    names = {person.name.casefold() for person in kept}
    # Without the update somebody may still have the name that an added person needs.
    added = [(number, person) for number, person in difference.added if adds and person.name.casefold() not in names]
    team = (*kept, *(person for _, person in added))
    details = [(updates.kind, each) for each in updates.what.split("; ")] if updates else []
    details += [(RemediationKind.ADD_RESPONDER, _addition(number)) for number, _ in added]
    changes = tuple(Change(kind, membership_id, detail) for kind, detail in details)
    handoffs = [ask_to_edit_team(home, membership_id, what, why) for what, why in difference.left]
    if changes and not MIN_TEAM <= len(team) <= MAX_TEAM:
        what = "; ".join(each.detail for each in changes)
        why = f"the team would have {len(team)} people, and the service takes {MIN_TEAM} to {MAX_TEAM}"
        handoffs.append(ask_to_edit_team(home, membership_id, what, why))
        changes = ()
    return TeamDecision(team if changes else None, changes, tuple(handoffs), difference.notices)


def _addition(number: int) -> str:
    return f"add responder {number}"


def _digest(team: IncidentResponseTeam, key: bytes) -> str:
    """Return twelve digits for a team, in whatever order its people are."""
    people = sorted(
        json.dumps([person.name, person.job_title, person.email, sorted(person.hears)], ensure_ascii=False)
        for person in team
    )
    return hmac.new(key, json.dumps(people).encode(), hashlib.sha256).hexdigest()[:12]


def is_same_team(one: IncidentResponseTeam, other: IncidentResponseTeam) -> bool:
    """Tell whether two readings hold the same people with the same details, in whatever order."""
    return Counter(one) == Counter(other)


def _numbered(team: IncidentResponseTeam) -> list[tuple[int, IncidentResponder]]:
    return list(enumerate(team, start=1))


def _update(wanted: IncidentResponseTeam, found: IncidentResponseTeam) -> _Updated:
    """Give each person of the membership the name, title and wider preferences that are asked for."""
    asked = {person.key: (number, person) for number, person in _numbered(wanted)}
    people = list(found)
    for index, person in enumerate(found):
        if person.key in asked:
            people[index] = _bring_to(asked[person.key][1], person)
    clashing: set[int] = set()
    while taken := _renamed_to_a_name_twice(people, found):
        for index in taken:
            people[index] = replace(people[index], name=found[index].name)
        clashing |= taken
    details = [
        detail
        for before, after in zip(found, people, strict=True)
        if before.key in asked
        for detail in _describe(asked[before.key][0], before, after)
    ]
    numbers = sorted(asked[found[index].key][0] for index in clashing)
    return _Updated(tuple(people), tuple(sorted(details)), tuple(numbers))


def _bring_to(wanted: IncidentResponder, found: IncidentResponder) -> IncidentResponder:
    widened = found.hears | wanted.hears
    return replace(
        found,
        name=wanted.name,
        job_title=wanted.job_title,
        preferences=found.preferences if widened == found.hears else (wanted.preferences and widened),
    )


def _renamed_to_a_name_twice(people: Sequence[IncidentResponder], found: IncidentResponseTeam) -> set[int]:
    names = Counter(person.name.casefold() for person in people)
    return {
        index
        for index, person in enumerate(people)
        if person.name != found[index].name and names[person.name.casefold()] > 1
    }


def _describe(number: int, before: IncidentResponder, after: IncidentResponder) -> list[str]:
    differences = {
        f"set name of responder {number}": before.name != after.name,
        f"set job title of responder {number}": before.job_title != after.job_title,
        f"send more kinds of message to responder {number}": before.hears != after.hears,
    }
    return [detail for detail, differs in differences.items() if differs]


def _add(wanted: IncidentResponseTeam, kept: tuple[IncidentResponder, ...]) -> _Added:
    keys, names = {person.key for person in kept}, {person.name.casefold() for person in kept}
    missing = [(number, person) for number, person in _numbered(wanted) if person.key not in keys]
    free = [(number, person) for number, person in missing if person.name.casefold() not in names]
    room = max(0, MAX_TEAM - len(kept))
    return _Added(
        people=tuple(free[:room]),
        differing=tuple(number for number, person in missing if person.name.casefold() in names),
        too_many=tuple(number for number, _ in free[room:]),
    )


def _left_to_people(updated: _Updated, added: _Added) -> list[tuple[str, str]]:
    """Return what only a person can settle, each with the reason."""
    steps = []
    if updated.clashing:
        steps.append(
            (
                f"set name of {_responders(updated.clashing)}",
                "somebody else in the membership has that name, and the service takes each person once",
            )
        )
    if added.differing:
        steps.append(
            (
                f"e-mail differs: settle the address of {_responders(added.differing)}",
                "the membership has that name under another address; replacing one is a removal, left to a person",
            )
        )
    if added.too_many:
        steps.append(
            (
                f"make room in the team for {_responders(added.too_many)}",
                f"a team has at most {MAX_TEAM} people, and removing one reduces protection and is left to a person",
            )
        )
    return steps


def _note(wanted: IncidentResponseTeam, found: IncidentResponseTeam, added: _Added) -> tuple[Notice, ...]:
    """Say what would reduce protection and was therefore left as it is."""
    asked = {person.key: (number, person) for number, person in _numbered(wanted)}
    differing = {wanted[number - 1].name.casefold() for number in added.differing}
    extra = [
        number
        for number, person in _numbered(found)
        if person.key not in asked and person.name.casefold() not in differing
    ]
    notices = [
        Notice(
            f"the membership's team has {len(extra)} of {len(found)} people who are not in the desired state",
            f"{_responders(extra)} of the membership as the service lists it; removing one reduces protection and is "
            f"left to a person: add them to the contacts, or edit the team in the console",
            needs_person=True,
        )
    ] * bool(extra)
    narrowed = sorted(
        asked[person.key][0]
        for person in found
        if person.key in asked
        and asked[person.key][1].preferences is not None
        and person.hears - asked[person.key][1].hears
    )
    notices += [
        Notice(
            f"responder {number} gets more kinds of message than are asked for",
            "sending fewer reduces protection and is left to a person: widen notify in the contacts, or edit the team "
            "in the console",
            needs_person=True,
        )
        for number in narrowed
    ]
    return tuple(notices)


def _responders(numbers: Sequence[int]) -> str:
    return f"responder{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"

"""The containment preference: how far AWS may contain by itself, for the organization and for single accounts.

No API sets or tells it: a person lodges it by a support case, and AWS confirms it there. So all that is known of it is
a history of requests and attestations, and "attested" is as much as anybody here can say; nothing of it is verified.

Source: Security Incident Response User Guide, "Define containment preferences" and "Submit containment preferences":
an account's own level beats the organization's.
"""

import re
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from muster.domain.desired import ContainmentPreference, DesiredContainment

type Level = ContainmentPreference | None
"""None: an account has no level of its own, so that the organization's applies."""

ORGANIZATION = "organization"
"""The subject that is no account; every other one is an account id."""

ANSWER_WITHIN = timedelta(days=7)
"""A request that nobody has attested for longer than this needs a person."""

SOON = timedelta(days=14)
"""So long before an attestation stops counting people are told."""

_CASE_ID = re.compile(r"case-[A-Za-z0-9-]{4,100}|[0-9]{5,20}")
_ACCOUNT_ID = re.compile(r"[0-9]{12}")
_BREADTH = tuple(ContainmentPreference)


@dataclass(frozen=True, slots=True)
class CaseRequest:
    """A support case that asked AWS for levels, as the person who sent it recorded it: subjects with their levels."""

    case: str
    at: datetime
    levels: tuple[tuple[str, Level], ...]

    def level_of(self, subject: str) -> Level:
        """Return what was asked for a subject of this case."""
        return dict(self.levels)[subject]


@dataclass(frozen=True, slots=True)
class Attestation:
    """What AWS confirmed in a case, as a person attested it.

    ``by`` is the identity that AWS recorded, without a name of anybody; ``event_id`` is AWS's record, which has it
    whole. ``execution`` is the one by which it was attested, ``at`` when that was started.
    """

    case: str
    at: datetime
    level: Level
    subjects: tuple[str, ...]
    by: str
    execution: str
    event_id: str


type Entry = CaseRequest | Attestation


@dataclass(frozen=True, slots=True)
class PreferenceState:
    """Everything that was asked and attested, the oldest first. The order tells, not the clocks of those who wrote."""

    history: tuple[Entry, ...] = ()

    def attestation_of(self, execution: str) -> Attestation | None:
        """Return what an execution has attested, if it has."""
        found = (each for each in self.history if isinstance(each, Attestation) and each.execution == execution)
        return next(found, None)


class PreferenceStatus(StrEnum):
    """How far a level is on its way."""

    NOT_REQUESTED = "NotRequested"
    REQUESTED = "Requested"
    ATTESTED = "Attested"
    DUE_AGAIN = "DueAgain"


class PreferenceNeed(StrEnum):
    """What is to be done about a level."""

    NOTHING = "nothing"
    ASK = "ask"
    """Nobody has asked AWS for it."""

    AWAIT = "await"
    """AWS was asked, and has time to answer."""

    CHASE = "chase"
    """AWS was asked, and nobody has attested its answer in time."""

    ASK_OTHERWISE = "ask_otherwise"
    """AWS was asked for another level than is wanted now."""

    CORRECT = "correct"
    """AWS has another level than is wanted."""

    RENEW_SOON = "renew_soon"
    """The attestation stops counting within days."""

    RENEW = "renew"
    """The attestation is too old to count."""

    @property
    def status(self) -> PreferenceStatus:
        """How far the level is."""
        return _STATUSES[self]

    @property
    def needs_person(self) -> bool:
        """Tell whether it is no good ending: AWS does not have the level that is wanted, or nobody knows."""
        return self not in _WELL

    @property
    def asks(self) -> bool:
        """Tell whether there is something to ask AWS for."""
        return self not in (PreferenceNeed.NOTHING, PreferenceNeed.AWAIT, PreferenceNeed.CHASE)


_WELL = frozenset({PreferenceNeed.NOTHING, PreferenceNeed.AWAIT, PreferenceNeed.RENEW_SOON})
_STATUSES = {
    PreferenceNeed.NOTHING: PreferenceStatus.ATTESTED,
    PreferenceNeed.ASK: PreferenceStatus.NOT_REQUESTED,
    PreferenceNeed.AWAIT: PreferenceStatus.REQUESTED,
    PreferenceNeed.CHASE: PreferenceStatus.REQUESTED,
    PreferenceNeed.ASK_OTHERWISE: PreferenceStatus.DUE_AGAIN,
    PreferenceNeed.CORRECT: PreferenceStatus.DUE_AGAIN,
    PreferenceNeed.RENEW_SOON: PreferenceStatus.ATTESTED,
    PreferenceNeed.RENEW: PreferenceStatus.DUE_AGAIN,
}


@dataclass(frozen=True, slots=True)
class PreferenceStanding:
    """How one subject stands: the level that is wanted, what was attested last, and a request without an answer.

    ``due`` is when the attestation stops counting; None where there is none of the wanted level.
    """

    subject: str
    need: PreferenceNeed
    wanted: Level
    attested: Attestation | None = None
    pending: CaseRequest | None = None
    due: datetime | None = None

    @property
    def status(self) -> PreferenceStatus:
        """How far the level is."""
        return self.need.status


def judge(wanted: DesiredContainment, state: PreferenceState, at: datetime) -> tuple[PreferenceStanding, ...]:
    """Return how the organization stands, and each account that has, or may have, a level of its own.

    An account whose level is not wanted any more stays until somebody has attested that it has none: AWS goes on with
    it otherwise, whatever the organization's level is.
    """
    levels: dict[str, Level] = {ORGANIZATION: wanted.preference, **dict(wanted.overrides)}
    accounts = {subject for each in state.history for subject in _subjects(each)} | levels.keys()
    subjects = [ORGANIZATION, *sorted(accounts - {ORGANIZATION})]
    standings = [_judge_one(each, levels.get(each), wanted, state, at) for each in subjects]
    return tuple(each for each in standings if not _is_settled_without_level(each))


def is_broader(level: ContainmentPreference, other: ContainmentPreference) -> bool:
    """Tell whether AWS goes further at a level than at another one."""
    return _BREADTH.index(level) > _BREADTH.index(other)


def is_case_id(text: str) -> bool:
    """Tell whether a text can be what AWS Support calls a case: its number, or case- and more."""
    return _CASE_ID.fullmatch(text) is not None


def is_account_id(text: str) -> bool:
    """Tell whether a text is an account id."""
    return _ACCOUNT_ID.fullmatch(text) is not None


def _judge_one(
    subject: str, level: Level, wanted: DesiredContainment, state: PreferenceState, at: datetime
) -> PreferenceStanding:
    # Without a level of its own an account is as the organization, and so it is with the same level.
    fitting = {level} if level is not None else {None, wanted.preference}
    attested = _last_attestation(subject, state)
    pending = _pending(subject, fitting, state)
    fits = attested is not None and attested.level in fitting
    due = None
    if attested is not None and fits and attested.level is not None:
        due = attested.at + timedelta(days=wanted.attest_every_days)
    standing = PreferenceStanding(subject, PreferenceNeed.NOTHING, level, attested, pending, due)
    if pending is not None and pending.level_of(subject) not in fitting:
        need = PreferenceNeed.ASK_OTHERWISE
    elif fits:
        need = _need_of_attested(standing, at)
    elif pending is not None:
        need = _need_of_requested(pending, at)
    else:
        need = PreferenceNeed.ASK if attested is None else PreferenceNeed.CORRECT
    return replace(standing, need=need)


def _need_of_attested(standing: PreferenceStanding, at: datetime) -> PreferenceNeed:
    if standing.due is None or at < standing.due - SOON:
        return PreferenceNeed.NOTHING
    if at < standing.due:
        return PreferenceNeed.RENEW_SOON if standing.pending is None else PreferenceNeed.AWAIT
    return PreferenceNeed.RENEW if standing.pending is None else _need_of_requested(standing.pending, at)


def _need_of_requested(pending: CaseRequest, at: datetime) -> PreferenceNeed:
    return PreferenceNeed.AWAIT if at <= pending.at + ANSWER_WITHIN else PreferenceNeed.CHASE


def _pending(subject: str, fitting: AbstractSet[Level], state: PreferenceState) -> CaseRequest | None:
    """Return the last request for a subject, unless an attestation since then has answered it.

    It is answered by one that names its case or its level, or the level that is wanted by now: a late answer to an
    earlier case answers nothing.
    """
    since: list[Attestation] = []
    for entry in reversed(state.history):
        if isinstance(entry, Attestation):
            since += [entry] if subject in entry.subjects else []
        elif subject in dict(entry.levels):
            answering = {entry.level_of(subject), *fitting}
            return None if any(each.case == entry.case or each.level in answering for each in since) else entry
    return None


def _subjects(entry: Entry) -> Iterable[str]:
    return entry.subjects if isinstance(entry, Attestation) else dict(entry.levels)


def _last_attestation(subject: str, state: PreferenceState) -> Attestation | None:
    for entry in reversed(state.history):
        if isinstance(entry, Attestation) and subject in entry.subjects:
            return entry
    return None


def _is_settled_without_level(standing: PreferenceStanding) -> bool:
    """Tell whether an account has no level of its own, and shall have none: then it is no subject any more."""
    if standing.wanted is not None or standing.need is not PreferenceNeed.NOTHING:
        return False
    return standing.attested is not None and standing.attested.level is None

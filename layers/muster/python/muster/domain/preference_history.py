"""The history of the containment preference: what may be added to it, by whom, and how it is stored."""

import json
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, assert_never

from muster.domain.callers import Caller, StartRecord, why_no_person
from muster.domain.desired import ContainmentPreference
from muster.domain.observed import Known, Observed, Unknown
from muster.domain.preference import (
    ORGANIZATION,
    Attestation,
    CaseRequest,
    Entry,
    Level,
    PreferenceState,
    is_account_id,
    is_case_id,
)

PREFERENCE_KEY = "containment/preference.json"
SCHEMA = 1

NO_LEVEL_OF_ITS_OWN = "AsOrganization"
"""What a person writes for an account that has no level of its own."""

LEVELS = (*(each.value for each in ContainmentPreference), NO_LEVEL_OF_ITS_OWN)


@dataclass(frozen=True, slots=True)
class Attested:
    """What a person says that AWS confirmed: the case, the level, and for whom."""

    case: str
    level: Level
    subjects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AttestationRefused:
    """Why something is not taken for an attestation, and what to do."""

    why: str


class AttestationStatus(StrEnum):
    """How far an attestation is."""

    WAITING = "waiting"
    """AWS has no record yet of who attests."""

    RECORDED = "recorded"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class AttestationOutcome:
    """How far an attestation is, and a sentence about it that names nobody."""

    status: AttestationStatus
    message: str


def read_attested(text: str) -> Attested | AttestationRefused:
    """Return what an execution was started with to attest, or what is wrong with it."""
    try:
        said = json.loads(text)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        return AttestationRefused("the input is no JSON object: run `muster attest --case ID --level LEVEL`")
    case, level, accounts = said.get("case"), said.get("level"), said.get("accounts") or []
    if not isinstance(case, str) or not is_case_id(case):
        return AttestationRefused("case is not the id of a support case: give its number, or case-… as AWS writes it")
    if level not in LEVELS:
        return AttestationRefused(f"level is none of {', '.join(LEVELS)}: give the one that AWS confirmed")
    if not isinstance(accounts, list) or not all(isinstance(each, str) and is_account_id(each) for each in accounts):
        return AttestationRefused("accounts is no list of account ids: give each as its 12 digits in quotes")
    if level == NO_LEVEL_OF_ITS_OWN and not accounts:
        return AttestationRefused(
            f"{NO_LEVEL_OF_ITS_OWN} is for accounts: the organization has one of "
            f"{', '.join(ContainmentPreference)}; name the accounts"
        )
    return Attested(
        case=case,
        level=None if level == NO_LEVEL_OF_ITS_OWN else ContainmentPreference(level),
        subjects=tuple(sorted(set(accounts))) or (ORGANIZATION,),
    )


def attest(
    state: PreferenceState,
    attested: Attested,
    *,
    execution: str,
    starts: Sequence[StartRecord],
    own_roles: AbstractSet[str],
) -> PreferenceState | AttestationRefused:
    """Return the history with an attestation by whoever started the execution, or why it is not taken.

    ``starts`` are AWS's records of that start, at least one: the first by time counts, and none may be by anything but
    a person. The same execution attests once, however often it is asked. A level that nobody asked for is taken like
    every other: it is what AWS has.
    """
    if state.attestation_of(execution) is not None:
        return state
    for each in starts:
        if why := why_no_person(each.caller, own_roles):
            return AttestationRefused(
                f"{why}: attest with the credentials of a person, an IAM user or a role's session"
            )
    first = min(starts, key=lambda each: (each.at, each.event_id))
    attestation = Attestation(
        case=attested.case,
        at=first.at,
        level=attested.level,
        subjects=attested.subjects,
        by=identify(first.caller),
        execution=execution,
        event_id=first.event_id,
    )
    return replace(state, history=(*state.history, attestation))


def identify(caller: Caller) -> str:
    """Return who a person is in the form of an ARN, without a word that they chose or are called by.

    A session is its role, for its name is mostly an e-mail address; a user is the unique id that IAM gave. AWS's record
    has the rest.
    """
    kind, unique_id = caller.arn.partition("/")[0], caller.principal_id.partition(":")[0]
    return f"{kind}/{caller.role if caller.role and '@' not in caller.role else unique_id}"


def record_request(
    state: PreferenceState, case: str, levels: Iterable[tuple[str, Level]], at: datetime
) -> PreferenceState:
    """Return the history with a case that asks for levels; the same one where the newest entry says that already."""
    request = CaseRequest(case, at, tuple(sorted(levels)))
    last = state.history[-1] if state.history else None
    if isinstance(last, CaseRequest) and (last.case, last.levels) == (request.case, request.levels):
        return state
    return replace(state, history=(*state.history, request))


def read_state(text: str | bytes | None) -> Observed[PreferenceState]:
    """Return the state that was stored, an empty one where there is none; Unknown when it cannot be understood."""
    if text is None:
        return Known(PreferenceState())
    try:
        document = json.loads(text)
        if document["schema"] != SCHEMA:
            return Unknown(f"{PREFERENCE_KEY} is of another version")
        return Known(PreferenceState(tuple(map(_to_entry, document["history"]))))
    except (AttributeError, KeyError, TypeError, ValueError):
        return Unknown(f"{PREFERENCE_KEY} cannot be understood")


def to_document(state: PreferenceState) -> dict[str, Any]:
    """Return the state as plain JSON (``docs/schemas/preference.schema.json``)."""
    return {"schema": SCHEMA, "history": [_from_entry(each) for each in state.history]}


def _from_entry(entry: Entry) -> dict[str, Any]:
    match entry:
        case CaseRequest():
            levels = {subject: level and level.value for subject, level in entry.levels}
            return {"kind": "requested", "case": entry.case, "at": entry.at.isoformat(), "levels": levels}
        case Attestation():
            return {
                "kind": "attested",
                "case": entry.case,
                "at": entry.at.isoformat(),
                "level": entry.level and entry.level.value,
                "subjects": list(entry.subjects),
                "by": entry.by,
                "execution": entry.execution,
                "event_id": entry.event_id,
            }
        case _:
            assert_never(entry)


def _to_entry(stored: Mapping[str, Any]) -> Entry:
    at = datetime.fromisoformat(stored["at"])
    if at.tzinfo is None:
        raise ValueError("a time without its zone")
    if stored["kind"] == "requested":
        levels = tuple((_subject(each, level), _level(level)) for each, level in stored["levels"].items())
        return CaseRequest(_case(stored["case"]), at, levels)
    if stored["kind"] != "attested":
        raise ValueError("an entry of another kind")
    return Attestation(
        case=_case(stored["case"]),
        at=at,
        level=_level(stored["level"]),
        subjects=tuple(_subject(each, stored["level"]) for each in stored["subjects"]),
        by=_text(stored["by"]),
        execution=_text(stored["execution"]),
        event_id=_text(stored["event_id"]),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _case(text: object) -> str:
    if not isinstance(text, str) or not is_case_id(text):
        raise ValueError("a case without its id")
    return text


def _subject(text: object, level: object) -> str:
    """Check a subject: accounts may be without a level of their own, the organization never is."""
    if text == ORGANIZATION and level is not None:
        return ORGANIZATION
    if not isinstance(text, str) or not is_account_id(text):
        raise ValueError("a subject that is neither the organization nor an account")
    return text


def _level(text: Any) -> Level:  # noqa: ANN401 - JSON
    return None if text is None else ContainmentPreference(text)

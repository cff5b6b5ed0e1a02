"""Large changes of the scope come in waves: one unit first, and the others when nothing went wrong with it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from muster.domain.desired import Guardrails
from muster.domain.diagnosis import Coverage
from muster.domain.plan import PlannedRemediation
from muster.domain.remediation import Remediation, RemediationKind
from muster.domain.scoping import AFTER_CLEARING

MAX_EXPLAINED = 3
"""So many accounts have their reason in a sentence; the assessment has all."""

_LEFT_WELL = (Coverage.COVERED, Coverage.EXCEPTED, Coverage.INACTIVE)


class WaveKind(StrEnum):
    """What a wave does to its accounts."""

    GAIN = "gain"
    LOSE = "lose"


@dataclass(frozen=True, slots=True)
class Wave:
    """What of the scope is changed first. ``ids`` are its writes, ``accounts`` whose coverage they change."""

    number: int
    ids: tuple[str, ...]
    accounts: tuple[str, ...]
    kind: WaveKind


def wave_to_document(wave: Wave) -> dict[str, Any]:
    """Return a wave as plain JSON."""
    return {
        "number": wave.number,
        "ids": list(wave.ids),
        "accounts": list(wave.accounts),
        "kind": wave.kind.value,
    }


def wave_from_document(document: Mapping[str, Any]) -> Wave:
    """Return the wave that ``wave_to_document`` wrote. Raises ValueError, KeyError or TypeError for anything else."""
    return Wave(document["number"], tuple(document["ids"]), tuple(document["accounts"]), WaveKind(document["kind"]))


def next_wave(
    granted: Sequence[PlannedRemediation], concerned: Mapping[str, tuple[str, ...]], limits: Guardrails
) -> tuple[PlannedRemediation, ...]:
    """Return what of the granted writes is made now; the rest is left to a later round.

    ``concerned`` has the accounts of each write by its id. When several units together concern more accounts than one
    run may change by itself, only the canary of them stays: the unit with the fewest accounts, but one at least. What
    does not change units is not held back.
    """
    units = [each for each in granted if changes_one_unit(each.remediation)]
    accounts: set[str] = set().union(*(concerned.get(each.id, ()) for each in units))
    if len(units) < 2 or len(accounts) <= limits.max_accounts:  # noqa: PLR2004 - one unit is its own canary
        return tuple(granted)
    canary = min(
        (each for each in units if concerned.get(each.id)), key=lambda each: (len(concerned[each.id]), each.id)
    )
    return tuple(each for each in granted if each is canary or not changes_one_unit(each.remediation))


def changes_one_unit(remediation: Remediation) -> bool:
    """Tell whether a write adds or removes one unit and can wait for another one.

    A unit that AWS takes only after the flag of the entire organization is cleared cannot: nobody below it is covered
    until then.
    """
    if remediation.kind is RemediationKind.REMOVE_UNIT:
        return True
    return (
        remediation.kind is RemediationKind.ADD_UNIT
        and not remediation.concern.everyone
        and remediation.before != AFTER_CLEARING
    )


def describe_wave(
    number: int, granted: Sequence[PlannedRemediation], concerned: Mapping[str, tuple[str, ...]]
) -> Wave | None:
    """Return the wave that granted writes are; None when they change no single unit."""
    units = [each for each in granted if changes_one_unit(each.remediation)]
    if not units:
        return None
    loses = any(each.remediation.kind is RemediationKind.REMOVE_UNIT for each in units)
    accounts: set[str] = set().union(*(concerned.get(each.id, ()) for each in units))
    return Wave(
        number,
        tuple(sorted(each.id for each in units)),
        tuple(sorted(accounts)),
        WaveKind.LOSE if loses else WaveKind.GAIN,
    )


def coverage_of(assessment: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what has to be known of an assessment after a wave: the next look writes over it."""
    accounts = () if assessment is None else assessment["accounts"]
    return {"accounts": [{"id": each["id"], "coverage": each["coverage"]} for each in accounts]}


def judge_wave(wave: Wave, before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    """Return why the units after a wave must wait, with the next command; None when all is well.

    ``before`` and ``after`` are the assessments around the wave. An account that is not listed any more is unknown.
    """
    found = {each["id"]: each for each in after["accounts"]}
    own = frozenset(wave.accounts)
    lost = [
        each["id"]
        for each in before["accounts"]
        if each["id"] not in own
        and each["coverage"] == Coverage.COVERED
        and _coverage(found, each["id"]) not in _LEFT_WELL
    ]
    if lost:
        return _object(wave, f"{_accounts(len(lost))} outside of it had coverage before", lost, found)
    if wave.kind is WaveKind.LOSE:
        return None
    failed = [each for each in wave.accounts if _coverage(found, each) in (Coverage.NOT_COVERED, Coverage.UNKNOWN)]
    if failed:
        return _object(wave, f"{_accounts(len(failed))} should have coverage by it", failed, found)
    settling = [each for each in wave.accounts if _coverage(found, each) == Coverage.SETTLING]
    if settling:
        return _object(wave, f"{_accounts(len(settling))} should have coverage by it, and not yet", settling, found)
    return None


def _coverage(found: Mapping[str, Mapping[str, Any]], account_id: str) -> str:
    return str(found[account_id]["coverage"]) if account_id in found else Coverage.UNKNOWN


def _object(wave: Wave, why: str, account_ids: Sequence[str], found: Mapping[str, Mapping[str, Any]]) -> str:
    named = "; ".join(_explain(account_ids[:MAX_EXPLAINED], found))
    rest = len(account_ids) - MAX_EXPLAINED
    return (
        f"the other units wait, for wave {wave.number} did not end well: {why}: {named}"
        f"{f' and {rest} more' if rest > 0 else ''}. Look with muster status, and run again: muster onboard"
    )


def _explain(account_ids: Sequence[str], found: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    for each in account_ids:
        row = found.get(each)
        yield f"{each} is not listed any more" if row is None else f"{each} is {row['coverage']} ({row['reason']})"


def _accounts(number: int) -> str:
    return f"{number:,} {'account' if number == 1 else 'accounts'}"

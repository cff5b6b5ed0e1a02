"""The support case by which a person lodges the containment preference, ready to be sent."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from muster.domain.desired import ContainmentPreference
from muster.domain.membership import Home
from muster.domain.preference import (
    ORGANIZATION,
    Level,
    PreferenceStanding,
    PreferenceStatus,
)

CASE_TYPE = "Technical: Security Incident Response Service / Other"
"""The type of case that the user guide asks for."""

_OPTIONS = {
    ContainmentPreference.APPROVAL_REQUIRED: "Approval Required",
    ContainmentPreference.CONTAIN_CONFIRMED: "Contain Confirmed",
    ContainmentPreference.CONTAIN_SUSPECTED: "Contain Suspected",
}
"""The options in the user guide's words."""


@dataclass(frozen=True, slots=True)
class CaseContext:
    """Whom a case is about. ``membership_id`` is None where nobody has found one yet."""

    organization_id: str
    membership_id: str | None
    home: Home


@dataclass(frozen=True, slots=True)
class CaseText:
    """A case: its type, its subject and its body."""

    subject: str
    body: str
    type: str = CASE_TYPE


def wish(standings: Sequence[PreferenceStanding]) -> tuple[tuple[str, Level], ...]:
    """Return what a case asks for: the wanted levels that AWS is to be asked for.

    Where there are none, those that AWS was asked for and has not confirmed: their case may have another number.
    """
    asked = tuple((each.subject, each.wanted) for each in standings if each.need.asks)
    waiting = tuple((each.subject, each.wanted) for each in standings if each.status is PreferenceStatus.REQUESTED)
    return asked or waiting


def write_case(standings: Sequence[PreferenceStanding], context: CaseContext) -> CaseText | None:
    """Return the case that asks for what is to be asked, or None when nothing is. It names nobody."""
    asked = [each for each in standings if each.need.asks]
    if not asked:
        return None
    membership = f"{context.membership_id} in " if context.membership_id else "in "
    body = (
        "Please set the containment preference of AWS Security Incident Response for our organization as follows,",
        "and tell us in this case which option is set, for the organization and for each account.",
        "",
        f"Organization: {context.organization_id}",
        f"Membership: {membership}account {context.home.account_id}, Region {context.home.region}",
        "",
        "The preference as it has to be",
        *_wanted(standings),
        "",
        "What that changes against what you confirmed",
        *(f"- {_name(each.subject)}: {_change(each)}" for each in asked),
        "",
        "If any other account has an option of its own, please tell us which, and change nothing there.",
    )
    return CaseText(subject=f"Containment preference of organization {context.organization_id}", body="\n".join(body))


def _wanted(standings: Sequence[PreferenceStanding]) -> Iterable[str]:
    """Yield the levels: the organization's, then those of the accounts, alike ones together."""
    by_level: dict[Level, list[str]] = {}
    for each in standings:
        if each.subject == ORGANIZATION:
            yield f"- the organization: {_option(each.wanted)}"
        else:
            by_level.setdefault(each.wanted, []).append(each.subject)
    for level in (*ContainmentPreference, None):
        if accounts := by_level.get(level):
            yield f"- {'account' if len(accounts) == 1 else 'accounts'} {', '.join(accounts)}: {_option(level)}"


def _change(standing: PreferenceStanding) -> str:
    wanted, asked, attested = _option(standing.wanted), standing.pending, standing.attested
    before = f"{_option(attested.level)} (case {attested.case}, {_day(attested.at)})" if attested else None
    if asked is not None:
        other = _option(asked.level_of(standing.subject))
        known = f"; you confirmed {before}" if before else ""
        return f"{wanted}. Case {asked.case} of {_day(asked.at)} asked for {other}, which is not wanted any more{known}"
    if attested is not None and attested.level == standing.wanted:
        return f"nothing. You confirmed {before}: please look whether it is set still"
    return f"from {before or 'nothing that we asked for'} to {wanted}"


def _option(level: Level) -> str:
    return "no option of its own" if level is None else _OPTIONS[level]


def _name(subject: str) -> str:
    return "the organization" if subject == ORGANIZATION else f"account {subject}"


def _day(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d}"

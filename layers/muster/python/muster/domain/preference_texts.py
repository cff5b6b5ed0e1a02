"""What people are told of the containment preference: in reports, in notices, and in the case that asks AWS."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, assert_never

from muster.domain.desired import DesiredContainment
from muster.domain.observed import Known, Observed, Unknown
from muster.domain.outcomes import Notice
from muster.domain.preference import (
    ORGANIZATION,
    Level,
    PreferenceNeed,
    PreferenceStanding,
    PreferenceState,
    is_broader,
    judge,
)
from muster.domain.preference_history import NO_LEVEL_OF_ITS_OWN, PREFERENCE_KEY

MAX_LINES = 20
"""So many accounts a report has a line for; `muster preference` has them all."""

_TITLE = "Containment preference"
_TOLD = {
    PreferenceNeed.ASK: "is not requested",
    PreferenceNeed.AWAIT: "is requested",
    PreferenceNeed.CHASE: "is requested, and nobody has attested it in time",
    PreferenceNeed.ASK_OTHERWISE: "was requested otherwise, and {wanted} is wanted",
    PreferenceNeed.CORRECT: "is {found} with AWS, and {wanted} is wanted",
    PreferenceNeed.RENEW_SOON: "is to be attested again soon",
    PreferenceNeed.RENEW: "is to be attested again",
}
"""How the subject of a notice goes on. No day is in it: a day that passes is no news."""

_REMEDIES = {
    PreferenceNeed.NOTHING: "",
    PreferenceNeed.ASK: "`muster preference` writes the case that asks AWS",
    PreferenceNeed.AWAIT: "when AWS has confirmed it: `{attest}`",
    PreferenceNeed.CHASE: "look at case {case}; when AWS has confirmed it: `{attest}`",
    PreferenceNeed.ASK_OTHERWISE: (
        "nothing is raised or lowered by itself: `muster preference` writes the case that asks anew"
    ),
    PreferenceNeed.CORRECT: (
        "AWS {difference}, and nothing is raised or lowered by itself: `muster preference` writes the case that asks "
        "for the change; or correct the desired state"
    ),
    PreferenceNeed.RENEW_SOON: "ask AWS whether it is set still: `muster preference` writes the case; then: `{attest}`",
    PreferenceNeed.RENEW: "ask AWS whether it is set still: `muster preference` writes the case; then: `{attest}`",
}


@dataclass(frozen=True, slots=True)
class PreferenceReport:
    """What one report says of the preference: how everybody stands, or why that is unknown."""

    standings: Observed[tuple[PreferenceStanding, ...]]

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What people should know or do."""
        match self.standings:
            case Unknown(why):
                return (
                    Notice(
                        "the containment preference is unknown",
                        f"{why}, so nobody knows what AWS was asked and has confirmed: `muster preference` says more",
                        needs_person=True,
                    ),
                )
            case Known(standings):
                return tuple(notice for each in standings if (notice := _notice(each)) is not None)
        assert_never(self.standings)

    @property
    def lines(self) -> list[str]:
        """The lines of the report for people."""
        match self.standings:
            case Unknown(why):
                return [f"{_TITLE}: unknown, {why}"]
            case Known(standings):
                first, *rest = standings
                more = len(rest) - MAX_LINES
                return [
                    f"{_TITLE}: {say(first)}",
                    *(f"  {each.subject}: {say(each)}" for each in rest[:MAX_LINES]),
                    *([f"  ... and {more} more, `muster preference` shows them"] if more > 0 else []),
                ]
        assert_never(self.standings)

    def to_document(self) -> dict[str, Any]:
        """Return it as plain JSON, as a member of the report."""
        match self.standings:
            case Unknown(why):
                return {"key": PREFERENCE_KEY, "unknown": why, "subjects": []}
            case Known(standings):
                return {"key": PREFERENCE_KEY, "unknown": None, "subjects": [to_row(each) for each in standings]}
        assert_never(self.standings)


def report_preference(wanted: DesiredContainment, state: Observed[PreferenceState], at: datetime) -> PreferenceReport:
    """Return what a report says of the preference. A state that is unknown says nothing good."""
    match state:
        case Unknown() as unknown:
            return PreferenceReport(unknown)
        case Known(found):
            return PreferenceReport(Known(judge(wanted, found, at)))
    assert_never(state)


def to_row(standing: PreferenceStanding) -> dict[str, Any]:
    """Return how one subject stands as plain JSON."""
    return {
        "subject": standing.subject,
        "status": standing.status.value,
        "wanted": standing.wanted and standing.wanted.value,
        "attested": standing.attested and standing.attested.level and standing.attested.level.value,
        "due": _day(standing.due),
        "says": say(standing),
    }


def say(standing: PreferenceStanding) -> str:
    """Return in one line what is known of the preference of a subject, and how. It names nobody."""
    wanted, due = name_level(standing.wanted), _day(standing.due)
    known = "; ".join(fact for fact in (_say_pending(standing), _say_attested(standing)) if fact)
    match standing.need:
        case PreferenceNeed.NOTHING | PreferenceNeed.AWAIT | PreferenceNeed.CHASE:
            return known
        case PreferenceNeed.RENEW_SOON:
            return f"{known}, to be attested again before {due}"
        case PreferenceNeed.RENEW:
            return f"{known}, which counted until {due}"
        case PreferenceNeed.ASK:
            is_all = standing.subject == ORGANIZATION
            meanwhile = "AWS contains nothing" if is_all else "the organization's applies"
            return f"{wanted} not requested: {meanwhile} until it is lodged"
        case PreferenceNeed.ASK_OTHERWISE | PreferenceNeed.CORRECT:
            return f"{known}; {wanted} is wanted"
        case _:
            assert_never(standing.need)


def attest_command(standing: PreferenceStanding) -> str:
    """Return what to type after ``muster`` to attest the wanted level of a subject, once AWS has confirmed it."""
    case = standing.pending.case if standing.pending else "CASE"
    account = "" if standing.subject == ORGANIZATION else f" --account {standing.subject}"
    return f"attest --case {case} --level {standing.wanted or NO_LEVEL_OF_ITS_OWN}{account}"


def name_level(level: Level) -> str:
    """Return a level as people write it in the desired state."""
    return "no level of its own" if level is None else level.value


def name_subject(subject: str) -> str:
    """Return a subject as people are told of it."""
    return "the organization" if subject == ORGANIZATION else f"account {subject}"


def what_to_do(standing: PreferenceStanding) -> str:
    """Return what is to be done about a subject, with the commands; empty when nothing is."""
    return _REMEDIES[standing.need].format(
        case=standing.pending and standing.pending.case,
        attest=f"muster {attest_command(standing)}",
        difference=_compare(standing),
    )


def _notice(standing: PreferenceStanding) -> Notice | None:
    """Return what people are told. Subjects have no dates, so that a day that passes is no news."""
    if standing.need is PreferenceNeed.NOTHING:
        return None
    found = name_level(standing.attested.level if standing.attested else None)
    told = _TOLD[standing.need].format(found=found, wanted=name_level(standing.wanted))
    return Notice(
        f"containment preference of {name_subject(standing.subject)} {told}",
        f"{say(standing)}; {what_to_do(standing)}",
        needs_person=standing.need.needs_person,
    )


def _say_attested(standing: PreferenceStanding) -> str | None:
    if (found := standing.attested) is None:
        return None
    return f"{name_level(found.level)}, attested {_day(found.at)} by {found.by} (case {found.case})"


def _say_pending(standing: PreferenceStanding) -> str | None:
    if (found := standing.pending) is None:
        return None
    level = name_level(found.level_of(standing.subject))
    return f"{level} requested {_day(found.at)} (case {found.case}), not attested yet"


def _compare(standing: PreferenceStanding) -> str:
    wanted, found = standing.wanted, standing.attested.level if standing.attested else None
    if wanted is None or found is None:
        return "has another level than is wanted"
    return "goes further than is wanted" if is_broader(found, wanted) else "goes less far than is wanted"


def _day(at: datetime | None) -> str | None:
    return None if at is None else f"{at.astimezone(UTC):%Y-%m-%d}"

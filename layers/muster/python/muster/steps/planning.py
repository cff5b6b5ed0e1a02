"""Planning: one plan of all that the steps proposed, stored before anything of it is done, and what is done now."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from muster.domain import remediation as remediations
from muster.domain.approval import RequestState, request_key
from muster.domain.approval import from_document as request_from_document
from muster.domain.desired import DesiredState, Mode
from muster.domain.freezing import FREEZE_KEY, Freeze, Window, freeze_from_document
from muster.domain.grant import seal_grant
from muster.domain.handoffs import ask_to_allow, ask_to_approve
from muster.domain.observed import Observed, Unknown
from muster.domain.outcomes import Handoff, Notice, PlanOutcome
from muster.domain.plan import Plan, PlanError, PlannedRemediation, SealedPlan, open_sealed, plan_key, seal
from muster.domain.planning import (
    Decision,
    Ground,
    Verdict,
    accounts_from_assessment,
    affected_key,
    beyond_repair,
    decide,
    find_moved,
    left_from_handoffs,
    make_plan,
)
from muster.domain.remediation import Remediation, Step
from muster.domain.scoping import name_some
from muster.domain.waves import (
    Wave,
    coverage_of,
    describe_wave,
    judge_wave,
    next_wave,
    wave_from_document,
    wave_to_document,
)
from muster.errors import PlanUnusableError, WorldMovedError
from muster.ports import CalendarReader, RunDocuments
from muster.steps.reading import observe

AGAIN = "plan again: muster plan"


@dataclass(slots=True)
class _Before:
    """What this run was granted in earlier rounds; ``begun`` is the wave that this one begins."""

    rounds: list[dict[str, Any]] = field(default_factory=list)
    wave: Wave | None = None
    begun: Wave | None = None
    ids: set[str] = field(default_factory=set)
    accounts: set[str] = field(default_factory=set)
    units: int = 0


@dataclass(frozen=True, slots=True)
class Planning:
    """Writes documents only: the plan, whom it concerns, and what is granted of it."""

    documents: RunDocuments
    calendars: CalendarReader
    max_age: timedelta

    def apply(
        self,
        desired: DesiredState,
        *,
        desired_version: str,
        run: str,
        number: int,
        at: datetime,
        membership_id: str | None,
        assessment_key: str | None,
        applies: bool,
        pinned: str | None,
        approved: str | None,
        handoffs: Iterable[Handoff],
    ) -> PlanOutcome:
        """Make the plan of this round and decide what of it is done now.

        ``pinned`` is the plan to which a person limited the run, ``approved`` the one that people approved in it.
        Raises PlanUnusableError for one that is gone, changed, too old or of another desired state, and WorldMovedError
        when it does not fit what was read.
        """
        before = self._before(run, number)
        if approved is not None:
            self._check_approval(approved, run)
        agreed = {
            sha256: self._open(sha256, desired_version=desired_version, at=at)
            for sha256 in (pinned, approved)
            if sha256 is not None
        }
        assessment = self.documents.read(assessment_key) if assessment_key else None
        ground = Ground(
            desired=desired,
            desired_version=desired_version,
            run=run,
            number=number,
            at=at,
            membership_id=membership_id,
            accounts=None if assessment is None else accounts_from_assessment(assessment),
            size=None if assessment is None else len(assessment["accounts"]),
            freeze=self._freeze(),
            window=self._window(desired),
            sanctioned=_ids(agreed[approved].plan.asked) if approved else frozenset(),
            done=frozenset(before.ids),
            touched=frozenset(before.accounts),
            units=before.units,
            wave=self._judge_wave(run, before, assessment),
        )
        left = left_from_handoffs(handoffs) + (() if assessment is None else beyond_repair(assessment))
        plan, concerned = make_plan(self._proposals(run, number), left, ground)
        if concerned:
            self.documents.write(affected_key(run, number), concerned)
        sealed = seal(plan)
        self.documents.write_text(sealed.key, sealed.text)
        done = frozenset(before.ids)
        moved = [
            each for one in agreed.values() for each in find_moved(one.plan.remediations, plan.remediations, done=done)
        ]
        if moved:
            differences = "; ".join(map(str, moved[:5]))
            raise WorldMovedError(
                f"the world moved since the plan was made, so it goes no further. {differences}. {AGAIN}"
            )
        only = _ids(agreed[pinned].plan.remediations) if pinned else None
        decision = decide(plan, done=done, applies=applies, only=only)
        if pinned and decision.verdict is Verdict.NOTHING:
            # What else there is to do is told, and is another plan's.
            decision = decide(plan, done=done, applies=False)
        if decision.verdict is Verdict.APPLY and before.wave is None:
            first = next_wave(decision.grant, concerned, desired.guardrails)
            if len(first) < len(decision.grant):
                decision = replace(decision, grant=first)
                before.begun = describe_wave(number, first, concerned)
                self.documents.write(_coverage_key(run, number), coverage_of(assessment))
        # People are asked in the name of the plan that a person named, as long as it asks for all of that.
        is_named = pinned and _ids(decision.grant) <= _ids(agreed[pinned].plan.asked)
        asked = pinned if pinned and is_named else sealed.sha256
        return self._conclude(sealed, decision, desired, before, concerned, asked=asked)

    def _conclude(
        self,
        sealed: SealedPlan,
        decision: Decision,
        desired: DesiredState,
        before: _Before,
        concerned: dict[str, tuple[str, ...]],
        *,
        asked: str,
    ) -> PlanOutcome:
        plan = sealed.plan
        grant_key = grant_sha256 = None
        handoffs: tuple[Handoff, ...] = ()
        match decision.verdict:
            case Verdict.APPLY:
                granted = [each.remediation for each in decision.grant]
                text, grant_sha256 = seal_grant(sealed.sha256, granted)
                grant_key = f"runs/{plan.run}/grants/{plan.number}.json"
                self.documents.write_text(grant_key, text)
                self._remember(plan, before, granted, concerned)
            case Verdict.ASK:
                handoffs = (ask_to_approve(asked, decision.grant),)
            case Verdict.TELL if desired.mode is Mode.OBSERVE:
                handoffs = ask_to_allow(desired, decision.grant)
            case _:
                pass
        return PlanOutcome(
            verdict=decision.verdict.value,
            plan=asked if decision.verdict is Verdict.ASK else sealed.sha256,
            grant_key=grant_key,
            grant_sha256=grant_sha256,
            todo=tuple(each.value for each in decision.steps) if decision.verdict is Verdict.APPLY else (),
            open=sum(each.id not in before.ids for each in plan.remediations),
            handoffs=handoffs,
            notices=_note(plan, frozenset(before.ids)),
        )

    def _proposals(self, run: str, number: int) -> list[Remediation]:
        return [
            remediations.from_document(each)
            for step in Step
            for each in self.documents.read(proposals_key(run, number, step)) or ()
        ]

    def _open(self, sha256: str, *, desired_version: str, at: datetime) -> SealedPlan:
        text = self.documents.read_text(plan_key(sha256))
        if text is None:
            raise PlanUnusableError(f"there is no plan {sha256[:12]}; {AGAIN}")
        try:
            found = open_sealed(text, sha256)
        except PlanError as error:
            raise PlanUnusableError(f"{error}: muster plan") from error
        if found.plan.desired_version != desired_version:
            raise PlanUnusableError(f"plan {sha256[:12]} was made for another desired state than the present; {AGAIN}")
        if at - found.plan.at > self.max_age:
            hours = self.max_age.total_seconds() / 3600
            raise PlanUnusableError(f"plan {sha256[:12]} is older than {hours:g} hours; {AGAIN}")
        return found

    def _check_approval(self, sha256: str, run: str) -> None:
        """See in the request itself that people approved it: the run's own word is not enough."""
        document = self.documents.read(request_key(sha256))
        request = None if document is None else request_from_document(document)
        if request is None or request.state is not RequestState.APPROVED or request.run != run:
            raise PlanUnusableError(f"nobody is recorded to have approved plan {sha256[:12]} in this run; {AGAIN}")

    def _before(self, run: str, number: int) -> _Before:
        """Return what earlier rounds were granted; what this one was belongs to a try whose answer was lost."""
        before = _Before()
        for each in (self.documents.read(_granted_key(run)) or {"rounds": []})["rounds"]:
            if each["number"] < number:
                before.rounds.append(each)
                before.wave = wave_from_document(each["wave"]) if each["wave"] else before.wave
                before.ids.update(each["ids"])
                before.accounts.update(each["accounts"])
                before.units += each["units"]
        return before

    def _remember(
        self, plan: Plan, before: _Before, granted: Sequence[Remediation], concerned: dict[str, tuple[str, ...]]
    ) -> None:
        ids = sorted(each.id for each in granted)
        round_ = {
            "number": plan.number,
            "ids": ids,
            "accounts": sorted({account for each in ids for account in concerned.get(each, ())}),
            "units": sum(each.kind.changes_units for each in granted),
            "wave": None if before.begun is None else wave_to_document(before.begun),
        }
        self.documents.write(_granted_key(plan.run), {"schema": 1, "rounds": [*before.rounds, round_]})

    def _judge_wave(self, run: str, before: _Before, assessment: Any) -> str | None:  # noqa: ANN401 - JSON
        """Return why no further unit may be changed after the first one; None when it went well or there was none."""
        if before.wave is None:
            return None
        around = self.documents.read(_coverage_key(run, before.wave.number))
        if around is None or assessment is None:
            return f"what the accounts had before wave {before.wave.number} is not known any more; run muster onboard"
        return judge_wave(before.wave, around, assessment)

    def _freeze(self) -> Observed[Freeze | None]:
        found = observe(lambda: self.documents.read(FREEZE_KEY))
        return found if isinstance(found, Unknown) else freeze_from_document(found.value)

    def _window(self, desired: DesiredState) -> Window | None:
        if desired.change_calendar is None:
            return None
        calendar = desired.change_calendar
        return Window(calendar, observe(lambda: self.calendars.state(calendar)))


def proposals_key(run: str, number: int, step: Step) -> str:
    """Return where a step's proposals of one round lie."""
    return f"runs/{run}/proposed/{number}/{step}.json"


def _coverage_key(run: str, number: int) -> str:
    return f"runs/{run}/waves/{number}.json"


def _granted_key(run: str) -> str:
    return f"runs/{run}/granted.json"


def _ids(planned: Iterable[PlannedRemediation]) -> frozenset[str]:
    return frozenset(each.id for each in planned)


def _note(plan: Plan, done: frozenset[str]) -> tuple[Notice, ...]:
    """Say what waits, and what was tried in this run and is not seen."""
    held: dict[str, list[PlannedRemediation]] = {}
    for each in plan.remediations:
        if each.held and each.id not in done:
            held.setdefault(each.held, []).append(each)
    notices = [
        Notice(
            f"{len(waiting)} {'write waits' if len(waiting) == 1 else 'writes wait'}",
            f"{why}: {name_some([each.remediation.what for each in waiting])}",
            needs_person=True,
        )
        for why, waiting in held.items()
    ]
    if tried := [each.remediation.what for each in plan.remediations if each.id in done]:
        notices.append(
            Notice("some of what this run did is not seen yet", f"{name_some(tried)}; the next run looks again")
        )
    return tuple(notices)

"""From what the steps propose to one plan, and to what of it may be done now.

Nothing here knows how a remediation was found: it is ordered, its accounts are counted, and who has to agree is said.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from muster.domain.desired import DesiredState, Mode
from muster.domain.diagnosis import Cause, Coverage
from muster.domain.freezing import Freeze, Window, hold
from muster.domain.guardrails import BlastRadius, refuse
from muster.domain.membership import Association
from muster.domain.observed import Known, Observed
from muster.domain.outcomes import Handoff
from muster.domain.plan import MAX_NAMED, Affected, LeftStep, Plan, PlannedRemediation, canonical
from muster.domain.remediation import Concern, Remediation, RemediationKind, Step, to_document
from muster.domain.scoping import AFTER_CLEARING
from muster.domain.waves import changes_one_unit

_STEPS = list(Step)
_KINDS = list(RemediationKind)
_NARROWING = frozenset({RemediationKind.CLEAR_ENTIRE_ORGANIZATION, RemediationKind.REMOVE_UNIT})


@dataclass(frozen=True, slots=True)
class PlanAccount:
    """One account that can have protection; ``ancestors`` is None when its path could not be read."""

    id: str
    ancestors: tuple[str, ...] | None
    is_associated: bool


@dataclass(frozen=True, slots=True)
class Ground:
    """What a plan stands on, besides the proposals.

    ``accounts`` is None where they could not be listed yet, ``size`` counts the organization, inactive ones included.
    ``sanctioned`` are the ids that people approved, ``done`` those that this run was granted before; ``touched`` and
    ``units`` are what those changed. ``wave`` is why no further unit may be changed, after one that went wrong.
    """

    desired: DesiredState
    desired_version: str
    run: str
    number: int
    at: datetime
    membership_id: str | None
    accounts: tuple[PlanAccount, ...] | None = None
    size: int | None = None
    freeze: Observed[Freeze | None] = field(default_factory=lambda: Known(None))
    window: Window | None = None
    sanctioned: frozenset[str] = frozenset()
    done: frozenset[str] = frozenset()
    touched: frozenset[str] = frozenset()
    units: int = 0
    wave: str | None = None


def accounts_from_assessment(document: Mapping[str, Any]) -> tuple[PlanAccount, ...]:
    """Return the accounts of an assessment that can have protection: those that are not on their way out."""
    return tuple(
        PlanAccount(
            each["id"],
            tuple(each["ancestors"]) if each["ancestors"] else None,
            each.get("association") == Association.ASSOCIATED,
        )
        for each in document["accounts"]
        if each["coverage"] != Coverage.INACTIVE
    )


def beyond_repair(document: Mapping[str, Any]) -> tuple[LeftStep, ...]:
    """Return what nobody can repair by an API: accounts that only AWS, or another scope, would cover."""
    words = {
        Cause.SERVICE_SIDE: "open a case with AWS Support: no API repairs it",
        Cause.CANNOT_BE_SELECTED: "they sit directly under the root: only the entire organization covers them",
    }
    steps = []
    for cause, why in words.items():
        found = tuple(sorted(each["id"] for each in document["accounts"] if each["cause"] == cause))
        if found:
            steps.append(
                LeftStep(
                    "nobody",
                    f"cover {len(found):,} {'account' if len(found) == 1 else 'accounts'} ({cause})",
                    why,
                    accounts=found[:MAX_NAMED],
                )
            )
    return tuple(steps)


def left_from_handoffs(handoffs: Iterable[Handoff]) -> tuple[LeftStep, ...]:
    """Return the steps of other people, each once and in the order of their words."""
    steps = {LeftStep(each.to.value, each.what, each.why, each.command, each.accounts) for each in handoffs}
    return tuple(sorted(steps, key=lambda each: (each.who, each.what, each.why, each.command, each.accounts)))


def make_plan(
    proposed: Iterable[Remediation], left: Sequence[LeftStep], ground: Ground
) -> tuple[Plan, dict[str, tuple[str, ...]]]:
    """Return the plan, and the accounts that each of its writes concerns by id. The order of the proposals is nothing.

    A write needs a person when it takes protection away, when the mode or ``automatic`` says so, or when all that could
    be done without a person would pass a guardrail.
    """
    ordered = sorted({each.id: each for each in sorted(proposed, key=_wording)}.values(), key=_rank)
    concerned = {each.id: resolve(each.concern, each.kind, ground.accounts) for each in ordered}
    planned = []
    for each in ordered:
        accounts = concerned[each.id]
        planned.append(
            PlannedRemediation(
                each,
                _affected(each, accounts, ground),
                () if each.id in ground.sanctioned else why_approval(each.kind, ground.desired),
                _hold(each, ground),
            )
        )
    plan = Plan(
        run=ground.run,
        number=ground.number,
        at=ground.at,
        desired_version=ground.desired_version,
        mode=ground.desired.mode.value,
        membership_id=ground.membership_id,
        accounts=ground.size,
        remediations=_guard(_bind_to_clearing(_bind_to_additions(planned, ground)), concerned, ground),
        left=tuple(left),
    )
    return plan, {key: value for key, value in concerned.items() if value}


def why_approval(kind: RemediationKind, desired: DesiredState) -> tuple[str, ...]:
    """Return why a person has to approve a write of this kind, whatever its size."""
    if kind.reduces_protection:
        return ("it takes protection away",)
    if desired.mode is not Mode.ENFORCE:
        return (f"mode is {desired.mode}",)
    if kind.value not in desired.automatic:
        return (f"automatic does not list {kind}",)
    return ()


def _hold(remediation: Remediation, ground: Ground) -> str | None:
    """Return why a write waits: for people's freeze or window, or because a wave before it went wrong."""
    reason = hold(remediation.kind, freeze=ground.freeze, window=ground.window, at=ground.at)
    return reason or (ground.wave if changes_one_unit(remediation) else None)


def resolve(concern: Concern, kind: RemediationKind, accounts: Sequence[PlanAccount] | None) -> tuple[str, ...]:
    """Return the accounts that a concern means, sorted. One whose path is unknown may be below any unit."""
    if concern.only:
        return tuple(sorted(concern.only))
    below = frozenset(concern.below)
    return tuple(
        sorted(
            each.id
            for each in accounts or ()
            if (concern.everyone or (below and (each.ancestors is None or not below.isdisjoint(each.ancestors))))
            and not (kind is RemediationKind.ADD_UNIT and each.is_associated)
        )
    )


def _rank(remediation: Remediation) -> tuple[int, int, int, str, str]:
    step, kind = _STEPS.index(remediation.step), _KINDS.index(remediation.kind)
    return step, kind, remediation.place, remediation.resource, remediation.id


def _wording(remediation: Remediation) -> str:
    return canonical(to_document(remediation))


def _bind_to_additions(planned: Sequence[PlannedRemediation], ground: Ground) -> tuple[PlannedRemediation, ...]:
    """Let what narrows the scope wait for units that are to be added first, and cannot be added or seen now."""
    waiting = next((each for each in planned if _comes_first(each) and (each.held or each.id in ground.done)), None)
    if waiting is None:
        return tuple(planned)
    why = f"it comes after units that are not in the membership yet: {waiting.held or 'this run has sent them'}"
    return tuple(
        replace(each, held=each.held or why) if each.remediation.kind in _NARROWING else each for each in planned
    )


def _comes_first(planned: PlannedRemediation) -> bool:
    remediation = planned.remediation
    return remediation.kind is RemediationKind.ADD_UNIT and remediation.before != AFTER_CLEARING


def _bind_to_clearing(planned: Sequence[PlannedRemediation]) -> tuple[PlannedRemediation, ...]:
    """Let units that AWS takes only after the flag is cleared wait for all that the clearing waits for.

    Sent before it they are refused again; and a clearing without them leaves everybody below them uncovered.
    """
    clearing = next(
        (each for each in planned if each.remediation.kind is RemediationKind.CLEAR_ENTIRE_ORGANIZATION), None
    )
    if clearing is None:
        return tuple(planned)
    approval = ("AWS takes it only after the entire organization is cleared",) if clearing.approval else ()
    return tuple(
        replace(each, approval=(*approval, *each.approval), held=each.held or clearing.held)
        if each.remediation.before == AFTER_CLEARING
        else each
        for each in planned
    )


def _affected(remediation: Remediation, accounts: tuple[str, ...], ground: Ground) -> Affected:
    concern = remediation.concern
    if ground.accounts is None and (concern.everyone or concern.below):
        return Affected(None)
    return Affected(len(accounts), accounts[:MAX_NAMED], affected_key(ground.run, ground.number) if accounts else None)


def affected_key(run: str, number: int) -> str:
    """Return where the accounts of every write of a plan are listed."""
    return f"runs/{run}/affected/{number}.json"


def _guard(
    planned: Sequence[PlannedRemediation], concerned: Mapping[str, tuple[str, ...]], ground: Ground
) -> tuple[PlannedRemediation, ...]:
    """Add the guardrails that all the writes together would pass, to each that counts."""
    counted = {
        each.id
        for each in planned
        if not each.approval and each.held is None and each.id not in ground.done | ground.sanctioned and _counts(each)
    }
    if not counted:
        return tuple(planned)
    is_known = all(each.affected.number is not None for each in planned if each.id in counted)
    accounts = ground.touched.union(*(concerned[each] for each in counted)) if is_known else None
    units = ground.units + sum(each.remediation.kind.changes_units for each in planned if each.id in counted)
    refusals = refuse(ground.desired.guardrails, BlastRadius(accounts, ground.size, units))
    reasons = tuple(each.reason for each in refusals)
    return tuple(replace(each, approval=reasons) if each.id in counted else each for each in planned)


def _counts(planned: PlannedRemediation) -> bool:
    """Tell whether a guardrail measures it: sign-up protects nobody less, and a person has confirmed its place."""
    remediation = planned.remediation
    concern = remediation.concern
    changes_accounts = bool(concern.only) or concern.everyone or bool(concern.below)
    return remediation.kind is not RemediationKind.SIGN_UP and (changes_accounts or remediation.kind.changes_units)


class Verdict(StrEnum):
    """What becomes of a plan now."""

    NOTHING = "nothing"
    APPLY = "apply"
    ASK = "ask"
    HOLD = "hold"
    TELL = "tell"


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done now. ``grant`` are the writes that may be made, or that people are asked for."""

    verdict: Verdict
    grant: tuple[PlannedRemediation, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps that have something to do, in their order."""
        wanted = {each.remediation.step for each in self.grant}
        return tuple(each for each in Step if each in wanted)


def decide(plan: Plan, *, done: frozenset[str], applies: bool, only: frozenset[str] | None = None) -> Decision:
    """Return what may be done of a plan now: first what needs nobody, then the question about the rest.

    ``done`` were granted earlier in the run and are not tried twice; ``only`` limits the run to these writes.
    """
    open_ = tuple(each for each in plan.remediations if each.id not in done and (only is None or each.id in only))
    if not open_:
        return Decision(Verdict.NOTHING)
    if not applies or plan.mode == Mode.OBSERVE:
        return Decision(Verdict.TELL, open_)
    free = tuple(each for each in open_ if each.held is None)
    if not free:
        return Decision(Verdict.HOLD, open_)
    # Units are added, and seen in the membership, before anything is taken from it. Where AWS refuses that, Scoping
    # proposes them with another ground, and they come together with the clearing.
    adds = any(map(_comes_first, open_))
    granted = tuple(each for each in free if not each.approval and not (adds and each.remediation.kind in _NARROWING))
    return Decision(Verdict.APPLY, granted) if granted else Decision(Verdict.ASK, free)


@dataclass(frozen=True, slots=True)
class Moved:
    """A write that was planned and does not fit the world any more."""

    planned: Remediation
    found: str

    def __str__(self) -> str:
        """Say what differs."""
        planned = self.planned
        return f"{planned.what}: planned from {planned.before!r} to {planned.after!r}, found {self.found!r}"


def find_moved(
    agreed: Iterable[PlannedRemediation], fresh: Iterable[PlannedRemediation], *, done: frozenset[str]
) -> tuple[Moved, ...]:
    """Return the agreed writes whose target now asks for another one. One that nothing asks for any more is done.

    Where the run has made some of what was agreed, the ground of the same step's others may be of its own making: the
    other write is no part of the agreement, and waits for one of its own.
    """
    agreed, fresh = tuple(agreed), tuple(fresh)
    present = {each.id for each in fresh}
    changed = {each.remediation.step for each in agreed if each.id in done}
    by_target: dict[tuple[str, str], Remediation] = {each.remediation.target: each.remediation for each in fresh}
    return tuple(
        Moved(
            each.remediation,
            f"{by_target[each.remediation.target].before} → {by_target[each.remediation.target].after}",
        )
        for each in agreed
        if each.id not in present
        and each.id not in done
        and each.remediation.target in by_target
        and each.remediation.step not in changed
    )

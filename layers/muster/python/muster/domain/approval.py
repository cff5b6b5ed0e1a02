"""Approval by people: the request, the answers that may be taken, and when they decide it.

Who answered comes from AWS's own record and from nothing else. Answers are kept with the request; its copy in messages
and in a machine's output has no name of anybody.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, assert_never

from muster.domain.callers import Caller, StartRecord, same_person, why_no_person
from muster.domain.plan import SHORT

SCHEMA = 1
LATEST_KEY = "approvals/latest.json"
"""A copy of the newest request."""


class AnswerKind(StrEnum):
    """What a person can say to a plan."""

    APPROVE = "approve"
    REJECT = "reject"


class RequestState(StrEnum):
    """What has become of a request."""

    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CLOSED = "closed"
    """The run ended, or went on without an answer."""

    @property
    def is_decided(self) -> bool:
        """Tell whether people have decided it."""
        return self in (RequestState.APPROVED, RequestState.REJECTED)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. ``execution`` is the one that gave it, ``event_id`` is AWS's record of who started that.

    ``at`` is when it was started. ``by`` and ``principal_id`` are the audit trail, and stay in the stored request.
    """

    decision: AnswerKind
    reason: str = field(repr=False)
    by: str = field(repr=False)
    principal_id: str = field(repr=False)
    at: datetime
    execution: str
    event_id: str
    source_identity: str | None = field(default=None, repr=False)

    @property
    def caller(self) -> Caller:
        """Who gave it."""
        return Caller(self.by, self.principal_id, self.source_identity)


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """What people are asked: to let a plan (its SHA-256) be applied by the execution that waits for them.

    ``approvals`` is how many different people have to approve.
    """

    plan: str
    run: str
    execution: str
    requested_at: datetime
    expires_at: datetime
    approvals: int
    state: RequestState = RequestState.WAITING
    answers: tuple[Answer, ...] = ()

    @property
    def short(self) -> str:
        """The plan's name in commands."""
        return self.plan[:SHORT]

    @property
    def approved(self) -> int:
        """How many people have approved."""
        return sum(each.decision is AnswerKind.APPROVE for each in self.answers)

    def answer_of(self, execution: str) -> Answer | None:
        """Return what an execution has answered, if it has."""
        return next((each for each in self.answers if each.execution == execution), None)


@dataclass(frozen=True, slots=True)
class Attempt:
    """An answer as it arrives: what is said by which execution, and AWS's records of who stands behind it.

    ``answerers`` are the callers of StartExecution for that execution; the first by time is the one who counts, and all
    are held against an approval. ``planners`` are those for the execution that waits; a rejection needs none.
    """

    plan: str
    decision: AnswerKind
    reason: str = field(repr=False)
    execution: str
    at: datetime
    answerers: tuple[StartRecord, ...]
    planners: tuple[StartRecord, ...]

    @property
    def is_attributed(self) -> bool:
        """Tell whether AWS's records are there that the answer needs."""
        return bool(self.answerers) and (self.decision is AnswerKind.REJECT or bool(self.planners))


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an answer is not taken, and what to do."""

    why: str


def request_key(plan: str) -> str:
    """Return where the request for a plan lies in the bucket."""
    return f"approvals/{plan}.json"


def token_key(plan: str) -> str:
    """Return where the token lies that a waiting machine is answered by."""
    return f"tokens/{plan}.json"


def open_request(
    found: ApprovalRequest | None,
    *,
    plan: str,
    run: str,
    execution: str,
    at: datetime,
    waits: timedelta,
    approvals: int,
) -> ApprovalRequest:
    """Return the request of an execution for a plan. One that this execution has opened before stays as it is."""
    if found is not None and found.execution == execution:
        return found
    return ApprovalRequest(plan, run, execution, at, at + waits, approvals)


def why_closed(request: ApprovalRequest, at: datetime) -> Refusal | None:
    """Return why nobody can answer a request any more, or None while it waits."""
    match request.state:
        case RequestState.APPROVED:
            return Refusal(f"plan {request.short} was approved already: `muster status` shows what became of it")
        case RequestState.REJECTED:
            return Refusal(f"plan {request.short} was rejected already; for a new plan run `muster onboard`")
        case RequestState.EXPIRED:
            return _expired(request)
        case RequestState.CLOSED:
            return Refusal(
                f"the run that asked about plan {request.short} is over; for a new plan run `muster onboard`"
            )
        case RequestState.WAITING:
            return _expired(request) if at >= request.expires_at else None
        case _:
            assert_never(request.state)


def take_answer(
    request: ApprovalRequest, attempt: Attempt, own_roles: AbstractSet[str] = frozenset()
) -> ApprovalRequest | Refusal:
    """Return the request with an answer, or why it is not taken. The same execution answers once, however often asked.

    An approval has to come from a person who neither started the plan's run nor has answered before. A rejection is
    taken from every person: it can only leave the world as it is. A planner that is a service excludes nobody.
    """
    if request.answer_of(attempt.execution) is not None:
        return request
    if refusal := _refuse(request, attempt, own_roles):
        return refusal
    first = min(attempt.answerers, key=lambda each: (each.at, each.event_id))
    answer = Answer(
        decision=attempt.decision,
        reason=attempt.reason,
        by=first.caller.arn,
        principal_id=first.caller.principal_id,
        at=first.at,
        execution=attempt.execution,
        event_id=first.event_id,
        source_identity=first.caller.source_identity,
    )
    return settle(replace(request, answers=(*request.answers, answer)))


def _refuse(request: ApprovalRequest, attempt: Attempt, own_roles: AbstractSet[str]) -> Refusal | None:
    if attempt.plan != request.plan:
        return Refusal(
            f"the run waits for plan {request.short}, and this answer is about plan {attempt.plan[:SHORT]}: "
            f"read the plan again with `muster status`, then answer that one"
        )
    if closed := why_closed(request, attempt.at):
        return closed
    if not attempt.is_attributed:
        return Refusal("AWS's record of who started this is not there yet: wait some minutes and answer again")
    for each in attempt.answerers:
        if why := why_no_person(each.caller, own_roles):
            return Refusal(
                f"{why}: answer plan {request.short} with the credentials of a person, an IAM user or a role's session"
            )
    return _refuse_approval(request, attempt) if attempt.decision is AnswerKind.APPROVE else None


def _refuse_approval(request: ApprovalRequest, attempt: Attempt) -> Refusal | None:
    if any(same_person(one.caller, other.caller) for one in attempt.answerers for other in attempt.planners):
        return Refusal(
            f"you started the run that made plan {request.short}, and nobody approves a plan of their own: "
            f"ask somebody else to run `muster approve {request.short}`"
        )
    if any(same_person(one.caller, other.caller) for one in attempt.answerers for other in request.answers):
        return Refusal(
            f"you have answered plan {request.short} before, and each person counts once: "
            f"ask somebody else to run `muster approve {request.short}`"
        )
    return None


def settle(request: ApprovalRequest) -> ApprovalRequest:
    """Return a waiting request as its answers decide it: one rejection rejects, enough approvals approve."""
    if request.state is not RequestState.WAITING:
        return request
    if any(each.decision is AnswerKind.REJECT for each in request.answers):
        return replace(request, state=RequestState.REJECTED)
    if request.approved >= request.approvals:
        return replace(request, state=RequestState.APPROVED)
    return request


def close(request: ApprovalRequest, state: RequestState) -> ApprovalRequest:
    """Return the request closed. What people have decided stays decided, also in the last second."""
    return replace(request, state=state) if request.state is RequestState.WAITING else request


def say_status(request: ApprovalRequest) -> str:
    """Return how far a request is, as an answer is told: approved, rejected, or recorded (1 of 2)."""
    if request.state.is_decided:
        return request.state.value
    return f"recorded ({request.approved} of {request.approvals})"


def say_time(at: datetime) -> str:
    """Return a time as people are told it, to the minute."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%MZ}"


def _expired(request: ApprovalRequest) -> Refusal:
    return Refusal(
        f"the time to answer plan {request.short} ended at {say_time(request.expires_at)}; "
        f"for a new plan run `muster onboard`"
    )


def to_document(request: ApprovalRequest) -> dict[str, Any]:
    """Return a request as plain JSON (``docs/schemas/approval-request.schema.json``)."""
    return {
        "schema": SCHEMA,
        "plan": request.plan,
        "run": request.run,
        "execution": request.execution,
        "requested_at": request.requested_at.isoformat(),
        "expires_at": request.expires_at.isoformat(),
        "approvals": request.approvals,
        "state": request.state.value,
        "answers": [
            {
                "decision": each.decision.value,
                "reason": each.reason,
                "by": each.by,
                "principal_id": each.principal_id,
                "source_identity": each.source_identity,
                "at": each.at.isoformat(),
                "execution": each.execution,
                "event_id": each.event_id,
            }
            for each in request.answers
        ],
    }


def from_document(document: Mapping[str, Any]) -> ApprovalRequest:
    """Return the request that ``to_document`` wrote. Raises ValueError, KeyError or TypeError for anything else."""
    if document["schema"] != SCHEMA:
        raise ValueError(f"schema {document['schema']} is not {SCHEMA}")
    return ApprovalRequest(
        plan=document["plan"],
        run=document["run"],
        execution=document["execution"],
        requested_at=datetime.fromisoformat(document["requested_at"]),
        expires_at=datetime.fromisoformat(document["expires_at"]),
        approvals=document["approvals"],
        state=RequestState(document["state"]),
        answers=tuple(
            Answer(
                decision=AnswerKind(each["decision"]),
                reason=each["reason"],
                by=each["by"],
                principal_id=each["principal_id"],
                at=datetime.fromisoformat(each["at"]),
                execution=each["execution"],
                event_id=each["event_id"],
                source_identity=each["source_identity"],
            )
            for each in document["answers"]
        ),
    )

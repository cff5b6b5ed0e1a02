"""Requests and responses of the steps: what the state machine sends, and what it gets back.

``schema`` is the version of the payload. A step accepts the version before its own, so that executions in flight
survive an upgrade; there is only one so far.
"""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from muster.domain.outcomes import AssessCursor, Change, Handoff, Notice, PlanOutcome
from muster.domain.remediation import Step
from muster.messages.preflight import CheckedItem


class Message(BaseModel):
    """Base of every payload: unknown fields are a mistake, not noise."""

    model_config = ConfigDict(extra="forbid", frozen=True, from_attributes=True)

    schema_version: Annotated[Literal[1], Field(alias="schema")] = 1

    @classmethod
    def from_domain(cls, outcome: object) -> Self:
        """Build the response from a step's outcome."""
        return cls.model_validate(outcome)

    def to_json(self) -> dict[str, Any]:
        """Return the payload as the state machine reads it."""
        return self.model_dump(mode="json", by_alias=True)


class DesiredReference(BaseModel):
    """Which version of the desired state this run works towards."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    version: str


class StepRequest(Message):
    """What every step is told: the run (the execution's name) and the desired state."""

    run: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,80}$")]
    desired: DesiredReference


class GrantReference(BaseModel):
    """Where the grant of a round lies, and its SHA-256."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class WritingRequest(StepRequest):
    """What a step that can write is told besides: without a grant it only looks, and proposes to the plan of its round.

    ``execution`` is the ARN of the run, in whose name the lease is held.
    """

    step: ClassVar[Step]

    round: Annotated[int, Field(ge=1)] = 1
    grant: GrantReference | None = None
    execution: str | None = None


class PreflightRequest(StepRequest):
    """Input of Preflight. ``stops`` is False for somebody who only asks: then a blocker is no error."""

    accept_unknown: tuple[str, ...] = ()
    stops: bool = True


class PreflightResponse(Message):
    """Output of Preflight."""

    checks: tuple[CheckedItem, ...]
    notices: tuple[Notice, ...]
    handoffs: tuple[Handoff, ...]
    accepted: tuple[str, ...]
    membership_id: str | None = None


class SignUpRequest(WritingRequest):
    """Input of SignUp; ``last_attempt`` says that nobody will wait any longer.

    ``accept_unknown`` names the checks whose unknown outcome a person has accepted for this run, ``membership_id`` is
    the membership that this run has found before.
    """

    step = Step.SIGN_UP

    attempt: Annotated[int, Field(ge=0)] = 0
    last_attempt: bool = False
    accept_unknown: tuple[str, ...] = ()
    membership_id: str | None = None


class SignUpResponse(Message):
    """Output of SignUp."""

    membership_id: str | None
    changes: tuple[Change, ...]
    handoffs: tuple[Handoff, ...]
    notices: tuple[Notice, ...]
    waiting_for: str | None


class ScopingRequest(WritingRequest):
    """Input of Scoping; ``cursor`` is the last unit that an earlier pass of this run has sent."""

    step = Step.SCOPING

    membership_id: str
    cursor: str | None = None


class ScopingResponse(Message):
    """Output of Scoping."""

    cursor: str | None
    more: bool
    resolved: int
    remaining: int
    changes: tuple[Change, ...]
    handoffs: tuple[Handoff, ...]
    notices: tuple[Notice, ...]


class ContactSetupRequest(WritingRequest):
    """Input of ContactSetup."""

    step = Step.CONTACT_SETUP

    membership_id: str


class ContactSetupResponse(Message):
    """Output of ContactSetup; nothing in it has a value of a responder."""

    changes: tuple[Change, ...]
    handoffs: tuple[Handoff, ...]
    notices: tuple[Notice, ...]


class AssessRequest(StepRequest):
    """Input of Assess. ``at`` is when the state was entered, ``settle_seconds`` how long a change may take to show."""

    membership_id: str
    at: AwareDatetime
    number: Annotated[int, Field(ge=1)]
    cursor: AssessCursor | None = None
    changed_at: AwareDatetime | None = None
    settle_seconds: Annotated[int, Field(ge=0)]


class AssessResponse(Message):
    """Output of Assess: a cursor while the inventory goes on, then the counts and where the assessment lies."""

    cursor: AssessCursor | None
    settled: bool
    accounts_read: int
    counts: dict[str, int]
    needs_person: int
    assessment_key: str | None
    missing_triage_roles: int
    unread_triage_roles: int


class MemberRepairRequest(WritingRequest):
    """Input of MemberRepair; ``cursor`` is the last account of the pass before."""

    step = Step.MEMBER_REPAIR

    assessment_key: str
    cursor: str | None = None


class MemberRepairResponse(Message):
    """Output of MemberRepair; without a cursor every account has been tried."""

    cursor: str | None
    changes: tuple[Change, ...]
    handoffs: tuple[Handoff, ...]
    notices: tuple[Notice, ...]
    repaired: int


class ContainmentRequest(WritingRequest):
    """Input of Containment; ``last_attempt`` says that nobody will wait any longer.

    ``suspects`` are accounts whose roles somebody may have changed.
    """

    step = Step.CONTAINMENT

    at: AwareDatetime
    assessment_key: str
    last_attempt: bool = False
    suspects: tuple[Annotated[str, Field(pattern=r"^\d{12}$")], ...] = ()


class ContainmentResponse(Message):
    """Output of Containment: one write at most, and what each account has when there is nothing to wait for."""

    more: bool
    waiting_for: str | None
    changes: tuple[Change, ...]
    handoffs: tuple[Handoff, ...]
    notices: tuple[Notice, ...]
    counts: dict[str, int]
    readiness: dict[str, int]
    document_key: str | None


class PlanRequest(StepRequest):
    """Input of Plan. ``plan`` limits the run to that one, ``approved`` is the one that people approved in it."""

    round: Annotated[int, Field(ge=1)]
    at: AwareDatetime
    membership_id: str | None
    assessment_key: str | None
    applies: bool = True
    plan: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    approved: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    handoffs: tuple[Handoff, ...] = ()


class PlanResponse(Message):
    """Output of Plan: the plan's name, what becomes of it, and what may be written now."""

    verdict: str
    plan: str
    grant: GrantReference | None
    todo: tuple[str, ...]
    open: int
    handoffs: tuple[Handoff, ...]
    notices: tuple[Notice, ...]

    @classmethod
    def from_outcome(cls, outcome: PlanOutcome) -> Self:
        """Build the response; a grant is its place and its digest together."""
        grant = None
        if outcome.grant_key and outcome.grant_sha256:
            grant = GrantReference(key=outcome.grant_key, sha256=outcome.grant_sha256)
        return cls(
            verdict=outcome.verdict,
            plan=outcome.plan,
            grant=grant,
            todo=outcome.todo,
            open=outcome.open,
            handoffs=outcome.handoffs,
            notices=outcome.notices,
        )


class ReportRequest(StepRequest):
    """Input of Report."""

    at: datetime
    membership_id: str | None
    changes: tuple[Change, ...]
    handoffs: tuple[Handoff, ...]
    notices: tuple[Notice, ...]
    assessment_key: str | None
    containment_key: str | None = None
    settled: bool


class ReportResponse(Message):
    """Output of Report; ``message`` is None when there is nothing that was not told before."""

    status: str
    text_key: str
    json_key: str
    subject: str | None
    message: str | None

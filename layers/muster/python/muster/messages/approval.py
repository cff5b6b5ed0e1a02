"""Approval's payloads, and the request for approval as it lies in S3.

One function serves both machines; ``action`` says which of its actions is meant.
"""

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from muster.domain.approval import AnswerKind, RequestState
from muster.domain.approval_commands import (
    AnswerBegun,
    AnswerOutcome,
    ApprovalCommand,
    ApprovalOutcome,
    BeginAnswer,
    CloseRequest,
    GiveAnswer,
    KeepToken,
    OpenRequest,
    RequestClosed,
    TokenKept,
)
from muster.domain.approval_texts import ApprovalTexts
from muster.messages.steps import DesiredReference, Message

type Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
type ExecutionArn = Annotated[str, Field(pattern=r"^arn:aws[\w-]*:states:[\w-]+:\d{12}:execution:[^:]+:[^:]+$")]


class RequestMessage(Message):
    """The onboarding asks people about a plan."""

    action: Literal["request"]
    run: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,80}$")]
    execution: ExecutionArn
    plan: Sha256
    at: AwareDatetime
    desired: DesiredReference
    timeout_seconds: Annotated[int, Field(ge=1)]

    def to_domain(self) -> OpenRequest:
        """Return what the step is asked."""
        return OpenRequest(
            plan=self.plan,
            run=self.run,
            execution=self.execution,
            at=self.at,
            waits=timedelta(seconds=self.timeout_seconds),
            desired_key=self.desired.key,
            desired_version=self.desired.version,
        )


class WaitMessage(Message):
    """The onboarding waits, and this is its token."""

    action: Literal["wait"]
    plan: Sha256
    token: Annotated[str, Field(min_length=1, repr=False)]

    def to_domain(self) -> KeepToken:
        """Return what the step is asked."""
        return KeepToken(self.plan, self.token)


class CloseMessage(Message):
    """The onboarding waits no longer."""

    action: Literal["close"]
    plan: Sha256
    state: Literal["rejected", "expired", "closed"]

    def to_domain(self) -> CloseRequest:
        """Return what the step is asked."""
        return CloseRequest(self.plan, RequestState(self.state))


class BeginMessage(Message):
    """Somebody has started an answer."""

    action: Literal["begin"]
    plan: Sha256
    decision: AnswerKind
    reason: Annotated[str, Field(max_length=1000, repr=False)] = ""
    execution: ExecutionArn
    at: AwareDatetime

    def to_domain(self) -> BeginAnswer:
        """Return what the step is asked."""
        return BeginAnswer(self.plan, self.decision, self.execution, self.at, self.reason)


class AnswerMessage(Message):
    """Somebody answers; ``last_attempt`` says that nobody will look for AWS's record again."""

    action: Literal["answer"]
    plan: Sha256
    decision: AnswerKind
    reason: Annotated[str, Field(max_length=1000, repr=False)] = ""
    execution: ExecutionArn
    at: AwareDatetime
    last_attempt: bool = False

    def to_domain(self) -> GiveAnswer:
        """Return what the step is asked."""
        return GiveAnswer(self.plan, self.decision, self.execution, self.at, self.reason, self.last_attempt)


type ApprovalMessage = Annotated[
    RequestMessage | WaitMessage | CloseMessage | BeginMessage | AnswerMessage, Field(discriminator="action")
]
_MESSAGES: TypeAdapter[ApprovalMessage] = TypeAdapter(ApprovalMessage)


def parse_approval(event: dict[str, Any]) -> ApprovalCommand:
    """Return what a machine asks. Raises pydantic's ValidationError."""
    return _MESSAGES.validate_python(event).to_domain()


class TextsResponse(Message):
    """What people are told, now and as a reminder."""

    subject: str
    message: str
    reminder_subject: str
    reminder_message: str


class WaitResponse(Message):
    """Whether people had answered before the machine waited. A machine that waits for a token never sees it."""

    answered: bool


class CloseResponse(Message):
    """What the request is now: approved or rejected when people decided it before it was closed."""

    state: RequestState


class BeginResponse(Message):
    """The answer makes sense so far."""


class AnswerResponse(Message):
    """Whether the answer is recorded, and how far the request is."""

    recorded: bool
    status: str | None
    message: str | None


_RESPONSES: dict[type[ApprovalOutcome], type[Message]] = {
    ApprovalTexts: TextsResponse,
    TokenKept: WaitResponse,
    RequestClosed: CloseResponse,
    AnswerBegun: BeginResponse,
    AnswerOutcome: AnswerResponse,
}


def respond(outcome: ApprovalOutcome) -> dict[str, Any]:
    """Return an outcome as the machine reads it."""
    return _RESPONSES[type(outcome)].from_domain(outcome).to_json()


class _Read(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class StoredAnswer(_Read):
    """What one person said. It names the person as AWS recorded the call: this is the audit trail."""

    decision: str = Field(description="approve or reject.")
    reason: str = Field(repr=False, description="In the person's own words; may be empty.")
    by: str = Field(repr=False, description="ARN of the principal that started the answer.")
    principal_id: str = Field(repr=False, description="AWS's id of that principal.")
    source_identity: str | None = Field(default=None, repr=False, description="Source identity of the session, if any.")
    at: AwareDatetime = Field(description="When the answer was started.")
    execution: str = Field(description="ARN of the execution that gave the answer.")
    event_id: str = Field(description="Id of CloudTrail's record of who started it.")


class ApprovalRequestDocument(_Read):
    """A request for approval of one plan, with its answers.

    Readers ignore members that they do not know, so that an older console reads a newer request.
    """

    model_config = ConfigDict(title="Muster approval request")

    schema_: Literal[1] = Field(alias="schema")
    plan: str = Field(description="SHA-256 of the plan; its first 12 digits are its name in commands.")
    run: str = Field(description="Name of the execution that waits.")
    execution: str = Field(description="ARN of the execution that waits.")
    requested_at: AwareDatetime = Field(description="When people were asked.")
    expires_at: AwareDatetime = Field(description="From when on nobody can answer.")
    approvals: int = Field(description="How many different people have to approve.")
    state: str = Field(description="waiting, approved, rejected, expired or closed.")
    answers: tuple[StoredAnswer, ...] = Field(description="In the order in which they were taken.")

    @property
    def approved(self) -> int:
        """How many people have approved."""
        return sum(answer.decision == "approve" for answer in self.answers)


def load_approval_request(text: str | bytes) -> ApprovalRequestDocument:
    """Return a request from its JSON. Raises ValueError."""
    return ApprovalRequestDocument.model_validate_json(text)

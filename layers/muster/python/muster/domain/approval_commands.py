"""What the state machines ask of approval, and what they get back."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from muster.domain.approval import AnswerKind, RequestState
from muster.domain.approval_texts import ApprovalTexts


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """Ask people about a plan. ``waits`` is the time until nobody can answer any more, all reminders together."""

    plan: str
    run: str
    execution: str
    at: datetime
    waits: timedelta
    desired_key: str
    desired_version: str


@dataclass(frozen=True, slots=True)
class KeepToken:
    """Keep the token by which the waiting machine is answered."""

    plan: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CloseRequest:
    """Take no more answers."""

    plan: str
    state: RequestState


@dataclass(frozen=True, slots=True)
class BeginAnswer:
    """See whether an answer makes sense at all, before minutes are spent on finding out who gives it."""

    plan: str
    decision: AnswerKind
    execution: str
    at: datetime
    reason: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class GiveAnswer(BeginAnswer):
    """Take the answer of whoever started the execution, once AWS's record of that is there.

    ``last_attempt`` says that nobody will look for the record again.
    """

    last_attempt: bool = False


type ApprovalCommand = OpenRequest | KeepToken | CloseRequest | BeginAnswer | GiveAnswer


@dataclass(frozen=True, slots=True)
class TokenKept:
    """The token is kept; ``answered`` when people had decided before, so that the machine does not wait."""

    answered: bool


@dataclass(frozen=True, slots=True)
class RequestClosed:
    """What the request is now: people may have decided it in the last second."""

    state: RequestState


@dataclass(frozen=True, slots=True)
class AnswerBegun:
    """The request waits for answers like this one."""


@dataclass(frozen=True, slots=True)
class AnswerOutcome:
    """Whether the answer is recorded; if not, AWS's record of who gave it is not there yet."""

    recorded: bool
    status: str | None = None
    message: str | None = None


type ApprovalOutcome = ApprovalTexts | TokenKept | RequestClosed | AnswerBegun | AnswerOutcome

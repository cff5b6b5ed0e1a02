"""What a step did, what it left to others, and whether the world has settled."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Change:
    """One write that was made: its kind (a ``ChangeKind`` value), the resource, and what it did in words."""

    kind: str
    resource: str
    detail: str


class HandoffTo(StrEnum):
    """Who has to do what the present access or mode does not allow."""

    MANAGEMENT_TEAM = "management team"
    ACCOUNT_OWNERS = "owners of the accounts"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Handoff:
    """A step for somebody else: why, and a command that does it as it stands (or the words of the remedy).

    ``accounts`` are those in which the command is to be run, each; empty where it is no command of an account.
    """

    to: HandoffTo
    what: str
    why: str
    command: str
    accounts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person should know although nothing waits for it: a removal that was not made, a unit dropped.

    With ``needs_person`` it is no good ending: something is unknown, or differs and only a person may change it.
    """

    subject: str
    detail: str
    needs_person: bool = False


@dataclass(frozen=True, slots=True)
class SignUpOutcome:
    """Result of one sign-up pass. ``waiting_for`` names what is not consistent yet; None when waiting is of no use.

    ``membership_id`` is None as long as no Active membership was found or created.
    """

    membership_id: str | None
    changes: tuple[Change, ...] = ()
    handoffs: tuple[Handoff, ...] = ()
    notices: tuple[Notice, ...] = ()
    waiting_for: str | None = None


@dataclass(frozen=True, slots=True)
class ScopingOutcome:
    """Result of one scoping pass: at most one UpdateMembership call.

    ``cursor`` is the last unit sent, to be given back; None when everything asked for has been sent.
    ``resolved`` and ``remaining`` count units, for progress.
    """

    cursor: str | None
    more: bool
    resolved: int = 0
    remaining: int = 0
    changes: tuple[Change, ...] = ()
    handoffs: tuple[Handoff, ...] = ()
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class ContactSetupOutcome:
    """Result of ContactSetup: at most one UpdateMembership call, which may have made several changes."""

    changes: tuple[Change, ...] = ()
    handoffs: tuple[Handoff, ...] = ()
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class AssessCursor:
    """Where the inventory goes on: the page token, the number of the next part, and how many rows were read so far."""

    token: str
    part: int
    accounts: int


@dataclass(frozen=True, slots=True)
class AssessOutcome:
    """Result of one slice of the assessment. ``cursor`` is None when it is finished; until then the rest is empty.

    ``counts`` maps every ``Coverage`` value to a number of accounts; ``needs_person`` counts those that no later run
    repairs by itself. ``settled`` is False while any account still has time to become associated. The last two count
    accounts that are not covered and lack the triage role, or have nobody who may read it.
    """

    cursor: AssessCursor | None
    settled: bool
    accounts_read: int
    counts: Mapping[str, int]
    needs_person: int
    assessment_key: str | None
    missing_triage_roles: int = 0
    unread_triage_roles: int = 0


@dataclass(frozen=True, slots=True)
class MemberRepairOutcome:
    """Result of one pass over a hundred accounts. While there is a ``cursor`` there are more; give it back.

    ``repaired`` counts the accounts of this pass that have the role now. Handoffs and notices are those of all passes.
    """

    cursor: str | None
    changes: tuple[Change, ...] = ()
    handoffs: tuple[Handoff, ...] = ()
    notices: tuple[Notice, ...] = ()
    repaired: int = 0


@dataclass(frozen=True, slots=True)
class ContainmentOutcome:
    """Result of one pass of Containment: at most one write.

    ``more`` asks for another pass at once, ``waiting_for`` names the operation that the next one has to wait for.
    ``counts`` maps every ``DeploymentState`` value to a number of accounts, ``readiness`` every ``Readiness`` value;
    both are empty, and ``document_key`` None, where nothing was judged.
    """

    more: bool = False
    waiting_for: str | None = None
    changes: tuple[Change, ...] = ()
    handoffs: tuple[Handoff, ...] = ()
    notices: tuple[Notice, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    readiness: Mapping[str, int] = field(default_factory=dict)
    document_key: str | None = None


@dataclass(frozen=True, slots=True)
class PlanOutcome:
    """What one round planned. ``verdict`` is a ``planning.Verdict``, ``plan`` the SHA-256 and name of the stored plan.

    The grant and ``todo``, the steps that have something to do, are there when something may be written now; ``open``
    counts the writes that the run has not made.
    """

    verdict: str
    plan: str
    grant_key: str | None
    grant_sha256: str | None
    todo: tuple[str, ...]
    open: int
    handoffs: tuple[Handoff, ...]
    notices: tuple[Notice, ...]


class ReportStatus(StrEnum):
    """How a run ended, in one word."""

    COVERED = "Covered"
    NEEDS_ATTENTION = "NeedsAttention"
    WAITING_FOR_HANDOFF = "WaitingForHandoff"
    NOT_SETTLED = "NotSettled"


@dataclass(frozen=True, slots=True)
class ReportOutcome:
    """Where the report lies. ``subject`` and ``message`` are None when there is nothing new to tell."""

    status: ReportStatus
    text_key: str
    json_key: str
    subject: str | None
    message: str | None

"""What a step did, what it left to others, and whether the world has settled."""

from dataclasses import dataclass
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
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Handoff:
    """A step for somebody else: why, and a command that does it as it stands (or the words of the remedy)."""

    to: HandoffTo
    what: str
    why: str
    command: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person should know although nothing waits for it: a removal that was not made, a unit dropped."""

    subject: str
    detail: str


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

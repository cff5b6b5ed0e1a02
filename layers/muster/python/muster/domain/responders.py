"""The incident response team. Names and addresses are personal data and never leave the steps that need them."""

from dataclasses import dataclass, field
from typing import Final, Literal, get_args

type CommunicationPreference = Literal[
    "Case Created",
    "Case Updated",
    "Case Acknowledged",
    "Case Closed",
    "Case Updated To Service Managed",
    "Case Status Updated",
    "Case Pending Customer Action Reminder",
    "Case Attachment Url Uploaded",
    "Case Comment Added",
    "Case Comment Updated",
    "Membership Created",
    "Membership Updated",
    "Membership Cancelled",
    "Register Delegated Administrator",
    "Deregister Delegated Administrator",
    "Disable AWS Service Access",
]
COMMUNICATION_PREFERENCES: Final[tuple[str, ...]] = get_args(CommunicationPreference.__value__)
"""The kinds of message that somebody of the team can get (API, ``CommunicationType``)."""

MIN_TEAM, MAX_TEAM = 2, 10
"""How many people a team has (API, ``IncidentResponseTeam``)."""


@dataclass(frozen=True, slots=True)
class IncidentResponder:
    """One member of the team; ``preferences`` None means all sixteen kinds of message.

    Nothing of it shows in ``repr``, so a log line or a traceback cannot carry it.
    """

    name: str = field(repr=False)
    job_title: str = field(repr=False)
    email: str = field(repr=False)
    preferences: frozenset[str] | None = field(default=None, repr=False)

    @property
    def hears(self) -> frozenset[str]:
        """The kinds of message that this person gets: those named, or all of them."""
        return frozenset(COMMUNICATION_PREFERENCES) if self.preferences is None else self.preferences

    @property
    def key(self) -> str:
        """What tells people apart: the service takes each address once, whatever its capitals."""
        return self.email.casefold()


type IncidentResponseTeam = tuple[IncidentResponder, ...]


@dataclass(frozen=True, slots=True)
class Contacts:
    """The team that is asked for, and the key of the digests that stand for people in plans. Nothing of it is shown."""

    team: IncidentResponseTeam = field(repr=False)
    key: bytes = field(repr=False)

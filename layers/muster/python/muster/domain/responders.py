"""The incident response team. Names and addresses are personal data and never leave the steps that need them."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class IncidentResponder:
    """One member of the team; ``preferences`` None means all sixteen kinds of message.

    Nothing of it shows in ``repr``, so a log line or a traceback cannot carry it.
    """

    name: str = field(repr=False)
    job_title: str = field(repr=False)
    email: str = field(repr=False)
    preferences: frozenset[str] | None = field(default=None, repr=False)


type IncidentResponseTeam = tuple[IncidentResponder, ...]

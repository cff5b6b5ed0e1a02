"""What Security Incident Response keeps: memberships with their history of scope, and self-managed cases."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

ACTIVE = "Active"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a membership is asked to cover."""

    entire_organization: bool = False
    unit_ids: tuple[str, ...] = ()


NO_SCOPE = Scope()


@dataclass(slots=True)
class Membership:
    """One membership. ``scopes`` is its history, so that a change can take time to arrive."""

    id: str
    account_id: str
    region: str
    name: str
    team: Sequence[dict[str, Any]]
    features: Sequence[dict[str, Any]] | None
    tags: dict[str, str]
    activated_at: datetime
    scopes: list[tuple[datetime, Scope]]
    status: str = ACTIVE
    ended_at: datetime | None = None

    @property
    def arn(self) -> str:
        """The ARN in the membership's account and Region."""
        return f"arn:aws:security-ir:{self.region}:{self.account_id}:membership/{self.id}"

    @property
    def is_active(self) -> bool:
        """Whether the membership covers anything at all."""
        return self.status == ACTIVE

    @property
    def requested_scope(self) -> Scope:
        """The scope as last asked for."""
        return self.scopes[-1][1]

    def scope_at(self, moment: datetime) -> Scope:
        """Return the scope that was asked for at that moment."""
        return next((scope for since, scope in reversed(self.scopes) if since <= moment), NO_SCOPE)

    def end(self, status: str, moment: datetime) -> None:
        """Cancel or terminate: the service stops at once."""
        self.status = status
        self.ended_at = moment


@dataclass(slots=True)
class Case:
    """A case as far as a notification test needs one."""

    id: str
    account_id: str
    region: str
    details: dict[str, Any]
    created_at: datetime
    tags: dict[str, str] = field(default_factory=dict)
    closed_at: datetime | None = None

    @property
    def arn(self) -> str:
        """The ARN in the account and Region that opened the case."""
        return f"arn:aws:security-ir:{self.region}:{self.account_id}:case/{self.id}"

    @property
    def status(self) -> str:
        """Submitted until somebody closes it."""
        return "Closed" if self.closed_at else "Submitted"

"""The organization as AWS Organizations describes it: accounts, units and where they sit."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class AccountState(StrEnum):
    """Life-cycle states of an account (Organizations API, ``Account.State``)."""

    PENDING_ACTIVATION = "PENDING_ACTIVATION"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    PENDING_CLOSURE = "PENDING_CLOSURE"
    CLOSED = "CLOSED"
    UNDOCUMENTED = "UNDOCUMENTED"
    """Our word for one that Organizations did not document when this was written: it tells nothing."""


@dataclass(frozen=True, slots=True)
class OrganizationSummary:
    """What any account of the organization may read about it."""

    id: str
    management_account_id: str
    has_all_features: bool


@dataclass(frozen=True, slots=True)
class Account:
    """One account. ``ancestors`` runs from the root to the parent; None when the path could not be read.

    E-mail addresses are dropped on reading and have no place here.
    """

    id: str
    name: str
    state: AccountState
    ancestors: tuple[str, ...] | None
    joined_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OrganizationalUnit:
    """One unit. ``ancestors`` runs from the root to the parent unit."""

    id: str
    name: str
    ancestors: tuple[str, ...]

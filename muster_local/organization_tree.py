"""The live organization: moto's Organizations backend for what is, and a history for what was when.

Security Incident Response follows the organization with a delay, so it asks where an account was some minutes ago.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from moto.organizations.models import OrganizationsBackend, organizations_backends

from muster_local.clock import Clock

PARTITION = "aws"
CLOSURE_DELAY = timedelta(minutes=2)
"""CloseAccount answers at once; the account is PENDING_CLOSURE for a while before it is CLOSED."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where an account was, and in which state, from a moment on. ``parent_id`` is None once it has left."""

    since: datetime
    parent_id: str | None
    state: str


@dataclass(slots=True)
class OrganizationTree:
    """Reads the tree out of moto and remembers every account's positions, oldest first."""

    clock: Clock
    organization_id: str
    management_account_id: str
    root_id: str
    positions: dict[str, list[Position]] = field(default_factory=dict)
    service_access_since: dict[str, datetime] = field(default_factory=dict)
    administrators_since: dict[tuple[str, str], datetime] = field(default_factory=dict)
    _ancestors: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def backend(self) -> OrganizationsBackend:
        """The backend of the management account, in which moto holds the tree."""
        return organizations_backends[self.management_account_id][PARTITION]

    def account_ids(self) -> Iterator[str]:
        """Yield the accounts of the organization, in whatever state."""
        yield from (account.id for account in self.backend.accounts)

    def record(self, account_id: str, parent_id: str | None, state: str, since: datetime) -> None:
        """Remember that the account has been there, in that state, from ``since`` on, which may lie ahead."""
        self.positions.setdefault(account_id, []).append(Position(since, parent_id, state))

    def position(self, account_id: str, moment: datetime | None = None) -> Position | None:
        """Return where the account was at that moment (default now), or None if not in the organization."""
        at = moment or self.clock.now()
        found = next((one for one in reversed(self.positions.get(account_id, ())) if one.since <= at), None)
        return None if found is None or found.parent_id is None else found

    def close(self, account_id: str) -> None:
        """Start the closure of an account; it completes by itself."""
        now = self.clock.now()
        present = self._place_of(account_id, now)
        self.record(account_id, present.parent_id, "PENDING_CLOSURE", now)
        self.record(account_id, present.parent_id, "CLOSED", now + CLOSURE_DELAY)

    def change_state(self, account_id: str, state: str) -> None:
        """Put an account into a state from now on, as AWS does when it activates, suspends or reinstates one."""
        now = self.clock.now()
        present = self._place_of(account_id, now)
        self._forget_what_lies_ahead(account_id, now)
        self.record(account_id, present.parent_id, state, now)

    def move(self, account_id: str, parent_id: str) -> None:
        """Move an account; a closure that is under way goes on at the new place."""
        now = self.clock.now()
        history = self.positions[account_id]
        ahead = [one for one in history if one.since > now]
        present = self._place_of(account_id, now)
        history[len(history) - len(ahead) :] = [
            Position(now, parent_id, present.state),
            *(Position(one.since, parent_id, one.state) for one in ahead),
        ]

    def leave(self, account_id: str) -> None:
        """Take the account out of the organization."""
        now = self.clock.now()
        self._forget_what_lies_ahead(account_id, now)
        self.record(account_id, None, "ACTIVE", now)

    def _place_of(self, account_id: str, moment: datetime) -> Position:
        position = self.position(account_id, moment)
        if position is None:
            raise KeyError(f"{account_id} is no account of {self.organization_id}")
        return position

    def _forget_what_lies_ahead(self, account_id: str, now: datetime) -> None:
        self.positions[account_id] = [one for one in self.positions[account_id] if one.since <= now]

    def path_to(self, parent_id: str) -> tuple[str, ...]:
        """Return the ids from the root to ``parent_id``, both included. No API moves a unit, so it never changes."""
        known = self._ancestors.get(parent_id)
        if known is None:
            unit = self.backend.get_organizational_unit_by_id(parent_id)
            above = () if parent_id == self.root_id else self.path_to(unit.parent_id)
            known = self._ancestors[parent_id] = (*above, parent_id)
        return known

    def account_path(self, account_id: str) -> str | None:
        """Return the account's path as Organizations writes it, with a slash at the end."""
        position = self.position(account_id)
        if position is None or position.parent_id is None:
            return None
        return "/".join((self.organization_id, *self.path_to(position.parent_id), account_id, ""))

    def unit_path(self, unit_id: str) -> str:
        """Return a unit's path as Organizations writes it, with a slash at the end."""
        return "/".join((self.organization_id, *self.path_to(unit_id), ""))

    def has_unit(self, unit_id: str) -> bool:
        """Whether a unit with this id exists now; the root is none."""
        return unit_id != self.root_id and any(unit.id == unit_id for unit in self.backend.ou)

    def administrator(self, principal: str) -> str | None:
        """Return the account that is the delegated administrator for a service, if there is one."""
        return next((entry.account.id for entry in self.backend.admins if principal in entry.services), None)

    def is_any_administrator(self, account_id: str) -> bool:
        """Whether the account is a delegated administrator for some service, which opens the Organizations reads."""
        return any(entry.account.id == account_id for entry in self.backend.admins)

    def has_service_access(self, principal: str) -> bool:
        """Whether trusted access is enabled for a service."""
        return any(entry["ServicePrincipal"] == principal for entry in self.backend.services)

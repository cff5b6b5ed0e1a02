"""One simulated organization with its memberships, the calls made to it, and the faults it is told to show."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from muster.domain.membership import ACTIVE, SERVICE_PRINCIPAL, Association, Membership, MembershipSummary
from muster.domain.observed import Known, Observed
from muster.domain.organization import Account, AccountState, OrganizationalUnit
from muster.domain.preflight_checks import Trail
from muster.domain.responders import IncidentResponder, IncidentResponseTeam
from muster.errors import StoppedError

MANAGEMENT = "111111111111"
SECURITY = "222222222222"
HOME_REGION = "eu-west-1"
ROOT = "r-ex01"
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)

WRITES = frozenset(
    {
        "organizations:EnableAWSServiceAccess",
        "organizations:RegisterDelegatedAdministrator",
        "iam:CreateServiceLinkedRole",
        "security-ir:CreateMembership",
        "security-ir:UpdateMembership",
        "security-ir:TagResource",
    }
)

TEAM = tuple(IncidentResponder(f"Responder {each}", "Analyst", f"responder{each}@example.com") for each in range(3))

TRAIL = Trail(
    f"arn:aws:cloudtrail:us-east-1:{MANAGEMENT}:trail/organization",
    "us-east-1",
    is_logging=True,
    has_own_selectors=False,
)

type ErrorMaker = Callable[[str, str], Exception]


@dataclass(frozen=True, slots=True)
class Call:
    """One call that a fake received: operation, the account it was made in, and what matters of its parameters."""

    operation: str
    account_id: str
    detail: Any = None


@dataclass(slots=True)
class Fault:
    """An error for the next ``times`` matching calls; with ``after`` the write takes effect and the answer is lost."""

    operation: str
    error: ErrorMaker
    times: int | None
    account_id: str | None
    detail: Any
    after: bool


@dataclass(slots=True)
class SimulatedMembership:
    """A membership as the service keeps it."""

    membership: Membership
    tags: dict[str, str]
    team: Observed[IncidentResponseTeam]
    client_token: str

    @property
    def summary(self) -> MembershipSummary:
        found = self.membership
        return MembershipSummary(found.id, found.arn, found.account_id, found.region, found.status)


@dataclass(slots=True)
class World:
    """The state behind all fakes. Tests build it, change it, and read ``calls`` and ``writes``."""

    organization_id: str = "o-exampleorg1"
    management_account_id: str = MANAGEMENT
    root_id: str = ROOT
    has_all_features: bool = True
    units: dict[str, OrganizationalUnit] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    trusted: set[str] = field(default_factory=set)
    delegated: set[str] = field(default_factory=set)
    triage_roles: set[str] = field(default_factory=set)
    management_roles: set[str] = field(default_factory=set)
    unreadable_roles: set[str] = field(default_factory=set)
    disabled_regions: set[tuple[str, str]] = field(default_factory=set)
    memberships: list[SimulatedMembership] = field(default_factory=list)
    associations: dict[str, Association] = field(default_factory=dict)
    unreadable_associations: set[str] = field(default_factory=set)
    propagated: bool = True
    takes_units_beside_flag: bool = True
    contacts: IncidentResponseTeam | StoppedError = TEAM
    contacts_key: bytes | None = b"a key of tests"
    calendars: dict[str, str] = field(default_factory=dict)
    stack_sets_access: bool = True
    contacts_kind: str = "SecureString"
    trails: list[Trail] = field(default_factory=lambda: [TRAIL])
    now: datetime = START
    page_size: int = 20
    empty_pages: set[int] = field(default_factory=set)
    documents: dict[str, str] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def writes(self) -> list[Call]:
        """The calls that changed something at AWS."""
        return [call for call in self.calls if call.operation in WRITES]

    def count(self, operation: str) -> int:
        """Count the calls of one operation."""
        return sum(call.operation == operation for call in self.calls)

    def fail(
        self,
        operation: str,
        error: ErrorMaker,
        *,
        times: int | None = None,
        account: str | None = None,
        detail: Any = None,
        after: bool = False,
    ) -> None:
        """Answer matching calls with an error, for ever or so many times."""
        self.faults.append(Fault(operation, error, times, account, detail, after))

    @contextmanager
    def call(self, operation: str, account_id: str, detail: Any = None) -> Iterator[None]:
        """Record a call and show the fault that waits for it, before or after its effect."""
        self.calls.append(Call(operation, account_id, detail))
        fault = self._fault(operation, account_id, detail)
        if fault and not fault.after:
            raise fault.error(operation, account_id)
        yield
        if fault:
            raise fault.error(operation, account_id)

    def _fault(self, operation: str, account_id: str, detail: Any) -> Fault | None:
        for fault in self.faults:
            if fault.operation != operation or fault.times == 0:
                continue
            if fault.account_id in (None, account_id) and fault.detail in (None, detail):
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None

    def add_unit(self, unit_id: str, name: str, parent: str = ROOT) -> str:
        """Put a unit below another one or the root."""
        self.units[unit_id] = OrganizationalUnit(unit_id, name, self._path_to(parent))
        return unit_id

    def add_account(
        self,
        account_id: str,
        parent: str = ROOT,
        *,
        name: str = "",
        state: AccountState = AccountState.ACTIVE,
        joined_at: datetime | None = LONG_AGO,
        triage_role: bool = True,
    ) -> str:
        """Put an account into a unit or directly under the root."""
        self.accounts[account_id] = Account(
            account_id, name or f"account-{account_id[-4:]}", state, self._path_to(parent), joined_at
        )
        if triage_role:
            self.triage_roles.add(account_id)
        return account_id

    def move(self, account_id: str, parent: str) -> None:
        """Move an account."""
        self.accounts[account_id] = replace(self.accounts[account_id], ancestors=self._path_to(parent))

    def _path_to(self, parent: str) -> tuple[str, ...]:
        return (parent,) if parent == self.root_id else (*self.units[parent].ancestors, parent)

    def add_membership(
        self,
        membership_id: str = "m-0123456789ab",
        *,
        account_id: str = SECURITY,
        region: str = HOME_REGION,
        name: str = "example-org-incident-response",
        status: str = ACTIVE,
        triage_enabled: bool | None = True,
        entire_organization: bool = False,
        unit_ids: frozenset[str] = frozenset(),
        tags: Mapping[str, str] | None = None,
        client_token: str = "",
        activated_at: datetime | None = LONG_AGO,
        team: IncidentResponseTeam = TEAM,
    ) -> str:
        """Let a membership exist, whoever made it."""
        arn = f"arn:aws:security-ir:{region}:{account_id}:membership/{membership_id}"
        self.memberships.append(
            SimulatedMembership(
                Membership(
                    id=membership_id,
                    arn=arn,
                    account_id=account_id,
                    region=region,
                    name=name,
                    status=status,
                    activated_at=activated_at,
                    accounts_covered=None,
                    triage_enabled=triage_enabled,
                    covers_entire_organization=entire_organization,
                    unit_ids=unit_ids,
                ),
                dict(tags or {}),
                Known(team),
                client_token,
            )
        )
        return membership_id

    def membership(self, membership_id: str) -> SimulatedMembership | None:
        """Find a membership by id."""
        return next((each for each in self.memberships if each.membership.id == membership_id), None)

    def is_concerned(self, account_id: str, found: Membership) -> bool:
        """Tell whether a membership answers this account: its own, and the delegated administrator."""
        return account_id == found.account_id or account_id in self.delegated

    def may_sign_up(self, account_id: str) -> bool:
        """Tell whether this account may own the membership: the administrator, or management when there is none."""
        owners = self.delegated or {self.management_account_id}
        return SERVICE_PRINCIPAL in self.trusted and account_id in owners

    def is_let_in(self, account_id: str) -> bool:
        """Tell whether the service answers this account at all."""
        return self.may_sign_up(account_id) or any(
            self.is_concerned(account_id, each.membership) for each in self.memberships
        )

    def association(self, found: Membership, account_id: str) -> Association:
        """Say what the service would say of one account: told by the test, or as coverage and role suggest."""
        if account_id in self.associations:
            return self.associations[account_id]
        account = self.accounts.get(account_id)
        if account is None or account.state is not AccountState.ACTIVE:
            return Association.UNASSOCIATED
        within = found.covers_entire_organization or not found.unit_ids.isdisjoint(account.ancestors or ())
        ready = self.propagated and found.status == ACTIVE and account_id in self.triage_roles
        return Association.ASSOCIATED if within and ready else Association.UNASSOCIATED

    def read_document(self, key: str) -> Any:
        """Return a stored document, parsed."""
        return json.loads(self.documents[key])


def example_world() -> World:
    """Nine accounts, five units, three levels; nobody has signed up yet."""
    world = World()
    world.add_unit("ou-ex01-security", "Security")
    world.add_unit("ou-ex01-workload", "Workloads")
    world.add_unit("ou-ex01-wlprod00", "Prod", "ou-ex01-workload")
    world.add_unit("ou-ex01-wlnonprd", "NonProd", "ou-ex01-workload")
    world.add_unit("ou-ex01-sandbox0", "Sandbox")
    world.add_account(MANAGEMENT, name="Management", triage_role=False)
    world.add_account(SECURITY, "ou-ex01-security", name="Security Tooling")
    for number in range(3):
        world.add_account(f"30000000000{number}", "ou-ex01-wlprod00")
    world.add_account("400000000000", "ou-ex01-wlnonprd")
    world.add_account("500000000000", "ou-ex01-sandbox0")
    world.add_account("600000000000", name="Left Alone")
    world.add_account("700000000000", "ou-ex01-sandbox0", state=AccountState.SUSPENDED)
    return world

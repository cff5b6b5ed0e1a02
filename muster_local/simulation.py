"""The one world that the simulated services of this process share."""

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from muster_local.clock import Clock
from muster_local.event_traffic import Traffic
from muster_local.memberships import Case, Membership
from muster_local.organization_file import OrganizationFile
from muster_local.organization_tree import OrganizationTree
from muster_local.recorded_events import RecordedEvent
from muster_local.stack_sets_model import StackSet
from muster_local.switches import Switches
from muster_local.task_tokens import TaskTokens
from muster_local.throttles import Throttles


@dataclass(slots=True)
class Delays:
    """How long the asynchronous parts take. AWS says "several minutes" for the first and nothing for the others."""

    association: timedelta = timedelta(minutes=3)
    triage_role: timedelta = timedelta(minutes=1)
    registration: timedelta = timedelta(seconds=20)
    stack_set_operation: timedelta = timedelta(seconds=40)
    event_history: timedelta = timedelta(minutes=5)


@dataclass(slots=True)
class World:
    """Everything that the simulated services know in common, beside what moto keeps."""

    clock: Clock
    switches: Switches
    organization: OrganizationFile
    tree: OrganizationTree
    throttles: Throttles
    task_tokens: TaskTokens
    delays: Delays = field(default_factory=Delays)
    memberships: list[Membership] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)
    client_tokens: dict[tuple[str, ...], tuple[str, str]] = field(default_factory=dict)
    """(account, Region, operation, token) of a create call: the fingerprint of its parameters, and what it made."""
    triage_roles_made: set[str] = field(default_factory=set)
    disabled_regions: dict[str, set[str]] = field(default_factory=dict)
    """Opt-in Regions that are not enabled, by account; everything is enabled unless it is named here."""
    stack_sets_access: bool = False
    """Whether StackSets may work in the organization, which `ActivateOrganizationsAccess` switches on."""
    stack_sets: list[StackSet] = field(default_factory=list)
    stack_set_failures: dict[str, str] = field(default_factory=dict)
    """Accounts in which every operation of a stack set fails, with the reason."""
    calendars: dict[str, str] = field(default_factory=dict)
    """Change calendars by name, in every account: OPEN, CLOSED, or any other word for one that is not supported."""
    calendar_changes: dict[str, datetime] = field(default_factory=dict)
    """When a calendar goes over to its other state, by name; a calendar that is not named here never does."""
    event_history: list[RecordedEvent] = field(default_factory=list)
    """What CloudTrail has recorded, oldest first, whether or not it can be looked up already."""
    traffic: Traffic = field(default_factory=Traffic)
    """Events on their way, and how unreliable they are."""
    schedules_fired: dict[str, datetime] = field(default_factory=dict)
    """The latest planned time of each schedule that has fired, by the schedule's ARN."""
    denied_regions: set[str] = field(default_factory=set)
    """Regions in which a service control policy denies CloudFormation to what StackSets work as in the members."""
    lock: threading.RLock = field(default_factory=threading.RLock)

    def is_region_enabled(self, account_id: str, region: str) -> bool:
        """Whether the account may use the Region; a call there answers UnrecognizedClientException otherwise."""
        return region not in self.disabled_regions.get(account_id, ())

    def disable_region(self, account_id: str, region: str) -> None:
        """Opt the account out of a Region."""
        self.disabled_regions.setdefault(account_id, set()).add(region)


class NoWorldError(RuntimeError):
    """A simulated service was called before an organization was loaded."""

    def __init__(self) -> None:
        """Say what to do first."""
        super().__init__("no organization is loaded: call muster_local.world.load first")


_present: list[World] = []


def current() -> World:
    """Return the present world, or raise NoWorldError."""
    if not _present:
        raise NoWorldError
    return _present[-1]


def make_current(world: World) -> None:
    """Put a world in the place of the one before."""
    _present[:] = [world]

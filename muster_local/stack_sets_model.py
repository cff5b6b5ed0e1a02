"""What StackSets keep: sets, their instances, and operations with one target per account and Region."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

type Place = tuple[str, str]
"""An account and a Region."""

DETECT_DRIFT = "DETECT_DRIFT"
UNFINISHED = frozenset({"RUNNING", "STOPPING", "QUEUED"})


@dataclass(slots=True)
class Instance:
    """A stack of a set in one account and Region; without ``stack_id`` the stack is not there."""

    account: str
    region: str
    unit_id: str
    overrides: dict[str, str] = field(default_factory=dict)
    status: str = "OUTDATED"
    detailed_status: str = "PENDING"
    reason: str | None = None
    stack_id: str | None = None
    last_operation_id: str | None = None
    drift_status: str = "NOT_CHECKED"
    drift_checked_at: datetime | None = None

    def override(self, wanted: Mapping[str, str | None]) -> None:
        """Override these parameters and no others: what the list leaves out goes back to the set's value."""
        kept = {key: self.overrides[key] for key, value in wanted.items() if value is None and key in self.overrides}
        self.overrides = kept | {key: value for key, value in wanted.items() if value is not None}


@dataclass(slots=True)
class Target:
    """What one operation has to do in one account and Region, and how that went."""

    account: str
    region: str
    unit_id: str
    status: str = "PENDING"
    reason: str | None = None
    drift_status: str | None = None
    """What a detection of drift has found; None until it has, and where it could not."""
    drift_checked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Preferences:
    """How many accounts of a Region are worked on at once, and how many of them may fail (API reference)."""

    given: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_parallel(self) -> bool:
        """Whether all Regions are worked on at once, and not one after the other."""
        return bool(self.given.get("RegionConcurrencyType") == "PARALLEL")

    def tolerance(self, accounts: int) -> int:
        """Return how many of the accounts of a Region may fail; 0 when nothing is said. Percentages round down."""
        if (percentage := self.given.get("FailureTolerancePercentage")) is not None:
            return int(accounts * percentage // 100)
        return int(self.given.get("FailureToleranceCount", 0))

    def concurrency(self, accounts: int, failures: int) -> int:
        """Return how many accounts of a Region are worked on at once; 1 when nothing is said.

        Unless the concurrency mode is soft, it never exceeds what may still fail plus one.
        """
        if (percentage := self.given.get("MaxConcurrentPercentage")) is not None:
            wanted = max(1, int(accounts * percentage // 100))
        else:
            wanted = int(self.given.get("MaxConcurrentCount", 1))
        if self.given.get("ConcurrencyMode") == "SOFT_FAILURE_TOLERANCE":
            return wanted
        return max(1, min(wanted, self.tolerance(accounts) + 1 - failures))


@dataclass(slots=True)
class Operation:
    """One operation on a set. It works in waves of concurrent targets; the present one ends at ``wave_ends_at``."""

    id: str
    action: str
    requested_at: datetime
    targets: list[Target]
    preferences: Preferences = field(default_factory=Preferences)
    deployment_targets: Mapping[str, Any] | None = None
    overrides: Mapping[str, str | None] | None = None
    """The whole list of parameters to override from now on; None in place of a value keeps the present one."""
    retain_stacks: bool = False
    status: str = "QUEUED"
    started_at: datetime | None = None
    ended_at: datetime | None = None
    wave_ends_at: datetime | None = None
    wave_time: timedelta = timedelta()

    @property
    def is_unfinished(self) -> bool:
        """Whether it runs, is being stopped, or waits for another one."""
        return self.status in UNFINISHED

    @property
    def is_detection(self) -> bool:
        """Whether it only looks for drift."""
        return self.action == DETECT_DRIFT

    def in_region(self, region: str) -> list[Target]:
        """Return its targets in a Region."""
        return [target for target in self.targets if target.region == region]

    def regions(self) -> list[str]:
        """Return its Regions in the order in which it works on them."""
        present = dict.fromkeys(target.region for target in self.targets)
        ordered = [region for region in self.preferences.given.get("RegionOrder", ()) if region in present]
        return list(dict.fromkeys([*ordered, *present]))

    def failures(self, region: str) -> int:
        """Count the targets of a Region that have failed."""
        return sum(target.status == "FAILED" for target in self.in_region(region))

    def exceeds_tolerance(self, region: str) -> bool:
        """Whether more targets of a Region have failed than may."""
        return self.failures(region) > self.preferences.tolerance(len(self.in_region(region)))

    def waves(self) -> int:
        """Count the waves that it takes when nothing fails."""
        each = [
            math.ceil(len(targets) / self.preferences.concurrency(len(targets), 0))
            for targets in map(self.in_region, self.regions())
        ]
        return max(1, max(each, default=0) if self.preferences.is_parallel else sum(each))

    def next_wave(self) -> list[Target]:
        """Return the targets to work on next, none when nothing is left."""
        wave: list[Target] = []
        for region in self.regions():
            targets = self.in_region(region)
            pending = [target for target in targets if target.status == "PENDING"]
            wave += pending[: self.preferences.concurrency(len(targets), self.failures(region))]
            if wave and not self.preferences.is_parallel:
                break
        return wave

    def pending(self) -> Iterator[Target]:
        """Yield the targets that have yet to start."""
        return (target for target in self.targets if target.status == "PENDING")


@dataclass(slots=True)
class StackSet:
    """A set with service-managed permissions. It lives in one Region of the management account."""

    id: str
    name: str
    account: str
    region: str
    template: str
    parameters: dict[str, str]
    capabilities: list[str]
    tags: dict[str, str]
    auto_deployment: Mapping[str, Any]
    managed_execution: bool
    description: str
    status: str = "ACTIVE"
    is_modified: bool = False
    instances: dict[Place, Instance] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)
    units: dict[str, list[str]] = field(default_factory=dict)
    """The root or the units that are targeted, by Region."""
    seen: dict[str, str | None] | None = None
    """Each account's parent when somebody last looked, while automatic deployment watches them."""

    @property
    def arn(self) -> str:
        """Return the ARN."""
        return f"arn:aws:cloudformation:{self.region}:{self.account}:stackset/{self.id}"

    def is_called(self, name: str) -> bool:
        """Whether this is its name, its id or its ARN."""
        return self.status == "ACTIVE" and name in {self.name, self.id, self.arn}

    def unfinished(self) -> Operation | None:
        """Return the operation that runs, or is the next to run."""
        return next((operation for operation in self.operations if operation.is_unfinished), None)

    def last_detection(self) -> Operation | None:
        """Return the detection of drift that has ended last."""
        ended = [one for one in self.operations if one.is_detection and one.started_at and not one.is_unfinished]
        return ended[-1] if ended else None

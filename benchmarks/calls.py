"""What a read costs: the calls that the adapters make for it, and how long these take.

A test pins the numbers of calls to what the adapters do. The latency is an assumption; AWS publishes none.
"""

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import ceil
from typing import Final, Self

from muster.adapters.containment_roles import AT_ONCE, NEED_NOT_BE_READ
from muster.adapters.organizations import PAGE_SIZE
from muster.adapters.pacing import Pacer
from muster.domain.containment_roles import ROLES, RolesFound
from muster.domain.kept_instances import FILTERS
from muster.domain.stack_sets import StackInstance

LATENCY: Final = 0.06
"""Assumed seconds of any call."""

PAGE: Final = 100
"""Instances on a page of ListStackInstances; assumed of ListStackSetOperations too."""

ASSUME_IN_MANAGEMENT: Final = "sts:AssumeRole in the management account"
"""Once a pass for all that is read there, once more for what is written: no read of roles."""

ASSUME, LIST = "sts:AssumeRole", "cloudformation:ListStackInstances"
LIST_OPERATIONS, LIST_ACCOUNTS = "cloudformation:ListStackSetOperations", "organizations:ListAccounts"


@dataclass(slots=True)
class Bill:
    """Calls by their operations, and the seconds from the first to the last."""

    calls: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def add(self, operation: str, number: int = 1) -> None:
        """Add calls that follow each other."""
        self.calls[operation] += number
        self.seconds += number * LATENCY

    def add_readings(self, readings: Iterable[Counter[str]]) -> None:
        """Add readings of accounts, some of them at once, each with calls that follow each other."""
        ends = [0.0] * AT_ONCE
        for each in readings:
            self.calls += each
            heapq.heapreplace(ends, ends[0] + each.total() * LATENCY)
        self.seconds += max(ends)

    def __iadd__(self, other: Self) -> Self:
        """Add what another has."""
        self.calls += other.calls
        self.seconds += other.seconds
        return self


def calls_to_read(found: RolesFound, *, is_management: bool = False) -> Counter[str]:
    """Return the calls of one account's reading; the management account's reader is assumed once a pass anyway."""
    calls = Counter({ASSUME: 0 if is_management else 1, "iam:GetRole": len(ROLES)})
    for role in found.values():
        calls["iam:ListRolePolicies"] += 1
        calls["iam:GetRolePolicy"] += len(role.inline)
        calls["iam:ListAttachedRolePolicies"] += 1
        unknown = sum(not arn.endswith(NEED_NOT_BE_READ) for arn in role.attached)
        calls["iam:GetPolicy"] += unknown
        calls["iam:GetPolicyVersion"] += unknown
    return +calls


def pages(number: int) -> int:
    """Return the calls that list so many: one even when there is nothing."""
    return max(1, ceil(number / PAGE))


def pages_of_unusual(instances: Iterable[StackInstance]) -> int:
    """Return the calls that list what is unusual, filter by filter."""
    found = Counter(value for each in instances for value in (each.drift, each.detailed) if value is not None)
    return sum(pages(found[value]) for _, value in FILTERS)


def list_accounts(number: int) -> Bill:
    """Return what the accounts of the organization cost at the pace that the adapter keeps."""
    bill = Bill()

    def wait(seconds: float) -> None:
        bill.seconds += seconds

    pacer = Pacer(rate=8, burst=12, clock=lambda: bill.seconds, sleep=wait)
    for _ in range(ceil(number / PAGE_SIZE)):
        pacer.take()
        bill.add(LIST_ACCOUNTS)
    return bill

"""The rates that AWS publishes, as one token bucket per account, Region and operation on the world's clock.

Sources: Organizations user guide, quotas and throttling; Security Incident Response endpoints and quotas.
"""

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from muster_local.clock import Clock

_ROUNDING = 1e-6
"""A caller that waits exactly one second gets the token of that second."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Calls a second, and how many may come at once."""

    per_second: float
    burst: int


ORGANIZATIONS: Mapping[str, Rate] = {
    "ListAccounts": Rate(8, 12),
    "ListChildren": Rate(6, 10),
    "ListParents": Rate(5, 8),
    "ListAccountsForParent": Rate(5, 8),
    "ListOrganizationalUnitsForParent": Rate(5, 8),
    "DescribeAccount": Rate(20, 30),
    "DescribeOrganizationalUnit": Rate(2, 2),
    "ListRoots": Rate(1, 2),
    "DescribeOrganization": Rate(1, 2),
    "ListPolicies": Rate(5, 8),
    "ListPoliciesForTarget": Rate(5, 8),
    "ListTargetsForPolicy": Rate(5, 8),
    "DescribePolicy": Rate(2, 2),
    "ListTagsForResource": Rate(10, 15),
    "ListDelegatedAdministrators": Rate(5, 8),
    "ListAWSServiceAccessForOrganization": Rate(1, 3),
    "MoveAccount": Rate(2, 3),
    "RegisterDelegatedAdministrator": Rate(1, 2),
    "DeregisterDelegatedAdministrator": Rate(1, 2),
    "EnableAWSServiceAccess": Rate(1, 2),
    "DisableAWSServiceAccess": Rate(1, 2),
    "DescribeCreateAccountStatus": Rate(2, 2),
}
_SECURITY_IR_READS = (
    "BatchGetMemberAccountDetails",
    "GetMembership",
    "ListMemberships",
    "GetCase",
    "ListCases",
)
_SECURITY_IR_WRITES = ("CreateMembership", "UpdateMembership", "CancelMembership", "CreateCase", "CloseCase")
SECURITY_IR: Mapping[str, Rate] = {
    **dict.fromkeys(_SECURITY_IR_READS, Rate(5, 5)),
    **dict.fromkeys(_SECURITY_IR_WRITES, Rate(1, 1)),
}
"""AWS publishes no rate for the tag operations."""

PUBLISHED: Mapping[str, Mapping[str, Rate]] = {"organizations": ORGANIZATIONS, "security-ir": SECURITY_IR}


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: datetime


class Throttles:
    """Counts calls against the published rates. ``enabled`` is for tests that are about something else."""

    def __init__(self, clock: Clock) -> None:
        """Start with full buckets."""
        self.enabled = True
        self._clock = clock
        self._buckets: dict[tuple[str, str, str, str], _Bucket] = {}
        self._lock = threading.Lock()

    def seconds_to_wait(self, *, service: str, operation: str, account: str, region: str) -> int:
        """Take a token and return 0, or take none and return the whole seconds until there will be one."""
        rate = PUBLISHED[service].get(operation)
        if rate is None or not self.enabled:
            return 0
        with self._lock:
            now = self._clock.now()
            bucket = self._buckets.setdefault((service, operation, account, region), _Bucket(rate.burst, now))
            passed = (now - bucket.at).total_seconds()
            bucket.tokens = min(rate.burst, bucket.tokens + passed * rate.per_second)
            bucket.at = now
            if bucket.tokens >= 1 - _ROUNDING:
                bucket.tokens -= 1
                return 0
            return math.ceil((1 - bucket.tokens) / rate.per_second)

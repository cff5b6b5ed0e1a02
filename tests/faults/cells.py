"""The table: every call site of a full onboarding by everything that can happen to a call."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from muster_local.empty_pages import has_pages

CALL_SITES = Path(__file__).parent / "call_sites.txt"
MACHINE = "muster-onboard"
TRIES = 4
"""How often a passing fault strikes when it is alone; the machine tries six times."""
TOGETHER = 4
"""How many call sites of one state may fail once each in the same run, with the machine's six tries."""
_FIRST_USED_BY = {
    "muster-management-reader": "muster-preflight",
    "muster-management-onboarding": "muster-sign-up",
    "muster-management-containment": "muster-containment",
}
_OF_CONTAINMENT = {
    "DescribeStackSet", "ListStackSets", "ListStackSetOperations", "ListStackInstances", "DetectStackSetDrift",
    "GetRolePolicy", "ListAttachedRolePolicies", "ListRolePolicies",
}  # fmt: skip

_THROTTLED = {
    "lambda": "TooManyRequestsException", "organizations": "TooManyRequestsException", "iam": "Throttling",
    "sts": "Throttling", "s3": "SlowDown", "cloudformation": "Throttling", "sns": "Throttling",
}  # fmt: skip
_FAILING = {
    "lambda": "ServiceException", "organizations": "ServiceException", "iam": "ServiceFailure", "s3": "InternalError",
    "sts": "InternalFailure", "cloudformation": "InternalFailure", "sns": "InternalError", "ssm": "InternalServerError",
}  # fmt: skip
_DENIED = dict.fromkeys(("iam", "sts", "s3", "cloudformation"), "AccessDenied") | {"sns": "AuthorizationError"}
_EXPIRED = dict.fromkeys(("iam", "sts", "s3", "cloudformation", "sns"), "ExpiredToken")


class Kind(StrEnum):
    """What happens to the call. The first five and the last pass; denied and partial last as long as the run."""

    THROTTLED = "throttled"
    FAILING = "5xx"
    LOST_BEFORE = "time-out before"
    LOST_AFTER = "time-out after"
    EMPTY_PAGE = "empty page"
    EXPIRED = "expired credentials"
    PARTIAL = "partial"
    DENIED = "denied"

    @property
    def passes(self) -> bool:
        """Tell whether trying again helps."""
        return self not in {Kind.PARTIAL, Kind.DENIED}


@dataclass(frozen=True, slots=True, order=True)
class CallSite:
    """One operation as one role calls it."""

    role: str
    service: str
    operation: str

    def __str__(self) -> str:
        return f"{self.role} {self.service}:{self.operation}"


@dataclass(frozen=True, slots=True)
class Cell:
    """One thing that happens at one call site."""

    site: CallSite
    kind: Kind

    def __str__(self) -> str:
        return f"{self.site} {self.kind}"

    def fault(self, tries: int) -> dict[str, Any]:
        """Return the fault as the embedded cloud takes it; one that passes strikes so often."""
        service = self.site.service
        effects: dict[Kind, dict[str, Any]] = {
            Kind.THROTTLED: {"error": _THROTTLED.get(service, "ThrottlingException"), "times": tries},
            Kind.FAILING: {"error": _FAILING.get(service, "InternalServerException"), "times": tries},
            Kind.LOST_BEFORE: {"error": "Timeout", "times": tries},
            Kind.LOST_AFTER: {"drop_response": True, "times": tries},
            Kind.EMPTY_PAGE: {"empty_page": True, "times": tries},
            Kind.EXPIRED: {"error": _EXPIRED.get(service, "ExpiredTokenException"), "times": min(tries, 2)},
            Kind.PARTIAL: {"partial": True, "rate": 1},
            Kind.DENIED: {"error": _DENIED.get(service, "AccessDeniedException"), "rate": 1},
        }
        where = {"service": service, "operation": self.site.operation, "role": self.site.role}
        return where | effects[self.kind]


def call_sites() -> list[CallSite]:
    """Return the call sites that the table has rows for."""
    lines = CALL_SITES.read_text().splitlines()
    return [CallSite(*line.replace(":", " ", 1).split()) for line in lines if line and not line.startswith("#")]


def cells() -> Iterator[Cell]:
    """Yield every cell that can happen.

    Only lists have pages, only one operation answers for many accounts, and Step Functions renews its own credentials.
    """
    for site in call_sites():
        for kind in Kind:
            if kind is Kind.EMPTY_PAGE and not has_pages(site.service, site.operation):
                continue
            if kind is Kind.PARTIAL and site.operation != "BatchGetMemberAccountDetails":
                continue
            if kind is Kind.EXPIRED and site.role == MACHINE:
                continue
            yield Cell(site, kind)


def together() -> list[tuple[Cell, ...]]:
    """Return the cells in as few runs as the machine's tries allow: those that pass share a run, the others do not.

    Within a run every state meets at most a few of them, one after another.
    """
    runs: dict[tuple[Kind, int], list[Cell]] = {}
    alone = []
    met: Counter[tuple[Kind, str]] = Counter()
    for cell in cells():
        if not cell.kind.passes:
            alone.append((cell,))
            continue
        first_used_by = _FIRST_USED_BY.get(cell.site.role, cell.site.role)
        state = (cell.kind, "muster-containment" if cell.site.operation in _OF_CONTAINMENT else first_used_by)
        runs.setdefault((cell.kind, met[state] // TOGETHER), []).append(cell)
        met[state] += 1
    return [*map(tuple, runs.values()), *alone]

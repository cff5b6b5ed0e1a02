"""The table: every call site of a full onboarding by everything that can happen to a call."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from muster_local.empty_pages import has_pages

CALL_SITES = Path(__file__).parent / "call_sites.txt"
MACHINE = "muster-onboard"
TRIES = 4
"""How often a passing fault strikes; the machine tries six times."""

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

    @property
    def fault(self) -> dict[str, Any]:
        """Return the fault as the embedded cloud takes it."""
        service = self.site.service
        effects: dict[Kind, dict[str, Any]] = {
            Kind.THROTTLED: {"error": _THROTTLED.get(service, "ThrottlingException"), "times": TRIES},
            Kind.FAILING: {"error": _FAILING.get(service, "InternalServerException"), "times": TRIES},
            Kind.LOST_BEFORE: {"error": "Timeout", "times": TRIES},
            Kind.LOST_AFTER: {"drop_response": True, "times": TRIES},
            Kind.EMPTY_PAGE: {"empty_page": True, "times": TRIES},
            Kind.EXPIRED: {"error": _EXPIRED.get(service, "ExpiredTokenException"), "times": 2},
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

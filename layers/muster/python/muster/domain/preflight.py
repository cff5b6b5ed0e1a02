"""Preflight: what was checked before a run writes anything, what stops it, and what it leaves people to know."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from muster.domain.outcomes import Handoff, Notice

SCHEMA: Final = 1


class CheckId(StrEnum):
    """The checks, in the order of the table."""

    ORGANIZATION = "organization"
    MANAGEMENT_ACCESS = "management_access"
    DESIGNATED_ACCOUNT = "designated_account"
    REGION = "region"
    REGION_ENABLED = "region_enabled"
    MEMBERSHIPS = "memberships"
    DELEGATED_ADMINISTRATOR = "delegated_administrator"
    TRUSTED_ACCESS = "trusted_access"
    SERVICE_LINKED_ROLES = "service_linked_roles"
    STACK_SETS_ACCESS = "stack_sets_access"
    ROLE_NAME_CLASHES = "role_name_clashes"
    CLOUDTRAIL_TRAIL = "cloudtrail_trail"
    CONTACTS = "contacts"
    PERMISSIONS = "permissions"


TITLES: Final[Mapping[CheckId, str]] = {
    CheckId.ORGANIZATION: "the organization is ready",
    CheckId.MANAGEMENT_ACCESS: "the management account can be read",
    CheckId.DESIGNATED_ACCOUNT: "the designated account is active",
    CheckId.REGION: "the membership can be in this account and Region",
    CheckId.REGION_ENABLED: "the Region is enabled in the designated account",
    CheckId.MEMBERSHIPS: "there is no other membership",
    CheckId.DELEGATED_ADMINISTRATOR: "no other account is the delegated administrator",
    CheckId.TRUSTED_ACCESS: "trusted access is on, or sign-up's to enable",
    CheckId.SERVICE_LINKED_ROLES: "the management account's triage role is there, or sign-up's to create",
    CheckId.STACK_SETS_ACCESS: "StackSets may work in the organization",
    CheckId.ROLE_NAME_CLASHES: "the containment roles' names are free in the management account",
    CheckId.CLOUDTRAIL_TRAIL: "a trail records what happens to the organization",
    CheckId.CONTACTS: "the contacts are stored, and as a secret",
    CheckId.PERMISSIONS: "every read was allowed",
}


class CheckStatus(StrEnum):
    """What became of a check. Unknown is not passed."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not_applicable"


class Severity(StrEnum):
    """What a result that is not good does to a run: stop it, or be told."""

    BLOCKER = "blocker"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Check:
    """One result. ``severity`` and ``remedy`` (a command or a link) are None unless it failed or is unknown."""

    id: CheckId
    status: CheckStatus
    evidence: str
    severity: Severity | None = None
    remedy: str | None = None

    @property
    def title(self) -> str:
        """What is so when the check has passed."""
        return TITLES[self.id]

    def is_blocker(self) -> bool:
        """Tell whether the result would stop a run."""
        return self.severity is Severity.BLOCKER


@dataclass(frozen=True, slots=True)
class PreflightOutcome:
    """Result of Preflight. ``accepted`` are the checks whose unknown outcome a person has accepted for this run.

    ``handoffs`` is always empty: what somebody else has to do is handed off by the step that would do it.
    ``membership_id`` is the one Active membership, where it is at home and no other is anywhere.
    """

    checks: tuple[Check, ...]
    notices: tuple[Notice, ...]
    accepted: tuple[CheckId, ...] = ()
    handoffs: tuple[Handoff, ...] = ()
    membership_id: str | None = None


class UnknownCheckError(ValueError):
    """A name that is no check's; the message has all of them."""

    def __init__(self, names: Sequence[str]) -> None:
        """Keep the names that were given."""
        known = ", ".join(CheckId)
        super().__init__(f"there is no check {', '.join(names)}; the checks are {known}")


def parse_accepted(names: Iterable[str]) -> tuple[CheckId, ...]:
    """Return the checks of these names, each once, in the order of the table. Raises UnknownCheckError."""
    given = set(names)
    if strangers := sorted(given - set(CheckId)):
        raise UnknownCheckError(strangers)
    return tuple(check for check in CheckId if check in given)


def find_blockers(checks: Iterable[Check], accepted: Sequence[CheckId]) -> tuple[Check, ...]:
    """Return what stops the run. A person may accept what is unknown, never what has failed."""
    return tuple(
        check
        for check in checks
        if check.is_blocker() and not (check.status is CheckStatus.UNKNOWN and check.id in accepted)
    )


def explain_blockers(blockers: Iterable[Check]) -> str:
    """Return the message of a run that stops here: each blocker with its remedy."""
    lines = ["nothing was written, because"]
    for check in blockers:
        lines += [f"- {check.id} is {check.status}: {check.evidence}", f"  {check.remedy}"]
        if check.status is CheckStatus.UNKNOWN:
            lines.append(f"  or accept for one run what is unknown: muster onboard --accept-unknown {check.id}")
    return "\n".join(lines)


def notices_of(checks: Iterable[Check], terms: Sequence[Notice], accepted: Sequence[CheckId]) -> tuple[Notice, ...]:
    """Return what people should know although the run goes on: the service's terms, warnings, and what was accepted."""
    notices = list(terms)
    for check in checks:
        if check.severity is Severity.WARNING:
            notices.append(Notice(f"preflight: {check.id} {check.status}", f"{check.evidence}. {check.remedy}"))
        elif check.is_blocker() and check.status is CheckStatus.UNKNOWN and check.id in accepted:
            notices.append(Notice(f"preflight: {check.id} unknown, and accepted", check.evidence))
    return tuple(notices)


def to_document(outcome: PreflightOutcome, run: str) -> dict[str, Any]:
    """Return the outcome as plain JSON, to be kept with the run."""
    return {
        "schema": SCHEMA,
        "run": run,
        "checks": [
            {
                "id": check.id.value,
                "title": check.title,
                "status": check.status.value,
                "severity": check.severity and check.severity.value,
                "evidence": check.evidence,
                "remedy": check.remedy,
            }
            for check in outcome.checks
        ],
        "notices": [{"subject": notice.subject, "detail": notice.detail} for notice in outcome.notices],
        "accepted": [check.value for check in outcome.accepted],
    }

"""Whether scope and association agree, account by account; and where they do not, why.

The table is the architecture's section 4. A value that could not be read leads to Unknown and never to a remedy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import assert_never

from muster.domain.desired import CoverageException
from muster.domain.membership import ACTIVE, Association, Membership
from muster.domain.observed import Known, Observed, Unknown
from muster.domain.organization import Account, AccountState
from muster.domain.scope import EntireOrganization, OrganizationalUnits, Scope


class Coverage(StrEnum):
    """Whether scope and association agree, for one account."""

    COVERED = "Covered"
    NOT_COVERED = "NotCovered"
    OUT_OF_SCOPE = "OutOfScope"
    SETTLING = "Settling"
    EXCEPTED = "Excepted"
    INACTIVE = "Inactive"
    UNKNOWN = "Unknown"

    @property
    def needs_person(self) -> bool:
        """Tell whether no later run repairs it by itself."""
        return self in (Coverage.NOT_COVERED, Coverage.UNKNOWN)


class Cause(StrEnum):
    """Why an account's coverage departs from what was asked for."""

    UNKNOWN = "unknown"
    MEMBERSHIP_NOT_ACTIVE = "membership_not_active"
    UNIT_MISSING = "unit_missing"
    CANNOT_BE_SELECTED = "cannot_be_selected"
    ROLE_MISSING = "role_missing"
    PROPAGATION = "propagation"
    SERVICE_SIDE = "service_side"
    COVERED_OUT_OF_SCOPE = "covered_out_of_scope"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One account's coverage, the cause where there is one, and the reason a person would give."""

    coverage: Coverage
    cause: Cause | None
    reason: str


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What holds for every account of one assessment.

    ``scope_changed_at`` is when the membership's scope last changed, as far as is known.
    """

    scope: Scope
    membership: Membership
    at: datetime
    settle: timedelta
    scope_changed_at: datetime | None = None
    exceptions: Mapping[str, CoverageException] | None = None

    @property
    def today(self) -> date:
        """The day on which exceptions are judged, in UTC."""
        return self.at.astimezone(UTC).date()


def exceptions_by_target(exceptions: Sequence[CoverageException]) -> dict[str, CoverageException]:
    """Index the exceptions by account or unit; of several for one target the one that lasts longest counts."""
    return {each.target_id: each for each in sorted(exceptions, key=lambda each: each.until)}


def needs_triage_role(account: Account, association: Observed[Association], around: Circumstances) -> bool:
    """Tell whether the diagnosis of an account depends on its triage role, so that only those are asked for."""
    return (
        account.state is AccountState.ACTIVE
        and isinstance(association, Known)
        and association.value is not Association.ASSOCIATED
        and around.membership.status == ACTIVE
        and _is_in_scope(account, around.scope) is True
        and _is_in_membership(account, around.membership)
        and not _is_excepted(_find_exception(account, around), around)
    )


def diagnose(
    account: Account,
    association: Observed[Association],
    triage_role: Observed[bool],
    *,
    arrived_at: datetime | None,
    around: Circumstances,
) -> Diagnosis:
    """Decide one account's coverage. ``arrived_at`` is when it was first seen Active where it now sits."""
    if account.state is AccountState.UNDOCUMENTED:
        return Diagnosis(
            Coverage.UNKNOWN, Cause.UNKNOWN, "its state is one that this version does not know; look, and update Muster"
        )
    if account.state is not AccountState.ACTIVE:
        return Diagnosis(Coverage.INACTIVE, None, f"the account is {account.state}; only ACTIVE accounts are covered")
    if isinstance(association, Unknown):
        return Diagnosis(Coverage.UNKNOWN, Cause.UNKNOWN, f"its association could not be read: {association.why}")
    in_scope = _is_in_scope(account, around.scope)
    if in_scope is None:
        return Diagnosis(
            Coverage.UNKNOWN, Cause.UNKNOWN, "its place in the organization could not be read, so its scope is open"
        )
    if in_scope:
        return _diagnose_in_scope(account, association.value, triage_role, arrived_at=arrived_at, around=around)
    return _diagnose_out_of_scope(account, association.value, arrived_at=arrived_at, around=around)


def _diagnose_out_of_scope(
    account: Account, association: Association, *, arrived_at: datetime | None, around: Circumstances
) -> Diagnosis:
    if association is Association.ASSOCIATED and around.membership.status == ACTIVE:
        if (settles := _settles_at(account, arrived_at, around)) is not None:
            return Diagnosis(
                Coverage.SETTLING, Cause.PROPAGATION, f"no longer in scope, still Associated; settles until {settles}"
            )
        return Diagnosis(
            Coverage.OUT_OF_SCOPE,
            Cause.COVERED_OUT_OF_SCOPE,
            "Associated, though not in scope; taking its coverage away needs a person's approval",
        )
    if _sits_under_root(account):
        return Diagnosis(
            Coverage.OUT_OF_SCOPE,
            Cause.CANNOT_BE_SELECTED,
            "sits directly under the root, where no unit selects it; only the entire organization covers it",
        )
    return Diagnosis(Coverage.OUT_OF_SCOPE, None, "below none of the units that were asked for")


def _diagnose_in_scope(
    account: Account,
    association: Association,
    triage_role: Observed[bool],
    *,
    arrived_at: datetime | None,
    around: Circumstances,
) -> Diagnosis:
    active = around.membership.status == ACTIVE
    if active and association is Association.ASSOCIATED:
        return Diagnosis(Coverage.COVERED, None, "in scope and Associated")
    exception = _find_exception(account, around)
    if exception is not None and _is_excepted(exception, around):
        return Diagnosis(
            Coverage.EXCEPTED,
            None,
            f"{association}; {exception.owner} excepted it until {exception.until}: {exception.reason}",
        )
    ended = "" if exception is None else f"; the exception of {exception.owner} ended with {exception.until}"
    if not active:
        return Diagnosis(
            Coverage.NOT_COVERED,
            Cause.MEMBERSHIP_NOT_ACTIVE,
            f"membership {around.membership.id} is {around.membership.status}, not {ACTIVE}: nobody is covered{ended}",
        )
    if account.ancestors is None and not around.membership.covers_entire_organization:
        reason = f"{association}; its place in the organization could not be read, so its unit is open"
        return Diagnosis(Coverage.UNKNOWN, Cause.UNKNOWN, reason)
    if not _is_in_membership(account, around.membership):
        return _diagnose_without_unit(association, ended, around)
    return _diagnose_by_role(association, triage_role, settles=_settles_at(account, arrived_at, around), ended=ended)


def _diagnose_without_unit(association: Association, ended: str, around: Circumstances) -> Diagnosis:
    settles = _end_of_settling(around.scope_changed_at, around)
    if settles is not None:
        return Diagnosis(
            Coverage.SETTLING,
            Cause.PROPAGATION,
            f"{association}; the scope was changed and the membership does not show it yet; settles until {settles}",
        )
    lacks = (
        "the membership does not cover the entire organization"
        if isinstance(around.scope, EntireOrganization)
        else "no unit above it is in the membership"
    )
    return Diagnosis(Coverage.NOT_COVERED, Cause.UNIT_MISSING, f"{association}; {lacks}{ended}")


def _diagnose_by_role(
    association: Association, triage_role: Observed[bool], *, settles: str | None, ended: str
) -> Diagnosis:
    match triage_role:
        case Known(exists) if not exists and settles is not None:
            reason = f"{association}; the triage role is not there yet; settles until {settles}"
            return Diagnosis(Coverage.SETTLING, Cause.ROLE_MISSING, reason)
        case Known(exists) if not exists:
            reason = (
                f"{association}; the triage role is missing: in that account run "
                f"aws iam create-service-linked-role --aws-service-name triage.security-ir.amazonaws.com{ended}"
            )
            return Diagnosis(Coverage.NOT_COVERED, Cause.ROLE_MISSING, reason)
        case _ if settles is not None:
            reason = f"{association}; joined, moved or newly in scope; settles until {settles}"
            return Diagnosis(Coverage.SETTLING, Cause.PROPAGATION, reason)
        case Known():
            reason = (
                f"{association}, though its unit is in the membership and the triage role is there; no API repairs "
                f"that: open a case with AWS Support{ended}"
            )
            return Diagnosis(Coverage.NOT_COVERED, Cause.SERVICE_SIDE, reason)
        case Unknown(why):
            reason = (
                f"{association}; whether the triage role is there could not be read ({why}): "
                f"check it, or deploy the member reader{ended}"
            )
            return Diagnosis(Coverage.NOT_COVERED, Cause.UNKNOWN, reason)
    assert_never(triage_role)


def _is_in_scope(account: Account, scope: Scope) -> bool | None:
    match scope:
        case EntireOrganization():
            return True
        case OrganizationalUnits(unit_ids):
            return None if account.ancestors is None else not unit_ids.isdisjoint(account.ancestors)
    assert_never(scope)


def _is_in_membership(account: Account, membership: Membership) -> bool:
    return membership.covers_entire_organization or not membership.unit_ids.isdisjoint(account.ancestors or ())


def _sits_under_root(account: Account) -> bool:
    return account.ancestors is not None and len(account.ancestors) == 1


def _find_exception(account: Account, around: Circumstances) -> CoverageException | None:
    """Return the exception for the account or for a unit above it that lasts longest."""
    by_target = around.exceptions
    if not by_target:
        return None
    found = [by_target[target] for target in (account.id, *(account.ancestors or ())) if target in by_target]
    return max(found, key=lambda each: each.until, default=None)


def _is_excepted(exception: CoverageException | None, around: Circumstances) -> bool:
    return exception is not None and exception.until >= around.today


def _settles_at(account: Account, arrived_at: datetime | None, around: Circumstances) -> str | None:
    """Return when an account's time to become associated ends, or None when it has ended."""
    since = [
        each
        for each in (account.joined_at, around.membership.activated_at, around.scope_changed_at, arrived_at)
        if each is not None
    ]
    return _end_of_settling(max(since, default=None), around)


def _end_of_settling(since: datetime | None, around: Circumstances) -> str | None:
    if since is None or since + around.settle <= around.at:
        return None
    return f"{(since + around.settle).astimezone(UTC):%Y-%m-%d %H:%M} UTC"

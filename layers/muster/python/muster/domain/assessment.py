"""The assessment of a whole organization: a plausible inventory, every account diagnosed, and the document of it."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never

from muster.domain.diagnosis import Cause, Circumstances, Coverage, Diagnosis, diagnose
from muster.domain.membership import Association, Membership
from muster.domain.observed import Known, Observed, Unknown
from muster.domain.organization import Account, AccountState
from muster.domain.outcomes import Notice
from muster.domain.scope import EntireOrganization, OrganizationalUnits, Scope

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class InventoryRow:
    """One account as a slice read it. ``association`` is None where it was not asked for: the account is not ACTIVE."""

    account: Account
    association: Observed[Association] | None


def row_to_document(row: InventoryRow) -> dict[str, Any]:
    """Return a row as plain JSON."""
    account = row.account
    document: dict[str, Any] = {
        "id": account.id,
        "name": account.name,
        "state": account.state.value,
        "ancestors": None if account.ancestors is None else list(account.ancestors),
        "joined_at": _write_time(account.joined_at),
    }
    if isinstance(row.association, Known):
        document["association"] = row.association.value.value
    elif isinstance(row.association, Unknown):
        document["unknown"] = row.association.why
    return document


def row_from_document(document: Mapping[str, Any]) -> InventoryRow:
    """Return the row that ``row_to_document`` wrote."""
    ancestors = document["ancestors"]
    association: Observed[Association] | None = None
    if "association" in document:
        association = Known(Association(document["association"]))
    elif "unknown" in document:
        association = Unknown(document["unknown"])
    return InventoryRow(
        Account(
            id=document["id"],
            name=document["name"],
            state=AccountState(document["state"]),
            ancestors=None if ancestors is None else tuple(ancestors),
            joined_at=_read_time(document["joined_at"]),
        ),
        association,
    )


def question_inventory(
    account_ids: AbstractSet[str], *, management: str, membership: str, previous: int | None, drop: float
) -> str | None:
    """Return why the list of accounts cannot be right, and how to go on; None when it can be.

    ``previous`` counts the accounts of the last assessment, ``drop`` is the share by which the list may shrink.
    """
    if not account_ids:
        return "the list of accounts is empty; nothing was judged by it. Run again, and if it stays so ask AWS Support"
    for account_id, whose in ((management, "management account"), (membership, "membership's account")):
        if account_id not in account_ids:
            return (
                f"the list of {len(account_ids)} accounts lacks {account_id}, the {whose}, so it is not complete; "
                f"nothing was judged by it. Run again, and if it stays so ask AWS Support"
            )
    if previous is None:
        return None
    limit = math.floor(previous * (1 - drop) + 1e-9)
    if len(account_ids) >= limit:
        return None
    share = math.ceil(100 * (1 - len(account_ids) / previous)) / 100
    return (
        f"the list has {len(account_ids)} accounts, the last assessment had {previous}, and fewer than {limit} "
        f"(guardrails.inventory_drop: {drop:g}) is not taken for true; nothing was judged by it. If accounts really "
        f"left, set guardrails.inventory_drop: {min(share, 1.0):g} for one run: muster push FILE && muster onboard"
    )


@dataclass(frozen=True, slots=True)
class EarlierAccount:
    """What the previous assessment said of one account."""

    state: AccountState
    ancestors: tuple[str, ...] | None
    coverage: str
    since: str
    arrived_at: datetime | None


@dataclass(frozen=True, slots=True)
class EarlierAssessment:
    """The previous assessment, as far as the next one depends on it."""

    accounts: Mapping[str, EarlierAccount]
    covers_entire_organization: bool
    unit_ids: frozenset[str]
    scope_changed_at: datetime | None


def earlier_from_document(document: Mapping[str, Any] | None) -> EarlierAssessment | None:
    """Return the previous assessment; None when there is none, or one of another schema."""
    if document is None or document.get("schema") != SCHEMA:
        return None
    found = document["scope"]["found"]
    return EarlierAssessment(
        accounts={
            each["id"]: EarlierAccount(
                state=AccountState(each["state"]),
                ancestors=None if each["ancestors"] is None else tuple(each["ancestors"]),
                coverage=each["coverage"],
                since=each["since"],
                arrived_at=_read_time(each["arrived_at"]),
            )
            for each in document["accounts"]
        },
        covers_entire_organization=found["entire_organization"],
        unit_ids=frozenset(found["unit_ids"]),
        scope_changed_at=_read_time(document["scope_changed_at"]),
    )


def date_scope_change(
    earlier: EarlierAssessment | None, membership: Membership, *, changed_at: datetime | None, at: datetime
) -> datetime | None:
    """Return when the membership's scope last changed: by this run, as recorded, or seen now for the first time."""
    recorded = None if earlier is None else earlier.scope_changed_at
    if changed_at is None and earlier is not None:
        found = (membership.covers_entire_organization, membership.unit_ids)
        if found != (earlier.covers_entire_organization, earlier.unit_ids):
            changed_at = at
    return max((each for each in (recorded, changed_at) if each is not None), default=None)


def date_arrival(account: Account, earlier: EarlierAssessment | None, at: datetime) -> datetime | None:
    """Return when the account was first seen Active where it now sits; None when that was before we looked."""
    if earlier is None:
        return None
    before = earlier.accounts.get(account.id)
    if before is None:
        return at if account.joined_at is None else None
    moved = None not in (before.ancestors, account.ancestors) and before.ancestors != account.ancestors
    woke = before.state is not AccountState.ACTIVE and account.state is AccountState.ACTIVE
    return at if moved or woke else before.arrived_at


@dataclass(frozen=True, slots=True)
class AccountAssessment:
    """One account with its diagnosis. ``since`` (ISO 8601) is when its present coverage was first seen."""

    account: Account
    association: Observed[Association] | None
    diagnosis: Diagnosis
    arrived_at: datetime | None
    since: str


def assess_accounts(
    rows: Sequence[InventoryRow],
    triage_roles: Mapping[str, Observed[bool]],
    *,
    around: Circumstances,
    earlier: EarlierAssessment | None,
) -> tuple[AccountAssessment, ...]:
    """Diagnose every account, in the order of their ids. A role that was not asked for is Unknown."""
    not_asked = Unknown("it was not asked for")
    now = around.at.isoformat()
    assessed = []
    for row in sorted(rows, key=lambda row: row.account.id):
        account = row.account
        arrived_at = date_arrival(account, earlier, around.at)
        diagnosis = diagnose(
            account,
            row.association or not_asked,
            triage_roles.get(account.id, not_asked),
            arrived_at=arrived_at,
            around=around,
        )
        before = None if earlier is None else earlier.accounts.get(account.id)
        since = before.since if before is not None and before.coverage == diagnosis.coverage else now
        assessed.append(AccountAssessment(account, row.association, diagnosis, arrived_at, since))
    return tuple(assessed)


def count_coverage(accounts: Sequence[AccountAssessment]) -> dict[str, int]:
    """Count the accounts of every coverage, zeros included."""
    counts = Counter(each.diagnosis.coverage for each in accounts)
    return {coverage.value: counts[coverage] for coverage in Coverage}


def count_causes(accounts: Sequence[AccountAssessment]) -> dict[str, int]:
    """Count the accounts of every cause that occurs."""
    counts = Counter(each.diagnosis.cause for each in accounts)
    return {cause.value: counts[cause] for cause in Cause if counts[cause]}


def count_associated(accounts: Sequence[AccountAssessment]) -> int:
    """Count the accounts that the service calls Associated."""
    return sum(each.association == Known(Association.ASSOCIATED) for each in accounts)


def note_assessment(accounts: Sequence[AccountAssessment], membership: Membership) -> tuple[Notice, ...]:
    """Say what a person should know of the whole: what no unit selects, what is covered beyond the scope, odd sums."""
    notices = []
    causes = count_causes(accounts)
    if number := causes.get(Cause.CANNOT_BE_SELECTED, 0):
        notices.append(
            Notice(
                "accounts directly under the root are not covered",
                f"{number} of them: no unit selects them; only the entire organization covers them",
            )
        )
    if number := causes.get(Cause.COVERED_OUT_OF_SCOPE, 0):
        notices.append(
            Notice(
                "accounts are covered though they are not in scope",
                f"{number} of them; a plan that takes their coverage away needs a person's approval",
            )
        )
    unsure = sum(each.diagnosis.coverage in (Coverage.UNKNOWN, Coverage.SETTLING) for each in accounts)
    associated = count_associated(accounts)
    told = membership.accounts_covered
    # The management account may or may not be counted: AWS does not say.
    if told is not None and abs(told - associated) > 1 + unsure:
        notices.append(
            Notice(
                "the service counts other accounts than it lists",
                f"it says that {told} accounts are covered, and calls {associated} of the organization's Associated",
            )
        )
    return tuple(notices)


def to_document(
    accounts: Sequence[AccountAssessment], *, run: str, management: str, around: Circumstances
) -> dict[str, Any]:
    """Return the assessment as plain JSON (``docs/schemas/assessment.schema.json``). It holds no e-mail address."""
    membership = around.membership
    return {
        "schema": SCHEMA,
        "run": run,
        "at": _write_time(around.at),
        "membership": {
            "id": membership.id,
            "account_id": membership.account_id,
            "region": membership.region,
            "status": membership.status,
            "activated_at": _write_time(membership.activated_at),
            "triage_enabled": membership.triage_enabled,
            "accounts_covered": membership.accounts_covered,
            "accounts_associated": count_associated(accounts),
        },
        "scope": {
            "asked": _scope_to_document(around.scope),
            "found": {
                "entire_organization": membership.covers_entire_organization,
                "unit_ids": sorted(membership.unit_ids),
            },
        },
        "scope_changed_at": _write_time(around.scope_changed_at),
        "counts": count_coverage(accounts),
        "causes": count_causes(accounts),
        "notices": [{"subject": each.subject, "detail": each.detail} for each in note_assessment(accounts, membership)],
        "accounts": [_account_to_document(each, management) for each in accounts],
    }


def _scope_to_document(scope: Scope) -> dict[str, Any]:
    match scope:
        case EntireOrganization():
            return {"entire_organization": True, "unit_ids": []}
        case OrganizationalUnits(unit_ids):
            return {"entire_organization": False, "unit_ids": sorted(unit_ids)}
    assert_never(scope)


def _name_association(association: Observed[Association] | None) -> str | None:
    if association is None:
        return None
    return "Unknown" if isinstance(association, Unknown) else association.value.value


def _account_to_document(each: AccountAssessment, management: str) -> dict[str, Any]:
    account, diagnosis = each.account, each.diagnosis
    document = {
        "id": account.id,
        "name": account.name,
        "state": account.state.value,
        "ancestors": None if account.ancestors is None else list(account.ancestors),
        "coverage": diagnosis.coverage.value,
        "cause": None if diagnosis.cause is None else diagnosis.cause.value,
        "reason": diagnosis.reason,
        "association": _name_association(each.association),
        "since": each.since,
        "arrived_at": _write_time(each.arrived_at),
    }
    return document | {"management": True} if account.id == management else document


def _write_time(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _read_time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)

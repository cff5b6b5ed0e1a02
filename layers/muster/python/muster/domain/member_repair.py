"""Which accounts lack the triage role, what was made of that, and what is left to people.

The management account is not among them: sign-up looks after its role.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from muster.domain import commands
from muster.domain.desired import ChangeKind
from muster.domain.diagnosis import Cause, Coverage
from muster.domain.membership import Home
from muster.domain.outcomes import Change, Handoff, HandoffTo, Notice
from muster.domain.remediation import Concern, Remediation, RemediationKind, Step, digest_accounts
from muster.domain.scoping import name_some

MAX_ACCOUNTS = 100
"""Accounts of one pass: each is an AssumeRole and a write in another account."""

MAX_TRIES = 4
"""How often a pass is made when some of its accounts could not be asked; then those are left to the next run."""

MAX_NAMED = 50
"""Accounts that a handoff names: it travels in the execution's state."""


class MemberAccess(StrEnum):
    """What ``stacks/member-account.yaml`` lets the application do in the member accounts."""

    NONE = "none"
    READ = "read"
    REPAIR = "repair"


@dataclass(frozen=True, slots=True)
class RolesInQuestion:
    """Accounts whose triage role is missing, and those where that could not be read; each sorted.

    ``root_id`` is the root above them, None when no path could be read; ``management`` the management account.
    """

    missing: tuple[str, ...]
    unread: tuple[str, ...]
    root_id: str | None
    management: str | None


def roles_in_question(assessment: Mapping[str, Any]) -> RolesInQuestion:
    """Return the accounts of an assessment's document whose triage role is missing or could not be read."""
    uncovered = [
        account
        for account in assessment["accounts"]
        if account["coverage"] == Coverage.NOT_COVERED and not account.get("management", False)
    ]
    paths = [account["ancestors"] for account in assessment["accounts"] if account["ancestors"]]
    return RolesInQuestion(
        missing=tuple(sorted(each["id"] for each in uncovered if each["cause"] == Cause.ROLE_MISSING)),
        unread=tuple(sorted(each["id"] for each in uncovered if each["cause"] == Cause.UNKNOWN)),
        root_id=paths[0][0] if paths else None,
        management=next((each["id"] for each in assessment["accounts"] if each.get("management")), None),
    )


@dataclass(slots=True)
class Progress:
    """What became of the accounts so far, kept between the passes of one run.

    ``present`` had the role already when it was to be made; ``refused`` and ``failed`` map accounts to reasons, and the
    latter may come out otherwise when tried again. ``tries`` counts how often the present pass was made.
    """

    created: set[str] = field(default_factory=set)
    present: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    tries: int = 0

    def is_settled(self, account_id: str) -> bool:
        """Tell whether an account need not be tried again."""
        return account_id in self.created or account_id in self.present or account_id in self.refused


def progress_to_document(progress: Progress) -> dict[str, Any]:
    """Return the progress as plain JSON."""
    return {
        "schema": 1,
        "created": sorted(progress.created),
        "present": sorted(progress.present),
        "refused": progress.refused,
        "failed": progress.failed,
        "tries": progress.tries,
    }


def progress_from_document(document: Mapping[str, Any] | None) -> Progress:
    """Return the progress that was written; a new one when there is none."""
    if document is None:
        return Progress()
    return Progress(
        created=set(document["created"]),
        present=set(document["present"]),
        refused=dict(document["refused"]),
        failed=dict(document["failed"]),
        tries=document["tries"],
    )


def next_accounts(missing: Sequence[str], cursor: str | None) -> tuple[tuple[str, ...], str | None]:
    """Return the accounts of the next pass, and the cursor of the one after it; None when there is none."""
    rest = [account_id for account_id in missing if cursor is None or account_id > cursor]
    batch = tuple(rest[:MAX_ACCOUNTS])
    return batch, batch[-1] if len(rest) > MAX_ACCOUNTS else None


def describe_created(account_ids: Sequence[str]) -> tuple[Change, ...]:
    """Return the roles that one pass made, as one change."""
    if not account_ids:
        return ()
    what = f"create the triage role in {name_some(account_ids)}"
    return (Change(ChangeKind.CREATE_TRIAGE_ROLE, _accounts(len(account_ids)), what),)


def plan_roles(missing: Sequence[str]) -> Remediation:
    """Return the write that makes the role in all the accounts that lack it, each by itself."""
    accounts = tuple(missing)
    return Remediation(
        Step.MEMBER_REPAIR,
        RemediationKind.CREATE_TRIAGE_ROLE,
        "triage role of members",
        f"missing in {_accounts(len(accounts))} ({digest_accounts(accounts)})",
        "there",
        f"create the triage role in {name_some(accounts)}",
        "the service covers no account without it",
        Cause.ROLE_MISSING,
        Concern(only=accounts),
    )


def object_to_repair(access: MemberAccess) -> str | None:
    """Return why no run can create the missing roles; None when one can."""
    if access is not MemberAccess.REPAIR:
        return f"MemberAccess is {access}, so nothing may be written in the member accounts"
    return None


def ask_owners(account_ids: Sequence[str], why: str) -> tuple[Handoff, ...]:
    """Leave the roles to the owners of the accounts, as one step with AWS's own remedy."""
    if not account_ids:
        return ()
    rest = len(account_ids) - MAX_NAMED
    more = f"; {rest} more are in the assessment" if rest > 0 else ""
    return (
        Handoff(
            HandoffTo.ACCOUNT_OWNERS,
            f"create the triage service-linked role in {_accounts(len(account_ids))}",
            f"{why}{more}",
            commands.create_triage_role(),
            accounts=tuple(account_ids[:MAX_NAMED]),
        ),
    )


def ask_for_reader(
    found: RolesInQuestion, access: MemberAccess, *, deployment: str, home: Home, region: str
) -> tuple[Handoff, ...]:
    """Leave it to the management team to let Muster read the members, where it may read none; one step for all."""
    if access is not MemberAccess.NONE or not found.unread:
        return ()
    return (
        Handoff(
            HandoffTo.MANAGEMENT_TEAM,
            f"deploy the member reader, then {deployment} with MemberAccess=read",
            f"why {_accounts(len(found.unread))} in scope are not covered could not be found out: "
            f"nobody may read their triage role",
            commands.deploy_member_reader(deployment, home, region=region, root_id=found.root_id),
            accounts=() if found.management is None else (found.management,),
        ),
    )


def conclude(progress: Progress) -> tuple[tuple[Handoff, ...], tuple[Notice, ...]]:
    """Return what is left to people of all passes so far, and what the next run tries again."""
    handoffs = [
        handoff for why, account_ids in _by_reason(progress.refused) for handoff in ask_owners(account_ids, why)
    ]
    notices = [
        Notice(
            f"the triage role could not be created in {_accounts(len(account_ids))}",
            f"{why}; the next run tries again: {name_some(account_ids)}",
        )
        for why, account_ids in _by_reason(progress.failed)
    ]
    return tuple(handoffs), tuple(notices)


def _by_reason(reasons: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    """Put accounts with one reason together. A reason names its account, which is left out for that."""
    grouped: dict[str, list[str]] = {}
    for account_id, why in sorted(reasons.items()):
        grouped.setdefault(why.replace(account_id, "…"), []).append(account_id)
    for why, account_ids in grouped.items():
        yield (why if len(account_ids) > 1 else why.replace("…", account_ids[0])), account_ids


def _accounts(number: int) -> str:
    return f"{number} {'account' if number == 1 else 'accounts'}"

"""The report of a run: what a person reads at three in the morning, and whether there is anything new to tell."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from muster.domain.containment import DeploymentState
from muster.domain.desired import ContainmentRoles, Mode
from muster.domain.diagnosis import Cause, Coverage
from muster.domain.membership import Home
from muster.domain.outcomes import Change, Handoff, Notice, ReportStatus
from muster.domain.preference_texts import PreferenceReport
from muster.domain.readiness import Readiness
from muster.domain.service_terms import SUBJECTS as TERMS

SCHEMA = 1
MAX_ACCOUNTS = 20
"""How many accounts that need a person a message names; the assessment has them all."""

MAX_ALIKE = 3
"""More accounts than these, alike in state and reason, are counted instead of named."""

MAX_LINES = 20
"""How many changes, handoffs or notices a message lists before it counts the rest."""

MAX_PLACES = 10
"""How many accounts a step names in which it is to be done."""

MAX_COMMAND = 2000
"""A longer command is in the JSON report only, so that the message stays far below the 256 KiB of SNS."""


@dataclass(frozen=True, slots=True)
class AccountInNeed:
    """An account that no later run repairs by itself."""

    id: str
    name: str
    coverage: str
    cause: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class RolesInNeed:
    """An account whose containment roles no later run brings about by itself."""

    id: str
    name: str
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class ContainmentReport:
    """What the accounts have of the containment roles, as this run found it.

    ``counts`` are by deployment, which says what CloudFormation says; ``readiness`` by what the roles themselves are.
    """

    key: str
    counts: Mapping[str, int]
    readiness: Mapping[str, int]
    in_need: tuple[RolesInNeed, ...]


@dataclass(frozen=True, slots=True)
class RunReport:
    """All that a report is made of. ``counts`` and ``in_need`` are empty where there was no assessment.

    Coverage and containment roles are apart: ``containment`` is None where the roles were not looked at, ``preference``
    where nobody wants the roles, or no membership could act on it.
    """

    run: str
    at: datetime
    mode: Mode
    home: Home
    membership_id: str | None
    changes: tuple[Change, ...]
    handoffs: tuple[Handoff, ...]
    notices: tuple[Notice, ...]
    assessment_key: str | None
    settled: bool
    counts: Mapping[str, int]
    causes: Mapping[str, int]
    in_need: tuple[AccountInNeed, ...]
    text_key: str
    json_key: str
    roles: ContainmentRoles
    containment: ContainmentReport | None
    preference: PreferenceReport | None = None

    @property
    def status(self) -> ReportStatus:
        """How the run ended. Without an assessment nothing is called covered."""
        if self.handoffs:
            return ReportStatus.WAITING_FOR_HANDOFF
        if self.in_need or self.excess or self.membership_id is None or self.assessment_key is None:
            return ReportStatus.NEEDS_ATTENTION
        if self.roles_in_need or (self.roles is not ContainmentRoles.OFF and self.containment is None):
            return ReportStatus.NEEDS_ATTENTION
        if self.to_settle:
            return ReportStatus.NEEDS_ATTENTION
        return ReportStatus.COVERED if self.settled else ReportStatus.NOT_SETTLED

    @property
    def excess(self) -> int:
        """How many accounts are covered though nobody asked: one decision for a person, not one for each account."""
        return self.causes.get(Cause.COVERED_OUT_OF_SCOPE, 0)

    @property
    def to_settle(self) -> tuple[Notice, ...]:
        """What is unknown, or differs and only a person may change it."""
        return tuple(each for each in self.notices if each.needs_person)

    @property
    def roles_in_need(self) -> tuple[RolesInNeed, ...]:
        """The accounts whose containment roles need a person."""
        return () if self.containment is None else self.containment.in_need

    @property
    def fingerprint(self) -> str:
        """A digest of what needs a person and of the status: two reports with the same one tell the same."""
        told = {
            "status": self.status.value,
            "accounts": sorted((each.id, each.coverage, each.cause or "") for each in self.in_need),
            "excess": self.excess,
            "handoffs": sorted((each.to.value, each.what) for each in self.handoffs),
            # The terms are told as long as there is no membership; that they end with it is no news.
            "notices": sorted({each.subject for each in self.notices} - TERMS),
            "roles": sorted((each.id, each.state) for each in self.roles_in_need),
        }
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def accounts_in_need(assessment: Mapping[str, Any]) -> tuple[AccountInNeed, ...]:
    """Return the accounts of an assessment that need a person, those without coverage first."""
    found = [
        AccountInNeed(each["id"], each["name"], each["coverage"], each["cause"], each["reason"])
        for each in assessment["accounts"]
        if Coverage(each["coverage"]).needs_person
    ]
    return tuple(sorted(found, key=lambda each: (each.coverage != Coverage.NOT_COVERED, each.cause or "", each.id)))


def containment_from_document(key: str, document: Mapping[str, Any]) -> ContainmentReport:
    """Return what a report says of the containment roles."""
    in_need = tuple(
        RolesInNeed(each["id"], each["name"], each["told"]["state"], each["told"]["reason"])
        for each in document["accounts"]
        if each["needs_person"]
    )
    return ContainmentReport(key, document["counts"], document["readiness"], in_need)


@dataclass(frozen=True, slots=True)
class Told:
    """What people were told last, and before the run that told it: a repeated run compares with the latter."""

    run: str
    fingerprint: str
    before: str | None


def told_from_document(document: Mapping[str, Any] | None) -> Told | None:
    """Return what the last report told; None when there is none, or one of another schema."""
    if document is None or document.get("schema") != SCHEMA:
        return None
    return Told(document["run"], document["fingerprint"], document["fingerprint_before"])


def last_fingerprint(told: Told | None, run: str) -> str | None:
    """Return the fingerprint to compare with: that of the last report of another run."""
    if told is None:
        return None
    return told.before if told.run == run else told.fingerprint


def has_news(report: RunReport, last: str | None) -> bool:
    """Tell whether people should get a message: something was changed, or what needs them is not what it was."""
    return bool(report.changes) or report.fingerprint != last


def write_subject(report: RunReport) -> str:
    """Return one line of at most 100 ASCII characters, as SNS demands."""
    covered, need = report.counts.get(Coverage.COVERED, 0), len(report.in_need)
    parts = [f"{covered} covered"] if report.counts else []
    parts += [_count(need, "account needs", "accounts need") + " a person"] if need else []
    lack = len(report.roles_in_need)
    parts += [_count(lack, "account is", "accounts are") + " not ready for containment"] if lack else []
    parts += [_count(len(report.handoffs), "step waits", "steps wait")] if report.handoffs else []
    return f"Muster: {report.status}" + (f" - {', '.join(parts)}" if parts else "")


def write_text(report: RunReport) -> str:
    """Return the report for people: the verdict first, then what to do, then the rest."""
    lines = [
        f"Muster, run {report.run}, {report.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        "",
        f"{report.status}: {_explain(report)}",
        f"Membership: {report.membership_id or 'none yet'}, account and Region {report.home}; mode {report.mode}",
        "",
    ]
    lines += _write_handoffs(report)
    lines += _write_accounts(report)
    if report.counts:
        lines.append("Accounts by coverage")
        lines += [f"  {number:>6}  {coverage}" for coverage, number in _in_order(report.counts, Coverage)]
        lines.append("")
    if report.causes:
        lines.append("Causes")
        lines += [f"  {number:>6}  {cause}" for cause, number in _in_order(report.causes, Cause)]
        lines.append("")
    lines += _write_containment(report)
    lines += [*report.preference.lines, ""] if report.preference else []
    lines += _write_list("Changed in this run", [f"{each.detail} ({each.resource})" for each in report.changes])
    for title, needs_person in (("To be settled by a person", True), ("To know", False)):
        told = [each for each in report.notices if each.needs_person is needs_person]
        lines += _write_list(title, [f"{each.subject}: {each.detail}" for each in told])
    lines.append("Where the rest is (keys in the state bucket)")
    if report.assessment_key:
        lines.append(f"  every account: {report.assessment_key}")
    if report.containment:
        lines.append(f"  their roles:   {report.containment.key}")
    lines += [f"  this report:   {report.text_key}", f"  as JSON:       {report.json_key}"]
    return "\n".join(lines) + "\n"


def to_document(report: RunReport, *, before: str | None) -> dict[str, Any]:
    """Return the report as plain JSON. ``before`` is the fingerprint that it was compared with."""
    return {
        "schema": SCHEMA,
        "run": report.run,
        "at": report.at.isoformat(),
        "status": report.status.value,
        "membership_id": report.membership_id,
        "settled": report.settled,
        "counts": dict(report.counts),
        "causes": dict(report.causes),
        "accounts_that_need_a_person": {
            "total": len(report.in_need),
            "first": [asdict(each) for each in report.in_need[:MAX_ACCOUNTS]],
        },
        "containment": {
            "roles": report.roles.value,
            "key": report.containment and report.containment.key,
            "counts": dict(report.containment.counts) if report.containment else {},
            "readiness": dict(report.containment.readiness) if report.containment else {},
            "accounts_that_need_a_person": {
                "total": len(report.roles_in_need),
                "first": [asdict(each) for each in report.roles_in_need[:MAX_ACCOUNTS]],
            },
        },
        "preference": report.preference and report.preference.to_document(),
        "changes": [asdict(each) for each in report.changes],
        "handoffs": [asdict(each) | {"to": each.to.value} for each in report.handoffs],
        "notices": [asdict(each) for each in report.notices],
        "assessment_key": report.assessment_key,
        "text_key": report.text_key,
        "fingerprint": report.fingerprint,
        "fingerprint_before": before,
    }


def _explain(report: RunReport) -> str:
    need, settling = len(report.in_need), report.counts.get(Coverage.SETTLING, 0)
    sentences = []
    if report.handoffs:
        sentences.append(_count(len(report.handoffs), "step waits", "steps wait") + " for somebody else.")
    if need:
        sentences.append(_count(need, "account needs", "accounts need") + " a person.")
    if report.excess:
        sentences.append(
            _count(report.excess, "account is", "accounts are")
            + " covered though not in scope; taking protection away is a person's decision."
        )
    if settling:
        sentences.append(_count(settling, "account settles", "accounts settle") + "; the next run looks again.")
    if lack := len(report.roles_in_need):
        sentences.append(_count(lack, "account needs", "accounts need") + " a person for the containment roles.")
    if report.containment and report.containment.counts[DeploymentState.PENDING]:
        sentences.append("The containment roles are being deployed; the next run looks again.")
    if settle := len(report.to_settle):
        sentences.append(_count(settle, "thing is", "things are") + " to be settled by a person.")
    if report.assessment_key is None:
        sentences.append("No account was assessed, so nothing is known to be covered.")
    elif not sentences:
        sentences.append("Every account in scope is covered or excepted. There is nothing to do.")
    return " ".join(sentences)


def _write_handoffs(report: RunReport) -> list[str]:
    if not report.handoffs:
        return []
    lines = ["To do by somebody else; the next run verifies it"]
    for number, each in enumerate(report.handoffs[:MAX_LINES], start=1):
        lines += [f"  {number}. For the {each.to}: {_flat(each.what)}", f"     Why: {_flat(each.why)}"]
        lines += [f"     In: {name_places(each.accounts)}"] if each.accounts else []
        command = each.command if len(each.command) <= MAX_COMMAND else f"see handoffs in {report.json_key}"
        lines += [f"       {line}" for line in command.splitlines()]
    return [*lines, *_rest(len(report.handoffs)), ""]


def name_places(account_ids: Sequence[str]) -> str:
    """Name the accounts in which a command is to be run, each; past the first ten they are counted."""
    rest = len(account_ids) - MAX_PLACES
    named = ", ".join(account_ids[:MAX_PLACES])
    return f"account{'s' if len(account_ids) > 1 else ''} {named}" + (f" and {rest} more" if rest > 0 else "")


def _write_accounts(report: RunReport) -> list[str]:
    if not report.in_need:
        return []
    lines = ["Accounts that need a person"]
    lines += [
        f"  {each.id} {_flat(each.name)}: {each.coverage}, {_flat(each.reason)}"
        for each in report.in_need[:MAX_ACCOUNTS]
    ]
    if (rest := len(report.in_need) - MAX_ACCOUNTS) > 0:
        lines.append(f"  ... and {rest} more, all in {report.assessment_key}")
    return [*lines, ""]


def _write_containment(report: RunReport) -> list[str]:
    """Say what the accounts have of the roles; many accounts with one reason are one line."""
    found = report.containment
    if found is None:
        return [f"Containment roles: {report.roles}", ""]
    lines = [f"Containment roles: {report.roles}, by what they are themselves"]
    lines += [f"  {number:>6}  {state}" for state, number in _in_order(found.readiness, Readiness)]
    lines.append("Their deployment, as CloudFormation says")
    lines += [f"  {number:>6}  {state}" for state, number in _in_order(found.counts, DeploymentState)]
    lines.append("")
    alike: dict[tuple[str, str], list[RolesInNeed]] = {}
    for each in found.in_need:
        alike.setdefault((each.state, each.reason), []).append(each)
    rows = [f"  {_who(accounts)}: {state}, {_flat(reason)}" for (state, reason), accounts in alike.items()]
    if rows:
        lines += ["Containment roles that need a person", *rows[:MAX_ACCOUNTS]]
        if (rest := len(rows) - MAX_ACCOUNTS) > 0:
            lines.append(f"  ... and {rest} more, all in {found.key}")
        lines.append("")
    return lines


def _who(accounts: Sequence[RolesInNeed]) -> str:
    if len(accounts) > MAX_ALIKE:
        return f"{len(accounts):,} accounts, {accounts[0].id} the first of them"
    return ", ".join(f"{each.id} {_flat(each.name)}" for each in accounts)


def _write_list(title: str, items: Sequence[str]) -> list[str]:
    if not items:
        return []
    return [title, *(f"  - {_flat(item)}" for item in items[:MAX_LINES]), *_rest(len(items)), ""]


def _rest(total: int) -> list[str]:
    return [f"  ... and {total - MAX_LINES} more"] if total > MAX_LINES else []


def _in_order(counts: Mapping[str, int], words: Iterable[str]) -> list[tuple[str, int]]:
    """Return the counts in the order of the table: stored JSON has its keys sorted."""
    return [(word, counts[word]) for word in words if word in counts]


def _flat(text: str) -> str:
    """Keep a name with line breaks in it from looking like a line of ours."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"

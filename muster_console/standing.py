"""How the organization stands: the latest assessment and report, what waits for an answer, and a freeze."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from rich.console import Console

from muster.domain.freezing import Freeze, freeze_to_document
from muster.domain.observed import Known, Observed
from muster.domain.plan import SHORT
from muster.messages.approval import ApprovalRequestDocument, load_approval_request
from muster.messages.assessment import AssessedNotice, Assessment, load_assessment
from muster.messages.desired_state import canonical_json
from muster.messages.report import Report, ReportedContainment, ReportedNotice, ReportedPreferences, load_report
from muster_console import documents
from muster_console.aws import Clients
from muster_console.errors import ConsoleError, ExitCode
from muster_console.freezing import is_frozen, read_freeze, show_freeze
from muster_console.narration import count, in_words, plain, show_handoffs
from muster_console.plan_view import headline
from muster_console.plans import StoredPlan, read_plan
from muster_console.stack import APPROVAL_KEY, ASSESSMENT_KEY, REPORT_KEY, Stack

_SHOWN_ACCOUNTS: Final = 20
_OLD: Final = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Standing:
    """The latest documents. A run that waits for a handoff leaves a report only, a first one that asks not even that.

    ``request`` is the one that waits for answers, with its plan as far as that can be read; ``freeze`` holds now.
    """

    assessment: Assessment | None
    report: Report | None
    request: ApprovalRequestDocument | None
    plan: StoredPlan | None
    freeze: Observed[Freeze | None]

    def exit_code(self) -> ExitCode:
        """Return DONE only when the last run left nothing to anybody, and nobody is asked."""
        is_done = self.report is not None and self.report.status == "Covered" and self.request is None
        return ExitCode.DONE if is_done else ExitCode.NEEDS_PERSON

    def as_json(self) -> str:
        """Return the documents as one JSON object. Who has answered is not told."""
        return canonical_json(
            {
                "assessment": self.assessment and self.assessment.model_dump(mode="json", by_alias=True),
                "report": self.report and self.report.model_dump(mode="json", by_alias=True),
                "approval_request": self.request
                and {
                    **self.request.model_dump(mode="json", by_alias=True, exclude={"answers"}),
                    "approved": self.request.approved,
                },
                "freeze": self.freeze.value and freeze_to_document(self.freeze.value)
                if isinstance(self.freeze, Known)
                else {"unknown": self.freeze.why},
            }
        )


def read_standing(clients: Clients, stack: Stack, now: datetime) -> Standing:
    """Read them all. Raises ConsoleError when there is nothing yet, or what this version cannot read."""
    keys = (ASSESSMENT_KEY, REPORT_KEY, APPROVAL_KEY)
    found, reported, requested = (documents.read(clients, stack.state_bucket, key) for key in keys)
    freeze = read_freeze(clients, stack)
    if found is None and reported is None and requested is None:
        raise ConsoleError("There is no assessment yet.", "Run `muster onboard`.", ExitCode.NEEDS_PERSON)
    try:
        request = load_approval_request(requested.body) if requested else None
        if request and not (request.state == "waiting" and now < request.expires_at):
            request = None
        return Standing(
            assessment=load_assessment(found.body) if found else None,
            report=load_report(reported.body) if reported else None,
            request=request,
            plan=_plan_of(clients, stack, request) if request else None,
            freeze=freeze if is_frozen(freeze, now) else Known(None),
        )
    except ValueError as error:
        raise ConsoleError(
            "This version of muster cannot read the latest assessment, report or request for approval.",
            "Use the console of the version that is deployed, or run `muster onboard` again.",
            ExitCode.RUN_FAILED,
        ) from error


def _plan_of(clients: Clients, stack: Stack, request: ApprovalRequestDocument) -> StoredPlan | None:
    try:
        return read_plan(clients, stack, request.plan)
    except ConsoleError:
        # What stands is told all the same; `muster approve` says what is wrong with the plan.
        return None


def show_standing(out: Console, standing: Standing, stack: Stack, now: datetime, again: Callable[[str], str]) -> None:
    """Print what waits for an answer, counts, membership and what needs a person."""
    assessment, report = standing.assessment, standing.report
    plain(out, f"{'Status':<11} {report.status if report else 'no report yet'}")
    if standing.request:
        _show_request(out, standing.request, standing.plan, again)
    if is_frozen(standing.freeze, now):
        show_freeze(out, standing.freeze, again)
    if assessment:
        _show_assessment(out, assessment, now)
        _show_accounts_for_a_person(out, assessment, stack)
    else:
        plain(out, f"{'Assessed':<11} never")
    if report and report.containment:
        _show_roles(out, report.containment, stack)
    if report and report.preference:
        _show_preference(out, report.preference)
    if report:
        show_handoffs(out, [handoff.model_dump() for handoff in report.handoffs])
    notices: list[ReportedNotice | AssessedNotice] = [
        *(report.notices if report else ()),
        *(assessment.notices if assessment else ()),
    ]
    for subject, detail in dict.fromkeys((notice.subject, notice.detail) for notice in notices):
        plain(out, f"Notice: {subject}: {detail}")


def _show_request(
    out: Console, request: ApprovalRequestDocument, plan: StoredPlan | None, again: Callable[[str], str]
) -> None:
    short, until = request.plan[:SHORT], f"{request.expires_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    answers = f"{request.approved} of {count(request.approvals, 'approval')}"
    plain(out, f"{'Approval':<11} plan {short} of run {request.run} waits until {until}, {answers} so far")
    plain(out, f"{'':<11} {headline(plan) if plan else 'the plan cannot be read'}")
    for command in (f"plan --show {short}", f"approve {short}", f'reject {short} --reason "…"'):
        plain(out, f"    {again(command)}")


def _show_assessment(out: Console, assessment: Assessment, now: datetime) -> None:
    age = now - assessment.at
    warning = "; run `muster onboard` to look again" if age > _OLD else ""
    plain(out, f"{'Assessed':<11} {_duration(age)} ago by run {assessment.run}{warning}")
    membership, scope = assessment.membership, assessment.scope.found
    units = f"{len(scope.unit_ids)} {'unit' if len(scope.unit_ids) == 1 else 'units'}"
    covers = "the entire organization" if scope.entire_organization else units
    where = f"account {membership.account_id}, {membership.region}"
    plain(out, f"{'Membership':<11} {membership.id} ({membership.status}) in {where}, covers {covers}")
    settling = "" if assessment.settled else " (not settled yet)"
    plain(out, f"{'Accounts':<11} {len(assessment.accounts):,}: {in_words(assessment.counts)}{settling}")


def _show_accounts_for_a_person(out: Console, assessment: Assessment, stack: Stack) -> None:
    waiting = [account for account in assessment.accounts if account.needs_person]
    if not waiting:
        plain(out, "No account needs a person.")
        return
    plain(out, f"{len(waiting):,} {'account needs' if len(waiting) == 1 else 'accounts need'} a person:")
    for account in waiting[:_SHOWN_ACCOUNTS]:
        plain(out, f"  {account.id} {account.name}: {account.coverage}, {account.reason}")
    if len(waiting) > _SHOWN_ACCOUNTS:
        plain(out, f"  and {len(waiting) - _SHOWN_ACCOUNTS:,} more in s3://{stack.state_bucket}/{ASSESSMENT_KEY}")


def _show_roles(out: Console, found: ReportedContainment, stack: Stack) -> None:
    """Print what the accounts have of the containment roles, apart from their coverage."""
    if not found.counts:
        return
    plain(out, f"{'Containment':<11} {in_words(found.readiness) if found.readiness else 'roles were not read'}")
    plain(out, f"{'Roles':<11} {in_words(found.counts)}")
    need = found.accounts_that_need_a_person
    if need.total:
        who = "account needs" if need.total == 1 else "accounts need"
        plain(out, f"{need.total:,} {who} a person for the containment roles:")
    for account in need.first:
        plain(out, f"  {account.id} {account.name}: {account.state}, {account.reason}")
    if need.total > len(need.first):
        plain(out, f"  and {need.total - len(need.first):,} more in s3://{stack.state_bucket}/{found.key}")


def _show_preference(out: Console, found: ReportedPreferences) -> None:
    """Print how the containment preference stands, the organization's first."""
    if found.unknown is not None:
        plain(out, f"{'Preference':<11} unknown, {found.unknown}")
    for position, each in enumerate(found.subjects):
        plain(out, f"{'' if position else 'Preference':<11} {f'{each.subject}: ' if position else ''}{each.says}")


def _duration(age: timedelta) -> str:
    minutes = max(0, int(age.total_seconds() // 60))
    for size, unit in ((1440, "day"), (60, "hour")):
        if minutes >= size:
            count = minutes // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{minutes} minute{'' if minutes == 1 else 's'}"

"""How the organization stands: the latest assessment and report, read from the bucket."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from rich.console import Console

from muster.messages.assessment import AssessedNotice, Assessment, load_assessment
from muster.messages.desired_state import canonical_json
from muster.messages.report import Report, ReportedContainment, ReportedNotice, load_report
from muster_console import documents
from muster_console.aws import Clients
from muster_console.errors import ConsoleError, ExitCode
from muster_console.narration import in_words, plain, show_handoffs
from muster_console.stack import ASSESSMENT_KEY, REPORT_KEY, Stack

_SHOWN_ACCOUNTS: Final = 20
_OLD: Final = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Standing:
    """The latest assessment and the latest report. A run that waits for a handoff may leave a report only."""

    assessment: Assessment | None
    report: Report | None

    def exit_code(self) -> ExitCode:
        """Return DONE only when the last run left nothing to anybody."""
        return ExitCode.DONE if self.report and self.report.status == "Covered" else ExitCode.NEEDS_PERSON

    def as_json(self) -> str:
        """Return both documents as one JSON object."""
        return canonical_json(
            {
                "assessment": self.assessment and self.assessment.model_dump(mode="json", by_alias=True),
                "report": self.report and self.report.model_dump(mode="json", by_alias=True),
            }
        )


def read_standing(clients: Clients, stack: Stack) -> Standing:
    """Read both documents. Raises ConsoleError when there is neither, or one that this version cannot read."""
    found, reported = (documents.read(clients, stack.state_bucket, key) for key in (ASSESSMENT_KEY, REPORT_KEY))
    if found is None and reported is None:
        raise ConsoleError("There is no assessment yet.", "Run `muster onboard`.", ExitCode.NEEDS_PERSON)
    try:
        return Standing(
            assessment=load_assessment(found.body) if found else None,
            report=load_report(reported.body) if reported else None,
        )
    except ValueError as error:
        raise ConsoleError(
            "This version of muster cannot read the latest assessment or report.",
            "Use the console of the version that is deployed, or run `muster onboard` again.",
            ExitCode.RUN_FAILED,
        ) from error


def show_standing(out: Console, standing: Standing, stack: Stack, now: datetime) -> None:
    """Print counts, membership and what needs a person."""
    assessment, report = standing.assessment, standing.report
    plain(out, f"{'Status':<11} {report.status if report else 'no report yet'}")
    if assessment:
        _show_assessment(out, assessment, now)
        _show_accounts_for_a_person(out, assessment, stack)
    else:
        plain(out, f"{'Assessed':<11} never")
    if report and report.containment:
        _show_roles(out, report.containment, stack)
    if report:
        show_handoffs(out, [handoff.model_dump() for handoff in report.handoffs])
    notices: list[ReportedNotice | AssessedNotice] = [
        *(report.notices if report else ()),
        *(assessment.notices if assessment else ()),
    ]
    for subject, detail in dict.fromkeys((notice.subject, notice.detail) for notice in notices):
        plain(out, f"Notice: {subject}: {detail}")


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
    plain(out, f"{'Roles':<11} {in_words(found.counts)}")
    need = found.accounts_that_need_a_person
    if need.total:
        who = "account needs" if need.total == 1 else "accounts need"
        plain(out, f"{need.total:,} {who} a person for the containment roles:")
    for account in need.first:
        plain(out, f"  {account.id} {account.name}: {account.state}, {account.reason}")
    if need.total > len(need.first):
        plain(out, f"  and {need.total - len(need.first):,} more in s3://{stack.state_bucket}/{found.key}")


def _duration(age: timedelta) -> str:
    minutes = max(0, int(age.total_seconds() // 60))
    for size, unit in ((1440, "day"), (60, "hour")):
        if minutes >= size:
            count = minutes // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{minutes} minute{'' if minutes == 1 else 's'}"

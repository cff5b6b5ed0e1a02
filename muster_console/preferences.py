"""The containment preference at the operator's desk: how it stands, the case that asks AWS, and that it was sent."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from botocore.exceptions import ClientError
from rich.console import Console

from muster.domain.desired import ContainmentRoles, DesiredState
from muster.domain.membership import Home
from muster.domain.observed import Known, Observed, Unknown
from muster.domain.preference import PreferenceStanding, PreferenceState, PreferenceStatus, judge
from muster.domain.preference_case import CaseContext, CaseText, wish, write_case
from muster.domain.preference_history import PREFERENCE_KEY, read_state, record_request, to_document
from muster.domain.preference_texts import attest_command, name_subject, say, to_row
from muster.messages.desired_state import InvalidDocumentError, canonical_json, load_stored
from muster.messages.report import load_report
from muster_console import documents
from muster_console.aws import Clients, error_code, is_denial
from muster_console.errors import ConsoleError, ExitCode
from muster_console.narration import plain
from muster_console.stack import DESIRED_STATE_KEY, REPORT_KEY, Stack

ORGANIZATION_ID: Final = "ORGANIZATION-ID"
"""Stands in a case for an id that this caller may not read."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """How the preference stands, and the case that asks for what is to be asked."""

    desired: DesiredState
    context: CaseContext
    stored: documents.Stored | None
    state: Observed[PreferenceState]
    standings: tuple[PreferenceStanding, ...]

    @property
    def case(self) -> CaseText | None:
        """The case to send, None when there is nothing to ask."""
        return write_case(self.standings, self.context)

    def exit_code(self) -> ExitCode:
        """Return DONE when nobody has anything to do about it now."""
        is_open = isinstance(self.state, Unknown) or any(each.need.needs_person for each in self.standings)
        return ExitCode.NEEDS_PERSON if is_open else ExitCode.DONE

    def as_json(self) -> str:
        """Return everything as one JSON object."""
        case = self.case
        return canonical_json(
            {
                "organization_id": self.context.organization_id,
                "membership_id": self.context.membership_id,
                "unknown": self.state.why if isinstance(self.state, Unknown) else None,
                "subjects": [{**to_row(each), "need": each.need.value} for each in self.standings],
                "case": case and {"type": case.type, "subject": case.subject, "body": case.body},
            }
        )


def read_preferences(clients: Clients, stack: Stack, now: datetime) -> Preferences:
    """Read what is wanted and what is known. Raises ConsoleError when nothing usable was pushed."""
    desired = _desired(clients, stack)
    stored = documents.read(clients, stack.state_bucket, PREFERENCE_KEY)
    state = read_state(stored.body if stored else None)
    standings = judge(desired.containment, state.value, now) if isinstance(state, Known) else ()
    return Preferences(desired, _context(clients, stack, desired), stored, state, standings)


def record_case(clients: Clients, stack: Stack, now: datetime, case: str) -> Preferences:
    """Record that a case was sent, and return how the preference stands then.

    It asks for what `muster preference` has printed. Raises ConsoleError when there is nothing to ask, when what is
    stored cannot be understood, and when somebody else recorded something at the same time.
    """
    found = read_preferences(clients, stack, now)
    if isinstance(found.state, Unknown):
        raise ConsoleError(
            f"{found.state.why}, so nothing is added to it.",
            "Put an earlier version of it in its place, as docs/operations.md says.",
            ExitCode.NEEDS_PERSON,
        )
    levels = wish(found.standings)
    if not levels:
        raise ConsoleError(
            "There is nothing to ask AWS for: what is wanted is attested.",
            "Look at it with `muster preference`.",
            ExitCode.UNUSABLE,
        )
    state = record_request(found.state.value, case, levels, now)
    if state is found.state.value:
        return found
    try:
        documents.replace(clients, stack.state_bucket, PREFERENCE_KEY, canonical_json(to_document(state)), found.stored)
    except documents.OvertakenError:
        raise ConsoleError(
            "Somebody else recorded something about the preference at the same time.",
            "Look at it with `muster preference`, then decide again.",
            ExitCode.NEEDS_PERSON,
        ) from None
    return replace(found, state=Known(state), standings=judge(found.desired.containment, state, now))


def show_preferences(out: Console, found: Preferences, again: Callable[[str], str]) -> None:
    """Print how every subject stands, what to do, and the case where there is something to ask."""
    if found.desired.containment.roles is ContainmentRoles.OFF:
        plain(out, "containment.roles is off, so AWS can contain nothing, and reports say nothing of the preference.")
    if isinstance(found.state, Unknown):
        plain(out, f"Unknown: {found.state.why}. Nothing here says what AWS was asked and has confirmed.")
        plain(out, "Next: put an earlier version of it in its place, as docs/operations.md says.")
    for each in found.standings:
        plain(out, f"{name_subject(each.subject)}: {each.status}")
        plain(out, f"  {say(each)}")
        if each.status is PreferenceStatus.REQUESTED:
            plain(out, f"  When AWS has confirmed it: {again(attest_command(each))}")
    if case := found.case:
        _show_case(out, case, again)


def _show_case(out: Console, case: CaseText, again: Callable[[str], str]) -> None:
    plain(out, "")
    plain(out, f"To send to AWS Support, as a case of the type {case.type}:")
    if ORGANIZATION_ID in case.subject:
        plain(out, f"(in place of {ORGANIZATION_ID} write what `aws organizations describe-organization` says)")
    plain(out, "")
    plain(out, f"Subject: {case.subject}")
    plain(out, "")
    plain(out, case.body)
    plain(out, "")
    plain(out, f"Then record its number: {again('preference --case ID')}")


def _desired(clients: Clients, stack: Stack) -> DesiredState:
    stored = documents.read(clients, stack.state_bucket, DESIRED_STATE_KEY)
    if stored is None:
        raise ConsoleError("No desired state has been pushed yet.", "Run `muster push FILE`.", ExitCode.NEEDS_PERSON)
    try:
        return load_stored(stored.body)
    except InvalidDocumentError as error:
        raise ConsoleError(
            f"The stored desired state is not valid: {error}",
            "Correct your file, and store it again with `muster push FILE`.",
            ExitCode.RUN_FAILED,
        ) from error


def _context(clients: Clients, stack: Stack, desired: DesiredState) -> CaseContext:
    reported = documents.read(clients, stack.state_bucket, REPORT_KEY)
    try:
        membership_id = load_report(reported.body).membership_id if reported else None
    except ValueError:
        membership_id = None  # of another version; the case does without it
    home = Home(desired.membership.account_id, desired.membership.region)
    return CaseContext(_organization_id(clients), membership_id, home)


def _organization_id(clients: Clients) -> str:
    try:
        return clients.organizations.describe_organization()["Organization"].get("Id", ORGANIZATION_ID)
    except ClientError as error:
        if not is_denial(error) and error_code(error) != "AWSOrganizationsNotInUseException":
            raise
    return ORGANIZATION_ID

"""What the steps read and write, in the domain's own words.

Every method may raise a ``TransientError`` (the machine retries) or a ``ServiceAnswerError`` as its text says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from muster.domain.callers import StartRecord
from muster.domain.containment_roles import RolesFound
from muster.domain.containment_writes import UpdateStackSet
from muster.domain.desired import DesiredStackSet
from muster.domain.membership import Association, Membership, MembershipSummary
from muster.domain.observed import Observed
from muster.domain.organization import Account, OrganizationalUnit, OrganizationSummary
from muster.domain.preflight_checks import Contacts, Trail
from muster.domain.responders import Contacts as StoredContacts
from muster.domain.responders import IncidentResponseTeam
from muster.domain.stack_sets import Accounts, StackInstance, StackSet, StackSetOperation
from muster.domain.team import TeamInMembership
from muster.errors import TransientError


@dataclass(frozen=True, slots=True)
class AccountPage:
    """One page of the inventory; it may be empty and still have a next one."""

    accounts: tuple[Account, ...]
    next_token: str | None


class OrganizationReader(Protocol):
    """Reads what every account may know of its organization."""

    def organization(self) -> OrganizationSummary:
        """Return the organization. Any account may ask. Raises DeniedError, AbsentError."""
        ...


class DelegationReader(OrganizationReader, Protocol):
    """Reads whom the organization trusts and has delegated to."""

    def trusted_services(self) -> frozenset[str]:
        """Return the service principals with trusted access. Raises DeniedError."""
        ...

    def delegated_administrators(self) -> frozenset[str]:
        """Return the accounts delegated for Security Incident Response. Raises DeniedError."""
        ...


class StackSetsAccessReader(Protocol):
    """Reads whether CloudFormation StackSets may work in the organization."""

    def organizations_access(self) -> bool:
        """Tell whether trusted access of StackSets is enabled. Raises DeniedError."""
        ...


class AccountReader(Protocol):
    """Reads single accounts of the organization."""

    def account(self, account_id: str) -> Account:
        """Return one account. Raises DeniedError, AbsentError (not in the organization)."""
        ...


class TrailReader(Protocol):
    """Reads the management account's trails."""

    def trails(self) -> tuple[Trail, ...]:
        """Return those that record us-east-1. Raises DeniedError."""
        ...


class InventoryReader(OrganizationReader, Protocol):
    """Reads the units and accounts of the organization."""

    def root_id(self) -> str:
        """Return the id of the root (``r-…``). Raises DeniedError."""
        ...

    def child_units(self, parent_id: str) -> tuple[OrganizationalUnit, ...]:
        """Return the units directly below a root or unit, every page. Raises DeniedError, AbsentError."""
        ...

    def unit(self, unit_id: str) -> OrganizationalUnit:
        """Return one unit with its ancestors. Raises DeniedError, AbsentError."""
        ...

    def account_page(self, token: str | None) -> AccountPage:
        """Return the next page of accounts, 20 at most. Raises DeniedError."""
        ...


class ManagementReader(Protocol):
    """The management account as far as a reader looks into it."""

    @property
    def account_id(self) -> str:
        """The account that the application was told is the management account."""
        ...

    def has_triage_role(self) -> bool:
        """Tell whether the triage service-linked role exists there. Raises DeniedError."""
        ...

    def memberships(self, region: str) -> tuple[MembershipSummary, ...]:
        """Return the memberships seen from there. Raises DeniedError, RegionNotEnabledError."""
        ...


class ManagementSurvey(ManagementReader, Protocol):
    """What Preflight looks at there besides."""

    def enter(self) -> None:
        """Assume the reader. Raises DeniedError."""
        ...

    def has_role(self, name: str) -> bool:
        """Tell whether a role exists there. Raises DeniedError."""
        ...


class ManagementAccount(ManagementReader, Protocol):
    """The management account, and the three writes that onboarding needs there, each once."""

    def enable_trusted_access(self) -> None:
        """Enable trusted access for Security Incident Response. Raises DeniedError."""
        ...

    def create_triage_role(self) -> None:
        """Create the triage service-linked role. Raises DeniedError, AlreadyThereError."""
        ...

    def register_delegated_administrator(self, account_id: str) -> None:
        """Register the account.

        Raises DeniedError, AlreadyThereError (it is, or another one is), NotYetConsistentError (trusted access).
        """
        ...


class MembershipReader(Protocol):
    """Reads Security Incident Response from the membership's account."""

    def memberships(self, region: str) -> tuple[MembershipSummary, ...]:
        """Return every membership listed in a Region. Raises DeniedError, RegionNotEnabledError."""
        ...

    def membership(self, membership_id: str) -> Membership:
        """Return one membership of the home Region. Raises DeniedError, AbsentError."""
        ...

    def tags(self, membership_arn: str) -> Mapping[str, str]:
        """Return the membership's tags. Raises DeniedError, AbsentError."""
        ...

    def associations(self, membership_id: str, account_ids: Sequence[str]) -> Mapping[str, Observed[Association]]:
        """Return every account asked for, 100 a call; partial errors, missing ids and denials are Unknown.

        Raises AbsentError, NotYetConsistentError (the membership is not Active).
        """
        ...


class MembershipWriter(Protocol):
    """Writes to Security Incident Response in the membership's account: additions and settings, never a removal.

    Each may raise DeniedError and RefusedError; what changes a membership also AbsentError, and what calls
    UpdateMembership also NotYetConsistentError, when the membership is not Active.
    """

    def create_membership(
        self, *, name: str, team: IncidentResponseTeam, entire_organization: bool, triage: bool,
        tags: Mapping[str, str], client_token: str,
    ) -> str:  # fmt: skip
        """Create it and return its id; the same token again returns the same id.

        Raises NotYetConsistentError, and AlreadyThereError, also for a person who is listed twice.
        """
        ...

    def set_settings(self, membership_id: str, *, name: str | None, enable_triage: bool) -> None:
        """Rename the membership, unless the name is None, and opt in to proactive response where told; in one call."""
        ...

    def cover_entire_organization(self, membership_id: str) -> None:
        """Widen the coverage to every account."""
        ...

    def add_units(self, membership_id: str, unit_ids: Sequence[str]) -> None:
        """Add 1 to 5 units in one call."""
        ...

    def set_tags(self, membership_arn: str, tags: Mapping[str, str]) -> None:
        """Add or overwrite these tags and leave all others."""
        ...


class MembershipNarrowing(Protocol):
    """Takes protection away from a membership: asked only for what a person has approved.

    Each may raise DeniedError, RefusedError, AbsentError and NotYetConsistentError (the membership is not Active).
    """

    def cover_only_units(self, membership_id: str) -> None:
        """Clear the flag that covers the entire organization; the listed units stay covered."""
        ...

    def remove_units(self, membership_id: str, unit_ids: Sequence[str]) -> None:
        """Remove 1 to 5 units in one call."""
        ...

    def disable_triage(self, membership_id: str) -> None:
        """Opt out of proactive response."""
        ...


class TeamReader(Protocol):
    """Reads the team of the membership: who needs no names reads the membership without it."""

    def team_in(self, membership_id: str) -> TeamInMembership:
        """Return the team as the service lists it. Raises DeniedError, AbsentError."""
        ...


class TeamWriter(Protocol):
    """Replaces the team of the membership."""

    def replace_team(self, membership_id: str, team: IncidentResponseTeam) -> None:
        """Write the whole list: whoever is not in it is removed. The caller sees to it that everybody is.

        Raises DeniedError, RefusedError, AbsentError, NotYetConsistentError (the membership is not Active), and
        AlreadyThereError for a person who is listed twice; none of them repeats a value.
        """
        ...


class TriageRoleReader(Protocol):
    """Reads the triage service-linked role in one account, where a reader exists there."""

    def exists(self, account_id: str) -> Observed[bool]:
        """Tell whether the role is there; Unknown where no reader is deployed or it was denied."""
        ...


class TriageRoleWriter(Protocol):
    """Creates the triage service-linked role in member accounts, and nothing else."""

    def create(self, account_id: str) -> None:
        """Create the role in the account. Raises DeniedError, RefusedError, AlreadyThereError."""
        ...


class ResponderReader(Protocol):
    """Reads the responders' own parameter."""

    def team(self) -> IncidentResponseTeam:
        """Return the team. Raises NotConfiguredError, DesiredStateError; neither carries a value."""
        ...

    def contacts(self) -> StoredContacts:
        """Return the team and the key of its digests. Raises as ``team`` does."""
        ...


class CalendarReader(Protocol):
    """Reads change calendars."""

    def state(self, calendar: str) -> str:
        """Return OPEN or CLOSED, as the calendar says for now. Raises DeniedError, AbsentError."""
        ...


class ContactsReader(Protocol):
    """Reads how the contacts are kept, and never the contacts."""

    def contacts(self) -> Contacts:
        """Return what is known without the value; None when there is nothing. Raises DeniedError."""
        ...


class StackSetReader(StackSetsAccessReader, Protocol):
    """Reads StackSets in the management account, each in the Region that is asked for."""

    def stack_set(self, where: DesiredStackSet) -> StackSet | None:
        """Return the StackSet, or None when there is none of that name. Raises DeniedError."""
        ...

    def names(self, region: str) -> frozenset[str]:
        """Return the names of all active StackSets of a Region. Raises DeniedError."""
        ...

    def instances(self, where: DesiredStackSet) -> tuple[StackInstance, ...]:
        """Return every instance. Raises DeniedError, AbsentError."""
        ...

    def unusual_instances(self, where: DesiredStackSet) -> tuple[StackInstance, ...]:
        """Return those that ``kept_instances.FILTERS`` select. Raises DeniedError, AbsentError."""
        ...

    def operations(self, where: DesiredStackSet) -> tuple[StackSetOperation, ...]:
        """Return every operation that the service remembers, the newest first. Raises DeniedError, AbsentError."""
        ...

    def detect_drift(self, where: DesiredStackSet) -> None:
        """Let CloudFormation compare every stack with its template, which changes nothing and takes its time.

        Raises DeniedError, AbsentError, RefusedError, NotYetConsistentError (another operation is going on).
        """
        ...


class StackSetWriter(Protocol):
    """Writes to one StackSet: additions and switches that turn on. Nothing here deletes, or replaces a template.

    Each may raise DeniedError and RefusedError. What starts an operation also raises AbsentError,
    NotYetConsistentError (another operation is going on) and AlreadyThereError (the operation was started before).
    """

    def activate_access(self) -> None:
        """Let StackSets work in the organization."""
        ...

    def create(self, where: DesiredStackSet, *, ec2_triage: bool, token: str) -> None:
        """Create it from our template; the same token again is the same call. Raises AlreadyThereError."""
        ...

    def update(self, where: DesiredStackSet, write: UpdateStackSet, operation_id: str) -> None:
        """Keep the template and switch on what is to be switched on."""
        ...

    def create_instances(self, where: DesiredStackSet, target: str, accounts: Accounts, operation_id: str) -> None:
        """Deploy below the root or a unit."""
        ...

    def update_instances(
        self, where: DesiredStackSet, target: str, accounts: Accounts, operation_id: str, *, repair: str | None = None
    ) -> None:
        """Deploy again where an instance is; with ``repair``, a value never used before, write both roles anew."""
        ...


class ContainmentRoleReader(Protocol):
    """Reads the two containment roles of accounts, with all their policies."""

    @property
    def reaches_members(self) -> bool:
        """Tell whether a reader is deployed in the members at all."""
        ...

    def roles(self, account_ids: Sequence[str]) -> Mapping[str, Observed[RolesFound] | TransientError]:
        """Return for every account asked for those of the two that exist; Unknown where they could not be read.

        Raises nothing: what time may cure is returned, so that the other accounts are not read in vain.
        """
        ...


class RunDocuments(Protocol):
    """The run's JSON documents, in the bucket; keys are relative to it. Each method may raise DeniedError."""

    def read(self, key: str) -> Any | None:  # noqa: ANN401 - JSON
        """Return the parsed document, or None when there is none."""
        ...

    def write(self, key: str, document: Any) -> None:  # noqa: ANN401 - JSON
        """Store a document as canonical JSON."""
        ...

    def write_text(self, key: str, text: str) -> None:
        """Store a plain text."""
        ...

    def read_text(self, key: str) -> str | None:
        """Return a text as it is stored, or None when there is none."""
        ...


# --- Approval by people -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document as its bytes lie in the bucket, the opaque tag of its content, and the id of its version."""

    body: bytes
    tag: str
    version: str


class ConditionalDocuments(Protocol):
    """Documents that several may write at once; keys are relative to the bucket. Each method may raise DeniedError."""

    def read(self, key: str) -> StoredDocument | None:
        """Return the newest version, or None when there is none."""
        ...

    def replace(self, key: str, text: str, tag: str | None) -> str:
        """Write in place of the version of that tag (None: there must be none yet), and return the new tag.

        Raises AlreadyThereError when somebody else's write came first. After a TransientError nobody knows whether it
        was written.
        """
        ...

    def put(self, key: str, text: str) -> None:
        """Write whatever is there."""
        ...

    def delete(self, key: str) -> None:
        """Delete it; what is not there is deleted already."""
        ...


class EventHistory(Protocol):
    """What AWS itself recorded of the calls in this account and Region."""

    def starts(self, execution_arn: str, started_at: datetime) -> tuple[StartRecord, ...]:
        """Return every record of a StartExecution that returned this execution, near the time when it began.

        Empty as long as there is none: a record comes minutes after the call. Raises DeniedError.
        """
        ...


@dataclass(frozen=True, slots=True)
class ExecutionRecord:
    """An execution as Step Functions describes it; ``input`` is the text that it was started with."""

    status: str
    started_at: datetime
    input: str = field(repr=False)


class ExecutionRecords(Protocol):
    """Reads executions of the application's state machines."""

    def find(self, execution_arn: str) -> ExecutionRecord | None:
        """Return the execution, or None when there is no such one. Raises DeniedError."""
        ...


class TaskTokens(Protocol):
    """Answers a state machine that waits."""

    def succeed(self, token: str, output: Mapping[str, Any]) -> bool:
        """Let the waiting task end with an output, and tell whether it still waited.

        Raises DeniedError, RefusedError.
        """
        ...

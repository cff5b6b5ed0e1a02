"""The composition root: which adapter stands behind which port, for each function."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import boto3

from muster.adapters.calendars import Calendars
from muster.adapters.clients import CONFIG, Clients
from muster.adapters.conditional_documents import BucketConditionalDocuments
from muster.adapters.contacts import ContactsInParameterStore, ContactsNotStored
from muster.adapters.containment_roles import ContainmentRoles
from muster.adapters.documents import BucketDocuments
from muster.adapters.event_history import EventHistoryOfRegion
from muster.adapters.execution_records import ExecutionsWithInput
from muster.adapters.lease import Executions, LeaseInBucket
from muster.adapters.management import ManagementSurveyed, ManagementThroughRoles
from muster.adapters.membership import Memberships, TeamOfMembership
from muster.adapters.organizations import AccountFromEither, DelegationFromEither, Organizations
from muster.adapters.pinned_roles import read_pinned_roles
from muster.adapters.responders import RespondersInParameterStore
from muster.adapters.stack_sets import StackSets, StackSetsAsManager, read_template
from muster.adapters.stack_sets_access import StackSetsAccess
from muster.adapters.task_tokens import StepFunctionsTaskTokens
from muster.adapters.trails import Trails
from muster.adapters.triage_roles import TriageRoles, TriageRolesToBe
from muster.domain.desired import DesiredState, Mode
from muster.domain.membership import Home
from muster.domain.preflight_checks import Vantage
from muster.errors import DesiredStateError, NotConfiguredError
from muster.lease_ports import WriteFence
from muster.messages.desired_state import InvalidDocumentError, load_stored
from muster.messages.steps import DesiredReference, WritingRequest
from muster.ports import ContactsReader, RunDocuments
from muster.settings import (
    ApprovalSettings,
    AssessSettings,
    ContactSetupSettings,
    ContainmentSettings,
    LeaseSettings,
    MemberRepairSettings,
    PlanSettings,
    PreferenceSettings,
    PreflightSettings,
    ReportSettings,
    ScopingSettings,
    Settings,
    SignUpSettings,
)
from muster.steps.approval import Approval
from muster.steps.assess import Assess
from muster.steps.contact_setup import ContactSetup
from muster.steps.containment import Containment
from muster.steps.gate import Gate, Looking, keep_proposals, open_granted
from muster.steps.lease import Fence, Leasing
from muster.steps.member_repair import MemberRepair
from muster.steps.planning import Planning, proposals_key
from muster.steps.preference import Preference
from muster.steps.preflight import Preflight
from muster.steps.report import Report
from muster.steps.role_readings import RoleReadings
from muster.steps.scoping import Scoping
from muster.steps.sign_up import SignUp


@dataclass(frozen=True, slots=True)
class LocalIdentity:
    """Somebody's credentials on a laptop, and what to call them."""

    session: boto3.Session
    account_id: str
    name: str
    endpoint_url: str | None = None

    def clients(self) -> Clients:
        """Return the clients of this identity, without any role."""
        return Clients(self.session, self.account_id, endpoint_url=self.endpoint_url)


def read_desired(settings: Settings, reference: DesiredReference) -> DesiredState:
    """Return the version of the desired state that this run works towards.

    In a deployment that only observes its mode is ``observe``, whatever was pushed. Raises NotConfiguredError when it
    is gone, DesiredStateError when it is not valid.
    """
    text = _documents(settings).read_text(reference.key, reference.version)
    if text is None:
        raise NotConfiguredError(
            f"version {reference.version} of {reference.key} is not in {settings.bucket}: run `muster push FILE`"
        )
    try:
        desired = load_stored(text)
    except InvalidDocumentError as problem:
        raise DesiredStateError(f"{reference.key} in {settings.bucket} is not valid: {problem}") from None
    return desired if settings.keeps else replace(desired, mode=Mode.OBSERVE)


@contextmanager
def open_gate(settings: Settings, request: WritingRequest) -> Generator[Gate]:
    """Return the gate of a step: that of its grant, or one that only looks and whose proposals are stored at the end.

    Raises PlanUnusableError when the grant is gone or changed.
    """
    documents = _documents(settings)
    if request.grant is not None:
        yield open_granted(documents, request.step, request.grant.key, request.grant.sha256)
        return
    looking = Looking()
    yield looking
    keep_proposals(documents, proposals_key(request.run, request.round, request.step), looking)


def build_planning(settings: PlanSettings) -> Planning:
    """Wire Plan: nothing in it can write but to the bucket."""
    return Planning(
        documents=_documents(settings),
        calendars=Calendars(_clients(settings)),
        max_age=timedelta(seconds=settings.plan_max_age_seconds),
    )


def build_preflight(settings: PreflightSettings) -> Preflight:
    """Wire Preflight: nothing in it can write but to the bucket."""
    own = _clients(settings)
    return _preflight(
        own,
        own.through(settings.management_reader_role_arn),
        contacts=ContactsInParameterStore(own, settings.contacts_parameter),
        documents=_documents(settings),
        vantage=Vantage(
            home=Home(settings.account_id, settings.region),
            management_account_id=settings.management_account_id,
            own=f"role {settings.deployment}-preflight",
            reader=f"role {settings.deployment}-management-reader",
            deployment=settings.deployment,
        ),
    )


def build_local_preflight(own: LocalIdentity, management: LocalIdentity, home_region: str, *, people: int) -> Preflight:
    """Wire Preflight for two identities on a laptop, before anything is deployed: nothing in it can write at all.

    ``people`` is how many contacts the file has that would be pushed.
    """
    return _preflight(
        own.clients(),
        management.clients(),
        contacts=ContactsNotStored(people),
        documents=None,
        vantage=Vantage(
            home=Home(own.account_id, home_region),
            management_account_id=management.account_id,
            own=own.name,
            reader=management.name,
            deployment=None,
        ),
    )


def _preflight(
    own: Clients, reader: Clients, *, contacts: ContactsReader, documents: RunDocuments | None, vantage: Vantage
) -> Preflight:
    here, there = Organizations(own), Organizations(reader)
    return Preflight(
        organizations=DelegationFromEither(own=here, management=there),
        accounts=AccountFromEither(own=here, management=there),
        management=ManagementSurveyed(reader),
        reader=Memberships(own, vantage.home.region),
        stack_sets=StackSetsAccess(reader),
        trails=Trails(reader),
        contacts=contacts,
        documents=documents,
        vantage=vantage,
    )


def build_sign_up(settings: SignUpSettings, request: WritingRequest) -> SignUp:
    """Wire SignUp."""
    own = _clients(settings, request)
    reader = own.through(settings.management_reader_role_arn)
    memberships = Memberships(own, settings.region)
    return SignUp(
        organizations=DelegationFromEither(own=Organizations(own), management=Organizations(reader)),
        management=ManagementThroughRoles(reader, own.through(settings.management_onboarding_role_arn)),
        reader=memberships,
        writer=memberships,
        narrowing=memberships,
        responders=_responders(own, settings.contacts_parameter),
        home=Home(settings.account_id, settings.region),
    )


def build_scoping(settings: ScopingSettings, request: WritingRequest) -> Scoping:
    """Wire Scoping. It runs after registration, so the application's own account may read the organization."""
    own = _clients(settings, request)
    memberships = Memberships(own, settings.region)
    return Scoping(
        organizations=Organizations(own),
        reader=memberships,
        writer=memberships,
        narrowing=memberships,
        documents=_documents(settings),
    )


def build_contact_setup(settings: ContactSetupSettings, request: WritingRequest) -> ContactSetup:
    """Wire ContactSetup."""
    own = _clients(settings, request)
    team = TeamOfMembership(own, settings.region)
    return ContactSetup(
        responders=_responders(own, settings.contacts_parameter),
        reader=team,
        writer=team,
        home=Home(settings.account_id, settings.region),
    )


def build_assess(settings: AssessSettings) -> Assess:
    """Wire Assess: nothing in it can write but to the bucket."""
    own = _clients(settings)
    return Assess(
        organizations=Organizations(own),
        reader=Memberships(own, settings.region),
        triage_roles=TriageRoles(
            own, own.through(settings.management_reader_role_arn), settings.member_reader_role_name
        ),
        documents=_documents(settings),
    )


def build_member_repair(settings: MemberRepairSettings, request: WritingRequest) -> MemberRepair:
    """Wire MemberRepair."""
    return MemberRepair(
        roles=TriageRolesToBe(_clients(settings, request), f"{settings.deployment}-member-repair"),
        documents=_documents(settings),
        home=Home(settings.account_id, settings.region),
        deployment=settings.deployment,
        access=settings.member_access,
    )


def build_containment(settings: ContainmentSettings, request: WritingRequest, *, ec2_triage: bool) -> Containment:
    """Wire Containment."""
    own = _clients(settings, request)
    reader = own.through(settings.management_reader_role_arn)
    documents = _documents(settings)
    return Containment(
        reader=StackSets(reader),
        writer=StackSetsAsManager(own.through(settings.management_containment_role_arn)),
        roles=RoleReadings(
            ContainmentRoles(own, reader, settings.member_reader_role_name),
            documents,
            lambda account_id: read_pinned_roles(account_id, ec2_triage=ec2_triage),
        ),
        documents=documents,
        template=read_template(),
    )


def build_lease(settings: LeaseSettings) -> Leasing:
    """Wire Lease."""
    stepfunctions = _client("stepfunctions", settings.region)
    return Leasing(_lease(settings), Executions(stepfunctions, settings.account_id))


def build_fence(settings: Settings, execution: str) -> WriteFence:
    """Wire the fence of one invocation: the execution has to hold the lease at each attempt at a write."""
    return Fence(_lease(settings), execution, lambda: datetime.now(UTC))


def build_approval(settings: ApprovalSettings) -> Approval:
    """Wire Approval. It alone reads AWS's event history, and answers machines that wait."""
    stepfunctions = _client("stepfunctions", settings.region)
    executions = f"arn:aws:states:{settings.region}:{settings.account_id}:execution:{settings.deployment}"
    return Approval(
        documents=BucketConditionalDocuments(_client("s3", settings.region), settings.bucket, settings.account_id),
        history=EventHistoryOfRegion(_client("cloudtrail", settings.region), settings.account_id),
        executions=ExecutionsWithInput(stepfunctions, settings.account_id),
        tokens=StepFunctionsTaskTokens(stepfunctions, settings.account_id),
        approvals_needed=lambda key, version: (
            read_desired(settings, DesiredReference(key=key, version=version)).approvals
        ),
        onboard_executions=f"{executions}-onboard:",
        approve_executions=f"{executions}-approve:",
        own_roles=settings.own(),
        plan_max_age=timedelta(seconds=settings.plan_max_age_seconds),
    )


def build_preference(settings: PreferenceSettings) -> Preference:
    """Wire Preference: it finds out who attests, and writes one document."""
    return Preference(
        documents=BucketConditionalDocuments(_client("s3", settings.region), settings.bucket, settings.account_id),
        history=EventHistoryOfRegion(_client("cloudtrail", settings.region), settings.account_id),
        executions=ExecutionsWithInput(_client("stepfunctions", settings.region), settings.account_id),
        attest_executions=(
            f"arn:aws:states:{settings.region}:{settings.account_id}:execution:{settings.deployment}-attest:"
        ),
        own_roles=settings.own(),
    )


def build_report(settings: ReportSettings) -> Report:
    """Wire Report."""
    return Report(documents=_documents(settings))


@cache
def _session(region: str) -> boto3.Session:
    """Keep one session for the life of the process: a second one would load every service's model again."""
    return boto3.Session(region_name=region)


@cache
def _client(service: str, region: str) -> Any:  # noqa: ANN401 - any service
    """Keep one client of the function's own role for the life of the process: to make one takes longer than a call."""
    return _session(region).client(service, config=CONFIG)  # type: ignore[call-overload]


def _clients(settings: Settings, request: WritingRequest | None = None) -> Clients:
    """Return the function's own clients. Those of a step that can write stand behind the fence of its run."""
    fence = None if request is None or request.execution is None else build_fence(settings, request.execution)
    return Clients(_session(settings.region), settings.account_id, fence=fence)


def _lease(settings: Settings) -> LeaseInBucket:
    return LeaseInBucket(_client("s3", settings.region), settings.bucket, settings.account_id)


def _responders(own: Clients, parameter: str) -> RespondersInParameterStore:
    return RespondersInParameterStore(own.session.client("ssm", config=CONFIG), parameter, own.account_id)


def _documents(settings: Settings) -> BucketDocuments:
    return BucketDocuments(_client("s3", settings.region), settings.bucket, settings.account_id)

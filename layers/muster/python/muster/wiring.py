"""The composition root: which adapter stands behind which port, for each function."""

from functools import cache

import boto3

from muster.adapters.clients import CONFIG, Clients
from muster.adapters.documents import BucketDocuments
from muster.adapters.management import ManagementThroughRoles
from muster.adapters.membership import Memberships
from muster.adapters.organizations import DelegationFromEither, Organizations
from muster.adapters.responders import RespondersInParameterStore
from muster.adapters.triage_roles import TriageRoles
from muster.domain.desired import DesiredState
from muster.domain.membership import Home
from muster.errors import DesiredStateError, NotConfiguredError
from muster.messages.desired_state import InvalidDocumentError, load_stored
from muster.messages.steps import DesiredReference
from muster.settings import AssessSettings, ReportSettings, ScopingSettings, Settings, SignUpSettings
from muster.steps.assess import Assess
from muster.steps.report import Report
from muster.steps.scoping import Scoping
from muster.steps.sign_up import SignUp


def read_desired(settings: Settings, reference: DesiredReference) -> DesiredState:
    """Return the version of the desired state that this run works towards.

    Raises NotConfiguredError when it is gone, DesiredStateError when it is not valid.
    """
    text = _documents(settings).read_text(reference.key, reference.version)
    if text is None:
        raise NotConfiguredError(
            f"version {reference.version} of {reference.key} is not in {settings.bucket}: run `muster push FILE`"
        )
    try:
        return load_stored(text)
    except InvalidDocumentError as problem:
        raise DesiredStateError(f"{reference.key} in {settings.bucket} is not valid: {problem}") from None


def build_sign_up(settings: SignUpSettings) -> SignUp:
    """Wire SignUp."""
    own = _clients(settings)
    reader = own.through(settings.management_reader_role_arn)
    memberships = Memberships(own, settings.region)
    return SignUp(
        organizations=DelegationFromEither(own=Organizations(own), management=Organizations(reader)),
        management=ManagementThroughRoles(reader, own.through(settings.management_onboarding_role_arn)),
        reader=memberships,
        writer=memberships,
        responders=RespondersInParameterStore(
            own.session.client("ssm", config=CONFIG),
            settings.contacts_parameter,
            settings.account_id,
        ),
        home=Home(settings.account_id, settings.region),
    )


def build_scoping(settings: ScopingSettings) -> Scoping:
    """Wire Scoping. It runs after registration, so the application's own account may read the organization."""
    own = _clients(settings)
    memberships = Memberships(own, settings.region)
    return Scoping(
        organizations=Organizations(own), reader=memberships, writer=memberships, documents=_documents(settings)
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


def build_report(settings: ReportSettings) -> Report:
    """Wire Report."""
    return Report(documents=_documents(settings))


@cache
def _session(region: str) -> boto3.Session:
    """Keep one session for the life of the process: a second one would load every service's model again."""
    return boto3.Session(region_name=region)


def _clients(settings: Settings) -> Clients:
    return Clients(_session(settings.region), settings.account_id)


def _documents(settings: Settings) -> BucketDocuments:
    return BucketDocuments(_session(settings.region).client("s3", config=CONFIG), settings.bucket, settings.account_id)

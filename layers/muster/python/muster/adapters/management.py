"""The management account: read through one role, written to through another that may be absent."""

from dataclasses import dataclass

from muster.adapters.clients import Clients
from muster.adapters.membership import list_memberships
from muster.adapters.translate import translated
from muster.domain.membership import SERVICE_PRINCIPAL, TRIAGE_ROLE_NAME, TRIAGE_SERVICE_PRINCIPAL, MembershipSummary
from muster.errors import AbsentError, AlreadyThereError, RefusedError
from muster.ports import ManagementAccount, ManagementReader, ManagementSurvey


@dataclass(frozen=True)
class ManagementThroughReader(ManagementReader):
    """Reads as the reader role."""

    reader: Clients

    @property
    def account_id(self) -> str:
        """The account of the roles."""
        return self.reader.account_id

    def has_triage_role(self) -> bool:
        """Read GetRole."""
        return has_triage_role(self.reader)

    def memberships(self, region: str) -> tuple[MembershipSummary, ...]:
        """Read ListMemberships as the management account."""
        return list_memberships(self.reader, region)


@dataclass(frozen=True)
class ManagementSurveyed(ManagementThroughReader, ManagementSurvey):
    """Looks at what a run will meet there."""

    def enter(self) -> None:
        """Call AssumeRole, once for all that is read afterwards."""
        self.reader.enter()

    def has_role(self, name: str) -> bool:
        """Read GetRole."""
        return has_role(self.reader, name)


@dataclass(frozen=True)
class ManagementThroughRoles(ManagementThroughReader, ManagementAccount):
    """Reads as the reader role, writes as the onboarding role."""

    onboarding: Clients

    def enable_trusted_access(self) -> None:
        """Call EnableAWSServiceAccess."""
        with translated("organizations:EnableAWSServiceAccess", self.onboarding.account_id):
            self.onboarding.organizations.enable_aws_service_access(ServicePrincipal=SERVICE_PRINCIPAL)

    def create_triage_role(self) -> None:
        """Call CreateServiceLinkedRole."""
        create_triage_role(self.onboarding)

    def register_delegated_administrator(self, account_id: str) -> None:
        """Call RegisterDelegatedAdministrator."""
        with translated("organizations:RegisterDelegatedAdministrator", self.onboarding.account_id):
            self.onboarding.organizations.register_delegated_administrator(
                AccountId=account_id, ServicePrincipal=SERVICE_PRINCIPAL
            )


def has_triage_role(clients: Clients) -> bool:
    """Tell whether the triage service-linked role exists in the clients' account. Raises DeniedError."""
    return has_role(clients, TRIAGE_ROLE_NAME)


def has_role(clients: Clients, name: str) -> bool:
    """Tell whether a role exists in the clients' account. Raises DeniedError."""
    try:
        with translated("iam:GetRole", clients.account_id):
            clients.iam.get_role(RoleName=name)
    except AbsentError:
        return False
    return True


def create_triage_role(clients: Clients) -> None:
    """Call CreateServiceLinkedRole in the clients' account; IAM answers InvalidInput when the role exists.

    Raises DeniedError, RefusedError, AlreadyThereError.
    """
    operation = "iam:CreateServiceLinkedRole"
    try:
        with translated(operation, clients.account_id):
            clients.iam.create_service_linked_role(AWSServiceName=TRIAGE_SERVICE_PRINCIPAL)
    except RefusedError as refusal:
        if refusal.said.startswith("InvalidInput"):
            raise AlreadyThereError(operation, refusal.account_id, refusal.said) from None
        raise

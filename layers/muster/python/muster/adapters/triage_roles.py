"""The triage role in an account, read through whatever reader is deployed there."""

from dataclasses import dataclass

from muster.adapters.clients import Clients
from muster.adapters.management import create_triage_role, has_triage_role
from muster.domain.observed import Known, Observed, Unknown
from muster.errors import DeniedError
from muster.ports import TriageRoleReader, TriageRoleWriter


@dataclass(frozen=True)
class TriageRoles(TriageRoleReader):
    """Reads through the role that is deployed in the account; ``member_reader_role_name`` is empty where none is."""

    own: Clients
    management: Clients
    member_reader_role_name: str

    def exists(self, account_id: str) -> Observed[bool]:
        """Read GetRole where a reader exists."""
        if account_id == self.management.account_id:
            clients = self.management
        elif account_id == self.own.account_id:
            clients = self.own
        elif self.member_reader_role_name:
            clients = self.own.through(f"arn:aws:iam::{account_id}:role/{self.member_reader_role_name}")
        else:
            return Unknown("no reader role is deployed in the member accounts")
        try:
            return Known(has_triage_role(clients))
        except DeniedError as denial:
            return Unknown(str(denial))


@dataclass(frozen=True)
class TriageRolesToBe(TriageRoleWriter):
    """Creates through the repair role of the account; in the application's own account as the function itself."""

    own: Clients
    member_repair_role_name: str

    def create(self, account_id: str) -> None:
        """Call CreateServiceLinkedRole there."""
        if account_id == self.own.account_id:
            create_triage_role(self.own)
        else:
            create_triage_role(self.own.through(f"arn:aws:iam::{account_id}:role/{self.member_repair_role_name}"))

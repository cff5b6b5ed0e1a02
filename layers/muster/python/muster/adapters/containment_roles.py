"""The two containment roles in an account, read through whatever reader is deployed there."""

from dataclasses import dataclass

from muster.adapters.clients import Clients
from muster.adapters.management import has_role
from muster.domain.containment import ROLES
from muster.domain.observed import Known, Observed, Unknown
from muster.errors import ServiceAnswerError
from muster.ports import ContainmentRoleReader


@dataclass(frozen=True)
class ContainmentRoles(ContainmentRoleReader):
    """Reads through the reader of the account; ``member_reader_role_name`` is empty where the members have none."""

    own: Clients
    management: Clients
    member_reader_role_name: str

    @property
    def reaches_members(self) -> bool:
        """Tell whether the application was told of a reader in the members."""
        return bool(self.member_reader_role_name)

    def found(self, account_id: str) -> Observed[frozenset[str]]:
        """Read GetRole for both."""
        if account_id == self.management.account_id:
            clients = self.management
        else:
            clients = self.own.through(f"arn:aws:iam::{account_id}:role/{self.member_reader_role_name}")
        try:
            return Known(frozenset(name for name in sorted(ROLES) if has_role(clients, name)))
        except ServiceAnswerError as error:  # one account's oddity is not the others'
            return Unknown(str(error))

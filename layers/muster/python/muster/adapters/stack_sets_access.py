"""Whether CloudFormation StackSets may work in the organization."""

from dataclasses import dataclass

from muster.adapters.clients import GLOBAL_REGION, Clients
from muster.adapters.translate import translated
from muster.ports import StackSetsAccessReader


@dataclass(frozen=True)
class StackSetsAccess(StackSetsAccessReader):
    """Reads as the management account, which no service control policy keeps out of a Region."""

    clients: Clients

    def organizations_access(self) -> bool:
        """Read DescribeOrganizationsAccess."""
        with translated("cloudformation:DescribeOrganizationsAccess", self.clients.account_id):
            found = self.clients.cloudformation(GLOBAL_REGION).describe_organizations_access(CallAs="SELF")
        return found["Status"] == "ENABLED"

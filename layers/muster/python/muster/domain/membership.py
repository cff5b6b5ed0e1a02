"""The membership as the service reports it, and one account's association with it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

ACTIVE = "Active"
"""The only status that counts as ready: any other does not, known or new (the console has one that the API lacks)."""

SERVICE_PRINCIPAL = "security-ir.amazonaws.com"
TRIAGE_SERVICE_PRINCIPAL = "triage.security-ir.amazonaws.com"
TRIAGE_ROLE_NAME = "AWSServiceRoleForSecurityIncidentResponse_Triage"
MAX_UNITS_PER_UPDATE = 5
SUPPORTED_REGIONS = (
    "us-east-1", "us-east-2", "us-west-2", "ca-central-1", "sa-east-1",
    "eu-central-1", "eu-central-2", "eu-west-1", "eu-west-2", "eu-west-3", "eu-north-1", "eu-south-1", "eu-south-2",
    "ap-south-1", "ap-south-2", "ap-northeast-1", "ap-northeast-2", "ap-southeast-1", "ap-southeast-2",
    "ap-southeast-3", "ap-southeast-4", "ap-east-1", "me-south-1", "me-central-1", "af-south-1",
)  # fmt: skip
OPT_IN_REGIONS = frozenset(
    {
        "af-south-1", "ap-east-1", "ap-south-2", "ap-southeast-3", "ap-southeast-4",
        "eu-central-2", "eu-south-1", "eu-south-2", "me-central-1", "me-south-1",
    }
)  # fmt: skip
"""Those of the supported Regions that an account has to enable before anything can be there."""


@dataclass(frozen=True, slots=True)
class Home:
    """The account and the Region where the application runs, which are also where the membership lives for life."""

    account_id: str
    region: str

    def __str__(self) -> str:
        return f"{self.account_id}/{self.region}"


class Association(StrEnum):
    """What the API says of one account (BatchGetMemberAccountDetails, ``relationshipStatus``)."""

    ASSOCIATED = "Associated"
    DISASSOCIATED = "Disassociated"
    UNASSOCIATED = "Unassociated"


@dataclass(frozen=True, slots=True)
class MembershipSummary:
    """One row of ListMemberships."""

    id: str
    arn: str
    account_id: str
    region: str
    status: str


@dataclass(frozen=True, slots=True)
class Membership:
    """A membership without its responders. ``triage_enabled`` is None when the service does not say."""

    id: str
    arn: str
    account_id: str
    region: str
    name: str
    status: str
    activated_at: datetime | None
    accounts_covered: int | None
    triage_enabled: bool | None
    covers_entire_organization: bool
    unit_ids: frozenset[str]

"""A small organization and the clients of its accounts, in process: no socket, and a clock that only tests move."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
import pytest
import yaml
from botocore.config import Config
from botocore.exceptions import ClientError

from muster_local import organization_file, world
from muster_local.clock import Clock

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
HOME = "eu-west-1"
PRINCIPAL = "security-ir.amazonaws.com"
TRIAGE_PRINCIPAL = "triage.security-ir.amazonaws.com"
TRIAGE_ROLE = "AWSServiceRoleForSecurityIncidentResponse_Triage"

MANAGEMENT = "111111111111"
SECURITY_TOOLING = "222222222222"
LOG_ARCHIVE = "300000000002"
LONE = "300000000001"
TEMPLATES = "400000000001"
SHOP = "400000000002"
LEDGER = "400000000003"
SUSPENDED = "400000000004"
PENDING = "400000000005"
SANDBOX_ACCOUNT = "012345678901"
FOREIGN = "999999999999"

SECURITY = "ou-abcd-security1"
WORKLOADS = "ou-abcd-workloads"
PROD = "ou-abcd-prod0000"
SANDBOX = "ou-abcd-sandbox1"

ORGANIZATION = f"""
id: o-smallworld1
management_account: {{id: "{MANAGEMENT}", name: Management}}
root:
  accounts:
    - {{id: "{LONE}", name: Lone}}
  units:
    - name: Security
      id: {SECURITY}
      accounts:
        - {{id: "{SECURITY_TOOLING}", name: Security Tooling}}
        - {{id: "{LOG_ARCHIVE}", name: Log Archive}}
    - name: Workloads
      id: {WORKLOADS}
      accounts:
        - {{id: "{TEMPLATES}", name: Templates}}
      units:
        - name: Prod
          id: {PROD}
          accounts:
            - {{id: "{SHOP}", name: Shop}}
            - {{id: "{LEDGER}", name: Ledger}}
            - {{id: "{SUSPENDED}", name: Old, state: SUSPENDED}}
            - {{id: "{PENDING}", name: New, state: PENDING_ACTIVATION}}
    - name: Sandbox
      id: {SANDBOX}
      accounts:
        - {{id: "{SANDBOX_ACCOUNT}", name: Sandbox Ada}}
      policies:
        - name: KeepTheTrail
          content:
            Version: "2012-10-17"
            Statement: [{{Effect: Deny, Action: "cloudtrail:StopLogging", Resource: "*"}}]
"""

TEAM = [
    {"name": "Ada Example", "jobTitle": "Security lead", "email": "ada@example.com"},
    {"name": "Grace Example", "jobTitle": "Engineer", "email": "grace@example.com"},
]


@dataclass(frozen=True, slots=True)
class SmallWorld:
    """The loaded world, with clients that act as one of its accounts."""

    world: world.World

    def organizations(self, account: str = MANAGEMENT) -> Any:
        return client("organizations", account, "us-east-1")

    def security_ir(self, account: str = SECURITY_TOOLING, region: str = HOME) -> Any:
        return client("security-ir", account, region)

    def iam(self, account: str) -> Any:
        return client("iam", account, "us-east-1")

    def advance(self, *, minutes: float = 0, seconds: float = 0) -> None:
        self.world.clock.advance(minutes * 60 + seconds)

    def flip(self, name: str, value: str) -> None:
        self.world.switches.set(name, value)

    def enable(self) -> None:
        self.organizations().enable_aws_service_access(ServicePrincipal=PRINCIPAL)

    def register(self, account: str = SECURITY_TOOLING) -> None:
        self.organizations().register_delegated_administrator(AccountId=account, ServicePrincipal=PRINCIPAL)

    def prepare(self) -> None:
        """Do in the management account what comes before a membership."""
        self.enable()
        self.register()

    def sign_up(self, account: str = SECURITY_TOOLING, **parameters: Any) -> str:
        """Create a membership and return its id."""
        wish: dict[str, Any] = {"membershipName": "small-world", "incidentResponseTeam": TEAM} | parameters
        created: str = self.security_ir(account).create_membership(**wish)["membershipId"]
        return created

    def update_scope(self, membership_id: str, **change: Any) -> None:
        self.security_ir().update_membership(membershipId=membership_id, membershipAccountsConfigurationsUpdate=change)

    def associations(self, membership_id: str, *accounts: str) -> dict[str, str]:
        found = self.security_ir().batch_get_member_account_details(
            membershipId=membership_id, accountIds=list(accounts)
        )
        return {item["accountId"]: item["relationshipStatus"] for item in found["items"]}

    def association(self, membership_id: str, account: str) -> str:
        return self.associations(membership_id, account)[account]

    def has_triage_role(self, account: str) -> bool:
        roles = self.iam(account).list_roles(PathPrefix=f"/aws-service-role/{TRIAGE_PRINCIPAL}/")["Roles"]
        return [role["RoleName"] for role in roles] == [TRIAGE_ROLE]


def load() -> SmallWorld:
    """Build the small organization, with throttles off: a clock that stands still would never refill them."""
    loaded = world.load(organization_file.parse(yaml.safe_load(ORGANIZATION)), clock=Clock(real_time=lambda: NOW))
    loaded.throttles.enabled = False
    return SmallWorld(loaded)


@cache
def client(service: str, account: str, region: str) -> Any:
    """Return a client that acts as an account, does not retry, and leaves the checks to the service."""
    session: Any = boto3.session.Session()
    return session.client(
        service,
        region_name=region,
        aws_access_key_id=account,
        aws_secret_access_key="embedded",
        config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
    )


def refusal(call: Callable[..., Any], **parameters: Any) -> dict[str, Any]:
    """Make a call that must be refused, and return its code, HTTP status and modelled members."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    response: dict[str, Any] = dict(caught.value.response)
    error = response.pop("Error")
    status = response.pop("ResponseMetadata")["HTTPStatusCode"]
    return response | {"code": error["Code"], "status": status}


def refused(call: Callable[..., Any], **parameters: Any) -> tuple[str, int]:
    """Make a call that must be refused, and return its code and HTTP status."""
    found = refusal(call, **parameters)
    return found["code"], found["status"]

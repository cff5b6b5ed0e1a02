"""AWS clients from one shared session, in the application's account or through a role in another."""

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from muster.adapters.translate import translated
from muster.lease_ports import WriteFence

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_organizations import OrganizationsClient
    from mypy_boto3_security_ir import SecurityIncidentResponseClient
    from mypy_boto3_ssm import SSMClient

GLOBAL_REGION = "us-east-1"
"""Where Organizations and IAM answer; and, being enabled everywhere, where STS is asked for roles of other accounts:
in an opt-in Region STS would have to be active in both accounts."""

CONFIG = Config(
    connect_timeout=5,
    read_timeout=30,
    retries={"mode": "standard"},
    user_agent_extra="muster",
)

READS = re.compile(r"(?:Get|List|Describe|Detect|BatchGet|Head|Lookup)(?=[A-Z])|AssumeRole$")
"""How operations begin that change nothing. Whatever else there is counts as a write."""


@dataclass(frozen=True)
class Clients:
    """The clients of one identity, the function's own role or one assumed on first use. Lives for one invocation.

    With a ``fence`` every attempt at a write, the SDK's own retries included, is preceded by its ``hold``; what that
    raises reaches the caller, and nothing is sent.
    """

    session: boto3.Session
    account_id: str
    role_arn: str | None = None
    session_name: str = "muster"
    endpoint_url: str | None = None
    fence: WriteFence | None = field(default=None, repr=False)
    _probes: dict[str, "SecurityIncidentResponseClient"] = field(default_factory=dict, repr=False)

    def through(self, role_arn: str) -> "Clients":
        """Return the clients of a role in another account, behind the same fence."""
        return Clients(
            self.session, role_arn.split(":")[4], role_arn, endpoint_url=self.endpoint_url, fence=self.fence
        )  # fmt: skip

    def enter(self) -> None:
        """Assume the role, where there is one, before anything is read. Raises DeniedError."""
        _ = self._credentials

    @cached_property
    def _credentials(self) -> dict[str, str]:
        if self.role_arn is None:
            return {}
        with translated("sts:AssumeRole", self.account_id):
            sts = self.session.client("sts", region_name=GLOBAL_REGION, config=CONFIG)
            answer = sts.assume_role(RoleArn=self.role_arn, RoleSessionName=self.session_name)["Credentials"]
        return {
            "aws_access_key_id": answer["AccessKeyId"],
            "aws_secret_access_key": answer["SecretAccessKey"],
            "aws_session_token": answer["SessionToken"],
        }

    @cached_property
    def organizations(self) -> "OrganizationsClient":
        """Organizations. Raises DeniedError when the role cannot be assumed, as every client does."""
        client: OrganizationsClient = self._client("organizations", GLOBAL_REGION)
        return client

    @cached_property
    def iam(self) -> "IAMClient":
        """IAM."""
        client: IAMClient = self._client("iam", GLOBAL_REGION)
        return client

    @cached_property
    def cloudtrail(self) -> Any:  # noqa: ANN401 - there are no stubs for it here
        """CloudTrail where it has the events of Organizations and IAM."""
        return self._client("cloudtrail", GLOBAL_REGION)

    def cloudformation(self, region: str) -> "CloudFormationClient":
        """CloudFormation in one Region."""
        client: CloudFormationClient = self._client("cloudformation", region)
        return client

    @cached_property
    def ssm(self) -> "SSMClient":
        """Parameter Store in the session's Region."""
        client: SSMClient = self._client("ssm", self.session.region_name)
        return client

    def security_ir(self, region: str) -> "SecurityIncidentResponseClient":
        """Security Incident Response in one Region."""
        if region not in self._probes:
            self._probes[region] = self._client("security-ir", region)
        return self._probes[region]

    def _client(self, service: str, region: str) -> Any:  # noqa: ANN401 - the properties know the type
        client = self.session.client(  # type: ignore[call-overload]
            service, region_name=region, endpoint_url=self.endpoint_url, config=CONFIG, **self._credentials
        )
        if self.fence is not None:
            # Emitted for each attempt, before it is signed: what is signed is sent at once.
            client.meta.events.register_first("request-created", _Guard(self.fence))
        return client


@dataclass(frozen=True, slots=True)
class _Guard:
    """Asks the fence before a request that is not a read."""

    fence: WriteFence

    def __call__(self, operation_name: str, **_: object) -> None:
        if not READS.match(operation_name):
            self.fence.hold()

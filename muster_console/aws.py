"""The one place where the console reaches AWS: how it connects, and what it says when that fails."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import (
    ConnectionError as BotoConnectionError,
)

from muster_console.errors import ConsoleError, ExitCode

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_organizations import OrganizationsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_security_ir import SecurityIncidentResponseClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_stepfunctions import SFNClient


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach AWS, as far as the operator says; the SDK's own configuration decides the rest."""

    region: str | None = None
    profile: str | None = None
    endpoint_url: str | None = None

    def options(self) -> str:
        """Return the options to repeat in a command that is suggested."""
        given = (("--endpoint-url", self.endpoint_url), ("--region", self.region), ("--profile", self.profile))
        return "".join(f" {option} {value}" for option, value in given if value)


class Clients(Protocol):
    """The services that the console talks to."""

    @property
    def cloudformation(self) -> "CloudFormationClient":
        """Where the outputs of the stack are."""
        ...

    @property
    def s3(self) -> "S3Client":
        """Where desired state, assessment and report lie."""
        ...

    @property
    def ssm(self) -> "SSMClient":
        """Where the contacts lie."""
        ...

    @property
    def stepfunctions(self) -> "SFNClient":
        """Where runs are started and followed."""
        ...

    @property
    def lambda_(self) -> "LambdaClient":
        """Where Preflight runs."""
        ...

    @property
    def organizations(self) -> "OrganizationsClient":
        """Where units have their names."""
        ...

    @property
    def security_ir(self) -> "SecurityIncidentResponseClient":
        """Where a membership may be already."""
        ...


class SdkClients:
    """Clients made when they are first needed, all from one session."""

    def __init__(self, connection: Connection) -> None:
        """Remember the connection; nothing is reached yet, but a profile has to exist."""
        self._connection = connection
        self._session = boto3.Session(profile_name=connection.profile, region_name=connection.region)

    def _client(self, service: str, read_timeout: int = 60) -> Any:  # noqa: ANN401 - the properties below know the type
        config = Config(
            connect_timeout=5, read_timeout=read_timeout, retries={"mode": "standard", "total_max_attempts": 4}
        )
        return self._session.client(service, endpoint_url=self._connection.endpoint_url, config=config)  # type: ignore[call-overload] # any service

    @cached_property
    def cloudformation(self) -> "CloudFormationClient":
        """Where the outputs of the stack are."""
        return self._client("cloudformation")  # type: ignore[no-any-return]

    @cached_property
    def s3(self) -> "S3Client":
        """Where desired state, assessment and report lie."""
        return self._client("s3")  # type: ignore[no-any-return]

    @cached_property
    def ssm(self) -> "SSMClient":
        """Where the contacts lie."""
        return self._client("ssm")  # type: ignore[no-any-return]

    @cached_property
    def stepfunctions(self) -> "SFNClient":
        """Where runs are started and followed."""
        return self._client("stepfunctions")  # type: ignore[no-any-return]

    @cached_property
    def lambda_(self) -> "LambdaClient":
        """Where Preflight runs, which may take as long as its function may."""
        return self._client("lambda", read_timeout=310)  # type: ignore[no-any-return]

    @cached_property
    def organizations(self) -> "OrganizationsClient":
        """Where units have their names."""
        return self._client("organizations")  # type: ignore[no-any-return]

    @cached_property
    def security_ir(self) -> "SecurityIncidentResponseClient":
        """Where a membership may be already."""
        return self._client("security-ir")  # type: ignore[no-any-return]


_SIGN_IN: Final = "Sign in (for example with `aws sso login`), or name a profile: `muster --profile NAME …`."
_NO_CREDENTIALS: Final = (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError)
_NO_TOKEN: Final = (SSOError, TokenRetrievalError)
_EXPIRED: Final = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
_NOT_RECOGNIZED: Final = {
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "AuthFailure",
}
_DENIED: Final = {"AccessDenied", "AccessDeniedException", "403", "UnauthorizedOperation"}


def error_code(error: ClientError) -> str:
    """Return the code by which a service names its error."""
    return error.response.get("Error", {}).get("Code", "")


def is_denial(error: ClientError) -> bool:
    """Tell whether a service refused because of who asks."""
    return error_code(error) in _DENIED


@contextmanager
def explained(connection: Callable[[], Connection]) -> Iterator[None]:
    """Turn what the SDK raises into one sentence and a next step. The connection is asked for only then."""
    try:
        yield
    except ClientError as error:
        raise _refusal(error) from error
    except (BotoCoreError, HTTPClientError) as error:
        raise _no_answer(error, connection()) from error


def _refusal(error: ClientError) -> ConsoleError:
    code, operation = error_code(error), error.operation_name
    if code in _EXPIRED:
        return ConsoleError("The AWS credentials have expired.", _SIGN_IN)
    if code in _NOT_RECOGNIZED:
        return ConsoleError("AWS does not recognize the credentials.", _SIGN_IN)
    if is_denial(error):
        return ConsoleError(
            f"These credentials may not call {operation} there.",
            "Use those of an operator in the membership account (`aws sts get-caller-identity` says who you are).",
        )
    return ConsoleError(f"AWS refused {operation} with {code or 'no code'}.", "Repeat it with `muster --debug …`.")


def _no_answer(error: BotoCoreError | HTTPClientError, connection: Connection) -> ConsoleError:
    match error:
        case ProfileNotFound():
            return ConsoleError(
                f"There is no AWS profile {connection.profile or 'of the name in AWS_PROFILE'}.",
                "List them with `aws configure list-profiles`.",
                ExitCode.UNUSABLE,
            )
        case NoRegionError():
            return ConsoleError(
                "No Region is set.", "Give the membership's Region: `muster --region eu-west-1 …`.", ExitCode.UNUSABLE
            )
        case _ if isinstance(error, _NO_CREDENTIALS):
            return ConsoleError("No AWS credentials were found.", _SIGN_IN)
        case _ if isinstance(error, _NO_TOKEN):
            return ConsoleError("The AWS sign-in has ended.", _SIGN_IN)
        case EndpointConnectionError() | HTTPClientError() | BotoConnectionError():
            where = connection.endpoint_url or "AWS"
            return ConsoleError(
                f"{where} cannot be reached.",
                "Start it with `muster local up`, or check --endpoint-url."
                if connection.endpoint_url
                else "Check the network and --region.",
            )
        case _:
            return ConsoleError(f"The AWS SDK failed ({type(error).__name__}).", "Repeat it with `muster --debug …`.")

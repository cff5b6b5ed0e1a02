"""The one place that reads error codes: an AWS client's exceptions become the application's own."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, ParamValidationError

from muster.errors import (
    AbsentError,
    AlreadyThereError,
    DeniedError,
    MusterError,
    NotYetConsistentError,
    RefusedError,
    RegionNotEnabledError,
    ServiceAnswerError,
    ThrottledError,
    UnavailableError,
)

THROTTLED = frozenset(
    {
        "Throttling", "ThrottlingException", "ThrottledException", "TooManyRequestsException", "RequestLimitExceeded",
        "SlowDown",
    }
)  # fmt: skip
UNAVAILABLE = frozenset(
    {
        "InternalServerException", "ServiceException", "ServiceFailure", "InternalFailure", "ServiceUnavailable",
        "InternalError", "InternalServerError",
        # Two writers at once, or credentials that ran out: the next invocation starts afresh.
        "ConcurrentModificationException", "ConcurrentModification", "ExpiredToken", "ExpiredTokenException",
        "RequestExpired", "InvalidTokenException",
    }
)  # fmt: skip
DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"})
ABSENT = frozenset(
    {
        "NoSuchEntity", "ResourceNotFoundException", "NoSuchKey", "NoSuchVersion", "404", "ParameterNotFound",
        "OrganizationalUnitNotFoundException", "ParentNotFoundException", "AWSOrganizationsNotInUseException",
        "AccountNotFoundException", "StackSetNotFoundException", "ExecutionDoesNotExist",
        # A task that was waited for and is over.
        "TaskDoesNotExist", "TaskTimedOut",
        # A change calendar, which is a document of Systems Manager.
        "InvalidDocument",
    }
)  # fmt: skip
REGION_NOT_ENABLED = frozenset({"UnrecognizedClientException", "InvalidClientTokenId", "OptInRequired"})
ALREADY_THERE = frozenset(
    {
        "ConflictException", "AccountAlreadyRegisteredException", "EntityAlreadyExists", "NameAlreadyExistsException",
        "OperationIdAlreadyExistsException",
        # A conditional write to S3 that was overtaken by another.
        "PreconditionFailed", "ConditionalRequestConflict",
    }
)  # fmt: skip
# An operation that is going on, or was overtaken by another, is a matter of time as well.
NOT_YET_CONSISTENT = frozenset(
    {"SecurityIncidentResponseNotActiveException", "OperationInProgressException", "StaleRequestException"}
)
NEVER_PERSONAL = "cloudformation:"
"""No request to it can hold a responder, so that its own words about an invalid one may be kept."""
# What Organizations says by reason and not by code; AWS documents two reasons for a second delegated administrator.
CONSTRAINTS: Mapping[str, type[ServiceAnswerError]] = {
    "SERVICE_ACCESS_NOT_ENABLED": NotYetConsistentError,
    "MAX_DELEGATED_ADMINISTRATORS_FOR_SERVICE_LIMIT_EXCEEDED": AlreadyThereError,
    "DELEGATED_ADMINISTRATOR_EXISTS_FOR_THIS_SERVICE": AlreadyThereError,
}


@contextmanager
def translated(operation: str, account_id: str, *, personal: bool = False) -> Generator[None]:
    """Turn what the SDK raises inside the block into the application's errors.

    ``operation`` is written "service:Operation", as a policy would write it. The service's own words are kept, but for
    requests that it or the SDK calls invalid: those may repeat a responder's name or address, so only field names stay.
    With ``personal`` the request holds responders, and only a denial, which speaks of rights, keeps its words.
    """
    try:
        yield
    except ClientError as error:
        raise _meaning(error, operation, account_id, personal=personal) from None
    except ParamValidationError:
        raise RefusedError(operation, account_id, "the SDK calls the request invalid") from None
    except (HTTPClientError, BotoCoreError) as error:
        raise UnavailableError(f"{operation} in account {account_id}: no answer ({type(error).__name__})") from None


def _meaning(error: ClientError, operation: str, account_id: str, *, personal: bool) -> MusterError:
    response: Any = error.response  # the stubs know neither Organizations' Reason nor the service's fieldList
    answer = response["Error"]
    code = answer.get("Code", "")
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", HTTPStatus.BAD_REQUEST)
    said = code if personal and code not in DENIED else f"{code} ({answer.get('Message', '')})"
    if code in THROTTLED or status == HTTPStatus.TOO_MANY_REQUESTS:
        return ThrottledError(f"{operation} in account {account_id}: {code}")
    if code in UNAVAILABLE or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return UnavailableError(f"{operation} in account {account_id}: {code}")
    if code == "ConstraintViolationException" and (constraint := CONSTRAINTS.get(response.get("Reason", ""))):
        return constraint(operation, account_id, said)
    for codes, meaning in (
        (DENIED, DeniedError),
        (ABSENT, AbsentError),
        (REGION_NOT_ENABLED, RegionNotEnabledError),
        (ALREADY_THERE, AlreadyThereError),
        (NOT_YET_CONSISTENT, NotYetConsistentError),
    ):
        if code in codes:
            return meaning(operation, account_id, said)
    if operation.startswith(NEVER_PERSONAL):
        return RefusedError(operation, account_id, said)
    fields = [str(field.get("name")) for field in response.get("fieldList", [])]
    return RefusedError(operation, account_id, f"{code}, field {', '.join(fields)}" if fields else code)

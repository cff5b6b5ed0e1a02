from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)

from muster import errors
from muster.adapters.translate import translated

OPERATION = "security-ir:CreateMembership"


def answer(code: str, status: int = 400, message: str = "said so", **fields: Any) -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}, **fields
    }  # fmt: skip
    return ClientError(response, "CreateMembership")


def meaning(raised: Exception) -> errors.MusterError:
    with pytest.raises(errors.MusterError) as caught, translated(OPERATION, "222222222222"):
        raise raised
    return caught.value


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (answer("ThrottlingException", 429), errors.ThrottledError),
        (answer("TooManyRequestsException"), errors.ThrottledError),
        (answer("NobodyKnowsThisOne", 429), errors.ThrottledError),
        (answer("InternalServerException", 500), errors.UnavailableError),
        (answer("NobodyKnowsThisOne", 503), errors.UnavailableError),
        (answer("ServiceFailure", 500), errors.UnavailableError),
        (answer("ConcurrentModificationException"), errors.UnavailableError),
        (answer("ExpiredTokenException", 403), errors.UnavailableError),
        (answer("InvalidTokenException", 423), errors.UnavailableError),
        (ConnectionClosedError(endpoint_url="x"), errors.UnavailableError),
        (ReadTimeoutError(endpoint_url="x"), errors.UnavailableError),
        (NoCredentialsError(), errors.UnavailableError),
        (answer("AccessDeniedException", 403), errors.DeniedError),
        (answer("AccessDenied", 403), errors.DeniedError),
        (answer("NoSuchEntity", 404), errors.AbsentError),
        (answer("ResourceNotFoundException", 404), errors.AbsentError),
        (answer("ParameterNotFound"), errors.AbsentError),
        (answer("NoSuchKey", 404), errors.AbsentError),
        (answer("OrganizationalUnitNotFoundException"), errors.AbsentError),
        (answer("UnrecognizedClientException", 403), errors.RegionNotEnabledError),
        (answer("InvalidClientTokenId", 403), errors.RegionNotEnabledError),
        (answer("ConflictException", 409), errors.AlreadyThereError),
        (answer("AccountAlreadyRegisteredException"), errors.AlreadyThereError),
        (answer("SecurityIncidentResponseNotActiveException"), errors.NotYetConsistentError),
        (answer("ConstraintViolationException", Reason="SERVICE_ACCESS_NOT_ENABLED"), errors.NotYetConsistentError),
        (
            answer("ConstraintViolationException", Reason="MAX_DELEGATED_ADMINISTRATORS_FOR_SERVICE_LIMIT_EXCEEDED"),
            errors.AlreadyThereError,
        ),
        (
            answer("ConstraintViolationException", Reason="DELEGATED_ADMINISTRATOR_EXISTS_FOR_THIS_SERVICE"),
            errors.AlreadyThereError,
        ),
        (answer("ConstraintViolationException", Reason="ACCOUNT_NUMBER_LIMIT_EXCEEDED"), errors.RefusedError),
        (answer("NameAlreadyExistsException", 409), errors.AlreadyThereError),
        (answer("OperationIdAlreadyExistsException", 409), errors.AlreadyThereError),
        (answer("OperationInProgressException", 409), errors.NotYetConsistentError),
        (answer("StaleRequestException", 409), errors.NotYetConsistentError),
        (answer("StackSetNotFoundException", 404), errors.AbsentError),
        (answer("InvalidDocument"), errors.AbsentError),
        (answer("InvalidDocumentType"), errors.RefusedError),
        (answer("UnsupportedCalendarException"), errors.RefusedError),
        (answer("ValidationException"), errors.RefusedError),
        (answer("ServiceQuotaExceededException", 402), errors.RefusedError),
        (answer("NobodyKnowsThisOne"), errors.RefusedError),
    ],
)
def test_answer_has_one_meaning(raised: Exception, expected: type[Exception]) -> None:
    assert type(meaning(raised)) is expected


def test_denial_says_operation_account_and_the_services_own_words() -> None:
    assert str(meaning(answer("AccessDeniedException", 403, "not authorized"))) == (
        "security-ir:CreateMembership in account 222222222222: AccessDeniedException (not authorized)"
    )


def test_refusal_names_the_fields_and_repeats_no_value() -> None:
    refusal = answer(
        "ValidationException",
        message="jane@example.com is not acceptable",
        fieldList=[{"name": "incidentResponseTeam[0].email", "message": "jane@example.com"}],
    )

    assert str(meaning(refusal)).endswith("ValidationException, field incidentResponseTeam[0].email")


def test_refusal_of_a_service_that_is_never_told_of_responders_keeps_its_words() -> None:
    with (
        pytest.raises(errors.RefusedError, match="organizations access is not enabled"),
        translated("cloudformation:CreateStackSet", "111111111111"),
    ):
        raise answer("ValidationError", message="organizations access is not enabled")


@pytest.mark.parametrize(
    "raised",
    [ParamValidationError(report="value: jane@example.com"), ReadTimeoutError(endpoint_url="jane@example.com")],
)
def test_what_the_sdk_raises_is_not_repeated(raised: Exception) -> None:
    found = meaning(raised)

    assert "jane" not in str(found)
    assert found.__suppress_context__


@pytest.mark.parametrize("code", ["ConflictException", "ResourceNotFoundException", "ValidationException"])
def test_answer_to_a_request_with_responders_keeps_no_words_of_the_service(code: str) -> None:
    with pytest.raises(errors.ServiceAnswerError) as caught, translated(OPERATION, "222222222222", personal=True):
        raise answer(code, message="jane@example.com is there twice")

    assert str(caught.value) == f"security-ir:CreateMembership in account 222222222222: {code}"


def test_denial_of_a_request_with_responders_says_which_right_is_missing() -> None:
    with pytest.raises(errors.DeniedError, match="not authorized"), translated(OPERATION, "1" * 12, personal=True):
        raise answer("AccessDeniedException", 403, "not authorized")


def test_our_own_errors_pass() -> None:
    with pytest.raises(ZeroDivisionError), translated(OPERATION, "222222222222"):
        raise ZeroDivisionError

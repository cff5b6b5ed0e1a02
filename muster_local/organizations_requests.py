"""What every request to Organizations meets: the model, the published rates and pages of twenty; and the errors."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from moto.core.utils import get_service_model
from moto.organizations.exceptions import OrganizationsClientError

from muster_local.model_check import Problem, Rule, problems
from muster_local.simulation import current

PAGE_SIZE = 20

_INVALID_INPUT_REASON: Mapping[Rule, str] = {
    Rule.REQUIRED: "INPUT_REQUIRED",
    Rule.MAXIMUM: "MAX_VALUE_EXCEEDED",
    Rule.MINIMUM: "MIN_VALUE_EXCEEDED",
    Rule.PATTERN: "INVALID_PATTERN",
    Rule.ENUM: "INVALID_ENUM",
}


class OrganizationsError(OrganizationsClientError):
    """An error of the Organizations model, with its ``Reason`` where the model has one."""

    def __init__(self, code: str, message: str, reason: str | None = None) -> None:
        """Give the error its modelled members."""
        super().__init__(code, message)
        if reason is not None:
            self.Reason = reason


def constraint(reason: str, message: str) -> OrganizationsError:
    """Return a ConstraintViolationException with its reason."""
    return OrganizationsError("ConstraintViolationException", message, reason)


def throttle(account: str, action: str) -> None:
    """Count a call against the published rate of its operation. Raises TooManyRequestsException."""
    wait = current().throttles.seconds_to_wait(
        service="organizations", operation=action, account=account, region="us-east-1"
    )
    if wait:
        error = OrganizationsError("TooManyRequestsException", "You have sent too many requests in too short a time.")
        error.Type = "RATE"
        raise error


def check_input(action: str, request: Mapping[str, Any]) -> None:
    """Refuse what the model does not allow."""
    operation = get_service_model("organizations").operation_model(action)
    if operation.input_shape is None:
        return
    found = next(problems(operation.input_shape, request), None)
    if found is not None:
        raise _invalid_input(found)


def _invalid_input(problem: Problem) -> OrganizationsError:
    return OrganizationsError(
        "InvalidInputException",
        f"You provided a value that does not match: {problem.place} {problem.message}.",
        _INVALID_INPUT_REASON.get(problem.rule),
    )


def paged(body: str, key: str, request: Mapping[str, Any]) -> str:
    """Return the page of a JSON answer that the request asks for; ``key`` is its list."""
    answer = json.loads(body)
    items, token = page(answer[key], request)
    return json.dumps(answer | {key: items, "NextToken": token})


def page[Item](items: Sequence[Item], request: Mapping[str, Any]) -> tuple[Sequence[Item], str | None]:
    """Return the items that the request asks for, and the token for those after them."""
    start = _offset(request.get("NextToken"))
    end = start + int(request.get("MaxResults") or PAGE_SIZE)
    token = base64.urlsafe_b64encode(f"after {end}".encode()).decode() if end < len(items) else None
    return items[start:end], token


def _offset(token: str | None) -> int:
    if token is None:
        return 0
    try:
        word, number = base64.urlsafe_b64decode(token).decode().split()
        if word == "after":
            return int(number)
    except ValueError:
        pass
    raise OrganizationsError("InvalidInputException", "The next token is not valid.", "INVALID_NEXT_TOKEN")

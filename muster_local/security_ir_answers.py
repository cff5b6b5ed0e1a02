"""How `security-ir` answers: the errors of its model, and pages."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from moto.core.exceptions import ServiceException

type Request = Mapping[str, Any]
type Answer = dict[str, Any]

SERVICE = "security-ir"
DEFAULT_PAGE = 25


class SecurityIncidentResponseError(ServiceException):
    """An error of the service's model; the keyword arguments are the members that the model gives it."""

    def __init__(self, code: str, message: str, **members: Any) -> None:
        """Set the modelled members as attributes, where moto's serialiser looks for them."""
        super().__init__(code, message)
        for name, value in members.items():
            setattr(self, name, value)


def refuse(place: str, message: str) -> SecurityIncidentResponseError:
    """Return a ValidationException about one field."""
    return SecurityIncidentResponseError(
        "ValidationException",
        f"{place}: {message}",
        reason="FIELD_VALIDATION_FAILED",
        fieldList=[{"name": place, "message": message}],
    )


def not_entitled() -> SecurityIncidentResponseError:
    """Return the refusal of an account that has nothing to do with the membership."""
    return SecurityIncidentResponseError(
        "AccessDeniedException", "This account is neither the membership's nor the delegated administrator."
    )


def not_active() -> SecurityIncidentResponseError:
    """Return the refusal of what needs an Active membership."""
    return SecurityIncidentResponseError(
        "SecurityIncidentResponseNotActiveException", "There is no active membership in this account and Region."
    )


def page(items: Sequence[Answer], request: Request) -> Answer:
    """Return the page of a list that the request asks for. Raises a ValidationException about its token."""
    start = 0
    if token := request.get("nextToken"):
        try:
            start = int(base64.urlsafe_b64decode(token).decode())
        except ValueError as error:
            raise refuse("nextToken", "is not a token of this service") from error
    end = start + int(request.get("maxResults") or DEFAULT_PAGE)
    answer: Answer = {"items": list(items[start:end])}
    if end < len(items):
        answer["nextToken"] = base64.urlsafe_b64encode(str(end).encode()).decode()
    return answer

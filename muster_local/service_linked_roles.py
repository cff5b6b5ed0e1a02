"""IAM: the service-linked roles of Security Incident Response under their real names, made once.

moto derives the name from the service principal, which fails for this service, and reports an existing role with the
error of CreateRole.
"""

from collections.abc import Callable
from typing import Any

import moto.iam.models
from moto.core.exceptions import ServiceException
from moto.iam.exceptions import EntityAlreadyExists
from moto.iam.models import IAMBackend, iam_backends

from muster_local.organization_tree import PARTITION

MEMBERSHIP_PRINCIPAL = "security-ir.amazonaws.com"
MEMBERSHIP_ROLE_NAME = "AWSServiceRoleForSecurityIncidentResponse"
TRIAGE_PRINCIPAL = "triage.security-ir.amazonaws.com"
TRIAGE_ROLE_NAME = "AWSServiceRoleForSecurityIncidentResponse_Triage"

unpatched_create_service_linked_role: Callable[..., Any] = IAMBackend.create_service_linked_role


class InvalidInputError(ServiceException):
    """IAM's answer to CreateServiceLinkedRole for a role that exists."""

    code = "InvalidInput"


def name_the_service() -> None:
    """Teach moto how Security Incident Response is spelt in role names."""
    moto.iam.models.SERVICE_NAME_CONVERSION["security-ir"] = "SecurityIncidentResponse"


def refuse_an_existing_role_as_iam_does() -> None:
    """Answer InvalidInput, not EntityAlreadyExists."""
    IAMBackend.create_service_linked_role = _create_service_linked_role


def create_if_missing(account_id: str, principal: str) -> None:
    """Create a service-linked role the way the service does: an existing one is no error."""
    try:
        iam_backends[account_id][PARTITION].create_service_linked_role(principal, "", "")
    except InvalidInputError:
        return


def _create_service_linked_role(backend: IAMBackend, service_name: str, description: str, suffix: str) -> Any:
    try:
        return unpatched_create_service_linked_role(backend, service_name, description, suffix)
    except EntityAlreadyExists as error:
        raise InvalidInputError(
            f"The service-linked role for {service_name} has been taken in this account, please try a different suffix."
        ) from error

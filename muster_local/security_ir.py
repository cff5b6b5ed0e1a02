"""AWS Security Incident Response (`security-ir`) as a moto backend, registered from outside moto.

botocore's model says what a request and a response look like and which HTTP status an error has; every request and
every response is checked against it. What the model cannot say follows the service's user guide and quotas page, and
where those are silent, a switch. The operations are in `security_ir_memberships`, `security_ir_cases` and
`security_ir_tags`.
"""

import json
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

import moto.backend_index
from botocore.model import OperationModel, StructureShape
from moto.core.base_backend import BackendDict, BaseBackend
from moto.core.exceptions import ServiceException
from moto.core.responses import TYPE_RESPONSE, ActionResult, BaseResponse
from moto.core.utils import get_service_model

from muster_local import security_ir_cases as cases
from muster_local import security_ir_memberships as memberships
from muster_local import security_ir_tags as tags
from muster_local.coverage import settle
from muster_local.model_check import problems
from muster_local.security_ir_answers import SERVICE, Answer, Request, SecurityIncidentResponseError
from muster_local.security_ir_caller import Caller
from muster_local.simulation import World, current

REGIONS = (
    "af-south-1", "ap-east-1", "ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-south-2", "ap-southeast-1",
    "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ca-central-1", "eu-central-1", "eu-central-2", "eu-north-1",
    "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3", "me-central-1", "me-south-1", "sa-east-1",
    "us-east-1", "us-east-2", "us-west-2",
)  # fmt: skip
"""Where the service has an endpoint (AWS General Reference, Security Incident Response endpoints and quotas)."""

url_bases = [r"https?://security-ir\.(.+)\.api\.aws", r"https?://security-ir\.(.+)\.amazonaws\.com"]
"""Clients call the first; moto's server makes the second out of a signature."""


class ResponseDefectError(AssertionError):
    """The simulation made a response that the model does not allow: a defect of ours, not of the caller."""


class SecurityIncidentResponseBackend(BaseBackend):
    """What moto finds the URLs by; it keeps nothing, for what the service keeps is the organization's."""

    @property
    def _url_module(self) -> Any:
        return sys.modules[__name__]


securityir_backends = BackendDict(
    SecurityIncidentResponseBackend, SERVICE, use_boto3_regions=False, additional_regions=list(REGIONS)
)

_HANDLERS: Mapping[str, Callable[[Caller, Request], Answer]] = {
    "CreateMembership": memberships.create_membership,
    "GetMembership": memberships.get_membership,
    "ListMemberships": memberships.list_memberships,
    "UpdateMembership": memberships.update_membership,
    "CancelMembership": memberships.cancel_membership,
    "BatchGetMemberAccountDetails": memberships.batch_get_member_account_details,
    "TagResource": tags.tag_resource,
    "UntagResource": tags.untag_resource,
    "ListTagsForResource": tags.list_tags_for_resource,
    "CreateCase": cases.create_case,
    "GetCase": cases.get_case,
    "ListCases": cases.list_cases,
    "CloseCase": cases.close_case,
}


class SecurityIncidentResponseResponse(BaseResponse):
    """Carries a call from HTTP to its operation and back, by the model."""

    def __init__(self) -> None:
        """Name the service, by which moto finds its model."""
        super().__init__(service_name=SERVICE)

    def call_action(self) -> TYPE_RESPONSE:
        """Answer one call; errors get the status and the members that the model gives them."""
        result: Any
        try:
            result = self._answer(self._get_action())
        except ServiceException as error:
            result = error
        status, headers, body = self.serialized(ActionResult(result))
        if (seconds := getattr(result, "retryAfterSeconds", None)) is not None:
            headers["Retry-After"] = str(seconds)
        headers["status"] = str(status)
        headers, body = self._enrich_response(headers, body)
        return status, headers, body

    def _answer(self, operation: str | None) -> Answer:
        world = current()
        if operation is None or operation not in _HANDLERS or self.region not in REGIONS:
            raise SecurityIncidentResponseError(
                "ValidationException",
                f"{operation or self.path} is not available in {self.region}.",
                reason="UNKNOWN_OPERATION",
            )
        with world.lock:
            settle(world)
            self._throttle(world, operation)
            model = get_service_model(SERVICE).operation_model(operation)
            request = self._request(model)
            answer = _HANDLERS[operation](Caller(world, self.current_account, self.region), request)
        if defects := list(problems(model.output_shape, answer)):
            raise ResponseDefectError(f"{operation}: {defects}")
        return answer

    def _throttle(self, world: World, operation: str) -> None:
        wait = world.throttles.seconds_to_wait(
            service=SERVICE, operation=operation, account=self.current_account, region=self.region
        )
        if wait:
            raise SecurityIncidentResponseError(
                "ThrottlingException", "Rate exceeded.", serviceCode=SERVICE, retryAfterSeconds=wait
            )

    def _request(self, model: OperationModel) -> Request:
        """Collect the members from path, query and body, and refuse what the model does not allow."""
        shape = model.input_shape
        if not isinstance(shape, StructureShape):
            return {}
        request = _json(self.body)
        query = parse_qs(self.parsed_url.query)
        for name, member in shape.members.items():
            where = member.serialization.get("name", name)
            match member.serialization.get("location"):
                case "uri":
                    request[name] = self.uri_match[where]
                case "querystring" if where in query:
                    request[name] = query[where] if member.type_name == "list" else query[where][0]
        found = list(problems(shape, request))
        if found:
            raise SecurityIncidentResponseError(
                "ValidationException",
                "; ".join(f"{problem.place} {problem.message}" for problem in found),
                reason="FIELD_VALIDATION_FAILED",
                fieldList=[{"name": problem.place, "message": problem.message} for problem in found],
            )
        return request


url_paths = {"{0}/.*$": SecurityIncidentResponseResponse.dispatch}


def register() -> None:
    """Make moto route `security-ir` to this module."""
    sys.modules["moto.securityir"] = sys.modules[__name__]
    patterns = moto.backend_index.backend_url_patterns
    if not any(name == "securityir" for name, _ in patterns):
        patterns[:0] = [("securityir", re.compile(base)) for base in url_bases]


def _json(body: str) -> dict[str, Any]:
    try:
        content = json.loads(body) if body else {}
    except ValueError as error:
        raise SecurityIncidentResponseError(
            "ValidationException", "The body is not JSON.", reason="CANNOT_PARSE"
        ) from error
    if not isinstance(content, dict):
        raise SecurityIncidentResponseError("ValidationException", "The body is no object.", reason="CANNOT_PARSE")
    return content

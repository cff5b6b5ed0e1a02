"""Which AWS operation an HTTP request is, read from botocore's own models."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any

from botocore.exceptions import UnknownServiceError
from botocore.model import OperationModel, ServiceModel
from moto.core.parse import PROTOCOL_PARSERS, RequestParserError
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model
from werkzeug.exceptions import HTTPException

type Environ = dict[str, Any]

MASK = "***"

_CREDENTIAL = re.compile(r"Credential=(?P<key>[^/,\s]+)/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")
_BOTOCORE_NAMES = {"states": "stepfunctions", "monitoring": "cloudwatch"}
# Detect: CloudFormation compares stacks with their templates and changes no resource. All it leaves is a drift status,
# and the service authorization reference calls it a read.
_READ_PREFIXES = ("Get", "List", "Describe", "BatchGet", "Head", "Search", "Simulate", "Validate", "Lookup", "Detect")
_WRITTEN_TO = frozenset({"organizations", "security-ir", "iam", "cloudformation", "support"})
# With an endpoint of its own a client signs for its own Region; at AWS it would sign for the one that these live in.
_GLOBAL_SERVICES = frozenset({"organizations", "iam", "support", "account"})
_HOME_OF_GLOBAL_SERVICES = "us-east-1"
# Marked sensitive here whether or not a future model still says so: (service, operation, member).
_ALWAYS_MASKED = frozenset({("s3", "PutObject", "Body"), ("ssm", "PutParameter", "Value")})


class UnrecognizedRequestError(Exception):
    """The request is not signed, or is no operation of the service it is signed for."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What the Authorization header says: who signed, for which Region and service."""

    access_key: str
    region: str
    service: str


@dataclass(frozen=True, slots=True)
class Call:
    """One call of one AWS operation. ``service`` is the signing name, which is also the prefix of IAM actions."""

    service: str
    operation: str
    region: str
    account: str
    role_arn: str | None
    parameters: Mapping[str, Any]
    model: OperationModel = field(repr=False, compare=False)

    @property
    def is_write(self) -> bool:
        """Whether it is one."""
        return is_write(self.service, self.operation)

    def masked_parameters(self) -> dict[str, Any]:
        """Return the parameters without what AWS's model marks as sensitive."""
        shape = self.model.input_shape
        masked: dict[str, Any] = _mask(dict(self.parameters), shape) if shape else {}
        for service, operation, member in _ALWAYS_MASKED:
            if (service, operation) == (self.service, self.operation) and member in masked:
                masked[member] = MASK
        return masked

    def on_behalf_of(self, account: str, role_arn: str | None) -> "Call":
        """Return the same call, made by somebody."""
        return replace(self, account=account, role_arn=role_arn)


def is_write(service: str, operation: str) -> bool:
    """Tell whether an operation changes one of the services whose changes are the application's purpose."""
    return service in _WRITTEN_TO and not operation.startswith(_READ_PREFIXES)


def scope_of(environ: Environ) -> Scope:
    """Read who signed the request. Signatures themselves are not verified: the secret of every key is anybody's."""
    match = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    if match is None:
        raise UnrecognizedRequestError("the request is not signed with AWS Signature Version 4")
    return Scope(match["key"], match["region"], match["service"].lower())


def botocore_name(service: str) -> str:
    """Return botocore's name of a service, by its signing name."""
    return _BOTOCORE_NAMES.get(service, service)


def service_model(service: str) -> ServiceModel:
    """Return botocore's model of a service, by its signing name."""
    try:
        model: ServiceModel = get_service_model(botocore_name(service))
    except UnknownServiceError:
        raise UnrecognizedRequestError(f"no service is signed for as {service!r}") from None
    return model


def identify(environ: Environ, body: bytes, scope: Scope) -> Call:
    """Tell which operation was called, with which parameters; nobody is said to have made it yet."""
    model = service_model(scope.service)
    request = Request({**environ, "wsgi.input": BytesIO(body)})
    try:
        operation, uri_parameters = get_service_router(model.service_name).match(request)
    except (HTTPException, NotImplementedError) as error:
        raise UnrecognizedRequestError(f"{request.method} is no operation of {scope.service}") from error
    protocol = determine_request_protocol(model, request.content_type)
    try:
        parameters = PROTOCOL_PARSERS[protocol](operation).parse(
            {
                "method": request.method,
                "values": request.values,
                "headers": request.headers,
                "body": body,
                "url_path": request.path,
                "url_params": uri_parameters,
            }
        )
    except (RequestParserError, ValueError, AttributeError) as error:
        raise UnrecognizedRequestError(f"the parameters of {operation.name} cannot be read") from error
    region = _HOME_OF_GLOBAL_SERVICES if scope.service in _GLOBAL_SERVICES else scope.region
    return Call(scope.service, operation.name, region, "", None, dict(parameters or {}), operation)


def _mask(value: Any, shape: Any) -> Any:
    if shape.metadata.get("sensitive"):
        return MASK
    match shape.type_name, value:
        case "structure", dict():
            members = shape.members
            return {key: _mask(item, members[key]) if key in members else item for key, item in value.items()}
        case "list", list() | tuple():
            return [_mask(item, shape.member) for item in value]
        case "map", dict():
            return {key: _mask(item, shape.value) for key, item in value.items()}
        case "blob", bytes():
            return value.decode("utf-8", errors="replace")
        case _:
            return value

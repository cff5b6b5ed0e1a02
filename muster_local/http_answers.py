"""HTTP responses, and errors in the protocol of whichever service they come from."""

import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from botocore.model import OperationModel
from moto.core.errors import ErrorLookupFactory, ErrorShape
from moto.core.exceptions import ServiceException
from moto.core.serialize import XFormedAttributePicker, get_serializer_class

_ERROR_CODE = re.compile(rb"<Code>([^<]+)</Code>")
# The statuses of errors that botocore's models do not know, by what their names start with.
_STATUSES = {
    "AccessDenied": HTTPStatus.FORBIDDEN,
    "AuthorizationError": HTTPStatus.FORBIDDEN,
    "UnrecognizedClient": HTTPStatus.FORBIDDEN,
    "InvalidClientTokenId": HTTPStatus.FORBIDDEN,
    "InvalidAccessKeyId": HTTPStatus.FORBIDDEN,
    "ExpiredToken": HTTPStatus.FORBIDDEN,
    "RegionDisabled": HTTPStatus.FORBIDDEN,
    "NoSuch": HTTPStatus.NOT_FOUND,
    "ResourceNotFound": HTTPStatus.NOT_FOUND,
    "Conflict": HTTPStatus.CONFLICT,
    "PreconditionFailed": HTTPStatus.PRECONDITION_FAILED,
    "TooManyRequests": HTTPStatus.TOO_MANY_REQUESTS,
    "SlowDown": HTTPStatus.SERVICE_UNAVAILABLE,
    "ServiceUnavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "Internal": HTTPStatus.INTERNAL_SERVER_ERROR,
    "ServiceFailure": HTTPStatus.INTERNAL_SERVER_ERROR,
    "ServiceException": HTTPStatus.INTERNAL_SERVER_ERROR,
    "NotImplemented": HTTPStatus.NOT_IMPLEMENTED,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @property
    def outcome(self) -> str:
        """Return "ok", or the error code in whatever protocol the service speaks."""
        if self.status < HTTPStatus.BAD_REQUEST:
            return "ok"
        named = {name.lower(): value for name, value in self.headers}.get("x-amzn-errortype")
        if named is None and (match := _ERROR_CODE.search(self.body)):
            named = match[1].decode()
        if named is None and self.body.startswith(b"{"):
            named = json.loads(self.body).get("__type")
        return str(named or self.status).partition(":")[0].rpartition("#")[2]


def json_answer(status: int, document: Any, content_type: str = "application/json") -> Answer:
    """Return a document as JSON."""
    body = json.dumps(document, default=str).encode()
    return Answer(status, (("Content-Type", content_type), ("Content-Length", str(len(body)))), body)


def error_answer(model: OperationModel, code: str, message: str, *, method: str = "POST") -> Answer:
    """Return an error in the protocol of a service, with the status that botocore's model gives it."""
    service = model.service_model
    serializer = get_serializer_class(service.service_name, service.protocol)(
        operation_model=model, value_picker=XFormedAttributePicker(response_transformers=None)
    )
    error, shape = ServiceException(code, message), _error_shape(service, code)
    serialized = serializer.MAP_TYPE()
    serializer._serialize_error_metadata(serialized, error, shape)
    response = serializer._serialized_error_to_response(serializer._create_default_response(), error, shape, serialized)
    known = shape.metadata.get("error", {}).get("httpStatusCode")
    status = known or (HTTPStatus.INTERNAL_SERVER_ERROR if shape._shape_model.get("fault") else HTTPStatus.BAD_REQUEST)
    body = b"" if "HEAD" in {method, model.http["method"]} else str(response["body"]).encode()
    headers = {**response["headers"], "Content-Length": str(len(body)), "x-amzn-RequestId": "embedded"}
    return Answer(int(status), tuple((name, str(value)) for name, value in headers.items()), body)


def _error_shape(service: Any, code: str) -> ErrorShape:
    """Return the model's shape of an error, or one for the errors that every service has and no model knows."""
    modelled = ErrorLookupFactory().for_service(service).from_code(code)
    if modelled is not None:
        return modelled
    statuses = (status for start, status in _STATUSES.items() if code.startswith(start))
    error = {"code": code, "httpStatusCode": int(next(statuses, HTTPStatus.BAD_REQUEST))}
    return ErrorShape(code, {"type": "structure", "exception": True, "members": {}, "error": error})

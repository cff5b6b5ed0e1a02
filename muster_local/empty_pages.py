"""A page with nothing on it and a token to the next: what AWS may send at any time, and what few loops expect.

Any operation that botocore can page and that is a POST is meant. The token of an emptied page holds the token that the
call had come with, so that whoever goes on gets what was asked for.
"""

import json
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlencode

import botocore.session
from moto.core.serialize import XFormedAttributePicker, get_serializer_class

from muster_local.http_answers import Answer
from muster_local.operations import Call, botocore_name, service_model

_MARK = "emptypage"


@dataclass(frozen=True, slots=True)
class _Paging:
    asks_with: str
    answers_with: str
    result: str
    more: str | None


def has_pages(service: str, operation: str) -> bool:
    """Tell whether an operation can be emptied so, by the signing name of its service."""
    return _paging(service, operation) is not None


def continues(call: Call) -> bool:
    """Tell whether a call carries the token of a page that a fault had emptied."""
    paging = _paging(call.service, call.operation)
    return paging is not None and str(call.parameters.get(paging.asks_with, "")).startswith(_MARK)


def empty_page(call: Call) -> Answer:
    """Return an empty page whose token leads to what the call had asked for."""
    paging = _paging(call.service, call.operation)
    if paging is None:
        raise ValueError(f"{call.service}:{call.operation} has no pages")
    before = str(call.parameters.get(paging.asks_with, ""))
    page: dict[str, Any] = {paging.result: [], paging.answers_with: _MARK + before.encode().hex()}
    if paging.more:
        page[paging.more] = True
    serializer = get_serializer_class(call.model.service_model.service_name, call.model.service_model.protocol)(
        operation_model=call.model, value_picker=XFormedAttributePicker(response_transformers=None)
    )
    response = serializer.serialize(page)
    body = str(response["body"]).encode()
    headers = {**response["headers"], "Content-Length": str(len(body))}
    return Answer(HTTPStatus.OK, tuple((name, str(value)) for name, value in headers.items()), body)


def with_the_token_before(body: bytes, call: Call) -> bytes:
    """Return a request's body with the token that the emptied page had stood for."""
    paging = _paging(call.service, call.operation)
    if paging is None:
        return body
    token = bytes.fromhex(str(call.parameters[paging.asks_with]).removeprefix(_MARK)).decode()
    again = {paging.asks_with: token} if token else {}
    if call.model.service_model.protocol in {"query", "ec2"}:
        pairs = {name: value for name, value in parse_qsl(body.decode()) if name != paging.asks_with}
        return urlencode(pairs | again).encode()
    document = json.loads(body)
    document.pop(paging.asks_with)
    return json.dumps(document | again).encode()


@cache
def _paging(service: str, operation: str) -> _Paging | None:
    model = botocore.session.get_session().get_paginator_model(botocore_name(service))
    try:
        found = model.get_paginator(operation)
    except ValueError:
        return None
    if service_model(service).operation_model(operation).http["method"] != "POST":
        return None  # its token travels in the query string, which nothing here rewrites
    result = found["result_key"]
    return _Paging(
        found["input_token"],
        found["output_token"],
        result if isinstance(result, str) else result[0],
        found.get("more_results"),
    )

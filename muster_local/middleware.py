"""What stands between an HTTP request and moto: who calls, may they, what goes wrong, and what is remembered."""

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from io import BytesIO
from typing import Any, Protocol

from moto.organizations import organizations_backends

from muster_local import empty_pages
from muster_local.authorization import (
    Need,
    PolicyError,
    Principal,
    allows,
    find_role,
    identity_policies,
    trust_policy,
    trusts,
)
from muster_local.callers import Caller
from muster_local.faults import (
    TIMEOUT,
    Fault,
    Faults,
    partly,
)
from muster_local.http_answers import Answer, error_answer, json_answer
from muster_local.operation_needs import Realm, list_bucket_need, needs_of
from muster_local.operations import (
    Call,
    Environ,
    Scope,
    UnrecognizedRequestError,
    identify,
    scope_of,
)
from muster_local.recorder import Permission, Recorder, role_name
from muster_local.sessions import Sessions

type StartResponse = Callable[..., Any]
type WsgiApplication = Callable[[Environ, StartResponse], Iterable[bytes]]
type Trail = Callable[[Call, Caller, Answer, Environ], None]
type Control = Callable[[str, str, bytes], tuple[int, Any]]

# Regions in which an account has to opt in (the general reference's list of Regions).
OPT_IN_REGIONS = frozenset(
    {
        *("af-south-1", "ap-east-1", "ap-east-2", "ap-south-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5"),
        *("ap-southeast-6", "ap-southeast-7", "ca-west-1", "eu-central-2", "eu-south-1", "eu-south-2", "il-central-1"),
        *("me-central-1", "me-south-1", "mx-central-1"),
    }
)

_ACCOUNT_ID = re.compile(r"\d{12}")
_DENIED = {"s3": "AccessDenied", "iam": "AccessDenied", "sts": "AccessDenied", "cloudformation": "AccessDenied"}
_DENIED |= {"sns": "AuthorizationError", "sqs": "AccessDenied"}
_UNKNOWN_KEY = {"s3": "InvalidAccessKeyId"} | dict.fromkeys(
    ("iam", "sts", "cloudformation", "sns", "sqs"), "InvalidClientTokenId"
)


class Surroundings(Protocol):
    """What the middleware asks the simulated world."""

    def is_region_enabled(self, account: str, region: str) -> bool:
        """Tell whether an account may use a Region."""
        ...

    def switch(self, name: str) -> str:
        """Return the value of a switch of undocumented behaviour."""
        ...

    def time(self) -> str:
        """Return the virtual time, in ISO 8601."""
        ...


class DroppedConnectionError(ConnectionAbortedError):
    """The connection is to end without a response."""

    def __init__(self, answer: Answer | None = None) -> None:
        """Keep how the call ended for the service, unless it never saw it: it may well have taken effect."""
        super().__init__()
        self.answer = answer
        self.outcome = TIMEOUT if answer is None else answer.outcome


@dataclass(slots=True)
class Middleware:
    """The WSGI application of the embedded cloud, around moto's."""

    application: WsgiApplication
    surroundings: Surroundings
    control: Control
    kill_function: Callable[[str], bool]
    recorder: Recorder = field(default_factory=Recorder)
    faults: Faults = field(default_factory=Faults)
    sessions: Sessions = field(default_factory=Sessions)
    report: Callable[[str], None] = lambda _: None
    trail: Trail = lambda *_: None

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request. Raises DroppedConnectionError for one that is to end without an answer."""
        body = _read_body(environ)
        path = environ.get("PATH_INFO", "")
        if path.startswith("/_muster/"):
            answer = json_answer(*self.control(environ["REQUEST_METHOD"], path.removeprefix("/_muster/"), body))
        else:
            answer = self._answer(environ, body)
        start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", list(answer.headers))
        return [answer.body]

    def _answer(self, environ: Environ, body: bytes) -> Answer:
        try:
            scope = scope_of(environ)
            call = identify(environ, body, scope)
        except UnrecognizedRequestError as error:
            return json_answer(HTTPStatus.BAD_REQUEST, {"__type": "UnknownOperationException", "message": str(error)})
        caller = self._caller(scope)
        if caller is None:
            return error_answer(call.model, *_unknown_key(scope.service), method=environ["REQUEST_METHOD"])
        call = call.on_behalf_of(caller.account, caller.application_role)
        try:
            answer = self._answer_to(environ, body, call, scope)
        except DroppedConnectionError as dropped:
            if dropped.answer is not None:
                self.trail(call, caller, dropped.answer, environ)
            raise
        self.trail(call, caller, answer, environ)
        return answer

    def _answer_to(self, environ: Environ, body: bytes, call: Call, scope: Scope) -> Answer:
        if call.role_arn is None:
            refusal = self._refusal(call)
            return refusal or self._pass_on(environ, body, call)
        entry = self.recorder.begin(call, time=self.surroundings.time())
        try:
            answer = self._application_call(environ, body, call, scope)
        except DroppedConnectionError as dropped:
            self.recorder.end(entry, dropped.outcome)
            raise
        self.recorder.end(entry, answer.outcome)
        return answer

    def _application_call(self, environ: Environ, body: bytes, call: Call, scope: Scope) -> Answer:
        method = environ["REQUEST_METHOD"]
        refusal = self._refusal(call)
        if refusal is not None:
            return refusal
        faults = self.faults.hitting(call)
        for fault in faults:
            time.sleep(fault.latency_ms / 1000)
            if fault.error == TIMEOUT:
                raise DroppedConnectionError
            if fault.error:
                return error_answer(call.model, fault.error, "Injected fault", method=method)
            if fault.empty_page:
                return empty_pages.empty_page(call)
        if empty_pages.continues(call):
            body = empty_pages.with_the_token_before(body, call)
        answer = self._hide_absence(call, self._pass_on(environ, body, call), method)
        return self._spoil(answer, faults, scope.access_key)

    def _spoil(self, answer: Answer, faults: list[Fault], access_key: str) -> Answer:
        for fault in faults:
            if fault.kill_function:
                self.kill_function(access_key)
            if fault.drop_response or fault.kill_function:
                raise DroppedConnectionError(answer)
            if fault.partial and answer.status == HTTPStatus.OK:
                body = partly(answer.body, fault.partial)
                headers = tuple(pair for pair in answer.headers if pair[0].lower() != "content-length")
                answer = Answer(answer.status, (*headers, ("Content-Length", str(len(body)))), body)
        return answer

    # --- who, and may they ---

    def _caller(self, scope: Scope) -> Caller | None:
        if _ACCOUNT_ID.fullmatch(scope.access_key):
            return Caller(scope.access_key, scope.access_key)
        return self.sessions.find(scope.access_key)

    def _refusal(self, call: Call) -> Answer | None:
        """Return the service's refusal: a Region that is not enabled, or a permission that is missing."""
        if not self.surroundings.is_region_enabled(call.account, call.region):
            return error_answer(call.model, *_unknown_key(call.service))
        try:
            denial = self._denial(call)
        except PolicyError as error:
            denial = str(error)
        if denial is not None:
            return error_answer(call.model, _DENIED.get(call.service, "AccessDeniedException"), denial)
        if call.operation == "AssumeRole" and self._is_refused_region(call):
            return error_answer(call.model, "RegionDisabledException", f"STS is not activated in {call.region}")
        return None

    def _denial(self, call: Call) -> str | None:
        principal = _principal(call)
        if call.role_arn is not None:
            policies = identity_policies(call.role_arn)
            if find_role(call.role_arn) is None:
                return f"{call.role_arn} does not exist any more"
            needs = needs_of(call, _realm(call.account))
            for need in needs:
                allowed = allows(policies, need, principal)
                self._saw(call, need, allowed=allowed)
                if not allowed:
                    return (
                        f"User: {call.role_arn} is not authorized to perform: {need.action} "
                        f"on resource: {need.resource}"
                    )
        if call.operation == "AssumeRole":
            return _trust_denial(call, principal)
        return None

    def _saw(self, call: Call, need: Need, *, allowed: bool) -> None:
        role = role_name(call.role_arn) or ""
        self.recorder.saw(Permission(role, need.action, need.resource, allowed))

    def _is_refused_region(self, call: Call) -> bool:
        if call.region not in OPT_IN_REGIONS or self.surroundings.switch("sts_opt_in_regions") != "refused":
            return False
        return str(call.parameters.get("RoleArn", "")).split(":")[4:5] != [call.account]

    def _hide_absence(self, call: Call, answer: Answer, method: str) -> Answer:
        """Answer 403 instead of 404 for an object that is not there, as S3 does to who may not list the bucket."""
        if call.service != "s3" or answer.status != HTTPStatus.NOT_FOUND or "Key" not in call.parameters:
            return answer
        need = list_bucket_need(call)
        allowed = allows(identity_policies(call.role_arn or ""), need, _principal(call))
        if allowed:
            self._saw(call, need, allowed=True)
            return answer
        denial = f"User: {call.role_arn} is not authorized to perform: {need.action} on resource: {need.resource}"
        return error_answer(call.model, "AccessDenied", denial, method=method)

    # --- on to moto ---

    def _pass_on(self, environ: Environ, body: bytes, call: Call) -> Answer:
        passed = dict(environ)
        passed["wsgi.input"] = BytesIO(body)
        passed["CONTENT_LENGTH"] = str(len(body))
        passed["HTTP_X_MOTO_ACCOUNT_ID"] = call.account
        passed.pop("HTTP_TRANSFER_ENCODING", None)
        passed.pop("wsgi.input_terminated", None)
        said: dict[str, Any] = {}

        def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> None:
            said["status"] = int(status.split(" ", 1)[0])
            said["headers"] = tuple(headers)

        try:
            chunks = self.application(passed, start_response)
            try:
                content = b"".join(chunks)
            finally:
                close = getattr(chunks, "close", None)
                if close is not None:
                    close()
        except Exception as error:  # noqa: BLE001 - a gap or a bug of the emulator must look like a failing service
            self.report(f"{call.service}:{call.operation} failed inside the embedded cloud: {type(error).__name__}")
            code = "NotImplemented" if isinstance(error, NotImplementedError) else "InternalFailure"
            return error_answer(call.model, code, f"{call.operation} failed inside the embedded cloud")
        return Answer(said["status"], said["headers"], content)


def _trust_denial(call: Call, principal: Principal) -> str | None:
    target = str(call.parameters.get("RoleArn", ""))
    document = trust_policy(target)
    external_id = call.parameters.get("ExternalId")
    context = {"sts:ExternalId": (str(external_id),)} if external_id else {}
    if document is not None and trusts(document, principal, context):
        return None
    return f"User: {principal.arn} is not authorized to perform: sts:AssumeRole on resource: {target}"


def _principal(call: Call) -> Principal:
    return Principal(
        call.account, call.role_arn or f"arn:aws:iam::{call.account}:root", _realm(call.account).organization_id or None
    )


def _realm(account: str) -> Realm:
    """Return the organization of an account; moto lists members apart from the management account, which is its own."""
    management, partition = organizations_backends.master_accounts.get(account, (account, "aws"))
    organization = organizations_backends[management][partition].org
    return Realm(str(organization.id) if organization else "", str(management))


def _unknown_key(service: str) -> tuple[str, str]:
    code = _UNKNOWN_KEY.get(service, "UnrecognizedClientException")
    return code, "The security token included in the request is invalid."


def _read_body(environ: Environ) -> bytes:
    if environ.get("wsgi.input_terminated"):
        return bytes(environ["wsgi.input"].read())
    return bytes(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))

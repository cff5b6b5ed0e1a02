"""State machines run by moto's own interpreter; each function here fills one of its gaps.

Every hook has a test that turns red when moto closes the gap, so that the hook can go.
"""

import hashlib
import json
import random
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from types import SimpleNamespace
from typing import Any, Self

import boto3
import jsonata
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError
from moto.core.config import default_user_config
from moto.stepfunctions import models as machine_models
from moto.stepfunctions.parser import models as parser_models
from moto.stepfunctions.parser.api import EvaluationFailedEventDetails, HistoryEventType, TaskFailedEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import CustomErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent, FailureEventException
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.common.string import string_expression
from moto.stepfunctions.parser.asl.component.intrinsic import jsonata as intrinsic
from moto.stepfunctions.parser.asl.component.state import state
from moto.stepfunctions.parser.asl.component.state.exec.execute_state import ExecutionState
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service import StateTaskService
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_aws_sdk import (
    StateTaskServiceAwsSdk,
)
from moto.stepfunctions.parser.asl.component.state.wait.wait_function import timestamp
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.eval import states, variable_store
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.event import event_manager
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.eval.program_state import ProgramStopped
from moto.stepfunctions.parser.asl.jsonata import jsonata as moto_jsonata
from moto.stepfunctions.parser.asl.parse import preprocessor
from moto.stepfunctions.parser.asl.utils import boto_client
from moto.stepfunctions.parser.backend import execution

from muster_local.machine_tokens import (
    end_what_waits_when_it_is_stopped,
    give_every_attempt_a_token_of_its_own,
    take_one_answer_for_a_token,
    wait_for_tokens_on_the_virtual_clock,
)
from muster_local.task_tokens import TaskTokens

# How AWS SDK integrations name services in errors, where that is not the capitalized integration name.
_SERVICE_NAMES = {
    "cloudformation": "CloudFormation",
    "dynamodb": "DynamoDb",
    "eventbridge": "EventBridge",
    "securityir": "SecurityIr",
}
_ABSENT_ON_HEAD = {"HeadObject": "NoSuchKey", "HeadBucket": "NoSuchBucket"}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the interpreter needs from the rest of the embedded cloud."""

    endpoint_url: Callable[[], str]
    credentials: Callable[[str, str], Mapping[str, str]]
    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    tokens: Callable[[], TaskTokens]


def install(surroundings: Surroundings) -> None:
    """Fill every gap. May be called again, with other surroundings."""
    run_state_machines()
    create_machines_of_templates_in_the_interpreter()
    name_executions_that_have_no_name()
    keep_a_stopped_execution_stopped()
    evaluate_jsonata()
    give_jsonata_the_functions_of_step_functions()
    fail_queries_by_their_name()
    quote_strings_in_jsonata()
    read_escapes_in_literals()
    call_services_as_the_machine(surroundings)
    name_sdk_errors_as_aws()
    allow_errors_without_a_request_id()
    name_lost_connections_as_aws()
    return_dates_as_text()
    wait_on_the_virtual_clock(surroundings)
    give_every_attempt_a_token_of_its_own(surroundings.tokens)
    wait_for_tokens_on_the_virtual_clock(surroundings.tokens)
    take_one_answer_for_a_token(surroundings.tokens)
    end_what_waits_when_it_is_stopped(surroundings.tokens)
    tell_the_virtual_time(surroundings)


def run_state_machines() -> None:
    """Switch on moto's interpreter, which is off by default."""
    default_user_config["stepfunctions"] = {"execute_state_machine": True}


def create_machines_of_templates_in_the_interpreter() -> None:
    """Let CloudFormation create machines where they run: moto keeps two sets of them."""
    machine_models.stepfunctions_backends = parser_models.stepfunctions_parser_backends


def name_executions_that_have_no_name() -> None:
    """Give an execution that is started without a name one of its own: moto calls them all "None"."""
    inner = parser_models.StepFunctionsParserBackend.start_execution
    original = getattr(inner, "wraps", inner)

    def start_execution(self: Any, state_machine_arn: str, name: str | None = None, *more: Any, **named: Any) -> Any:
        return original(self, state_machine_arn, name or str(uuid.uuid4()), *more, **named)

    start_execution.wraps = original  # type: ignore[attr-defined] # so that installing twice does not wrap twice
    parser_models.StepFunctionsParserBackend.start_execution = start_execution


def keep_a_stopped_execution_stopped() -> None:
    """Let a task that fails after StopExecution change nothing: moto calls the execution FAILED then."""
    inner = Environment.set_error
    original = getattr(inner, "wraps", inner)

    def set_error(self: Any, error: Any) -> None:
        if not isinstance(self.program_state(), ProgramStopped):
            original(self, error)

    set_error.wraps = original  # type: ignore[attr-defined] # so that installing twice does not wrap twice
    Environment.set_error = set_error


# --- JSONata ----------------------------------------------------------------------------------------------------------


def evaluate_jsonata() -> None:
    """Give moto a JSONata engine: it parses JSONata states, and has no evaluator."""
    moto_jsonata._eval_jsonata = _evaluate


def give_jsonata_the_functions_of_step_functions() -> None:
    """Take our own $hash, $parse, $partition, $random, $range and $uuid: moto lacks some and others differ."""
    intrinsic._DECLARATION_BY_VARIABLE_REFERENCE.clear()


def fail_queries_by_their_name() -> None:
    """Let an expression that cannot be evaluated fail as States.QueryEvaluationError: moto says States.Runtime."""
    inner = string_expression.StringJSONata._eval_body
    original = getattr(inner, "wraps", inner)

    def evaluate(self: Any, env: Any) -> None:
        try:
            original(self, env)
        except moto_jsonata.JSONataException as error:
            failure = _query_failure(env, f"The JSONata expression '{self.expression}' failed: {error.details}")
            env.event_manager.add_event(
                context=env.event_history_context,
                event_type=HistoryEventType.EvaluationFailed,
                event_details=EventDetails(evaluationFailedEventDetails=failure.get_evaluation_failed_event_details()),
            )
            raise failure from error

    evaluate.wraps = original  # type: ignore[attr-defined] # so that installing twice does not wrap twice
    string_expression.StringJSONata._eval_body = evaluate


def _query_failure(env: Any, cause: str) -> Any:
    error_name = StatesErrorName(typ=StatesErrorNameType.StatesQueryEvaluationError)
    details = EvaluationFailedEventDetails(error=error_name.error_name, cause=cause)
    return FailureEventException(
        failure_event=FailureEvent(
            env=env,
            error_name=error_name,
            event_type=HistoryEventType.EvaluationFailed,
            event_details=EventDetails(evaluationFailedEventDetails=details),
        )
    )


def quote_strings_in_jsonata() -> None:
    """Let variables hold quotes and line ends: moto pastes strings between quotes as they are."""
    for module in (states, variable_store):
        module.encode_jsonata_variable_declarations = _declare


def read_escapes_in_literals() -> None:
    r"""Read ``\"`` and ``\n`` in literal strings as JSON does: moto keeps them as they are written."""

    def inner_string(parser_rule_context: Any) -> str | None:
        text = str(parser_rule_context.getText())
        return json.loads(text) if text.startswith('"') else None if text == "null" else text

    preprocessor.Preprocessor._inner_string_of = staticmethod(inner_string)


def _declare(bindings: Mapping[str, Any]) -> str:
    encoded = {name: moto_jsonata.to_json_str(value, separators=(",", ":")) for name, value in bindings.items()}
    return "".join(f"{name}:={text};" for name, text in encoded.items())


def _evaluate(expression: str) -> Any:
    try:
        program = jsonata.Jsonata(expression)
        for name, function in _STEP_FUNCTIONS.items():
            program.register_lambda(name, function)
        return program.evaluate(None)
    except (jsonata.JException, ValueError, TypeError, KeyError, IndexError) as error:
        raise moto_jsonata.JSONataException("States.QueryEvaluationError", str(error)) from error


def _hash(text: str, algorithm: str) -> str:
    name = algorithm.replace("-", "").lower()
    if name not in {"md5", "sha1", "sha256", "sha384", "sha512"}:
        raise ValueError(f"$hash knows no algorithm {algorithm!r}")
    return hashlib.new(name, text.encode()).hexdigest()


def _parse(text: str) -> Any:
    return json.loads(text)


def _partition(items: list[Any] | None, size: float) -> list[list[Any]] | None:
    if items is None:
        return None
    whole = items if isinstance(items, list) else [items]
    return [whole[start : start + int(size)] for start in range(0, len(whole), int(size))]


def _random(seed: float | None = None) -> float:
    return random.random() if seed is None else random.Random(seed).random()


def _range(first: float, last: float, step: float) -> list[float]:
    numbers = []
    while (step > 0 and first <= last) or (step < 0 and first >= last):
        numbers.append(first)
        first += step
    return numbers


def _uuid() -> str:
    return str(uuid.uuid4())


_STEP_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "hash": _hash,
    "parse": _parse,
    "partition": _partition,
    "random": _random,
    "range": _range,
    "uuid": _uuid,
}


# --- calls of the machine ---------------------------------------------------------------------------------------------

_running = threading.local()


def call_services_as_the_machine(surroundings: Surroundings) -> None:
    """Call services at our endpoint with the machine's role: moto would call localhost as one fixed account."""
    inner = StateTaskService._eval_execution
    original = getattr(inner, "wraps", inner)

    def evaluate(self: Any, env: Any) -> None:
        _running.execution = env.aws_execution_details
        original(self, env)

    evaluate.wraps = original  # type: ignore[attr-defined] # so that installing twice does not wrap twice
    StateTaskService._eval_execution = evaluate
    boto_client.boto3 = SimpleNamespace(client=_Clients(surroundings).client)


class _Clients:
    """Clients of the machines' roles, kept because making one takes longer than a call."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._clients: dict[tuple[str, ...], BaseClient] = {}
        self._lock = threading.Lock()

    def client(self, *, service_name: str, region_name: str, config: Config, **_moto: Any) -> BaseClient:
        """Return a client as boto3 would, but of the running machine's role."""
        role_arn = _running.execution.role_arn
        credentials = self._surroundings.credentials(role_arn, "machine")
        key = (service_name, region_name, credentials["AWS_ACCESS_KEY_ID"], self._surroundings.endpoint_url())
        with self._lock:
            if key not in self._clients:
                session: Any = boto3.Session()  # typed by service name, of which any may come
                self._clients[key] = session.client(
                    service_name,
                    region_name=region_name,
                    endpoint_url=self._surroundings.endpoint_url(),
                    aws_access_key_id=credentials["AWS_ACCESS_KEY_ID"],
                    aws_secret_access_key=credentials["AWS_SECRET_ACCESS_KEY"],
                    aws_session_token=credentials["AWS_SESSION_TOKEN"],
                    config=config.merge(Config(max_pool_connections=50, proxies={})),
                )
            return self._clients[key]


def name_sdk_errors_as_aws() -> None:
    """Name errors of AWS SDK integrations as AWS does: ``S3.NoSuchKeyException``, ``S3.S3Exception``."""
    StateTaskServiceAwsSdk._normalise_service_error_name = staticmethod(_service_error_name)
    StateTaskServiceAwsSdk._normalise_exception_name = staticmethod(_exception_name)


def allow_errors_without_a_request_id() -> None:
    """Take a 5xx without a body, as HEAD gets, for an error: boto3 gives it no request id, and moto demands one."""
    inner = StateTaskServiceAwsSdk._from_error
    original = getattr(inner, "wraps", inner)

    def from_error(self: Any, env: Any, ex: Exception) -> Any:
        if isinstance(ex, ClientError):
            ex.response["ResponseMetadata"].setdefault("RequestId", "")
        return original(self, env=env, ex=ex)

    from_error.wraps = original  # type: ignore[attr-defined] # so that installing twice does not wrap twice
    StateTaskServiceAwsSdk._from_error = from_error


def _service_error_name(service: str) -> str:
    return _SERVICE_NAMES.get(service.lower(), service[:1].upper() + service[1:])


def _exception_name(service: str, error: Exception) -> str:
    name = type(error).__name__
    if isinstance(error, ClientError) and name == "ClientError":
        code = str(error.response["Error"]["Code"])
        name = _ABSENT_ON_HEAD.get(error.operation_name, service) if code == "404" else service
    return f"{service}.{name.removesuffix('Exception')}Exception"


def name_lost_connections_as_aws() -> None:
    """Name a call without an answer as AWS does, ``Lambda.SdkClientException``: moto takes it for a bug and ends."""
    inner = ExecutionState._from_error
    original = getattr(inner, "wraps", inner)

    def from_error(self: Any, env: Any, ex: Exception) -> Any:
        if not isinstance(ex, HTTPClientError):
            return original(self, env=env, ex=ex)
        resource = self.resource
        name = f"{_service_error_name(getattr(resource, 'api_name', resource.service_name))}.SdkClientException"
        details = TaskFailedEventDetails(
            error=name,
            cause=f"Unable to execute HTTP request ({type(ex).__name__})",
            resource=self._get_sfn_resource(),
            resourceType=self._get_sfn_resource_type(),
        )
        return FailureEvent(
            env=env,
            error_name=CustomErrorName(error_name=name),
            event_type=HistoryEventType.TaskFailed,
            event_details=EventDetails(taskFailedEventDetails=details),
        )

    from_error.wraps = original  # type: ignore[attr-defined] # so that installing twice does not wrap twice
    ExecutionState._from_error = from_error


def return_dates_as_text() -> None:
    """Turn dates in results of AWS SDK integrations into text: moto leaves objects that JSON cannot hold."""
    inner = StateTaskServiceAwsSdk._eval_service_task
    original = getattr(inner, "wraps", inner)

    def evaluate(self: Any, env: Any, *args: Any, **kwargs: Any) -> None:
        original(self, env, *args, **kwargs)
        env.stack.append(_as_json(env.stack.pop()))

    evaluate.wraps = original  # type: ignore[attr-defined] # so that installing twice does not wrap twice
    StateTaskServiceAwsSdk._eval_service_task = evaluate


def _as_json(value: Any) -> Any:
    match value:
        case dict():
            return {key: _as_json(item) for key, item in value.items()}
        case list():
            return [_as_json(item) for item in value]
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case _:
            return value


# --- time -------------------------------------------------------------------------------------------------------------


def wait_on_the_virtual_clock(surroundings: Surroundings) -> None:
    """Let Wait states and retries pass on our clock: moto sleeps for real."""

    def wait(_self: Any, env: Any, wait_seconds: float) -> None:
        if wait_seconds > 0 and env.is_running():
            surroundings.sleep(wait_seconds)

    WaitFunction._wait_interval = wait
    retrier_decl.time = SimpleNamespace(sleep=surroundings.sleep)


class _Moment(datetime):
    """A time that is written as Step Functions writes it: in milliseconds, in UTC, with a Z."""

    def isoformat(self, sep: str = "T", timespec: str = "milliseconds") -> str:
        written: str = datetime.isoformat(self.replace(tzinfo=None), sep, timespec)
        return f"{written}Z"


def tell_the_virtual_time(surroundings: Surroundings) -> None:
    """Take the times of executions, states, history and Wait states from our clock: moto takes the machine's."""

    class VirtualTime(_Moment):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            moment = surroundings.now().astimezone(UTC)
            return cls.combine(moment.date(), moment.time(), tzinfo=UTC if tz else None)

    for module in (state, event_manager, execution, parser_models, timestamp):
        module.datetime = SimpleNamespace(datetime=VirtualTime, timezone=SimpleNamespace(utc=UTC))

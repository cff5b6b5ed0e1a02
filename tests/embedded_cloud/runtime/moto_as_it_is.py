"""Which of moto's gaps are still there, asked of a moto that nothing has touched: one JSON object of names.

Runs in a process of its own; the names are those of the hooks that fill the gaps.
"""

import json
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any, cast

from botocore.exceptions import ClientError, ConnectionClosedError
from moto.awslambda_simple.models import LambdaSimpleBackend
from moto.cloudformation.parsing import clean_json
from moto.core.config import default_user_config
from moto.iam.models import ManagedPolicy, Role
from moto.s3.models import FakeBucket
from moto.stepfunctions import models as machine_models
from moto.stepfunctions.parser import models as parser_models
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.common.string import string_expression
from moto.stepfunctions.parser.asl.component.intrinsic import jsonata as intrinsic
from moto.stepfunctions.parser.asl.component.state import state
from moto.stepfunctions.parser.asl.component.state.exec.execute_state import ExecutionState
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import state_task_service_aws_sdk as aws_sdk
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service import StateTaskService
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (
    StateTaskServiceCallback,
)
from moto.stepfunctions.parser.asl.component.state.wait.wait_function import timestamp
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.eval.callback.callback import (
    CallbackEndpoint,
    CallbackOutcomeSuccess,
    CallbackOutcomeTimedOut,
    CallbackPoolManager,
)
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.event import event_manager
from moto.stepfunctions.parser.asl.eval.program_state import ProgramRunning, ProgramStopped
from moto.stepfunctions.parser.asl.jsonata import jsonata as moto_jsonata
from moto.stepfunctions.parser.asl.parse.preprocessor import Preprocessor
from moto.stepfunctions.parser.asl.utils.boto_client import boto_client_for
from moto.stepfunctions.parser.backend import execution
from moto.sts.models import STSBackend

ACCOUNT = "222222222222"
REGION = "eu-west-1"


def run_state_machines() -> bool:
    return not default_user_config["stepfunctions"]["execute_state_machine"]


def create_machines_of_templates_in_the_interpreter() -> bool:
    return machine_models.stepfunctions_backends is not parser_models.stepfunctions_parser_backends


def name_executions_that_have_no_name() -> bool:
    backend = parser_models.StepFunctionsParserBackend(REGION, ACCOUNT)
    definition = json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}})
    machine = backend.create_state_machine("m", definition, f"arn:aws:iam::{ACCOUNT}:role/m")
    return str(backend.start_execution(machine.arn).execution_arn).endswith(":None")


def keep_a_stopped_execution_stopped() -> bool:
    stopped: Any = SimpleNamespace(
        _state_mutex=threading.RLock(), _program_state=ProgramStopped(None, None, None), _frames=[],
        program_state_event=threading.Event(),
    )  # fmt: skip
    Environment.set_error(stopped, error={"error": "Late"})
    return not isinstance(stopped._program_state, ProgramStopped)


def evaluate_jsonata() -> bool:
    return moto_jsonata._eval_jsonata is None


def give_jsonata_the_functions_of_step_functions() -> bool:
    return "not supported" in "".join(intrinsic._DECLARATION_BY_VARIABLE_REFERENCE.values())


def fail_queries_by_their_name() -> bool:
    def refuse(_expression: str) -> None:
        raise moto_jsonata.JSONataException("any", "any")

    string_expression.eval_jsonata_expression = refuse
    env = SimpleNamespace(
        states=SimpleNamespace(to_variable_declarations=lambda **_: ""),
        variable_store=SimpleNamespace(get_variable_declarations=lambda: ""),
    )
    try:
        string_expression.StringJSONata("1")._eval_body(env)
    except moto_jsonata.JSONataException:
        return True
    return False


def quote_strings_in_jsonata() -> bool:
    return bool(moto_jsonata.encode_jsonata_variable_declarations({"$a": 'x"y'}) == '$a:="x"y";')


def read_escapes_in_literals() -> bool:
    literal = SimpleNamespace(getText=lambda: r'"two\nlines"')
    return bool(Preprocessor._inner_string_of(parser_rule_context=literal) == r"two\nlines")


def call_services_as_the_machine() -> bool:
    client = cast("Any", boto_client_for(region=REGION, service="sns"))
    key = client._request_signer._credentials.access_key
    return (key, client.meta.endpoint_url.startswith("http://localhost:")) == ("ak", True)


def name_sdk_errors_as_aws() -> bool:
    return bool(aws_sdk.StateTaskServiceAwsSdk._normalise_service_error_name("s3") == "s3")


def return_dates_as_text() -> bool:
    aws_sdk.boto_client_for = lambda **_: SimpleNamespace(head_object=lambda: {"LastModified": datetime.now(UTC)})
    task = aws_sdk.StateTaskServiceAwsSdk()
    task.resource = SimpleNamespace(api_name="s3", api_action="headObject")
    stack: list[Any] = []
    task._eval_service_task(SimpleNamespace(stack=stack), SimpleNamespace(region=REGION), {}, None)
    return isinstance(stack[0]["LastModified"], datetime)


def wait_on_the_virtual_clock() -> bool:
    started = time.monotonic()
    env = SimpleNamespace(program_state_event=threading.Event(), is_running=lambda: False)
    WaitFunction._wait_interval(SimpleNamespace(), env, 0.01)
    return time.monotonic() - started >= 0.01 and retrier_decl.time.sleep is time.sleep


def give_every_attempt_a_token_of_its_own() -> bool:
    return StateTaskServiceCallback._eval_execution is StateTaskService._eval_execution


def wait_for_tokens_on_the_virtual_clock() -> bool:
    started = time.monotonic()
    task: Any = SimpleNamespace()
    task._wait_for_task_token_timeout = partial(StateTaskServiceCallback._wait_for_task_token_timeout, task)
    outcome = StateTaskServiceCallback._eval_wait_for_task_token(task, None, 0.01, CallbackEndpoint("t"), None)
    return isinstance(outcome, CallbackOutcomeTimedOut) and time.monotonic() - started >= 0.01


def take_one_answer_for_a_token() -> bool:
    pool = CallbackPoolManager({})
    pool.add("t")
    return all(pool.notify("t", CallbackOutcomeSuccess("t", "{}")) for _ in range(2))


def end_what_waits_when_it_is_stopped() -> bool:
    pool = CallbackPoolManager({})
    endpoint = pool.add("t")
    running: Any = SimpleNamespace(
        _state_mutex=threading.RLock(), _program_state=ProgramRunning(), _frames=[], callback_pool_manager=pool,
        program_state_event=threading.Event(),
    )  # fmt: skip
    Environment.set_stop(running, None, None, None)
    return isinstance(running._program_state, ProgramStopped) and not endpoint._notify_event.is_set()


def tell_the_virtual_time() -> bool:
    modules = (state, event_manager, execution, parser_models, timestamp)
    return all(isinstance(module.datetime, ModuleType) for module in modules)


def name_accounts_as_their_root() -> bool:
    return str(STSBackend(REGION, ACCOUNT).get_caller_identity("x", REGION)[1]).endswith(":user/moto")


def version_buckets_of_templates() -> bool:
    properties = {"VersioningConfiguration": {"Status": "Enabled"}}
    bucket = FakeBucket.create_from_cloudformation_json("bucket", {"Properties": properties}, ACCOUNT, REGION)
    return bucket.versioning_status is None


def attach_managed_policies_of_templates() -> bool:
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}
    policy = ManagedPolicy.create_from_cloudformation_json(
        "policy", {"Properties": {"PolicyDocument": document}}, ACCOUNT, REGION
    )
    properties = {"AssumeRolePolicyDocument": "{}", "ManagedPolicyArns": [policy.arn]}
    role = Role.create_from_cloudformation_json("role", {"Properties": properties}, ACCOUNT, REGION)
    return not role.managed_policies


def leave_no_value_out_of_lists() -> bool:
    resources: Any = {"AWS::NoValue": None}
    return bool(clean_json([{"Ref": "AWS::NoValue"}], resources) == [None])


def run_functions_in_the_lambda_host() -> bool:
    return bool(LambdaSimpleBackend(REGION, ACCOUNT).invoke("f", None, "an echo", {}, {}) == b"an echo")


def _environment() -> Any:
    return SimpleNamespace(
        next_state_name="Call", event_history_context=SimpleNamespace(source_event_id=1, previous_event_id=1)
    )


def allow_errors_without_a_request_id() -> bool:
    task = SimpleNamespace(
        resource=SimpleNamespace(api_name="s3"),
        _normalise_service_error_name=lambda name: name,
        _normalise_exception_name=lambda name, _: name,
    )
    answer: Any = {"Error": {"Code": "503", "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": 503}}
    try:
        aws_sdk.StateTaskServiceAwsSdk._from_error(task, env=_environment(), ex=ClientError(answer, "HeadObject"))
    except KeyError as missing:
        return missing.args == ("RequestId",)
    except AttributeError:
        return False
    return False


def name_lost_connections_as_aws() -> bool:
    lost = ConnectionClosedError(endpoint_url="http://127.0.0.1")
    failure = ExecutionState._from_error(SimpleNamespace(), env=_environment(), ex=lost)
    return str(failure.error_name.error_name) == "States.Runtime"


GAPS: tuple[Callable[[], bool], ...] = (
    run_state_machines,
    create_machines_of_templates_in_the_interpreter,
    name_executions_that_have_no_name,
    keep_a_stopped_execution_stopped,
    evaluate_jsonata,
    give_jsonata_the_functions_of_step_functions,
    fail_queries_by_their_name,
    quote_strings_in_jsonata,
    read_escapes_in_literals,
    call_services_as_the_machine,
    name_sdk_errors_as_aws,
    allow_errors_without_a_request_id,
    name_lost_connections_as_aws,
    return_dates_as_text,
    wait_on_the_virtual_clock,
    give_every_attempt_a_token_of_its_own,
    wait_for_tokens_on_the_virtual_clock,
    take_one_answer_for_a_token,
    end_what_waits_when_it_is_stopped,
    tell_the_virtual_time,
    name_accounts_as_their_root,
    version_buckets_of_templates,
    attach_managed_policies_of_templates,
    leave_no_value_out_of_lists,
    run_functions_in_the_lambda_host,
)

if __name__ == "__main__":
    json.dump({gap.__name__: gap() for gap in GAPS}, sys.stdout)

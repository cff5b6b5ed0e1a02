from collections.abc import Iterator
from datetime import UTC, datetime

import boto3
import pytest
from botocore.stub import Stubber

from muster.adapters.execution_records import ExecutionsWithInput
from muster.adapters.task_tokens import StepFunctionsTaskTokens
from muster.errors import DeniedError, RefusedError
from muster.ports import ExecutionRecord

AT = datetime(2027, 1, 31, tzinfo=UTC)
EXECUTION = "arn:aws:states:eu-west-1:222222222222:execution:muster-approve:a"
SENT = {"taskToken": "token", "output": '{"answers": 1, "decision": "approved"}'}
type Machines = tuple[StepFunctionsTaskTokens, ExecutionsWithInput, Stubber]


@pytest.fixture
def machines() -> Iterator[Machines]:
    session = boto3.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name="eu-west-1")
    client = session.client("stepfunctions")
    with Stubber(client) as service:
        yield StepFunctionsTaskTokens(client, "222222222222"), ExecutionsWithInput(client, "222222222222"), service
        service.assert_no_pending_responses()


def test_waiting_task_is_told(machines: Machines) -> None:
    tokens, _, service = machines
    service.add_response("send_task_success", {}, SENT)

    assert tokens.succeed("token", {"decision": "approved", "answers": 1})


@pytest.mark.parametrize("code", ["TaskTimedOut", "TaskDoesNotExist"])
def test_task_that_is_over_is_told_apart_from_an_error(machines: Machines, code: str) -> None:
    tokens, _, service = machines
    service.add_client_error("send_task_success", code, http_status_code=400)

    assert not tokens.succeed("token", {})


@pytest.mark.parametrize(("code", "error"), [("AccessDeniedException", DeniedError), ("InvalidToken", RefusedError)])
def test_denial_and_a_spoiled_token_are_errors(machines: Machines, code: str, error: type[Exception]) -> None:
    tokens, _, service = machines
    service.add_client_error("send_task_success", code, http_status_code=400)

    with pytest.raises(error):
        tokens.succeed("token", {})


def test_execution_is_read_with_what_it_was_started_with(machines: Machines) -> None:
    _, executions, service = machines
    answer = {
        "executionArn": EXECUTION,
        "stateMachineArn": EXECUTION.replace("execution", "stateMachine"),
        "status": "RUNNING",
        "startDate": AT,
    }
    service.add_response("describe_execution", {**answer, "input": '{"plan": "1"}'}, {"executionArn": EXECUTION})
    service.add_response("describe_execution", answer, {"executionArn": EXECUTION})

    assert executions.find(EXECUTION) == ExecutionRecord("RUNNING", AT, '{"plan": "1"}')
    assert executions.find(EXECUTION) == ExecutionRecord("RUNNING", AT, "")


def test_execution_that_does_not_exist_is_none_and_a_denied_one_is_an_error(machines: Machines) -> None:
    _, executions, service = machines
    service.add_client_error("describe_execution", "ExecutionDoesNotExist", http_status_code=400)
    service.add_client_error("describe_execution", "AccessDeniedException", http_status_code=400)

    assert executions.find(EXECUTION) is None
    with pytest.raises(DeniedError):
        executions.find(EXECUTION)

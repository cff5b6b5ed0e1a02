import http.client
import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from tests.embedded_cloud.runtime.conftest import APPLICATION, Driver

WEEK_S = 7 * 24 * 3600
SOON_S = 10.0
AT_ONCE_S = 1.0


class Approval:
    """One execution that waits in the state Ask for a token, for a week."""

    def __init__(self, driver: Driver, **ask: Any) -> None:
        self.driver = driver
        self.client = driver.cloud.client("stepfunctions")
        task = {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
            "Arguments": {
                "FunctionName": f"arn:aws:lambda:{driver.cloud.region}:{APPLICATION}:function:muster-sample",
                "Payload": {"said": "{% $states.context.Task.Token %}"},
            },
            "TimeoutSeconds": WEEK_S,
            "Assign": {"answer": "{% $states.result %}"},
            "Next": "Done",
            **ask,
        }
        definition = {
            "QueryLanguage": "JSONata",
            "StartAt": "Ask",
            "States": {"Ask": task, "Done": {"Type": "Succeed", "Output": {"answer": "{% $answer %}"}}},
        }
        self.machine = self.client.create_state_machine(
            name="approval",
            definition=json.dumps(definition),
            roleArn=f"arn:aws:iam::{APPLICATION}:role/muster-onboard",
        )["stateMachineArn"]
        self.arn = self.client.start_execution(stateMachineArn=self.machine)["executionArn"]

    def wait_for(self, found: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + SOON_S
        while not (value := found()):
            assert time.monotonic() < deadline, self.client.describe_execution(executionArn=self.arn)
            time.sleep(0.005)
        return value

    def events(self, kind: str) -> list[dict[str, Any]]:
        history = self.client.get_execution_history(executionArn=self.arn)["events"]
        return [event for event in history if event["type"] == kind]

    def token(self, attempt: int = 1) -> str:
        """Wait until the function has been told an attempt's token, and return it."""
        self.wait_for(lambda: len(self.events("TaskSubmitted")) >= attempt)
        scheduled = self.events("TaskScheduled")[attempt - 1]["taskScheduledEventDetails"]
        return str(json.loads(scheduled["parameters"])["Payload"]["said"])

    def status(self) -> str:
        return str(self.client.describe_execution(executionArn=self.arn)["status"])

    def end(self) -> dict[str, Any]:
        self.wait_for(lambda: self.status() != "RUNNING")
        ended: dict[str, Any] = self.client.describe_execution(executionArn=self.arn)
        return ended

    def succeed(self, token: str, output: str = '{"approved": true}') -> None:
        self.client.send_task_success(taskToken=token, output=output)


@pytest.fixture
def approval(driver: Driver) -> Approval:
    waiting = Approval(driver)
    waiting.token()
    return waiting


def code_of(call: Callable[..., Any], **parameters: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return str(caught.value.response["Error"]["Code"])


def test_a_machine_waits_for_an_answer_and_goes_on_with_it(approval: Approval) -> None:
    assert approval.status() == "RUNNING"
    approval.succeed(approval.token())
    ended = approval.end()
    assert (ended["status"], json.loads(ended["output"])) == ("SUCCEEDED", {"answer": {"approved": True}})


def test_a_failure_fails_the_state_with_its_error_and_cause(approval: Approval) -> None:
    approval.client.send_task_failure(taskToken=approval.token(), error="Rejected", cause="not this week")
    ended = approval.end()
    assert (ended["status"], ended["error"], ended["cause"]) == ("FAILED", "Rejected", "not this week")


def test_a_failure_can_be_caught(driver: Driver) -> None:
    approval = Approval(
        driver,
        Catch=[{"ErrorEquals": ["Rejected"], "Next": "Done", "Assign": {"answer": "{% $states.errorOutput.Error %}"}}],
    )
    approval.client.send_task_failure(taskToken=approval.token(), error="Rejected")
    assert json.loads(approval.end()["output"]) == {"answer": "Rejected"}


def test_waiting_moves_no_clock(approval: Approval) -> None:
    before = approval.driver.cloud.world.clock.now()
    approval.succeed(approval.token())
    approval.end()
    assert approval.driver.cloud.world.clock.now() - before < timedelta(seconds=SOON_S)


def test_a_clock_that_is_moved_past_the_time_out_ends_the_state_at_once(approval: Approval) -> None:
    clock = approval.driver.cloud.world.clock
    clock.advance(WEEK_S - 60)
    assert approval.status() == "RUNNING"
    started = time.monotonic()
    clock.advance(60)
    ended = approval.end()
    assert (ended["status"], ended["error"]) == ("FAILED", "States.Timeout")
    assert time.monotonic() - started < AT_ONCE_S
    assert len(approval.events("TaskTimedOut")) == 1


def test_a_clock_that_is_moved_over_http_does_the_same(approval: Approval) -> None:
    connection = http.client.HTTPConnection(urlsplit(approval.driver.cloud.url).netloc, timeout=5)
    connection.request("POST", "/_muster/clock", json.dumps({"advance_s": WEEK_S}))
    assert connection.getresponse().status == 200
    connection.close()
    assert approval.end()["error"] == "States.Timeout"


def test_a_time_out_can_be_caught(driver: Driver) -> None:
    approval = Approval(
        driver,
        Catch=[{"ErrorEquals": ["States.Timeout"], "Next": "Done", "Assign": {"answer": "expired"}}],
    )
    approval.token()
    driver.cloud.world.clock.advance(WEEK_S)
    assert json.loads(approval.end()["output"]) == {"answer": "expired"}


def test_a_time_out_can_be_computed(driver: Driver) -> None:
    approval = Approval(driver, TimeoutSeconds="{% 2 * 3600 %}")
    approval.token()
    driver.cloud.world.clock.advance(2 * 3600 - 60)
    assert approval.status() == "RUNNING"
    driver.cloud.world.clock.advance(60)
    assert approval.end()["error"] == "States.Timeout"


def test_an_answer_after_the_time_out_is_too_late(approval: Approval) -> None:
    token = approval.token()
    approval.driver.cloud.world.clock.advance(WEEK_S)
    for answer in (approval.client.send_task_success, approval.client.send_task_failure):
        more = {"output": "{}"} if answer == approval.client.send_task_success else {}
        assert code_of(answer, taskToken=token, **more) == "TaskTimedOut"
    assert approval.end()["error"] == "States.Timeout"


def test_a_second_answer_is_refused_and_changes_nothing(approval: Approval) -> None:
    token = approval.token()
    approval.succeed(token)
    assert code_of(approval.client.send_task_failure, taskToken=token, error="Rejected") == "TaskTimedOut"
    assert approval.end()["status"] == "SUCCEEDED"
    assert code_of(approval.client.send_task_success, taskToken=token, output="{}") == "TaskTimedOut"


def test_a_token_that_nobody_was_given_is_invalid(approval: Approval) -> None:
    assert code_of(approval.client.send_task_success, taskToken="made up", output="{}") == "InvalidToken"
    elsewhere = approval.driver.cloud.client("stepfunctions", "333333333333")
    assert code_of(elsewhere.send_task_success, taskToken=approval.token(), output="{}") == "InvalidToken"
    assert approval.status() == "RUNNING"


def test_an_output_that_is_not_json_is_refused_and_the_task_waits_on(approval: Approval) -> None:
    token = approval.token()
    assert code_of(approval.client.send_task_success, taskToken=token, output="yes") == "InvalidOutput"
    approval.succeed(token)
    assert approval.end()["status"] == "SUCCEEDED"


def test_a_stop_ends_what_waits_at_once_and_is_the_last_that_the_history_says(approval: Approval) -> None:
    token = approval.token()
    started = time.monotonic()
    approval.client.stop_execution(executionArn=approval.arn)
    assert approval.end()["status"] == "ABORTED"
    assert time.monotonic() - started < AT_ONCE_S
    history = approval.client.get_execution_history(executionArn=approval.arn)["events"]
    assert [event["type"] for event in history[-2:]] == ["TaskSubmitted", "ExecutionAborted"]
    assert code_of(approval.client.send_task_success, taskToken=token, output="{}") == "TaskTimedOut"


def test_a_stop_neither_retries_nor_waits_for_a_retry(driver: Driver) -> None:
    approval = Approval(driver, Retry=[{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 3600}])
    approval.token()
    before = driver.cloud.world.clock.now()
    approval.client.stop_execution(executionArn=approval.arn)
    assert approval.end()["status"] == "ABORTED"
    assert driver.cloud.world.clock.now() - before < timedelta(seconds=SOON_S)


def test_every_attempt_has_a_token_of_its_own(driver: Driver) -> None:
    approval = Approval(driver, Retry=[{"ErrorEquals": ["Again"], "IntervalSeconds": 1, "MaxAttempts": 1}])
    first = approval.token()
    approval.client.send_task_failure(taskToken=first, error="Again")
    second = approval.token(attempt=2)
    assert first != second
    assert code_of(approval.client.send_task_success, taskToken=first, output="{}") == "TaskTimedOut"
    approval.succeed(second)
    assert approval.end()["status"] == "SUCCEEDED"


def test_a_failing_function_closes_the_token(driver: Driver) -> None:
    approval = Approval(
        driver,
        Arguments={
            "FunctionName": f"arn:aws:lambda:{driver.cloud.region}:{APPLICATION}:function:muster-sample",
            "Payload": {"do": "fail", "said": "{% $states.context.Task.Token %}"},
        },
    )
    assert approval.end()["error"] == "TransientError"
    (scheduled,) = approval.events("TaskScheduled")
    token = json.loads(scheduled["taskScheduledEventDetails"]["parameters"])["Payload"]["said"]
    assert code_of(approval.client.send_task_success, taskToken=token, output="{}") == "TaskTimedOut"


def test_time_that_another_execution_waits_passes_for_a_token_as_well(approval: Approval) -> None:
    wait = {"Type": "Wait", "Seconds": WEEK_S, "End": True}
    assert approval.driver.run_states({"Wait": wait})["status"] == "SUCCEEDED"
    assert approval.end()["error"] == "States.Timeout"


def test_a_heartbeat_that_fails_to_come_ends_the_state_and_one_that_comes_does_not(driver: Driver) -> None:
    approval = Approval(driver, HeartbeatSeconds=3600)
    token = approval.token()
    driver.cloud.world.clock.advance(3000)
    approval.client.send_task_heartbeat(taskToken=token)
    driver.cloud.world.clock.advance(3000)
    assert approval.status() == "RUNNING"
    driver.cloud.world.clock.advance(600)
    assert approval.end()["error"] == "States.Timeout"


def test_a_reset_ends_what_waits(approval: Approval) -> None:
    started = time.monotonic()
    approval.driver.cloud.reset()
    assert time.monotonic() - started < SOON_S
    assert code_of(approval.client.send_task_success, taskToken="made up", output="{}") == "InvalidToken"

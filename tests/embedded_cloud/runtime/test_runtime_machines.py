import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from muster_local.machines import _exception_name, _hash, _partition, _range, _service_error_name
from tests.embedded_cloud.runtime.conftest import APPLICATION, REGION, Driver


def failures(execution: dict[str, Any]) -> list[str]:
    details = [event.get("taskFailedEventDetails", {}) for event in execution["events"]]
    return [detail["error"] for detail in details if "error" in detail]


def test_an_absent_object_is_an_error_that_the_machine_can_catch(driver: Driver) -> None:
    execution = driver.run()
    assert (execution["status"], execution["output"]) == ("SUCCEEDED", {"status": "NotConfigured"})
    assert failures(execution) == ["S3.NoSuchKeyException"]


def test_the_whole_machine_runs_with_the_functions_of_step_functions(driver: Driver) -> None:
    version = driver.put_desired_state()
    execution = driver.run()
    output = execution["output"]
    assert execution["status"] == "SUCCEEDED"
    assert output["answer"]["said"] == 'a "quoted" word — and\ntwo lines'
    assert output["version"] == version
    assert datetime.fromisoformat(output["modified"]).tzinfo is not None
    assert {key: output[key] for key in ("parsed", "parts", "range", "random", "uuid")} == {
        "parsed": {"a": [1]},
        "parts": [[1, 2], [3, 4], [5]],
        "range": [1, 4, 7],
        "random": True,
        "uuid": 36,
    }
    assert output["hash"] == "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"


def test_waits_and_times_are_the_virtual_clocks(driver: Driver) -> None:
    driver.put_desired_state()
    before = driver.cloud.world.clock.now()
    execution = driver.run()
    assert driver.cloud.world.clock.now() - before >= timedelta(hours=1)
    assert execution["stopDate"] - execution["startDate"] >= timedelta(hours=1)
    entered = datetime.fromisoformat(execution["output"]["entered"])
    assert entered - before >= timedelta(hours=1)
    assert execution["events"][-1]["timestamp"] - execution["events"][0]["timestamp"] >= timedelta(hours=1)


def test_a_retry_waits_on_the_virtual_clock_and_the_history_names_the_exception(driver: Driver) -> None:
    driver.put_desired_state()
    before = driver.cloud.world.clock.now()
    execution = driver.run(do="fail")
    assert (execution["status"], execution["error"]) == ("FAILED", "TransientError")
    assert failures(execution) == ["TransientError"] * 3
    assert timedelta(seconds=300) <= driver.cloud.world.clock.now() - before < timedelta(seconds=900)


def test_the_machine_calls_with_its_own_role_in_its_own_region(driver: Driver) -> None:
    driver.put_desired_state()
    driver.run()
    calls = [(call["operation"], call["role"], call["account"], call["region"]) for call in driver.cloud.calls()]
    assert calls == [
        ("HeadObject", "muster-onboard", APPLICATION, REGION),
        ("Invoke", "muster-onboard", APPLICATION, REGION),
        ("GetCallerIdentity", "muster-sample", APPLICATION, REGION),
        ("Publish", "muster-onboard", APPLICATION, REGION),
    ]


def test_what_the_machines_role_does_not_allow_fails_the_machine(driver: Driver) -> None:
    driver.put_desired_state()
    driver.cloud.client("iam").delete_role_policy(RoleName="muster-onboard", PolicyName="machine")
    execution = driver.run()
    assert (execution["status"], execution["error"]) == ("FAILED", "S3.S3Exception")


def test_executions_without_a_name_are_different_ones(driver: Driver) -> None:
    names = {driver.run()["name"] for _ in range(2)}
    assert len(names) == 2
    assert "None" not in names


def test_a_throttled_function_is_an_error_of_lambda(driver: Driver) -> None:
    driver.put_desired_state()
    driver.cloud.set_faults([{"service": "lambda", "operation": "Invoke", "error": "TooManyRequestsException"}])
    execution = driver.run()
    assert (execution["status"], execution["error"]) == ("FAILED", "Lambda.TooManyRequestsException")


@pytest.mark.parametrize("fault", [{"error": "Timeout"}, {"drop_response": True}])
def test_a_call_without_an_answer_is_an_error_that_the_machine_can_catch(
    driver: Driver, fault: dict[str, object]
) -> None:
    driver.put_desired_state()
    driver.cloud.set_faults([{"service": "lambda", "operation": "Invoke", **fault}])
    execution = driver.run()
    assert (execution["status"], execution["error"]) == ("FAILED", "Lambda.SdkClientException")


def test_a_reset_ends_executions_under_way(driver: Driver) -> None:
    driver.put_desired_state()
    driver.cloud.world.clock.auto_advance = False
    machines = driver.cloud.client("stepfunctions")
    (machine,) = machines.list_state_machines()["stateMachines"]
    machines.start_execution(stateMachineArn=machine["stateMachineArn"])
    driver.cloud.reset()
    (machine,) = machines.list_state_machines()["stateMachines"]
    assert machines.list_executions(stateMachineArn=machine["stateMachineArn"])["executions"] == []


@pytest.mark.parametrize("expression", ["$number('x')", "$parse('{')", "$states.input.nothing", "$hash('a', 'x')"])
def test_an_expression_that_gives_nothing_fails_as_a_query(driver: Driver, expression: str) -> None:
    execution = driver.run_states({"Ask": {"Type": "Pass", "Output": f"{{% {expression} %}}", "End": True}})
    assert (execution["status"], execution["error"]) == ("FAILED", "States.QueryEvaluationError")
    assert expression in execution["cause"]


def test_a_failed_query_can_be_caught(driver: Driver) -> None:
    ask = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": "{% $number('x') %}"},
        "Catch": [{"ErrorEquals": ["States.QueryEvaluationError"], "Next": "End"}],
        "End": True,
    }
    assert driver.run_states({"Ask": ask, "End": {"Type": "Succeed"}})["status"] == "SUCCEEDED"


def test_a_wait_until_a_time_passes_on_the_virtual_clock(driver: Driver) -> None:
    before = driver.cloud.world.clock.now()
    until = (before + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    wait = {"Type": "Wait", "Timestamp": until, "End": True}
    assert driver.run_states({"Wait": wait})["status"] == "SUCCEEDED"
    assert timedelta(hours=1, minutes=59) < driver.cloud.world.clock.now() - before < timedelta(hours=2, minutes=1)


def test_times_are_written_as_step_functions_writes_them(driver: Driver) -> None:
    context = "[$states.context.State.EnteredTime, $states.context.Execution.StartTime]"
    execution = driver.run_states({"Ask": {"Type": "Pass", "Output": f"{{% {context} %}}", "End": True}})
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", time) for time in execution["output"])


@pytest.mark.parametrize(
    ("service", "name"), [("s3", "S3"), ("organizations", "Organizations"), ("cloudformation", "CloudFormation")]
)
def test_services_are_spelt_as_in_errors_of_aws(service: str, name: str) -> None:
    assert _service_error_name(service) == name


def test_errors_that_no_model_knows_carry_the_services_name() -> None:
    denied = ClientError({"Error": {"Code": "AccessDenied", "Message": ""}}, "GetObject")
    absent = ClientError({"Error": {"Code": "404", "Message": ""}}, "HeadObject")
    assert _exception_name("S3", denied) == "S3.S3Exception"
    assert _exception_name("S3", absent) == "S3.NoSuchKeyException"


def test_step_functions_own_functions_at_their_edges() -> None:
    assert _partition(None, 2) is None
    assert _partition([], 2) == []
    assert _range(3, 1, -1) == [3, 2, 1]
    assert _range(3, 1, 1) == []
    with pytest.raises(ValueError, match="knows no algorithm"):
        _hash("a", "CRC32")

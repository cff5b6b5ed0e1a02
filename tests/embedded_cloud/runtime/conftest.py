import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from muster_local.server import EmbeddedCloud

SAMPLE = Path(__file__).parent / "sample"
MANAGEMENT = "111111111111"
APPLICATION = "222222222222"
REGION = "eu-west-1"
PRINCIPAL = "security-ir.amazonaws.com"

ORGANIZATION = """
id: o-runtime001
management_account: {id: "111111111111", name: Management}
root:
  units:
    - name: Security
      accounts:
        - {id: "222222222222", name: Security Tooling}
        - {id: "333333333333", name: Log Archive}
"""


class Driver:
    """Drives the sample application, as its operator and as its functions."""

    def __init__(self, cloud: EmbeddedCloud, reports: list[str]) -> None:
        self.cloud = cloud
        self.reports = reports

    def invoke(self, **event: Any) -> tuple[str | None, Any]:
        answer = self.cloud.client("lambda").invoke(FunctionName="muster-sample", Payload=json.dumps(event).encode())
        return answer.get("FunctionError"), json.loads(answer["Payload"].read())

    def call(self, service: str, operation: str, **more: Any) -> Any:
        """Let the function make one call, and return its answer, or its error's code, status and message."""
        error, answer = self.invoke(do="call", calls=[{"service": service, "operation": operation, **more}])
        assert error is None, answer
        return answer["outcomes"][0]

    def run(self, **document: Any) -> dict[str, Any]:
        (machine,) = self.cloud.client("stepfunctions").list_state_machines()["stateMachines"]
        return self.run_machine(machine["stateMachineArn"], document)

    def run_states(self, states: dict[str, Any], **document: Any) -> dict[str, Any]:
        """Run a machine of one's own; it begins at its first state."""
        definition = {"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states}
        machine = self.cloud.client("stepfunctions").create_state_machine(
            name="own",
            definition=json.dumps(definition),
            roleArn=f"arn:aws:iam::{APPLICATION}:role/muster-onboard",
        )
        return self.run_machine(machine["stateMachineArn"], document)

    def run_machine(self, machine: str, document: dict[str, Any]) -> dict[str, Any]:
        machines = self.cloud.client("stepfunctions")
        arn = machines.start_execution(stateMachineArn=machine, input=json.dumps(document))["executionArn"]
        deadline = time.monotonic() + 20
        while (execution := machines.describe_execution(executionArn=arn))["status"] == "RUNNING":
            assert time.monotonic() < deadline, "the execution does not end"
            time.sleep(0.01)
        events = machines.get_execution_history(executionArn=arn, maxResults=500)["events"]
        return {**execution, "output": json.loads(execution.get("output", "null")), "events": events}

    def let_the_application_read_the_organization(self) -> None:
        organizations = self.cloud.client("organizations", MANAGEMENT)
        organizations.enable_aws_service_access(ServicePrincipal=PRINCIPAL)
        organizations.register_delegated_administrator(AccountId=APPLICATION, ServicePrincipal=PRINCIPAL)

    def put_desired_state(self) -> str:
        bucket = f"muster-{APPLICATION}-{REGION}"
        answer = self.cloud.client("s3").put_object(Bucket=bucket, Key="desired-state.json", Body=b"{}")
        return str(answer["VersionId"])


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    organization = tmp_path_factory.mktemp("organization") / "organization.yaml"
    organization.write_text(ORGANIZATION)
    reports: list[str] = []
    cloud = EmbeddedCloud(
        organization, root=SAMPLE, application_account=APPLICATION, region=REGION, report=reports.append
    )
    with cloud:
        yield Driver(cloud, reports)


@pytest.fixture
def driver(started: Driver) -> Driver:
    started.cloud.reset(access="manage")
    return started

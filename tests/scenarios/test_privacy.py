"""A responder's name and address are in their parameter and in the membership, and nowhere else."""

import base64
import json
from typing import Any

from tests.scenarios.operating import RESPONDERS, Operator

VALUES = [person[key] for person in RESPONDERS for key in ("name", "email")]


def traces_of(operator: Operator) -> dict[str, str]:
    """Return everything that a run left anywhere, but for the parameter and the service's own memory."""
    machines = operator.client("stepfunctions")
    arn = operator.stack.onboard_machine_arn
    history = [
        machines.get_execution_history(executionArn=execution["executionArn"], maxResults=1000)["events"]
        for execution in machines.list_executions(stateMachineArn=arn)["executions"]
    ]
    s3 = operator.client("s3")
    bucket = operator.stack.state_bucket
    objects = {
        version["Key"] + version["VersionId"]: s3.get_object(
            Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"]
        )["Body"].read().decode()
        for version in s3.list_object_versions(Bucket=bucket).get("Versions", [])
    }  # fmt: skip
    calls: list[dict[str, Any]] = operator.cloud.calls()
    return {
        "history": json.dumps(history, default=str),
        "calls": json.dumps(calls, default=str),
        "logs": json.dumps(operator.cloud.logs()),
        **objects,
    }


def leaks(traces: dict[str, str]) -> list[str]:
    found = []
    for place, text in traces.items():
        for value in VALUES:
            forms = {value, json.dumps(value)[1:-1], base64.b64encode(value.encode()).decode().rstrip("=")[:-1]}
            found += [f"{place}: {form}" for form in forms if form in text]
    return found


def test_planted_leak_is_found() -> None:
    encoded = base64.b64encode(VALUES[0].encode()).decode()

    assert leaks({"log": f"signing up {VALUES[1]}"})
    assert leaks({"log": f"payload {encoded}"})
    assert not leaks({"log": "signing up responder 1"})


def test_no_responder_shows_in_an_ordinary_run(operator: Operator) -> None:
    operator.push()
    operator.onboard()
    operator.onboard()

    assert leaks(traces_of(operator)) == []


def test_no_responder_shows_when_the_service_refuses_or_denies_the_team(operator: Operator) -> None:
    operator.push()
    for error in ("ValidationException", "AccessDeniedException", "ConflictException", "InternalServerException"):
        operator.cloud.set_faults(
            [{"service": "security-ir", "operation": "CreateMembership", "error": error, "rate": 1}]
        )
        operator.onboard()

    assert leaks(traces_of(operator)) == []


def test_unusable_contacts_are_named_by_field_only(operator: Operator) -> None:
    operator.push()
    broken = [{**RESPONDERS[0], "email": "ada.canary at example.com"}, RESPONDERS[1]]
    operator.client("ssm").put_parameter(
        Name=operator.stack.contacts_parameter, Value=json.dumps(broken), Type="SecureString", Tier="Advanced",
        Overwrite=True,
    )  # fmt: skip

    run = operator.onboard()

    assert run.error == "DesiredStateError"
    assert "contacts[0].email" in str(run.cause)
    assert operator.writes() == []
    traces = traces_of(operator)
    assert "ada.canary at" not in json.dumps(traces)
    assert leaks(traces) == []

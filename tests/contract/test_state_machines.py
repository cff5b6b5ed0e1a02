"""What no linter finds: names that only the other side of the boundary knows."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import jsonata
import pytest
import yaml
from botocore import xform_name

from muster import errors
from tools.expand_template import expand

MACHINES = sorted(Path("statemachines").glob("*.asl.yaml"))
ERRORS = {
    name: kind for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.MusterError)
}
SERVICE_ERRORS = {
    # Step Functions' own, and Lambda's by its integration, by the runtime when a child dies or takes too long.
    "States.ALL", "States.Timeout", "Lambda.TooManyRequestsException", "Lambda.ServiceException",
    "Lambda.AWSLambdaException", "Lambda.SdkClientException", "Lambda.Unknown", "Sandbox.Timedout", "Runtime.ExitError",
    "S3.NoSuchKeyException", "S3.SdkClientException", "S3.S3Exception",
}  # fmt: skip
LONGEST_FUNCTION = 900
A_DAY = 86_400


def states(machine: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from yaml.safe_load(machine.read_text())["States"].items()


def tasks() -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{path.name}:{name}", state) for path in MACHINES for name, state in states(path) if state["Type"] == "Task"
    ]


def texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for item in value.values():
                yield from texts(item)
        case list():
            for item in value:
                yield from texts(item)


def expressions() -> list[str]:
    found = {
        text for path in MACHINES for text in texts(yaml.safe_load(path.read_text())) if text.strip().startswith("{%")
    }
    return sorted(re.sub(r"\$\{\w+\}", "1", text.strip()[2:-2]) for text in found)


def test_there_is_something_to_look_at() -> None:
    assert len(tasks()) >= 7
    assert len(expressions()) > 20


@pytest.mark.parametrize(("name", "state"), tasks())
def test_every_error_name_is_a_class_of_ours_or_a_known_service_error(name: str, state: dict[str, Any]) -> None:
    named = {error for rule in [*state.get("Retry", []), *state.get("Catch", [])] for error in rule["ErrorEquals"]}

    assert named <= {*ERRORS, *SERVICE_ERRORS}, name


@pytest.mark.parametrize(("name", "state"), [task for task in tasks() if ":lambda:invoke" in task[1]["Resource"]])
def test_every_stop_is_caught_by_name_and_every_transient_error_is_retried(name: str, state: dict[str, Any]) -> None:
    caught = {error for rule in state["Catch"] for error in rule["ErrorEquals"]}
    retried = {error for rule in state["Retry"] for error in rule["ErrorEquals"]}
    stops = {n for n, kind in ERRORS.items() if issubclass(kind, errors.StoppedError)} - {"StoppedError"}
    transient = {n for n, kind in ERRORS.items() if issubclass(kind, errors.TransientError)} - {"TransientError"}

    assert stops <= caught, name
    assert transient <= retried, name
    assert not stops & retried, "a person has to act: trying again is of no use"


@pytest.mark.parametrize(("name", "state"), tasks())
def test_every_task_has_a_time_out_retries_with_jitter_and_fails_loudly(name: str, state: dict[str, Any]) -> None:
    longest = A_DAY if state["Resource"].endswith(".waitForTaskToken") else LONGEST_FUNCTION + 10
    assert 0 < state["TimeoutSeconds"] <= longest, name
    assert all(rule["JitterStrategy"] == "FULL" for rule in state["Retry"])
    everything = [rule for rule in state["Catch"] if rule["ErrorEquals"] == ["States.ALL"]]
    assert state["Catch"][-1:] == everything, "States.ALL stands alone and last"
    assert everything[0]["Next"] in {"TellFailure", "Failed"}


@pytest.mark.parametrize(("name", "state"), tasks())
def test_every_task_calls_an_operation_that_exists(name: str, state: dict[str, Any]) -> None:
    resource = re.fullmatch(r"arn:aws:states:::(?:aws-sdk:)?(\w+):(\w+)(?:\.waitForTaskToken)?", state["Resource"])
    assert resource, name
    service, operation = resource[1], resource[2]
    model = botocore.session.get_session().get_service_model(service)
    names = {xform_name(operation_name): operation_name for operation_name in model.operation_names}

    if (service, operation) == ("lambda", "invoke"):
        assert set(state["Arguments"]) == {"FunctionName", "Payload"}
    else:
        assert xform_name(operation[0].upper() + operation[1:]) in names


@pytest.mark.parametrize("expression", expressions())
def test_every_expression_parses(expression: str) -> None:
    jsonata.Jsonata(expression)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda path: path.name)
def test_every_variable_that_is_read_is_assigned(machine: Path) -> None:
    everything = yaml.safe_load(machine.read_text())
    text = " ".join(texts(everything))
    read = set(re.findall(r"\$([a-z]\w*)(?!\w*\()", text)) - {"states"}
    functions = set(re.findall(r"\$([a-z]\w*)\(", text))
    assigned = {
        name
        for _, state in states(machine)
        for rule in [state, *state.get("Catch", []), *state.get("Choices", [])]
        for name in rule.get("Assign", {})
    }

    assert read - functions <= assigned
    assert assigned <= read, "assigned, yet never read"


def test_every_substitution_is_given_and_every_given_one_is_used() -> None:
    machines = {
        name: resource["Properties"]
        for name, resource in expand(Path("template.yaml"))["Resources"].items()
        if resource["Type"] == "AWS::StepFunctions::StateMachine"
    }

    assert len(machines) == len(MACHINES)
    for name, properties in machines.items():
        used = {
            placeholder for text in texts(properties["Definition"]) for placeholder in re.findall(r"\$\{(\w+)\}", text)
        }
        assert used == set(properties["DefinitionSubstitutions"]), name

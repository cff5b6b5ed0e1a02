import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from sfnx.testing import Execution, Failure, run

from tests.statemachines.answering import Cloud

SUBSTITUTIONS = {"PreferenceFunctionArn": "preference", "AttributionWaitSeconds": "60", "AttributionAttempts": "3"}
SAID = {"case": "10001", "level": "ContainConfirmed"}
NOT_YET = {"schema": 1, "status": "waiting", "message": "no record yet"}
RECORDED = {"schema": 1, "status": "recorded", "message": "ContainConfirmed for the organization"}
REFUSED = {"schema": 1, "status": "refused", "message": "it was started by a service"}

type Attest = Callable[..., tuple[Execution, Cloud]]


@pytest.fixture(scope="session")
def attesting() -> dict[str, Any]:
    text = Path("statemachines/attest.asl.yaml").read_text()
    loaded = yaml.safe_load(re.sub(r"\$\{(\w+)\}", lambda name: SUBSTITUTIONS[name[1]], text))
    assert isinstance(loaded, dict)
    return loaded


@pytest.fixture
def attest(attesting: dict[str, Any]) -> Attest:
    def start(*answers: Any, **said: Any) -> tuple[Execution, Cloud]:
        rest = iter(answers)

        def answer(_: Any) -> Any:
            given = next(rest)
            if isinstance(given, Exception):
                raise given
            return given

        aws = Cloud(preference=answer)
        return run(attesting, {**SAID, **said}, aws), aws

    return start


def stop(name: str, message: str) -> Failure:
    return Failure(name, f'{{"errorType": "{name}", "errorMessage": "{message}"}}')


def test_execution_is_what_is_attested_and_nothing_of_its_input_is_handed_on(attest: Attest) -> None:
    execution, aws = attest(RECORDED)

    assert list(execution.states) == ["Begin", "Attest", "Attested", "Done"]
    assert execution.output == {"status": "recorded", "message": "ContainConfirmed for the organization"}
    (payload,) = aws.named("preference")
    assert payload.pop("execution").startswith("arn:aws:states:")
    assert payload == {"schema": 1, "last_attempt": False}


def test_record_is_waited_for_and_the_wait_is_bounded(attest: Attest) -> None:
    execution, aws = attest(NOT_YET, NOT_YET, NOT_YET, REFUSED)

    assert [payload["last_attempt"] for payload in aws.named("preference")] == [False, False, False, True]
    assert list(execution.states).count("WaitForRecord") == 3
    assert execution.output == {"status": "refused", "message": "it was started by a service"}


def test_refusal_is_an_outcome_and_says_why(attest: Attest) -> None:
    execution, _ = attest(REFUSED)

    assert (execution.error, execution.output) == (
        None, {"status": "refused", "message": "it was started by a service"},
    )  # fmt: skip


@pytest.mark.parametrize("name", ["ZeroDivisionError", "DeniedError", "NotConfiguredError"])
def test_unforeseen_failure_is_loud_and_never_an_attestation(attest: Attest, name: str) -> None:
    execution, _ = attest(stop(name, "nobody foresaw it"))

    assert (execution.error, execution.cause) == (name, "nobody foresaw it")
    assert list(execution.states)[-1] == "Failed"


@pytest.mark.parametrize("name", ["ThrottledError", "UnavailableError", "Sandbox.Timedout", "Runtime.ExitError"])
def test_transient_failure_is_retried_with_the_same_payload(attest: Attest, name: str) -> None:
    execution, aws = attest(Failure(name, "once"), RECORDED)

    first, second = aws.named("preference")
    assert first == second
    assert execution.output["status"] == "recorded"


def test_failure_without_json_keeps_its_cause(attest: Attest) -> None:
    execution, _ = attest(Failure("Surprise", "plain words"))

    assert (execution.error, execution.cause) == ("Surprise", "plain words")

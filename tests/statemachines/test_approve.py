import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from sfnx.testing import Execution, Failure, run

from tests.statemachines.answering import Cloud

PLAN = "0123456789ab" + "0" * 52
SUBSTITUTIONS = {"ApprovalFunctionArn": "approval", "AttributionWaitSeconds": "60", "AttributionAttempts": "3"}
NOT_YET = {"schema": 1, "recorded": False, "status": None, "message": None}
TAKEN = {"schema": 1, "recorded": True, "status": "approved", "message": "it goes on"}

type Approve = Callable[..., Execution]


@pytest.fixture(scope="session")
def approving() -> dict[str, Any]:
    text = Path("statemachines/approve.asl.yaml").read_text()
    loaded = yaml.safe_load(re.sub(r"\$\{(\w+)\}", lambda name: SUBSTITUTIONS[name[1]], text))
    assert isinstance(loaded, dict)
    return loaded


@pytest.fixture
def approve(approving: dict[str, Any]) -> Approve:
    def start(cloud: Cloud, **said: Any) -> Execution:
        return run(approving, {"schema": 1, "plan": PLAN, "decision": "approve", **said}, cloud)

    return start


def approval(*answers: Any) -> Cloud:
    """Answer what is begun with nothing, and each try to answer with the next of these."""
    rest = iter(answers)

    def answer(payload: Any) -> Any:
        given = {"schema": 1} if payload["action"] == "begin" else next(rest)
        if isinstance(given, Exception):
            raise given
        return given

    return Cloud(approval=answer)


def stop(name: str, message: str) -> Failure:
    return Failure(name, f'{{"errorType": "{name}", "errorMessage": "{message}"}}')


def test_answer_is_taken_from_whoever_started_this(approve: Approve) -> None:
    aws = approval(TAKEN)

    execution = approve(aws, reason="as agreed")

    assert list(execution.states) == ["Begin", "Answer", "Answered", "Done"]
    assert execution.output == {"status": "approved", "message": "it goes on"}
    begun, answered = aws.named("approval")
    assert begun.pop("action") == "begin"
    assert (answered.pop("action"), answered.pop("last_attempt")) == ("answer", False)
    assert begun == {**answered, "at": begun["at"]}
    assert (begun["plan"], begun["decision"], begun["reason"]) == (PLAN, "approve", "as agreed")
    assert begun["execution"].startswith("arn:aws:states:")


def test_reason_may_be_left_out(approve: Approve) -> None:
    aws = approval(TAKEN)

    approve(aws)

    assert [payload["reason"] for payload in aws.named("approval")] == ["", ""]


def test_record_is_waited_for_and_the_wait_is_bounded(approve: Approve) -> None:
    aws = approval(NOT_YET, NOT_YET, NOT_YET, stop("ApprovalRefusedError", "no record yet"))

    execution = approve(aws)

    _, *tries = aws.named("approval")
    assert [payload["last_attempt"] for payload in tries] == [False, False, False, True]
    assert list(execution.states).count("WaitForRecord") == 3
    assert execution.output == {"status": "refused", "message": "no record yet"}


@pytest.mark.parametrize("name", ["ApprovalRefusedError", "PlanUnusableError"])
def test_refusal_is_an_outcome_and_says_why(approve: Approve, name: str) -> None:
    execution = approve(approval(stop(name, "you started the run")))

    assert execution.output == {"status": "refused", "message": "you started the run"}
    assert execution.error is None


def test_answer_without_a_sense_is_refused_before_anything_is_waited_for(approve: Approve) -> None:
    def refuse(_: Any) -> Any:
        raise stop("ApprovalRefusedError", "nobody asks")

    execution = approve(Cloud(approval=refuse))

    assert list(execution.states) == ["Begin", "Refused"]
    assert execution.output == {"status": "refused", "message": "nobody asks"}


@pytest.mark.parametrize("at", ["begin", "answer"])
def test_unforeseen_failure_is_loud_and_never_an_answer(approve: Approve, at: str) -> None:
    def fail(payload: Any) -> Any:
        if payload["action"] == at:
            raise stop("ZeroDivisionError", "division by zero")
        return {"schema": 1}

    execution = approve(Cloud(approval=fail))

    assert (execution.error, execution.cause) == ("ZeroDivisionError", "division by zero")
    assert list(execution.states)[-1] == "Failed"


@pytest.mark.parametrize("name", ["ThrottledError", "UnavailableError", "Sandbox.Timedout", "Runtime.ExitError"])
def test_transient_failure_is_retried_with_the_same_payload(approve: Approve, name: str) -> None:
    aws = approval(Failure(name, "once"), TAKEN)

    execution = approve(aws)

    _, first, second = aws.named("approval")
    assert first == second
    assert execution.output == {"status": "approved", "message": "it goes on"}


def test_failure_without_json_keeps_its_cause(approve: Approve) -> None:
    execution = approve(approval(Failure("Surprise", "plain words")))

    assert (execution.error, execution.cause) == ("Surprise", "plain words")

from typing import Any

import pytest
from pydantic import ValidationError

from muster.domain.lease import AcquireOutcome, LeaseAction
from muster.messages.lease import LeaseRequest, LeaseResponse

EXECUTION = "arn:aws:states:eu-west-1:222222222222:execution:muster-onboard:run-1"
REQUEST: dict[str, Any] = {
    "schema": 1, "run": "run-1", "execution": EXECUTION, "action": "acquire", "at": "2026-11-24T12:00:00.000Z",
}  # fmt: skip


def test_request_names_the_execution_and_what_it_asks_for() -> None:
    request = LeaseRequest.model_validate(REQUEST)

    assert (request.execution, request.action) == (EXECUTION, LeaseAction.ACQUIRE)
    assert (request.attempt, request.last_attempt) == (0, False)


@pytest.mark.parametrize(
    "wrong",
    [
        {"execution": EXECUTION.replace("run-1", "run-11")},
        {"execution": EXECUTION.replace("execution", "stateMachine")},
        {"execution": "run-1"},
        {"action": "steal"},
        {"at": "2026-11-24T12:00:00"},
        {"attempt": -1},
    ],
)
def test_request_of_nobody_in_particular_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        LeaseRequest.model_validate(REQUEST | wrong)


def test_response_says_what_is_waited_for() -> None:
    assert LeaseResponse.from_domain(AcquireOutcome(acquired=False, waiting_for="another run")).to_json() == {
        "schema": 1, "acquired": False, "waiting_for": "another run",
    }  # fmt: skip

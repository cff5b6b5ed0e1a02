import json
from typing import Any

import pytest

from tests.unit.console.fakes import APPROVE_MACHINE, FakeCloud, Operator
from tests.unit.console.planned import REMOVES, SANDBOX, left_state, store_plan


def _answered(**output: Any) -> tuple[list[list[dict[str, Any]]], dict[str, Any]]:
    history = [[left_state("Answer", recorded=False, status=None)], [left_state("Answer", recorded=True)]]
    return history, {"status": "SUCCEEDED", "output": json.dumps(output)}


def test_approve_shows_what_is_approved_starts_the_answer_and_says_what_came_of_it(
    operator: Operator, cloud: FakeCloud
) -> None:
    plan = store_plan(cloud, REMOVES)
    cloud.stepfunctions.upcoming = [_answered(status="recorded (1 of 2)", message="one more person has to approve")]

    ran = operator.types("approve", plan.sha256[:12], "--reason", "agreed")

    [request] = cloud.stepfunctions.started
    assert request["stateMachineArn"] == APPROVE_MACHINE
    assert request["name"].startswith("approve-20270131T101500Z-")
    assert json.loads(request["input"]) == {"plan": plan.sha256, "decision": "approve", "reason": "agreed"}
    assert ran.code == 0
    assert ran.out.splitlines() == [
        f"Plan {plan.sha256[:12]}: 1 write; 1 needs approval; 2 accounts would lose coverage.",
        f"TAKES PROTECTION AWAY from 2 accounts: remove unit {SANDBOX}",
        "  000000000004",
        "  000000000005",
        "Waiting for AWS's record of who answers (CloudTrail). That takes some minutes.",
        "Answer         AWS has no record of the answer yet",
        "Recorded (1 of 2): one more person has to approve",
        "Next: muster status",
    ]


def test_reject_goes_with_its_reason(operator: Operator, cloud: FakeCloud) -> None:
    plan = store_plan(cloud, REMOVES)
    cloud.stepfunctions.upcoming = [_answered(status="rejected", message=None)]

    ran = operator.types("reject", plan.sha256[:12], "--reason", "it has to stay")

    assert cloud.stepfunctions.inputs == [{"plan": plan.sha256, "decision": "reject", "reason": "it has to stay"}]
    assert ran.code == 0
    assert ran.out.endswith("Rejected.\nNext: muster status\n")


@pytest.mark.parametrize("command", [("approve",), ("reject", "--reason", "no")])
def test_refused_answer_ends_with_1_and_its_cause(
    operator: Operator, cloud: FakeCloud, command: tuple[str, ...]
) -> None:
    plan = store_plan(cloud, REMOVES)
    cloud.stepfunctions.upcoming = [_answered(status="refused", message="you started the run: ask somebody else")]

    ran = operator.types(*command, plan.sha256)

    assert (ran.code, ran.err) == (1, "Refused: you started the run: ask somebody else\n")


@pytest.mark.parametrize(
    "end",
    [
        {"status": "FAILED", "error": "States.Runtime", "cause": "odd"},
        {"status": "TIMED_OUT"},
        {"status": "SUCCEEDED", "output": "{}"},
    ],
)
def test_answer_that_was_not_taken_is_never_called_one(
    operator: Operator, cloud: FakeCloud, end: dict[str, Any]
) -> None:
    plan = store_plan(cloud, REMOVES)
    cloud.stepfunctions.upcoming = [([[]], end)]

    ran = operator.types("approve", plan.sha256)

    assert ran.code == 1
    assert ran.err.startswith("The answer was not taken (")
    assert "muster status" in ran.err


def test_ctrl_c_does_not_take_the_answer_back(operator: Operator, cloud: FakeCloud) -> None:
    plan = store_plan(cloud, REMOVES)
    cloud.stepfunctions.upcoming = [_answered(status="approved")]
    operator.interrupt = True

    ran = operator.types("approve", plan.sha256)

    assert ran.code == 130
    assert ran.out.endswith("The answer is taken all the same. Look what becomes of it with: muster status\n")


@pytest.mark.parametrize("command", [("approve",), ("reject", "--reason", "no")])
def test_deployment_without_approvals_is_named(operator: Operator, cloud: FakeCloud, command: tuple[str, ...]) -> None:
    plan = store_plan(cloud, REMOVES)
    del cloud.cloudformation.outputs["ApproveMachineArn"]

    ran = operator.types(*command, plan.sha256)

    assert ran.code == 4
    assert ran.err.startswith("The stack has no output ApproveMachineArn")
    assert cloud.stepfunctions.started == []
    assert operator.types("plan", "--show", plan.sha256).code == 3

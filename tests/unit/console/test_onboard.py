import json
from typing import Any

import pytest

from tests.unit.console.fakes import BUCKET, EXAMPLE, MACHINE, FakeCloud, Operator

MEMBERSHIP = "m-1234567890ab"
ADDED = {"kind": "add_unit", "resource": "ou-ab12-11111111", "detail": "added 5 units"}


def _entered(name: str, kind: str = "Task") -> dict[str, Any]:
    return {"type": f"{kind}StateEntered", "stateEnteredEventDetails": {"name": name}}


def _left(name: str, **output: Any) -> dict[str, Any]:
    return {"type": "TaskStateExited", "stateExitedEventDetails": {"name": name, "output": json.dumps(output)}}


def _failed(error: str) -> dict[str, Any]:
    return {"type": "TaskFailed", "taskFailedEventDetails": {"error": error, "cause": "a long trace"}}


SIGN_UP = [
    _entered("Resolve"),
    _left("Resolve"),
    _entered("SignUp"),
    _failed("ThrottledError"),
    _left("SignUp", membership_id=None, changes=[], handoffs=[], waiting_for="trusted access"),
    _entered("WaitForConsistency", "Wait"),
]
SCOPING = [
    _entered("SignUp"),
    _left("SignUp", membership_id=MEMBERSHIP, changes=[{"kind": "sign_up", "resource": MEMBERSHIP, "detail": ""}]),
    _entered("Scoping"),
    _left("Scoping", more=True, resolved=8, remaining=3, changes=[ADDED], cursor="ou-ab12-11111111"),
]
ASSESS = [
    _entered("Assess"),
    _left("Assess", cursor={"token": "x"}, settled=False, accounts_read=40, counts={}),
    _left("Assess", cursor=None, settled=False, accounts_read=69, counts={"Covered": 66, "Settling": 3, "Unknown": 0}),
    _entered("Announce"),
    _left("Announce", MessageId="1"),
]
OUTPUT = {
    "status": "Covered",
    "membership_id": MEMBERSHIP,
    "counts": {"Covered": 69, "NotCovered": 0},
    # JSONata gives one object where there is a list of one.
    "changes": ADDED,
    "handoffs": [],
    "notices": [[{"subject": "ou-ab12-22222222", "detail": "lies below another unit and was left out"}]],
    "report": {"text_key": "runs/x/report.txt", "json_key": "runs/x/report.json"},
    "assessment_key": "runs/x/assessment.json",
    "containment": {"Deployed": 68, "AbsentByChoice": 1, "Missing": 0},
    "readiness": {"Ready": 68, "NotReady": 0, "AbsentByChoice": 1, "Unknown": 0},
}


@pytest.fixture
def pushed(operator: Operator, cloud: FakeCloud) -> Operator:
    operator.types("push", str(EXAMPLE))
    cloud.stepfunctions.batches = [SIGN_UP, SCOPING, [], ASSESS]
    cloud.stepfunctions.ending = {"status": "SUCCEEDED", "output": json.dumps(OUTPUT)}
    return operator


def test_onboard_starts_the_machine_with_the_version_that_was_pushed(pushed: Operator, cloud: FakeCloud) -> None:
    pushed.types("onboard", "--no-wait")

    [request] = cloud.stepfunctions.started
    assert request["stateMachineArn"] == MACHINE
    assert request["name"].startswith("manual-20270131T101500Z-")
    assert json.loads(request["input"]) == {
        "schema": 1,
        "trigger": {"kind": "manual"},
        "desired": {"key": "desired-state.json", "version": "v1"},
    }


def test_no_wait_says_how_to_follow_with_the_options_given(pushed: Operator, cloud: FakeCloud) -> None:
    ran = pushed.types("--region", "eu-west-1", "--endpoint-url", "http://127.0.0.1:5000", "onboard", "--no-wait")

    name = cloud.stepfunctions.started[0]["name"]
    assert ran.code == 0
    assert ran.out.splitlines() == [
        f"Run {name} started.",
        f"Next: muster --endpoint-url http://127.0.0.1:5000 --region eu-west-1 onboard --follow {name}",
    ]
    assert cloud.stepfunctions.polls == 0


def test_every_step_is_told_once_as_it_happens_and_the_end_is_summed_up(pushed: Operator) -> None:
    ran = pushed.types("onboard", "--yes")

    assert ran.code == 0
    assert ran.out.splitlines()[1:] == [
        "Sign up        failed with ThrottledError",
        "Sign up        waits for trusted access",
        "Sign up        sign_up m-1234567890ab",
        "Scoping        added 5 units, 3 of 8 units remain",
        "Assess         40 accounts read",
        "Assess         69 accounts read, 66 Covered, 3 Settling, not settled yet",
        "Announce       message sent",
        "",
        "Covered: Every account in scope is covered.",
        "Membership  m-1234567890ab",
        "Accounts    69 Covered",
        "Roles       68 Deployed, 1 AbsentByChoice",
        "Containment 68 Ready, 1 AbsentByChoice",
        "Changes     1",
        "  + added 5 units",
        "Notice: ou-ab12-22222222: lies below another unit and was left out",
        f"Report      s3://{BUCKET}/runs/x/report.txt",
        f"Assessment  s3://{BUCKET}/runs/x/assessment.json",
    ]


def test_a_history_that_comes_oldest_first_is_told_the_same(pushed: Operator, cloud: FakeCloud) -> None:
    expected = pushed.types("onboard", "--yes").out.splitlines()[1:]
    cloud.stepfunctions.polls, cloud.stepfunctions.newest_first = 0, False

    assert pushed.types("onboard", "--yes").out.splitlines()[1:] == expected


def test_a_step_that_finds_the_same_again_is_told_once(pushed: Operator, cloud: FakeCloud) -> None:
    same = _left("Assess", cursor=None, settled=False, accounts_read=69, counts={"Settling": 69})
    cloud.stepfunctions.batches = [[same, same], [_entered("WaitToSettle", "Wait"), same], ASSESS]

    lines = pushed.types("onboard", "--yes").out.splitlines()

    assert lines.count("Assess         69 accounts read, 69 Settling, not settled yet") == 1


def test_following_pauses_longer_while_nothing_happens(pushed: Operator, cloud: FakeCloud) -> None:
    cloud.stepfunctions.batches = [SIGN_UP, [], [], [], [], SCOPING, ASSESS]

    pushed.types("onboard", "--yes")

    assert pushed.pauses == [0.5, 1.0, 2.0, 4.0, 4.0, 0.5]


def test_a_long_history_is_not_read_from_its_beginning_each_time(pushed: Operator, cloud: FakeCloud) -> None:
    passes = [_left("Scoping", more=True, resolved=900, remaining=left, changes=[]) for left in range(450)]
    cloud.stepfunctions.batches = [passes, [_entered("Assess")], [_left("Assess", accounts_read=3)]]

    lines = pushed.types("onboard", "--yes").out.splitlines()

    assert len([line for line in lines if line.startswith("Scoping")]) == 450
    assert len([line for line in lines if line.startswith("Assess  ")]) == 1


@pytest.mark.parametrize("status", ["NeedsAttention", "WaitingForHandoff", "NotSettled", "NotConfigured"])
def test_a_run_that_leaves_something_open_ends_with_3(pushed: Operator, cloud: FakeCloud, status: str) -> None:
    cloud.stepfunctions.ending = {"status": "SUCCEEDED", "output": json.dumps({**OUTPUT, "status": status})}

    ran = pushed.types("onboard", "--yes")

    assert ran.code == 3
    assert f"\n{status}: " in ran.out


def test_a_handoff_is_printed_with_a_command_that_can_be_pasted(pushed: Operator, cloud: FakeCloud) -> None:
    command = "aws organizations enable-aws-service-access --service-principal security-ir.amazonaws.com " + "x" * 80
    handoff = {"to": "management team", "what": "enable trusted access", "why": "access is read", "command": command}
    output = {**OUTPUT, "status": "WaitingForHandoff", "handoffs": [handoff]}
    cloud.stepfunctions.ending = {"status": "SUCCEEDED", "output": json.dumps(output)}

    lines = pushed.types("onboard", "--yes").out.splitlines()

    at = lines.index("For the management team: enable trusted access")
    assert lines[at + 1 : at + 3] == ["  because access is read", f"    {command}"]


def test_a_handoff_for_accounts_says_which(pushed: Operator, cloud: FakeCloud) -> None:
    handoff = {
        "to": "owners of the accounts",
        "what": "create it",
        "command": "aws iam",
        "accounts": ["3" * 12, "4" * 12],
    }
    output = {**OUTPUT, "status": "WaitingForHandoff", "handoffs": [handoff]}
    cloud.stepfunctions.ending = {"status": "SUCCEEDED", "output": json.dumps(output)}

    assert "  in accounts 333333333333, 444444444444\n    aws iam\n" in pushed.types("onboard", "--yes").out


def test_a_run_that_stopped_says_why_and_ends_with_1(pushed: Operator, cloud: FakeCloud) -> None:
    cloud.stepfunctions.ending = {
        "status": "FAILED",
        "error": "NotConfirmedError",
        "cause": 'nobody confirmed it: write confirmed_as: "222222222222/eu-west-1"',
    }

    ran = pushed.types("onboard", "--yes")

    assert ran.code == 1
    assert "The run failed with NotConfirmedError.\nnobody confirmed it: write confirmed_as" in ran.out


def test_a_cause_that_lambda_wrapped_is_unwrapped(pushed: Operator, cloud: FakeCloud) -> None:
    cause = json.dumps({"errorMessage": "the unit is unknown", "errorType": "ScopeError", "stackTrace": ["line 1"]})
    cloud.stepfunctions.ending = {"status": "FAILED", "error": "ScopeError", "cause": cause}

    ran = pushed.types("onboard", "--yes")

    assert "\nthe unit is unknown\n" in ran.out
    assert "line 1" not in ran.out


def test_ctrl_c_leaves_the_run_going_and_says_how_to_come_back(pushed: Operator, cloud: FakeCloud) -> None:
    pushed.interrupt = True

    ran = pushed.types("onboard", "--yes")

    name = cloud.stepfunctions.started[0]["name"]
    assert ran.code == 130
    assert ran.out.endswith(
        f"The run goes on. Follow it with: muster onboard --follow {name}\n"
        "Or look at the result later with: muster status\n"
    )


def test_follow_tells_a_run_that_was_started_before_and_starts_none(pushed: Operator, cloud: FakeCloud) -> None:
    pushed.types("onboard", "--no-wait")
    name = cloud.stepfunctions.started[0]["name"]

    ran = pushed.types("onboard", "--follow", name)

    assert ran.code == 0
    assert len(cloud.stepfunctions.started) == 1
    assert ran.out.startswith("Sign up ")


def test_follow_of_an_unknown_run_is_refused(pushed: Operator) -> None:
    ran = pushed.types("onboard", "--follow", "manual-nothing")

    assert (ran.code, ran.err) == (2, "There is no run manual-nothing.\nNext: Start one with `muster onboard`.\n")


def test_without_a_desired_state_nothing_is_started(operator: Operator, cloud: FakeCloud) -> None:
    ran = operator.types("onboard", "--yes")

    assert ran.code == 3
    assert ran.err.startswith("No desired state has been pushed yet.\nNext: ")
    assert cloud.stepfunctions.started == []


def test_roles_that_are_not_ready_are_told_with_the_command_that_says_why(pushed: Operator, cloud: FakeCloud) -> None:
    output = {**OUTPUT, "status": "NeedsAttention", "readiness": {"Ready": 66, "NotReady": 1, "Unknown": 2}}
    cloud.stepfunctions.ending = {"status": "SUCCEEDED", "output": json.dumps(output)}

    shown = pushed.types("onboard")

    assert "Containment 66 Ready, 1 NotReady, 2 Unknown; why: muster containment\n" in shown.out

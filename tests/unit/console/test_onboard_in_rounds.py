"""``muster onboard``: plan, show, ask, apply, until nothing is left; and how a run of several rounds is told."""

from typing import Any

import pytest

from muster.domain.plan import Affected, PlannedRemediation, SealedPlan
from muster_console.run_commands import MAX_ROUNDS
from tests.unit.console.fakes import EXAMPLE, FakeCloud, Operator
from tests.unit.console.planned import (
    ADD,
    ADDS,
    LEFT,
    REMOVES,
    SETS_TAGS,
    SIGNS_UP,
    ending,
    entered,
    left_state,
    planning,
    store_plan,
)


@pytest.fixture
def pushed(operator: Operator) -> Operator:
    operator.types("push", str(EXAMPLE))
    return operator


def _run(plan: SealedPlan, verdict: str, **more: Any) -> tuple[list[list[dict[str, object]]], dict[str, object]]:
    return [[planning(plan, verdict)]], ending(plan, verdict, **more)


def test_onboard_asks_for_each_plan_until_nothing_is_left(pushed: Operator, cloud: FakeCloud) -> None:
    first, second, last = store_plan(cloud, SIGNS_UP), store_plan(cloud, ADDS, number=2), store_plan(cloud, number=3)
    cloud.stepfunctions.upcoming = [_run(first, "tell"), _run(second, "tell"), _run(last, "nothing")]
    pushed.answers = [True, True]

    ran = pushed.types("onboard")

    assert ran.code == 0
    assert pushed.answers == []
    inputs = cloud.stepfunctions.inputs
    assert [each.get("plan") for each in inputs] == [None, first.sha256, second.sha256]
    assert [each.get("applies") for each in inputs] == [False, None, None]
    shown = [line for line in ran.out.splitlines() if line.startswith(f"Plan {second.sha256[:12]}")]
    assert len(shown) == 1


def test_no_is_respected_and_says_how_to_apply_later(pushed: Operator, cloud: FakeCloud) -> None:
    plan = store_plan(cloud, ADDS)
    cloud.stepfunctions.upcoming = [_run(plan, "tell")]
    pushed.answers = [False]

    ran = pushed.types("onboard")

    assert ran.code == 3
    assert len(cloud.stepfunctions.started) == 1
    assert ran.out.endswith(f"Nothing was changed. To apply it later: muster apply {plan.sha256[:12]}\n")


def test_without_a_terminal_the_plan_is_shown_and_nothing_applied(pushed: Operator, cloud: FakeCloud) -> None:
    plan = store_plan(cloud, ADDS)
    cloud.stepfunctions.upcoming = [_run(plan, "tell")]

    ran = pushed.types("--region", "eu-west-1", "onboard")

    assert ran.code == 3
    assert len(cloud.stepfunctions.started) == 1
    assert f"muster --region eu-west-1 apply {plan.sha256[:12]}\n" in ran.out
    assert ran.out.endswith("muster --region eu-west-1 onboard --yes\n")


def test_world_as_desired_is_summed_up_without_a_question(pushed: Operator, cloud: FakeCloud) -> None:
    plan = store_plan(cloud)
    cloud.stepfunctions.upcoming = [_run(plan, "nothing")]
    pushed.answers = []

    ran = pushed.types("onboard")

    assert ran.code == 0
    assert "Nothing to do: the world is as desired.\n\nCovered: " in ran.out
    assert len(cloud.stepfunctions.started) == 1


def test_steps_of_others_alone_are_shown_and_not_asked_about(pushed: Operator, cloud: FakeCloud) -> None:
    plan = store_plan(cloud, left=(LEFT,))
    handoff = {"to": LEFT.who, "what": LEFT.what, "why": LEFT.why, "command": LEFT.command}
    cloud.stepfunctions.upcoming = [_run(plan, "nothing", status="WaitingForHandoff", handoffs=[handoff])]
    pushed.answers = []

    ran = pushed.types("onboard")

    assert ran.code == 3
    assert ran.out.count("For the owners of the accounts: create the triage role") == 1
    assert "\nWaitingForHandoff: " in ran.out


@pytest.mark.parametrize(
    ("write", "mode", "line"),
    [
        (ADDS, "observe", "Mode is observe, so nothing is applied."),
        (PlannedRemediation(ADD, Affected(2), held="frozen"), "enforce", "All of it waits."),
    ],
)
def test_what_cannot_be_applied_now_is_not_asked_about(
    pushed: Operator, cloud: FakeCloud, write: PlannedRemediation, mode: str, line: str
) -> None:
    plan = store_plan(cloud, write, mode=mode)
    cloud.stepfunctions.upcoming = [_run(plan, "tell")]
    pushed.answers = []

    ran = pushed.types("onboard")

    assert ran.code == 3
    assert line in ran.out.splitlines()[-1]


def test_run_that_stops_ends_the_rounds(pushed: Operator, cloud: FakeCloud) -> None:
    plan = store_plan(cloud, ADDS)
    stopped = {"status": "FAILED", "error": "WorldMovedError", "cause": "the world moved"}
    cloud.stepfunctions.upcoming = [_run(plan, "tell"), ([[]], stopped)]
    pushed.answers = [True]

    ran = pushed.types("onboard")

    assert ran.code == 1
    assert "WorldMovedError" in ran.out


def test_the_same_plan_again_is_not_asked_about_twice(pushed: Operator, cloud: FakeCloud) -> None:
    plan = store_plan(cloud, ADDS)
    cloud.stepfunctions.upcoming = [_run(plan, "tell"), _run(plan, "tell")]
    pushed.answers = [True]

    assert pushed.types("onboard").code == 3
    assert len(cloud.stepfunctions.started) == 2


@pytest.mark.parametrize("verdict", ["hold", "ask"])
def test_only_a_plan_that_can_go_on_is_asked_about(pushed: Operator, cloud: FakeCloud, verdict: str) -> None:
    first, second = store_plan(cloud, ADDS), store_plan(cloud, REMOVES, number=2)
    cloud.stepfunctions.upcoming = [_run(first, "tell"), _run(second, verdict)]
    pushed.answers = [True]

    assert pushed.types("onboard").code == 3
    assert len(cloud.stepfunctions.started) == 2


def test_the_questions_have_an_end(pushed: Operator, cloud: FakeCloud) -> None:
    plans = [store_plan(cloud, SETS_TAGS, number=number) for number in range(1, MAX_ROUNDS + 2)]
    cloud.stepfunctions.upcoming = [_run(plan, "tell") for plan in plans]
    pushed.answers = [True] * MAX_ROUNDS

    ran = pushed.types("onboard")

    assert ran.code == 3
    assert len(cloud.stepfunctions.started) == MAX_ROUNDS + 1
    assert ran.out.endswith("10 plans were applied, and there is still something to do: muster plan\n")


def test_yes_is_one_run_without_a_plan_of_ours(pushed: Operator, cloud: FakeCloud) -> None:
    plan = store_plan(cloud)
    cloud.stepfunctions.upcoming = [_run(plan, "nothing")]
    pushed.answers = []

    assert pushed.types("onboard", "--yes").code == 0
    assert [each.keys() & {"plan", "applies"} for each in cloud.stepfunctions.inputs] == [set()]


def test_rounds_are_told_as_look_plan_write_and_look_again(pushed: Operator, cloud: FakeCloud) -> None:
    plan, last = store_plan(cloud, SETS_TAGS, ADDS), store_plan(cloud, number=2)
    nothing: dict[str, object] = {"changes": [], "handoffs": []}
    first_look = [
        left_state("SignUp", **nothing),
        left_state("Scoping", **nothing, more=False),
        left_state("Plan", plan=plan.sha256, verdict="apply", open=2, todo=["sign_up", "scoping"]),
        left_state("AcquireLease", acquired=False),
        left_state("AcquireLease", acquired=True),
    ]
    writes = [
        entered("ApplyNext", "Pass"),
        left_state("SignUp", changes=[{"detail": "set the tags owner"}], handoffs=[]),
        entered("ApplyNext", "Pass"),
        left_state("Scoping", **nothing, more=False),
        entered("ApplyNext", "Pass"),
    ]
    second_look = [
        left_state("SignUp", **nothing),
        left_state("Scoping", **nothing),
        planning(last, "nothing"),
        left_state("ReleaseLease"),
    ]
    cloud.stepfunctions.upcoming = [([first_look, writes, second_look], ending(last, "nothing"))]

    lines = pushed.types("onboard", "--yes").out.splitlines()

    assert lines[1 : lines.index("")] == [
        f"Plan           plan {plan.sha256[:12]}, 2 writes, goes on with sign up, scoping",
        "Acquire lease  another run writes, so this one waits",
        "Sign up        set the tags owner",
        "Scoping        nothing to change",
        f"Plan           plan {last.sha256[:12]}, nothing to do",
    ]


def test_waiting_for_approval_is_told_with_the_command(pushed: Operator, cloud: FakeCloud) -> None:
    plan, last = store_plan(cloud, REMOVES), store_plan(cloud, number=2)
    short = plan.sha256[:12]
    cloud.stepfunctions.upcoming = [
        (
            [
                [
                    planning(plan, "ask"),
                    left_state("RequestApproval", subject="s", message="m"),
                    left_state("TellApprovers", MessageId="1"),
                    entered("AwaitApproval"),
                ],
                [{"type": "TaskTimedOut"}, left_state("TellApprovers", MessageId="2"), entered("AwaitApproval")],
                [left_state("AwaitApproval", decision="approved", by=["arn:aws:sts::222222222222:assumed-role/x/ada"])],
                [entered("Approved", "Pass"), entered("ApplyNext", "Pass"), left_state("SignUp", changes=[])],
            ],
            ending(last, "nothing", decision="approved"),
        )
    ]

    ran = pushed.types("onboard", "--yes")

    lines = ran.out.splitlines()
    assert lines[1 : lines.index("")] == [
        f"Plan           plan {short}, 1 write, people have to approve",
        "Tell approvers message sent",
        f"Await approval waits for approval: muster approve {short}",
        "Await approval nobody has answered yet",
        "Tell approvers message sent",
        f"Await approval waits for approval: muster approve {short}",
        "Await approval approved",
    ]
    assert "ada" not in ran.out

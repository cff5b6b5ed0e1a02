from collections.abc import Callable
from typing import Any

import pytest
from sfnx.testing import Execution, Failure

from tests.statemachines.answering import Cloud

type Onboard = Callable[..., Execution]

CHANGE = {"kind": "sign_up", "resource": "m-1", "detail": "created"}
HANDOFF = {"to": "person", "what": "create it", "why": "denied", "command": "aws …"}
NOTICE = {"subject": "ou-1", "detail": "not asked for"}


def signed_up(**over: Any) -> dict[str, Any]:
    return {
        "schema": 1, "membership_id": "m-1", "changes": [], "handoffs": [], "notices": [], "waiting_for": None, **over
    }  # fmt: skip


def scoped(**over: Any) -> dict[str, Any]:
    return {
        "schema": 1, "cursor": None, "more": False, "resolved": 0, "remaining": 0,
        "changes": [], "handoffs": [], "notices": [], **over,
    }  # fmt: skip


def assessed(**over: Any) -> dict[str, Any]:
    return {
        "schema": 1, "cursor": None, "settled": True, "accounts_read": 3, "counts": {"Covered": 3}, "needs_person": 0,
        "assessment_key": "runs/x/assessment.json", **over,
    }  # fmt: skip


def reported(**over: Any) -> dict[str, Any]:
    return {
        "schema": 1, "status": "Covered", "text_key": "t", "json_key": "j", "subject": None, "message": None, **over
    }  # fmt: skip


def cloud(**answers: Any) -> Cloud:
    quiet: dict[str, Any] = {
        "headObject": lambda _: {"VersionId": "v1"},
        "sign_up": lambda _: signed_up(),
        "scoping": lambda _: scoped(),
        "assess": lambda _: assessed(),
        "report": lambda _: reported(),
        "publish": lambda _: {"MessageId": "1"},
    }
    return Cloud(**{**quiet, **answers})


def in_turn(*answers: Any) -> Callable[[Any], Any]:
    rest = iter(answers)

    def answer(_: Any) -> Any:
        given = next(rest)
        if isinstance(given, Exception):
            raise given
        return given

    return answer


def failing(name: str, message: str) -> Callable[[Any], Any]:
    def answer(_: Any) -> Any:
        raise Failure(name, f'{{"errorType": "{name}", "errorMessage": "{message}"}}')

    return answer


def test_unchanged_world_is_read_reported_and_nobody_is_told(onboard: Onboard) -> None:
    aws = cloud()

    execution = onboard(aws)

    assert list(execution.states) == [
        "Resolve", "SignUp", "SignedUp", "Scoping", "Scoped", "Assess", "Assessed", "Report", "Reported", "Done"
    ]  # fmt: skip
    assert execution.output == {
        "status": "Covered",
        "membership_id": "m-1",
        "counts": {"Covered": 3},
        "changes": [],
        "handoffs": [],
        "notices": [],
        "report": {"text_key": "t", "json_key": "j"},
        "assessment_key": "runs/x/assessment.json",
    }
    assert aws.named("publish") == []


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({}, {"Bucket": "bucket", "Key": "desired-state.json"}),
        (
            {"schema": 1, "trigger": {"kind": "manual"}, "desired": {"key": "desired-state.json", "version": "v7"}},
            {"Bucket": "bucket", "Key": "desired-state.json", "VersionId": "v7"},
        ),
    ],
)
def test_run_is_pinned_to_one_version_of_the_desired_state(
    onboard: Onboard, given: dict[str, Any], asked: dict[str, Any]
) -> None:
    aws = cloud()

    onboard(aws, given)

    assert aws.named("headObject") == [asked]
    pinned = [payload["desired"] for name, payload in aws.calls if isinstance(payload, dict) and "desired" in payload]
    assert pinned == [{"key": "desired-state.json", "version": "v1"}] * 4


def test_absent_desired_state_is_a_beginning_and_not_an_error(onboard: Onboard) -> None:
    aws = cloud(headObject=failing("S3.NoSuchKeyException", "Not Found"))

    execution = onboard(aws)

    assert execution.output == {"status": "NotConfigured", "next": "muster push FILE"}
    assert [name for name, _ in aws.calls] == ["headObject"]


def test_sign_up_waits_for_consistency_and_says_when_it_looks_for_the_last_time(onboard: Onboard) -> None:
    aws = cloud(
        sign_up=lambda _: signed_up(membership_id=None, waiting_for="registration"), report=lambda _: reported()
    )
    aws.answers["sign_up"] = in_turn(
        *[signed_up(membership_id=None, waiting_for="registration", changes=[CHANGE])] * 3,
        signed_up(membership_id=None, handoffs=[HANDOFF]),
    )

    execution = onboard(aws)

    attempts = [(payload["attempt"], payload["last_attempt"]) for payload in aws.named("sign-up")]
    assert attempts == [(0, False), (1, False), (2, False), (3, True)]
    assert "Scoping" not in execution.states
    assert "Assess" not in execution.states
    (report,) = aws.named("report")
    assert (report["changes"], report["handoffs"], report["membership_id"]) == ([CHANGE] * 3, [HANDOFF], None)


def test_units_are_sent_one_call_at_a_time_from_the_last_cursor(onboard: Onboard) -> None:
    aws = cloud(
        scoping=in_turn(
            scoped(cursor="ou-5", more=True, changes=[CHANGE], notices=[NOTICE]),
            scoped(cursor="ou-9", more=False, changes=[CHANGE], notices=[NOTICE]),
        )
    )

    execution = onboard(aws)

    assert [payload["cursor"] for payload in aws.named("scoping")] == [None, "ou-5"]
    assert list(execution.states).count("PaceUnits") == 1
    (report,) = aws.named("report")
    assert (report["changes"], report["notices"]) == ([CHANGE, CHANGE], [NOTICE])


def test_scope_of_two_thousand_units_keeps_the_state_small(onboard: Onboard) -> None:
    passes = [scoped(cursor=f"ou-{number}", more=number < 399, changes=[CHANGE]) for number in range(400)]
    aws = cloud(scoping=in_turn(*passes))

    onboard(aws)

    assert len(aws.named("scoping")) == 400
    assert len(aws.named("report")[0]["changes"]) == 100


def test_assessment_knows_when_this_run_changed_the_scope(onboard: Onboard) -> None:
    untouched, changed = cloud(), cloud(scoping=lambda _: scoped(changes=[CHANGE]))

    onboard(untouched)
    onboard(changed)

    assert untouched.named("assess")[0]["changed_at"] is None
    assert changed.named("assess")[0]["changed_at"] == "2026-01-01T00:00:00.000Z"


def test_inventory_goes_on_from_its_cursor_without_a_wait(onboard: Onboard) -> None:
    cursor = {"token": "t", "part": 1, "accounts": 2000}
    aws = cloud(assess=in_turn(assessed(cursor=cursor, settled=False, assessment_key=None), assessed()))

    execution = onboard(aws)

    assert [payload["cursor"] for payload in aws.named("assess")] == [None, cursor]
    assert "WaitToSettle" not in execution.states


def test_settling_is_waited_for_and_the_wait_is_bounded(onboard: Onboard) -> None:
    aws = cloud(assess=lambda _: assessed(settled=False))

    execution = onboard(aws)

    assert [payload["number"] for payload in aws.named("assess")] == [1, 2, 3, 4]
    assert list(execution.states).count("WaitToSettle") == 3
    assert aws.named("report")[0]["settled"] is False


def test_news_are_sent_with_their_subject(onboard: Onboard) -> None:
    aws = cloud(report=lambda _: reported(subject="Muster: signed up", message="text"))

    onboard(aws)

    assert aws.named("publish") == [{"TopicArn": "topic", "Subject": "Muster: signed up", "Message": "text"}]


@pytest.mark.parametrize("step", ["sign_up", "scoping", "assess", "report"])
def test_stop_is_told_to_people_and_fails_under_its_own_name(onboard: Onboard, step: str) -> None:
    aws = cloud(**{step: failing("MembershipConflictError", "two Active memberships")})

    execution = onboard(aws)

    assert (execution.error, execution.cause) == ("MembershipConflictError", "two Active memberships")
    assert list(execution.states)[-2:] == ["TellStop", "Failed"]
    (message,) = aws.named("publish")
    assert "two Active memberships" in message["Message"]


@pytest.mark.parametrize("step", ["sign_up", "scoping", "assess", "report"])
def test_unforeseen_failure_is_loud_and_never_an_answer(onboard: Onboard, step: str) -> None:
    aws = cloud(**{step: failing("ZeroDivisionError", "division by zero")})

    execution = onboard(aws)

    assert (execution.error, execution.cause) == ("ZeroDivisionError", "division by zero")
    assert list(execution.states)[-2:] == ["TellFailure", "Failed"]


def test_failure_stays_a_failure_when_nobody_can_be_told(onboard: Onboard) -> None:
    aws = cloud(
        sign_up=failing("ScopeError", "no such unit"), publish=failing("Sns.AuthorizationErrorException", "denied")
    )

    execution = onboard(aws)

    assert (execution.error, execution.cause) == ("ScopeError", "no such unit")


@pytest.mark.parametrize("step", ["sign_up", "scoping", "assess", "report"])
@pytest.mark.parametrize("name", ["ThrottledError", "UnavailableError", "Sandbox.Timedout", "Runtime.ExitError"])
def test_transient_failure_is_retried_with_the_same_payload(onboard: Onboard, step: str, name: str) -> None:
    quiet = cloud()
    answer = quiet.answers[step]({})
    aws = cloud(**{step: in_turn(Failure(name, "once"), answer)})

    execution = onboard(aws)

    first, second = aws.named(step.replace("_", "-"))
    assert first == second
    assert execution.error is None


def test_failure_without_json_keeps_its_cause(onboard: Onboard) -> None:
    def time_out(_: Any) -> Any:
        raise Failure("Surprise", "plain words")

    execution = onboard(cloud(assess=time_out))

    assert (execution.error, execution.cause) == ("Surprise", "plain words")

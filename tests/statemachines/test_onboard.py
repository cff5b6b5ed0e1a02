from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from sfnx.testing import Execution, Failure

from tests.statemachines.answering import Cloud

type Onboard = Callable[..., Execution]

CHANGE = {"kind": "sign_up", "resource": "m-1", "detail": "created"}
HANDOFF = {"to": "person", "what": "create it", "why": "denied", "command": "aws …"}
NOTICE = {"subject": "ou-1", "detail": "not asked for"}


def checked(**over: Any) -> dict[str, Any]:
    return {"schema": 1, "checks": [], "notices": [], "handoffs": [], "accepted": [], "membership_id": None, **over}


def signed_up(**over: Any) -> dict[str, Any]:
    return {
        "schema": 1, "membership_id": "m-1", "changes": [], "handoffs": [], "notices": [], "waiting_for": None, **over
    }  # fmt: skip


def scoped(**over: Any) -> dict[str, Any]:
    return {
        "schema": 1, "cursor": None, "more": False, "resolved": 0, "remaining": 0,
        "changes": [], "handoffs": [], "notices": [], **over,
    }  # fmt: skip


def contacts_set_up(**over: Any) -> dict[str, Any]:
    return {"schema": 1, "changes": [], "handoffs": [], "notices": [], **over}


def assessed(**over: Any) -> dict[str, Any]:
    return {
        "schema": 1, "cursor": None, "settled": True, "accounts_read": 3, "counts": {"Covered": 3}, "needs_person": 0,
        "assessment_key": "runs/x/assessment.json", "missing_triage_roles": 0, "unread_triage_roles": 0, **over,
    }  # fmt: skip


def repaired(**over: Any) -> dict[str, Any]:
    return {"schema": 1, "cursor": None, "changes": [], "handoffs": [], "notices": [], "repaired": 0, **over}


def contained(**over: Any) -> dict[str, Any]:
    return {
        "schema": 1, "more": False, "waiting_for": None, "changes": [], "handoffs": [], "notices": [],
        "counts": {"Deployed": 3}, "readiness": {"Ready": 3}, "document_key": "runs/x/containment.json", **over,
    }  # fmt: skip


PLAN = "a" * 64


def planned(verdict: str = "nothing", *todo: str, **over: Any) -> dict[str, Any]:
    grant = {"key": "runs/x/grants/1.json", "sha256": "b" * 64} if verdict == "apply" else None
    return {
        "schema": 1, "verdict": verdict, "plan": PLAN, "grant": grant, "todo": list(todo), "open": len(todo),
        "handoffs": [], "notices": [], **over,
    }  # fmt: skip


def leased(**over: Any) -> dict[str, Any]:
    return {"schema": 1, "acquired": True, "waiting_for": None, **over}


def reported(**over: Any) -> dict[str, Any]:
    return {
        "schema": 1, "status": "Covered", "text_key": "t", "json_key": "j", "subject": None, "message": None, **over
    }  # fmt: skip


def cloud(**answers: Any) -> Cloud:
    quiet: dict[str, Any] = {
        "headObject": lambda _: {"VersionId": "v1"},
        "preflight": lambda _: checked(),
        "sign_up": lambda _: signed_up(),
        "scoping": lambda _: scoped(),
        "contact_setup": lambda _: contacts_set_up(),
        "assess": lambda _: assessed(),
        "member_repair": lambda _: repaired(),
        "containment": lambda _: contained(),
        "plan": lambda _: planned(),
        "lease": lambda _: leased(),
        "approval": lambda _: {},
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
        "Resolve", "Preflight", "SignUp", "SignedUp", "Scoping", "Scoped", "ContactSetup", "ContactsSetUp",
        "Assess", "Assessed", "Containment", "Contained", "Plan", "Planned", "Report", "Reported", "Done",
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
        "containment": {"Deployed": 3},
        "readiness": {"Ready": 3},
        "plan": PLAN,
        "verdict": "nothing",
        "decision": None,
    }
    assert aws.named("publish") == []
    assert aws.named("lease") == []


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
    assert pinned == [{"key": "desired-state.json", "version": "v1"}] * 8


def test_absent_desired_state_is_a_beginning_and_not_an_error(onboard: Onboard) -> None:
    aws = cloud(headObject=failing("S3.NoSuchKeyException", "Not Found"))

    execution = onboard(aws)

    assert execution.output == {"status": "NotConfigured", "next": "muster push FILE"}
    assert [name for name, _ in aws.calls] == ["headObject"]


@pytest.mark.parametrize("accepted", [[], ["memberships"], ["memberships", "organization"]])
def test_what_a_person_accepted_reaches_preflight_and_sign_up(onboard: Onboard, accepted: list[str]) -> None:
    aws = cloud()

    onboard(aws, {"schema": 1, "accept_unknown": accepted})

    assert aws.named("preflight")[0]["accept_unknown"] == accepted
    assert aws.named("sign-up")[0]["accept_unknown"] == accepted


def test_nothing_is_accepted_when_nobody_said_so(onboard: Onboard) -> None:
    aws = cloud()

    onboard(aws)

    assert aws.named("preflight")[0]["accept_unknown"] == []


def test_notices_of_preflight_are_reported(onboard: Onboard) -> None:
    aws = cloud(preflight=lambda _: checked(notices=[NOTICE]))

    execution = onboard(aws)

    assert aws.named("report")[0]["notices"] == [NOTICE]
    assert execution.output["notices"] == [NOTICE]


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


def test_team_is_set_up_after_the_scope_and_what_it_left_is_reported(onboard: Onboard) -> None:
    aws = cloud(contact_setup=lambda _: contacts_set_up(changes=[CHANGE] * 2, handoffs=[HANDOFF], notices=[NOTICE]))

    execution = onboard(aws)

    assert [payload["membership_id"] for payload in aws.named("contact-setup")] == ["m-1"]
    (report,) = aws.named("report")
    assert (report["changes"], report["handoffs"], report["notices"]) == ([CHANGE] * 2, [HANDOFF], [NOTICE])
    assert isinstance(execution.output, dict)
    assert execution.output["handoffs"] == [HANDOFF]


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


def test_containment_takes_the_accounts_from_the_assessment_of_this_run(onboard: Onboard) -> None:
    aws = cloud(containment=lambda _: contained(changes=[CHANGE] * 2, handoffs=[HANDOFF], notices=[NOTICE]))

    onboard(aws)

    (payload,) = aws.named("containment")
    assert (payload["assessment_key"], payload["last_attempt"]) == ("runs/x/assessment.json", False)
    (report,) = aws.named("report")
    assert (report["changes"], report["handoffs"], report["notices"]) == ([CHANGE] * 2, [HANDOFF], [NOTICE])
    assert (report["containment_key"], report["settled"]) == ("runs/x/containment.json", True)


def test_containment_goes_on_at_once_when_it_asks_for_more(onboard: Onboard) -> None:
    aws = cloud(containment=in_turn(contained(more=True), contained(more=True), contained()))

    execution = onboard(aws)

    assert len(aws.named("containment")) == 3
    assert "WaitForContainment" not in execution.states


def test_containment_waits_and_the_wait_is_bounded(onboard: Onboard) -> None:
    aws = cloud(containment=lambda _: contained(waiting_for="an operation"))

    execution = onboard(aws)

    assert [payload["last_attempt"] for payload in aws.named("containment")] == [False, False, False, True]
    assert list(execution.states).count("WaitForContainment") == 3
    assert aws.named("report")[0]["settled"] is False


def test_missing_roles_are_repaired_hundred_by_hundred_and_the_accounts_get_time_to_settle_again(
    onboard: Onboard,
) -> None:
    missing = assessed(missing_triage_roles=150)
    aws = cloud(
        assess=in_turn(missing, assessed(settled=False), assessed()),
        member_repair=in_turn(
            repaired(),
            repaired(cursor="300000000100", changes=[CHANGE], repaired=100),
            repaired(changes=[CHANGE], handoffs=[HANDOFF], notices=[NOTICE], repaired=49),
        ),
        plan=in_turn(planned("apply", "member_repair"), planned()),
    )

    execution = onboard(aws)

    payloads = aws.named("member-repair")
    assert [payload["cursor"] for payload in payloads] == [None, None, "300000000100"]
    assert [payload["grant"] is None for payload in payloads] == [True, False, False]
    assert {payload["assessment_key"] for payload in payloads} == {"runs/x/assessment.json"}
    assert [payload["changed_at"] is None for payload in aws.named("assess")] == [True, False, False]
    assert [payload["number"] for payload in aws.named("assess")] == [1, 2, 3]
    assert list(execution.states).count("WaitToSettle") == 1
    (report,) = aws.named("report")
    assert (report["changes"], report["handoffs"], report["notices"]) == ([CHANGE] * 2, [HANDOFF], [NOTICE])


def test_what_was_written_gets_as_many_looks_as_everything_else_had(onboard: Onboard) -> None:
    aws = cloud(
        assess=lambda _: assessed(settled=False, unread_triage_roles=1),
        plan=in_turn(planned("apply", "scoping"), planned()),
    )

    execution = onboard(aws)

    assert [payload["number"] for payload in aws.named("assess")] == [1, 2, 3, 4, 5]
    assert list(execution.states)[-6:] == ["Planned", "ReleaseLease", "Planned", "Report", "Reported", "Done"]


def test_where_nothing_could_be_repaired_nobody_waits(onboard: Onboard) -> None:
    aws = cloud(assess=lambda _: assessed(missing_triage_roles=1), member_repair=lambda _: repaired(handoffs=[HANDOFF]))

    execution = onboard(aws)

    assert "WaitToSettle" not in execution.states
    assert aws.named("report")[0]["handoffs"] == [HANDOFF]


def test_news_are_sent_with_their_subject(onboard: Onboard) -> None:
    aws = cloud(report=lambda _: reported(subject="Muster: signed up", message="text"))

    onboard(aws)

    assert aws.named("publish") == [{"TopicArn": "topic", "Subject": "Muster: signed up", "Message": "text"}]


@pytest.mark.parametrize(
    "step", ["preflight", "sign_up", "scoping", "contact_setup", "assess", "containment", "report"]
)
def test_stop_is_told_to_people_and_fails_under_its_own_name(onboard: Onboard, step: str) -> None:
    aws = cloud(**{step: failing("MembershipConflictError", "two Active memberships")})

    execution = onboard(aws)

    assert (execution.error, execution.cause) == ("MembershipConflictError", "two Active memberships")
    assert list(execution.states)[-2:] == ["TellStop", "Failed"]
    (message,) = aws.named("publish")
    assert "two Active memberships" in message["Message"]


@pytest.mark.parametrize(
    "step", ["preflight", "sign_up", "scoping", "contact_setup", "assess", "containment", "report"]
)
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


@pytest.mark.parametrize(
    "step", ["preflight", "sign_up", "scoping", "contact_setup", "assess", "containment", "report"]
)
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


def test_nobody_waits_for_accounts_to_settle_before_there_is_a_plan(onboard: Onboard) -> None:
    aws = cloud(assess=lambda _: assessed(settled=False))

    planning = onboard(aws, {"applies": False})
    waiting = onboard(aws)

    assert "WaitToSettle" not in planning.states
    states = list(waiting.states)
    assert states.index("Plan") < states.index("WaitToSettle")
    assert (states.count("WaitToSettle"), states.count("Plan")) == (3, 2)


class TestRounds:
    def test_only_steps_with_something_to_do_are_run_again_under_the_lease_and_all_look_afterwards(
        self, onboard: Onboard
    ) -> None:
        aws = cloud(
            plan=in_turn(planned("apply", "sign_up", "scoping", "contact_setup", "containment"), planned()),
            scoping=in_turn(scoped(), scoped(more=True, cursor="1/a", changes=[CHANGE]), scoped(), scoped()),
        )

        execution = onboard(aws)

        states = list(execution.states)
        first, second = (index for index, name in enumerate(states) if name == "Plan")
        applied = states[first:second]
        assert [name for name in applied if name not in ("ApplyNext", "Dispatch")][:13] == [
            "Plan", "Planned", "AcquireLease", "Acquired", "SignUp", "SignedUp", "Scoping", "Scoped", "PaceUnits",
            "Scoping", "Scoped", "ContactSetup", "ContactsSetUp",
        ]  # fmt: skip
        assert [payload["action"] for payload in aws.named("lease")] == ["acquire", "release"]
        assert [payload["round"] for payload in aws.named("plan")] == [1, 2]
        assert [payload["grant"] is None for payload in aws.named("sign-up")] == [True, False, True]
        assert [payload["cursor"] for payload in aws.named("scoping")] == [None, None, "1/a", None]
        assert [payload["number"] for payload in aws.named("assess")] == [1, 2]
        assert aws.named("report")[0]["changes"] == [CHANGE]

    def test_second_round_keeps_the_lease(self, onboard: Onboard) -> None:
        aws = cloud(plan=in_turn(planned("apply", "sign_up"), planned("apply", "scoping"), planned()))

        onboard(aws)

        assert [payload["action"] for payload in aws.named("lease")] == ["acquire", "release"]
        assert [payload["round"] for payload in aws.named("scoping")] == [1, 2, 2, 3]

    def test_rounds_are_bounded(self, onboard: Onboard) -> None:
        aws = cloud(plan=lambda _: planned("apply", "sign_up"))

        execution = onboard(aws)

        assert execution.output["status"] == "Covered"
        assert [payload["round"] for payload in aws.named("plan")] == list(range(1, 12))

    def test_lease_of_another_run_is_waited_for(self, onboard: Onboard) -> None:
        held = leased(acquired=False, waiting_for="run-0")
        aws = cloud(plan=in_turn(planned("apply", "sign_up"), planned()), lease=in_turn(held, leased(), leased()))

        execution = onboard(aws)

        assert list(execution.states).count("WaitForLease") == 1
        assert [payload.get("last_attempt") for payload in aws.named("lease")] == [False, False, None]

    def test_what_a_step_left_when_it_wrote_is_reported_beside_what_it_sees_afterwards(self, onboard: Onboard) -> None:
        seen = {**HANDOFF, "what": "seen afterwards"}
        aws = cloud(
            plan=in_turn(planned("apply", "sign_up"), planned()),
            sign_up=in_turn(signed_up(), signed_up(handoffs=[HANDOFF]), signed_up(handoffs=[seen])),
        )

        onboard(aws)

        assert aws.named("report")[0]["handoffs"] == [seen, HANDOFF]
        assert aws.named("plan")[1]["handoffs"] == [seen, HANDOFF]

    def test_run_that_only_plans_says_so_to_the_plan(self, onboard: Onboard) -> None:
        aws = cloud(plan=lambda _: planned("tell"))

        execution = onboard(aws, {"applies": False})

        assert aws.named("plan")[0]["applies"] is False
        assert (execution.output["status"], execution.output["plan"]) == ("Planned", PLAN)
        assert aws.named("lease") == aws.named("report") == aws.named("publish") == []

    def test_run_is_limited_to_the_plan_that_a_person_named(self, onboard: Onboard) -> None:
        aws = cloud()

        onboard(aws, {"plan": PLAN})

        assert aws.named("plan")[0]["plan"] == PLAN

    def test_run_that_breaks_keeps_the_lease_for_its_function_may_be_at_work(self, onboard: Onboard) -> None:
        aws = cloud(
            plan=in_turn(planned("apply", "scoping"), planned()),
            scoping=in_turn(scoped(), Failure("Oddity", "nobody foresaw it")),
        )

        execution = onboard(aws)

        assert execution.error == "Oddity"
        assert [payload["action"] for payload in aws.named("lease")] == ["acquire"]


class TestApproval:
    ASKED: ClassVar[dict[str, Any]] = {
        "subject": "Muster asks", "message": "plan a…", "reminder_subject": "Reminder", "reminder_message": "still",
    }  # fmt: skip

    def asked(self, state: str = "expired") -> Callable[[Any], Any]:
        return lambda payload: {"state": state} if payload["action"] == "close" else self.ASKED

    def test_people_are_asked_before_the_wait_and_all_look_again_after_they_approved(self, onboard: Onboard) -> None:
        aws = cloud(
            plan=in_turn(planned("ask"), planned("apply", "scoping"), planned()),
            approval=self.asked("approved"),
            answered=lambda _: {"decision": "approved"},
        )

        execution = onboard(aws)

        assert [name for name, _ in aws.calls if name in ("approval", "publish", "await")] == [
            "approval", "publish", "await", "approval",
        ]  # fmt: skip
        assert aws.named("publish")[0]["Subject"] == "Muster asks"
        assert aws.named("await")[0]["plan"] == PLAN
        assert [payload["approved"] for payload in aws.named("plan")] == [None, PLAN, PLAN]
        assert [payload["round"] for payload in aws.named("scoping")] == [1, 2, 2, 3]
        assert execution.output["decision"] == "approved"

    def test_lease_is_given_back_while_people_think(self, onboard: Onboard) -> None:
        aws = cloud(
            plan=in_turn(planned("apply", "sign_up"), planned("ask"), planned()),
            approval=self.asked("approved"),
            answered=lambda _: {"decision": "approved"},
        )

        onboard(aws)

        assert [name for name, _ in aws.calls if name in ("lease", "await")] == ["lease", "lease", "await"]

    def test_rejection_closes_the_request_and_is_reported(self, onboard: Onboard) -> None:
        aws = cloud(
            plan=lambda _: planned("ask", handoffs=[HANDOFF]),
            approval=self.asked("rejected"),
            answered=lambda _: {"decision": "rejected"},
        )

        execution = onboard(aws)

        assert [payload["action"] for payload in aws.named("approval")] == ["request", "close"]
        (report,) = aws.named("report")
        assert report["handoffs"] == []
        assert [notice["subject"] for notice in report["notices"]] == [f"plan {PLAN[:12]} was rejected"]
        assert execution.output["decision"] == "rejected"

    def test_silence_is_reminded_twice_and_then_expires(self, onboard: Onboard) -> None:
        aws = cloud(
            plan=lambda _: planned("ask"),
            approval=self.asked(),
            answered=failing("States.Timeout", ""),
        )

        execution = onboard(aws)

        assert [told["Subject"] for told in aws.named("publish")] == ["Muster asks", "Reminder", "Reminder"]
        assert [payload["action"] for payload in aws.named("approval")] == ["request", "close"]
        assert execution.output["decision"] == "expired"
        (notice,) = execution.output["notices"]
        assert "was not answered in time" in notice["subject"]

    def test_answer_that_came_before_the_request_was_closed_counts(self, onboard: Onboard) -> None:
        aws = cloud(
            plan=in_turn(planned("ask"), planned()),
            approval=self.asked("approved"),
            answered=failing("States.Timeout", ""),
        )

        execution = onboard(aws)

        assert [payload["approved"] for payload in aws.named("plan")] == [None, PLAN]
        assert execution.output["decision"] == "approved"

    def test_whoever_ends_the_wait_with_a_stolen_token_has_approved_nothing(self, onboard: Onboard) -> None:
        aws = cloud(
            plan=lambda _: planned("ask"),
            approval=self.asked("expired"),
            answered=lambda _: {"decision": "approved"},
        )

        execution = onboard(aws)

        assert [payload["approved"] for payload in aws.named("plan")] == [None]
        assert execution.output["decision"] == "expired"

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.domain.approval import (
    AnswerKind,
    ApprovalRequest,
    Attempt,
    Refusal,
    RequestState,
    close,
    from_document,
    open_request,
    request_key,
    say_status,
    settle,
    take_answer,
    to_document,
    token_key,
    why_closed,
)
from muster.domain.approval_texts import MAX_LINE, MAX_LISTED, MAX_SUBJECT, write_texts
from muster.domain.callers import Caller, StartRecord, same_person
from muster.domain.plan import Affected
from muster.domain.remediation import RemediationKind
from tests.fakes.approval import AT, OWN_ROLES, RUN, person, plan_of, planned, record, schedule

PLAN = "0123456789ab" + "0" * 52
OTHER = "f" * 64
WAITS = timedelta(days=4)
APPROVE, REJECT = AnswerKind.APPROVE, AnswerKind.REJECT


def opened(approvals: int = 1, found: ApprovalRequest | None = None, execution: str = RUN) -> ApprovalRequest:
    return open_request(
        found, plan=PLAN, run="manual-1", execution=execution, at=AT, waits=WAITS, approvals=approvals
    )  # fmt: skip


def attempt(
    *callers: Caller,
    decision: AnswerKind = APPROVE,
    plan: str = PLAN,
    execution: str = "answer-1",
    at: datetime = AT,
    planners: tuple[StartRecord, ...] = (record(person("planner"), "event-0"),),
) -> Attempt:
    records = tuple(record(caller, f"event-{number}") for number, caller in enumerate(callers, 1))
    return Attempt(plan, decision, "as agreed", execution, at, records, planners)


def taken(request: ApprovalRequest, made: Attempt) -> ApprovalRequest:
    found = take_answer(request, made, OWN_ROLES)
    assert isinstance(found, ApprovalRequest)
    return found


def refused(request: ApprovalRequest, made: Attempt) -> str:
    found = take_answer(request, made, OWN_ROLES)
    assert isinstance(found, Refusal)
    return found.why


def test_request_waits_until_its_time_is_over() -> None:
    request = opened()

    assert (request.state, request.expires_at, request.short) == (RequestState.WAITING, AT + WAITS, PLAN[:12])
    assert why_closed(request, AT + WAITS - timedelta(seconds=1)) is None
    assert "ended at 2027-02-04T10:15Z" in str(why_closed(request, AT + WAITS))


def test_request_that_is_opened_twice_by_one_run_keeps_its_answers_and_its_end() -> None:
    answered = taken(opened(2), attempt(person("alice")))

    assert opened(1, answered) == answered
    assert opened(1, answered, execution="another").answers == ()


def test_request_and_token_lie_under_the_digest_of_the_plan() -> None:
    assert (request_key(PLAN), token_key(PLAN)) == (f"approvals/{PLAN}.json", f"tokens/{PLAN}.json")


def test_one_approval_of_somebody_else_approves() -> None:
    request = taken(opened(), attempt(person("alice")))

    assert request.state is RequestState.APPROVED
    (answer,) = request.answers
    assert (answer.by, answer.principal_id) == (person("alice").arn, person("alice").principal_id)
    assert (answer.event_id, answer.execution, answer.reason) == ("event-1", "answer-1", "as agreed")
    assert request.answer_of("answer-1") == answer
    assert say_status(request) == "approved"


def test_two_approvals_need_two_people() -> None:
    once = taken(opened(2), attempt(person("alice")))

    assert (once.state, say_status(once)) == (RequestState.WAITING, "recorded (1 of 2)")
    assert "each person counts once" in refused(once, attempt(person("alice", "Administrator"), execution="answer-2"))
    twice = taken(once, attempt(person("bob"), execution="answer-2"))
    assert (twice.state, twice.approved) == (RequestState.APPROVED, 2)


def test_one_rejection_rejects_whatever_was_approved() -> None:
    request = taken(taken(opened(2), attempt(person("alice"))), attempt(person("bob"), decision=REJECT, execution="b"))

    assert (request.state, say_status(request)) == (RequestState.REJECTED, "rejected")


def test_nobody_approves_a_plan_of_their_own() -> None:
    assert "you started the run" in refused(opened(), attempt(person("planner")))
    assert "you started the run" in refused(opened(), attempt(person("planner", "Administrator")))


def test_planner_and_whoever_has_approved_may_still_reject() -> None:
    assert taken(opened(), attempt(person("planner"), decision=REJECT)).state is RequestState.REJECTED
    once = taken(opened(2), attempt(person("alice")))
    again = taken(once, attempt(person("alice"), decision=REJECT, execution="b"))
    assert again.state is RequestState.REJECTED


def test_planner_that_is_a_service_excludes_nobody() -> None:
    request = taken(opened(), attempt(person("alice"), planners=(record(schedule()),)))

    assert request.state is RequestState.APPROVED


def test_everybody_who_started_an_answer_is_held_against_it_and_the_first_counts() -> None:
    assert "you started the run" in refused(opened(), attempt(person("alice"), person("planner")))
    late, early = record(person("bob"), "late", AT + timedelta(seconds=5)), record(person("alice"), "early")
    request = taken(opened(), replace(attempt(), answerers=(late, early)))
    assert request.answers[0].event_id == "early"


@pytest.mark.parametrize("decision", AnswerKind)
def test_service_answers_for_nobody(decision: AnswerKind) -> None:
    assert "by a service" in refused(opened(), attempt(schedule(), decision=decision))
    assert "the application's own" in refused(opened(), attempt(person("x", "muster-approval"), decision=decision))


def test_answer_needs_the_record_of_its_caller_and_an_approval_that_of_the_planner() -> None:
    assert "not there yet" in refused(opened(), attempt())
    assert "not there yet" in refused(opened(), attempt(person("alice"), planners=()))
    assert taken(opened(), attempt(person("alice"), decision=REJECT, planners=())).state is RequestState.REJECTED


def test_answer_about_another_plan_is_not_taken() -> None:
    assert f"waits for plan {PLAN[:12]}, and this answer is about plan ffffffffffff" in refused(
        opened(), attempt(person("alice"), plan=OTHER)
    )


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (RequestState.APPROVED, "was approved already"),
        (RequestState.REJECTED, "was rejected already"),
        (RequestState.EXPIRED, "ended at"),
        (RequestState.CLOSED, "is over"),
    ],
)
def test_closed_request_takes_no_answer_and_its_state_stays(state: RequestState, says: str) -> None:
    request = replace(opened(), state=state)

    assert says in refused(request, attempt(person("alice")))
    assert settle(request) == request
    assert close(request, RequestState.EXPIRED) == request


def test_answer_that_comes_late_is_not_taken() -> None:
    assert "ended at" in refused(opened(), attempt(person("alice"), at=AT + WAITS))


def test_waiting_request_is_closed() -> None:
    assert close(opened(), RequestState.EXPIRED).state is RequestState.EXPIRED
    assert close(opened(), RequestState.CLOSED).state is RequestState.CLOSED


def test_answer_of_one_execution_is_taken_once_also_after_the_decision() -> None:
    request = taken(opened(), attempt(person("alice")))

    assert taken(request, attempt(person("alice"), at=AT + 2 * WAITS)) == request


NAMES = ("planner", "alice", "bob", "carol")
ATTEMPTS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(["Operator", "Administrator"]), st.sampled_from(AnswerKind)),
    max_size=8,
)


@given(ATTEMPTS, st.integers(1, 2))
def test_plan_is_approved_only_by_as_many_different_people_as_are_asked_for(
    made: list[tuple[str, str, AnswerKind]], approvals: int
) -> None:
    request = opened(approvals)
    for number, (name, role, decision) in enumerate(made):
        found = take_answer(request, attempt(person(name, role), decision=decision, execution=str(number)), OWN_ROLES)
        request = found if isinstance(found, ApprovalRequest) else request

    approvers = [answer.caller for answer in request.answers if answer.decision is APPROVE]
    different = all(not same_person(one, other) for i, one in enumerate(approvers) for other in approvers[:i])
    assert different
    assert not any(same_person(person("planner"), approver) for approver in approvers)
    assert (request.state is RequestState.APPROVED) == (
        len(approvers) == approvals and len(approvers) == len(request.answers)
    )
    assert from_document(to_document(request)) == request


@pytest.mark.parametrize("over", [{"schema": 2}, {"state": "open"}, {"answers": None}, {"expires_at": 5}])
def test_other_documents_are_no_request(over: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError)):
        from_document({**to_document(opened()), **over})


def test_request_and_answer_show_nobody_when_they_are_printed() -> None:
    shown = repr(taken(opened(), attempt(person("alice", source_identity="alice@example.com"))))

    assert "example.com" not in shown
    assert "as agreed" not in shown


def test_message_says_what_is_asked_for_reductions_first_and_how_to_answer() -> None:
    plan = plan_of(
        planned(RemediationKind.ADD_UNIT, "ou-ab12-11111111"),
        planned(
            RemediationKind.REMOVE_UNIT,
            "ou-ab12-22222222",
            affected=Affected(3, ("300000000003", "300000000004")),
            approval=("it takes protection away",),
        ),
        planned(RemediationKind.SET_NAME, "m-1", approval=()),
        accounts=1204,
    )

    counted = "add_unit 1, remove_unit 1"

    texts = write_texts(opened(2), plan)

    assert texts.subject == "Muster: plan 0123456789ab takes protection away and needs approval"
    assert texts.message.splitlines() == [
        "Run manual-1 asks for approval of plan 0123456789ab.",
        f"SHA-256 {PLAN}, in the state bucket as plans/{PLAN}.json",
        "",
        f"2 writes ({counted}) in an organization of 1,204 accounts. Protection is taken away by 1 of them.",
        "",
        "Takes protection away:",
        "- remove_unit ou-ab12-22222222: 3 accounts may lose coverage (300000000003, 300000000004 and 1 more)",
        "",
        "Besides:",
        "- add_unit ou-ab12-11111111: 2 accounts affected (300000000001, 300000000002)",
        "",
        "Not asked for now: 1 write, which wait or need nobody.",
        "",
        "Why a person has to approve:",
        "- mode is propose",
        "- it takes protection away",
        "",
        "2 different people other than the one who started the run can approve until 2027-02-04T10:15Z.",
        "One rejection rejects. Without an answer nothing of it is written.",
        "",
        "muster approve 0123456789ab",
        'muster reject 0123456789ab --reason "…"',
    ]


def test_message_without_a_reduction_does_not_speak_of_one() -> None:
    texts = write_texts(opened(), plan_of(accounts=None))

    assert texts.subject == "Muster: plan 0123456789ab needs approval"
    assert "an unknown number of accounts." in texts.message
    assert "Protection" not in texts.message
    assert "Writes:" in texts.message
    assert "One person other than" in texts.message
    assert "Not asked for now" not in texts.message


@pytest.mark.parametrize(
    ("kind", "affected", "says"),
    [
        (RemediationKind.CLEAR_ENTIRE_ORGANIZATION, Affected(None), "how many accounts it changes is unknown"),
        (RemediationKind.CLEAR_ENTIRE_ORGANIZATION, Affected(1, ("300000000001",)), "1 account may lose coverage"),
        (RemediationKind.DISABLE_TRIAGE, Affected(7), "7 accounts lose proactive response"),
        (RemediationKind.SET_TAGS, Affected(0), "0 accounts affected"),
    ],
)
def test_message_says_whom_each_write_concerns(kind: RemediationKind, affected: Affected, says: str) -> None:
    assert says in write_texts(opened(), plan_of(planned(kind, affected=affected))).message


def test_reminder_says_since_when_it_waits_and_repeats_the_message() -> None:
    texts = write_texts(opened(), plan_of())

    assert texts.reminder_subject == f"Reminder: {texts.subject}"
    assert "was sent at 2027-01-31T10:15Z and still waits" in texts.reminder_message
    assert texts.message in texts.reminder_message


def test_messages_fit_however_large_the_plan_is() -> None:
    kinds = (RemediationKind.REMOVE_UNIT, RemediationKind.ADD_UNIT)
    plan = plan_of(*(planned(kind, f"ou-{number:04}" + "x" * 900) for kind in kinds for number in range(500)))

    texts = write_texts(opened(), plan)

    listed = [line for line in texts.message.splitlines() if line.startswith(("- remove_unit", "- add_unit"))]
    assert len(listed) == 2 * MAX_LISTED
    assert max(map(len, listed)) == MAX_LINE
    assert texts.message.count("- and 460 more, in the plan") == 2
    assert len(texts.reminder_message.encode()) < 256 * 1024


@given(st.booleans(), st.integers(1, 2))
def test_subjects_are_short_and_ascii(reduces: bool, approvals: int) -> None:  # noqa: FBT001
    kind = RemediationKind.REMOVE_UNIT if reduces else RemediationKind.ADD_UNIT
    texts = write_texts(opened(approvals), plan_of(planned(kind)))

    for subject in (texts.subject, texts.reminder_subject):
        assert len(subject) <= MAX_SUBJECT
        assert subject.isascii()
        assert "\n" not in subject

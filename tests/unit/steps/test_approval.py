import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from muster.domain.approval import LATEST_KEY, AnswerKind, RequestState, request_key, token_key
from muster.domain.approval_commands import (
    AnswerBegun,
    AnswerOutcome,
    BeginAnswer,
    CloseRequest,
    GiveAnswer,
    KeepToken,
    OpenRequest,
    RequestClosed,
    TokenKept,
)
from muster.domain.approval_texts import ApprovalTexts
from muster.errors import ApprovalRefusedError, PlanUnusableError, ServiceAnswerError, UnavailableError
from muster.ports import ExecutionRecord
from muster.steps.approval import DESIRED_STATE_KEY, MAX_TRIES
from tests.fakes.approval import APPROVE, AT, ONBOARD, RUN, Office, person, record, schedule

DAYS = timedelta(days=1)


def ask(office: Office, execution: str = RUN) -> ApprovalTexts:
    found = office.step.apply(
        OpenRequest(office.sealed.sha256, "manual-1", execution, AT, 4 * DAYS, "desired-state.json", "v1")
    )
    assert isinstance(found, ApprovalTexts)
    return found


def wait(office: Office, token: str = "token-1") -> bool:
    """Let the machine wait; True when it is told at once."""
    office.tokens.waiting = {token}
    found = office.step.apply(KeepToken(office.sealed.sha256, token))
    assert isinstance(found, TokenKept)
    return found.answered


def close(office: Office, state: RequestState = RequestState.EXPIRED) -> RequestState:
    found = office.step.apply(CloseRequest(office.sealed.sha256, state))
    assert isinstance(found, RequestClosed)
    return found.state


def begin(
    office: Office, execution: str = f"{APPROVE}a", decision: AnswerKind = AnswerKind.APPROVE, at: datetime = AT
) -> None:
    assert office.step.apply(BeginAnswer(office.sealed.sha256, decision, execution, at)) == AnswerBegun()


def give(
    office: Office,
    execution: str,
    decision: AnswerKind = AnswerKind.APPROVE,
    *,
    at: datetime = AT,
    reason: str = "",
    last: bool = False,
) -> AnswerOutcome:
    found = office.step.apply(GiveAnswer(office.sealed.sha256, decision, execution, at, reason, last))
    assert isinstance(found, AnswerOutcome)
    return found


def asked(approvals: int = 1) -> Office:
    """Return the office where a run has asked, and waits."""
    office = Office(approvals=approvals)
    ask(office)
    wait(office)
    return office


def test_request_is_stored_told_and_shown_as_the_newest() -> None:
    office = Office(approvals=2)

    texts = ask(office)

    assert (office.request.state, office.request.approvals) == (RequestState.WAITING, 2)
    assert (office.request.execution, office.request.expires_at) == (RUN, AT + 4 * DAYS)
    assert office.documents.stored[LATEST_KEY].body == office.documents.stored[request_key(office.sealed.sha256)].body
    assert office.sealed.sha256 in texts.message


def test_request_that_is_repeated_tells_the_same_and_asks_nobody_twice() -> None:
    office = Office(approvals=2)
    first = ask(office)
    give(office, office.start_answer(person("alice")))
    office.documents.delete(LATEST_KEY)

    assert ask(office) == first
    assert office.request.approved == 1
    assert LATEST_KEY in office.documents.stored


def test_request_of_another_execution_begins_anew() -> None:
    office = Office(approvals=2)
    ask(office)
    give(office, office.start_answer(person("alice")))

    ask(office, f"{ONBOARD}manual-2")

    assert (office.request.answers, office.request.execution) == ((), f"{ONBOARD}manual-2")


def test_only_the_onboarding_asks() -> None:
    with pytest.raises(ApprovalRefusedError, match=r"no execution of .*muster-onboard"):
        ask(Office(), f"{APPROVE}x")


def test_approval_lets_the_waiting_run_go_on_without_a_name_of_anybody() -> None:
    office = asked()
    execution = office.start_answer(person("alice"), reason="as agreed")
    begin(office, execution)

    outcome = give(office, execution, reason="as agreed")

    assert outcome == AnswerOutcome(
        recorded=True,
        status="approved",
        message=f"Plan {office.request.short} is approved, and the run goes on: `muster status`.",
    )
    assert office.tokens.told == [("token-1", {"decision": "approved", "answers": 1})]
    assert office.request.answers[0].by == person("alice").arn
    assert json.loads(office.documents.stored[LATEST_KEY].body)["state"] == "approved"


def test_first_of_two_approvals_is_recorded_and_the_run_waits_on() -> None:
    office = asked(approvals=2)

    first = give(office, office.start_answer(person("alice")))
    assert (first.status, office.tokens.told) == ("recorded (1 of 2)", [])
    assert "1 of 2 approvals" in str(first.message)

    second = give(office, office.start_answer(person("bob"), "b"))
    assert (second.status, office.tokens.told) == ("approved", [("token-1", {"decision": "approved", "answers": 2})])


def test_rejection_ends_the_wait_although_the_plan_is_of_no_use_any_more() -> None:
    office = asked()
    office.documents.put(DESIRED_STATE_KEY, '{"another": "one"}')
    office.documents.delete(office.sealed.key)
    execution = office.start_answer(person("planner"), decision="reject", reason="not now")
    begin(office, execution, AnswerKind.REJECT, AT + 2 * DAYS)

    outcome = give(office, execution, AnswerKind.REJECT, reason="not now")

    assert (outcome.status, office.request.answers[0].reason) == ("rejected", "not now")
    assert "writes nothing of it" in str(outcome.message)
    assert office.tokens.told == [("token-1", {"decision": "rejected", "answers": 1})]


def test_answer_that_came_before_the_token_is_delivered_with_the_token() -> None:
    office = Office()
    ask(office)

    assert give(office, office.start_answer(person("alice"))).status == "approved"
    assert office.tokens.told == []

    assert wait(office, "token-late")
    assert office.tokens.told == [("token-late", {"decision": "approved", "answers": 1})]


def test_answer_to_a_token_that_timed_out_reaches_the_next_wait() -> None:
    office = asked()
    office.tokens.waiting.clear()

    assert give(office, office.start_answer(person("alice"))).status == "approved"
    assert office.tokens.told == []
    assert wait(office, "token-2")
    assert office.tokens.told == [("token-2", {"decision": "approved", "answers": 1})]


def test_wait_that_nobody_has_answered_is_told_nothing() -> None:
    office = Office()
    ask(office)

    assert not wait(office)
    assert json.loads(office.documents.stored[token_key(office.sealed.sha256)].body) == {
        "schema": 1,
        "token": "token-1",
    }


def test_answer_that_is_repeated_after_it_was_delivered_changes_nothing() -> None:
    office = asked()
    execution = office.start_answer(person("alice"))
    first = give(office, execution)
    office.executions.found[RUN] = ExecutionRecord("SUCCEEDED", AT, "{}")
    before = office.documents.stored[request_key(office.sealed.sha256)]

    begin(office, execution)
    assert give(office, execution, at=AT + 9 * DAYS) == first

    assert len(office.tokens.told) == 1
    assert office.documents.stored[request_key(office.sealed.sha256)] == before


def test_answer_that_was_stored_and_not_delivered_is_delivered_by_its_repetition() -> None:
    office = asked()
    execution = office.start_answer(person("alice"))
    kept = office.documents.stored.pop(token_key(office.sealed.sha256))
    give(office, execution)
    office.documents.stored[token_key(office.sealed.sha256)] = kept

    give(office, execution)

    assert office.tokens.told == [("token-1", {"decision": "approved", "answers": 1})]


def test_two_people_at_once_are_both_counted() -> None:
    office = asked(approvals=2)
    alice, bob = office.start_answer(person("alice"), "a"), office.start_answer(person("bob"), "b")
    office.documents.before_replacing.append(lambda: give(office, bob))

    outcome = give(office, alice)

    assert (outcome.status, office.request.approved) == ("approved", 2)
    assert [answer.execution for answer in office.request.answers] == [bob, alice]
    assert len(office.tokens.told) == 1


def test_one_person_at_once_by_two_roles_is_counted_once() -> None:
    office = asked(approvals=2)
    one, other = office.start_answer(person("alice"), "a"), office.start_answer(person("alice", "Admin"), "b")
    office.documents.before_replacing.append(lambda: give(office, other))

    with pytest.raises(ApprovalRefusedError, match="each person counts once"):
        give(office, one)

    assert office.request.approved == 1


def test_request_that_others_change_without_end_is_left_to_a_retry() -> None:
    office = asked(approvals=2)
    execution = office.start_answer(person("alice"))
    key = request_key(office.sealed.sha256)

    def touch() -> None:
        found = office.documents.stored[key]
        office.documents.stored[key] = replace(found, tag=f"{found.tag}x")

    office.documents.before_replacing += [touch] * MAX_TRIES

    with pytest.raises(UnavailableError, match="changed by others"):
        give(office, execution)
    assert give(office, execution).status == "recorded (1 of 2)"


def test_request_that_goes_while_it_is_answered_is_refused_and_not_made_again() -> None:
    office = asked()
    execution = office.start_answer(person("alice"))
    office.documents.before_replacing.append(lambda: office.documents.delete(request_key(office.sealed.sha256)))

    with pytest.raises(ApprovalRefusedError, match="nobody asks for approval"):
        give(office, execution)

    assert request_key(office.sealed.sha256) not in office.documents.stored


def test_answer_waits_for_the_record_of_who_gives_it_and_of_who_planned() -> None:
    office = asked()
    execution = office.start_answer(None)
    planner = office.history.records.pop(RUN)

    assert give(office, execution) == AnswerOutcome(recorded=False)
    office.history.records[execution] = (record(person("alice")),)
    assert give(office, execution) == AnswerOutcome(recorded=False)
    assert office.request.answers == ()
    office.history.records[RUN] = planner
    assert give(office, execution).status == "approved"


@pytest.mark.parametrize(
    ("missing", "says"), [("a", "who started this answer"), ("run", "who started the run that asks")]
)
def test_record_that_never_comes_is_nobody_and_never_anybody(missing: str, says: str) -> None:
    office = asked()
    execution = office.start_answer(person("alice"))
    office.history.records.pop(execution if missing == "a" else RUN)

    with pytest.raises(ApprovalRefusedError, match=says):
        give(office, execution, last=True)

    assert (office.request.answers, office.tokens.told) == ((), [])


def test_denied_event_history_is_said_and_takes_no_answer() -> None:
    office = asked()
    execution = office.start_answer(person("alice"))
    office.history.is_denied = True

    with pytest.raises(ApprovalRefusedError, match="Allow the function cloudtrail:LookupEvents"):
        give(office, execution)

    assert office.request.answers == ()


def test_records_are_looked_up_around_the_start_of_each_execution() -> None:
    office = asked()
    execution = office.start_answer(person("alice"))
    office.executions.found[RUN] = ExecutionRecord("RUNNING", AT - DAYS, "{}")

    give(office, execution)

    assert office.history.asked == [(execution, AT), (RUN, AT - DAYS)]


def test_rejection_asks_nothing_about_the_planner() -> None:
    office = asked()
    office.history.records.pop(RUN)

    assert give(office, office.start_answer(person("bob"), decision="reject"), AnswerKind.REJECT).status == "rejected"


@pytest.mark.parametrize(
    ("who", "says"),
    [(person("planner"), "you started the run"), (schedule(), "by a service")],
    ids=["planner", "service"],
)
def test_planner_and_services_do_not_approve(who: object, says: str) -> None:
    office = asked()
    execution = office.start_answer(who)  # type: ignore[arg-type]

    with pytest.raises(ApprovalRefusedError, match=says) as refused:
        give(office, execution)

    assert "example.com" not in str(refused.value)
    assert office.tokens.told == []


@pytest.mark.parametrize(
    "said", [{"plan": "f" * 64}, {"decision": "reject"}, {"reason": "another"}], ids=["plan", "decision", "reason"]
)
def test_what_an_execution_was_started_with_counts_and_not_who_invokes_the_function(said: dict[str, str]) -> None:
    office = asked()
    execution = office.start_answer(person("alice"), **said)

    with pytest.raises(ApprovalRefusedError, match="started to say something else"):
        give(office, execution)


def test_execution_without_readable_input_answers_nothing() -> None:
    office = asked()
    execution = office.start_answer(person("alice"))
    for text in ("", "[]"):
        office.executions.found[execution] = ExecutionRecord("RUNNING", AT, text)
        with pytest.raises(ApprovalRefusedError, match="started to say something else"):
            give(office, execution)


def test_only_executions_of_the_approving_machine_answer() -> None:
    office = asked()
    with pytest.raises(ApprovalRefusedError, match=r"no execution of .*muster-approve"):
        give(office, RUN)
    with pytest.raises(ApprovalRefusedError, match="is unknown"):
        give(office, f"{APPROVE}gone")


@dataclass(frozen=True)
class Spoiled:
    """Something that makes an approval impossible, and what is said of it."""

    spoil: Callable[[Office], object]
    error: type[Exception]
    says: str


def _change_a_byte(office: Office) -> None:
    body = bytearray(office.sealed.text.encode())
    body[body.index(b"ou-ab12")] ^= 0x80
    office.documents.write(office.sealed.key, bytes(body))


def _end_the_run(office: Office, status: str = "ABORTED") -> None:
    office.executions.found[RUN] = ExecutionRecord(status, AT, "{}")


SPOILED = {
    "no request": Spoiled(
        lambda office: office.documents.delete(request_key(office.sealed.sha256)),
        ApprovalRefusedError,
        "nobody asks for approval",
    ),
    "unreadable request": Spoiled(
        lambda office: office.documents.put(request_key(office.sealed.sha256), "{}"),
        ApprovalRefusedError,
        r"not a request that this version can read \(KeyError\)",
    ),
    "expired": Spoiled(close, ApprovalRefusedError, "the time to answer plan .* ended"),
    "closed": Spoiled(lambda office: close(office, RequestState.CLOSED), ApprovalRefusedError, "is over"),
    "run ended": Spoiled(_end_the_run, ApprovalRefusedError, r"no longer waits for an answer \(ABORTED\)"),
    "run gone": Spoiled(lambda office: office.executions.found.pop(RUN), ApprovalRefusedError, "it is gone"),
    "plan gone": Spoiled(lambda office: office.documents.delete(office.sealed.key), PlanUnusableError, "is gone"),
    "plan changed": Spoiled(_change_a_byte, PlanUnusableError, "was changed after it was made"),
    "other desired state": Spoiled(
        lambda office: office.documents.put(DESIRED_STATE_KEY, "{}"), PlanUnusableError, "the newest is v"
    ),
    "no desired state": Spoiled(
        lambda office: office.documents.delete(DESIRED_STATE_KEY), PlanUnusableError, "the newest is gone"
    ),
}


@pytest.mark.parametrize("name", SPOILED)
def test_approval_that_makes_no_sense_is_refused_at_once_and_also_later(name: str) -> None:
    spoiled, office = SPOILED[name], asked()
    execution = office.start_answer(person("alice"))
    begin(office, execution)

    spoiled.spoil(office)

    with pytest.raises(spoiled.error, match=spoiled.says):
        begin(office, execution)
    with pytest.raises(spoiled.error, match=spoiled.says):
        give(office, execution)
    assert office.tokens.told == []


def test_approval_after_the_end_is_refused_although_nobody_has_closed_the_request() -> None:
    office = asked()

    with pytest.raises(ApprovalRefusedError, match="ended at 2027-02-04"):
        begin(office, at=AT + 4 * DAYS)


def test_plan_of_last_week_is_not_approved() -> None:
    office = Office()
    office.step.apply(OpenRequest(office.sealed.sha256, "manual-1", RUN, AT, 30 * DAYS, "desired-state.json", "v1"))
    begin(office, at=AT + 7 * DAYS)

    with pytest.raises(PlanUnusableError, match="could be approved until 2027-02-07T10:15Z"):
        begin(office, at=AT + 7 * DAYS + timedelta(seconds=1))


def test_plan_of_a_foreign_schema_is_told_and_not_approved() -> None:
    office = Office()
    text = office.sealed.text.replace('"schema":1', '"schema":9')
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    office.documents.put(f"plans/{sha256}.json", text)

    with pytest.raises(PlanUnusableError, match="schema 9"):
        office.step.apply(OpenRequest(sha256, "manual-1", RUN, AT, DAYS, "desired-state.json", "v1"))


def test_request_that_nobody_answered_is_closed_and_its_token_deleted() -> None:
    office = asked()

    assert close(office) is RequestState.EXPIRED

    assert token_key(office.sealed.sha256) not in office.documents.stored
    assert json.loads(office.documents.stored[LATEST_KEY].body)["state"] == "expired"
    assert close(office, RequestState.CLOSED) is RequestState.EXPIRED


def test_answer_of_the_last_second_stands_when_the_run_closes_its_request() -> None:
    office = asked()
    office.tokens.waiting.clear()
    give(office, office.start_answer(person("alice")))

    assert close(office) is RequestState.APPROVED
    assert office.request.state is RequestState.APPROVED


def test_closing_what_is_gone_is_closed() -> None:
    assert close(Office(), RequestState.CLOSED) is RequestState.CLOSED


def test_wait_for_a_request_that_is_gone_is_an_error() -> None:
    with pytest.raises(ApprovalRefusedError, match="nobody asks"):
        wait(Office())


def test_copy_of_the_newest_request_does_not_follow_an_older_one() -> None:
    office = asked()
    office.documents.put(LATEST_KEY, '{"plan":"another"}')

    give(office, office.start_answer(person("alice")))

    assert office.documents.stored[LATEST_KEY].body == b'{"plan":"another"}'


def test_service_that_says_no_is_no_refusal_of_an_answer() -> None:
    office = asked()
    execution = office.start_answer(person("alice"))

    def deny() -> None:
        raise ServiceAnswerError("s3:PutObject", "222222222222", "AccessDenied")

    office.documents.before_replacing.append(deny)

    with pytest.raises(ServiceAnswerError):
        give(office, execution)

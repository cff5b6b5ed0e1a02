import json
from datetime import timedelta
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from muster.domain.approval import AnswerKind, RequestState, to_document
from muster.domain.approval_commands import (
    AnswerBegun,
    AnswerOutcome,
    ApprovalCommand,
    ApprovalOutcome,
    BeginAnswer,
    CloseRequest,
    GiveAnswer,
    KeepToken,
    OpenRequest,
    RequestClosed,
    TokenKept,
)
from muster.domain.approval_texts import ApprovalTexts
from muster.messages.approval import ApprovalRequestDocument, load_approval_request, parse_approval, respond
from muster.steps.approval import DESIRED_STATE_KEY
from tests.fakes.approval import APPROVE, AT, RUN, Office, person

PLAN = "0123456789ab" + "0" * 52
AT_TEXT = "2027-01-31T10:15:00Z"
ANSWER = {"plan": PLAN, "decision": "reject", "reason": "not now", "execution": f"{APPROVE}a", "at": AT_TEXT}


@pytest.mark.parametrize(
    ("event", "command"),
    [
        (
            {
                "action": "request", "run": "manual-1", "execution": RUN, "plan": PLAN, "at": AT_TEXT,
                "desired": {"key": DESIRED_STATE_KEY, "version": "v1"}, "timeout_seconds": 60,
            },
            OpenRequest(PLAN, "manual-1", RUN, AT, timedelta(minutes=1), DESIRED_STATE_KEY, "v1"),
        ),
        ({"action": "wait", "plan": PLAN, "token": "t"}, KeepToken(PLAN, "t")),
        ({"action": "close", "plan": PLAN, "state": "expired"}, CloseRequest(PLAN, RequestState.EXPIRED)),
        ({"action": "close", "plan": PLAN, "state": "rejected"}, CloseRequest(PLAN, RequestState.REJECTED)),
        ({"action": "begin", **ANSWER}, BeginAnswer(PLAN, AnswerKind.REJECT, f"{APPROVE}a", AT, "not now")),
        (
            {"action": "answer", **ANSWER, "last_attempt": True},
            GiveAnswer(PLAN, AnswerKind.REJECT, f"{APPROVE}a", AT, "not now", last_attempt=True),
        ),
    ],
    ids=["request", "wait", "close", "close after a rejection", "begin", "answer"],
)  # fmt: skip
def test_every_action_is_read(event: dict[str, Any], command: ApprovalCommand) -> None:
    assert parse_approval({"schema": 1, **event}) == command


@pytest.mark.parametrize(
    "over",
    [{"plan": PLAN[:12]}, {"decision": "maybe"}, {"execution": "a"}, {"at": "2027-01-31T10:15:00"}, {"more": 1}],
)
def test_answer_that_is_not_exact_is_not_read(over: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        parse_approval({"schema": 1, "action": "answer", **ANSWER, **over})


@pytest.mark.parametrize("state", ["approved", "waiting"])
def test_request_is_never_closed_as_approved(state: str) -> None:
    with pytest.raises(ValidationError):
        parse_approval({"schema": 1, "action": "close", "plan": PLAN, "state": state})


@pytest.mark.parametrize(
    ("outcome", "payload"),
    [
        (
            ApprovalTexts("s", "m", "rs", "rm"),
            {"subject": "s", "message": "m", "reminder_subject": "rs", "reminder_message": "rm"},
        ),
        (TokenKept(answered=False), {"answered": False}),
        (RequestClosed(RequestState.EXPIRED), {"state": "expired"}),
        (AnswerBegun(), {}),
        (AnswerOutcome(recorded=False), {"recorded": False, "status": None, "message": None}),
    ],
)
def test_every_outcome_is_written(outcome: ApprovalOutcome, payload: dict[str, Any]) -> None:
    assert respond(outcome) == {"schema": 1, **payload}


def _stored() -> dict[str, Any]:
    office = Office()
    office.step.apply(
        OpenRequest(office.sealed.sha256, "manual-1", RUN, AT, timedelta(days=4), DESIRED_STATE_KEY, "v1")
    )
    execution = office.start_answer(person("alice", source_identity="alice"), reason="as agreed")
    office.step.apply(GiveAnswer(office.sealed.sha256, AnswerKind.APPROVE, execution, AT, "as agreed"))
    return to_document(office.request)


def test_request_that_is_stored_is_the_one_that_is_read_and_follows_its_schema() -> None:
    stored = _stored()
    schema = ApprovalRequestDocument.model_json_schema()

    jsonschema.Draft202012Validator(schema).validate(stored)
    read = load_approval_request(json.dumps(stored))

    assert stored.keys() == schema["properties"].keys()
    assert stored["answers"][0].keys() == schema["$defs"]["StoredAnswer"]["properties"].keys()
    assert (read.state, read.approved, read.expires_at) == ("approved", 1, AT + timedelta(days=4))
    assert "example.com" not in repr(read)

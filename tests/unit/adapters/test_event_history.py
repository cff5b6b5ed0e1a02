import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from muster.adapters.event_history import EventHistoryOfRegion
from muster.domain.callers import Caller, StartRecord
from muster.errors import DeniedError, ThrottledError

AT = datetime(2027, 1, 31, 10, 15, 7, tzinfo=UTC)
EXECUTION = "arn:aws:states:eu-west-1:222222222222:execution:muster-approve:a"
ALICE = "arn:aws:sts::222222222222:assumed-role/Operator/alice@example.com"
ASKED = {
    "LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "StartExecution"}],
    "StartTime": AT - timedelta(minutes=2),
    "EndTime": AT + timedelta(minutes=2),
}
type History = tuple[EventHistoryOfRegion, Stubber]


def event(execution: str = EXECUTION, event_id: str = "e-1", **over: Any) -> dict[str, str]:
    recorded = {
        "eventVersion": "1.10",
        "eventTime": "2027-01-31T10:15:07Z",
        "eventSource": "states.amazonaws.com",
        "eventName": "StartExecution",
        "eventID": event_id,
        "userIdentity": {"type": "AssumedRole", "principalId": "AROA1:alice@example.com", "arn": ALICE},
        "requestParameters": {"input": "HIDDEN_DUE_TO_SECURITY_REASONS"},
        "responseElements": {"executionArn": execution, "startDate": "Jan 31, 2027, 10:15:07 AM"},
        **over,
    }
    return {"EventId": event_id, "EventName": "StartExecution", "CloudTrailEvent": json.dumps(recorded)}


@pytest.fixture
def history() -> Iterator[History]:
    session = boto3.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name="eu-west-1")
    client = session.client("cloudtrail")
    with Stubber(client) as service:
        yield EventHistoryOfRegion(client, "222222222222"), service
        service.assert_no_pending_responses()


def test_caller_of_an_execution_is_found_on_a_later_page_also_after_an_empty_one(history: History) -> None:
    events, service = history
    service.add_response("lookup_events", {"Events": [event("another")], "NextToken": "2"}, ASKED)
    service.add_response("lookup_events", {"Events": [], "NextToken": "3"}, {**ASKED, "NextToken": "2"})
    service.add_response("lookup_events", {"Events": [event()]}, {**ASKED, "NextToken": "3"})

    assert events.starts(EXECUTION, AT) == (StartRecord(Caller(ALICE, "AROA1:alice@example.com"), "e-1", AT),)


def test_every_record_of_one_execution_is_returned(history: History) -> None:
    events, service = history
    service.add_response("lookup_events", {"Events": [event(), event(event_id="e-2")]}, ASKED)

    assert [found.event_id for found in events.starts(EXECUTION, AT)] == ["e-1", "e-2"]


@pytest.mark.parametrize(
    "over",
    [
        {"errorCode": "ExecutionAlreadyExists", "responseElements": None},
        {"errorCode": "ExecutionLimitExceeded"},
        {"eventSource": "another.amazonaws.com"},
        {"responseElements": {"startDate": "…"}},
        {"responseElements": None},
    ],
)
def test_call_that_started_nothing_of_ours_is_no_record(history: History, over: dict[str, Any]) -> None:
    events, service = history
    service.add_response("lookup_events", {"Events": [event(**over)]}, ASKED)

    assert events.starts(EXECUTION, AT) == ()


def test_empty_history_is_empty(history: History) -> None:
    events, service = history
    service.add_response("lookup_events", {"Events": []}, ASKED)

    assert events.starts(EXECUTION, AT) == ()


@pytest.mark.parametrize(
    ("code", "error"), [("AccessDeniedException", DeniedError), ("ThrottlingException", ThrottledError)]
)
def test_denied_or_throttled_history_is_an_error_and_never_empty(
    history: History, code: str, error: type[Exception]
) -> None:
    events, service = history
    service.add_client_error("lookup_events", code, http_status_code=400)

    with pytest.raises(error):
        events.starts(EXECUTION, AT)

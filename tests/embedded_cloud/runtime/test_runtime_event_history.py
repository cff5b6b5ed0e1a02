import http.client
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from muster_local import event_history
from muster_local.control import AskedError
from tests.embedded_cloud.runtime.conftest import APPLICATION, MANAGEMENT, REGION, Driver

MACHINE = f"arn:aws:states:{REGION}:{APPLICATION}:stateMachine:muster-onboard"
ADA, GRACE = "ada@example.com", "grace@example.com"
ROLE = f"arn:aws:iam::{APPLICATION}:role/muster-sample"


def start(driver: Driver, *, person: str | None = None, **more: str) -> str:
    machines = driver.cloud.client("stepfunctions", person=person)
    return str(machines.start_execution(**{"stateMachineArn": MACHINE, **more})["executionArn"])


def let_the_function_start_executions(driver: Driver) -> None:
    statement = {"Effect": "Allow", "Action": "states:StartExecution", "Resource": MACHINE}
    driver.cloud.client("iam").put_role_policy(
        RoleName="muster-sample",
        PolicyName="start",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )


def look_up(driver: Driver, *, attribute: tuple[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """Look the starts up that are in the event history by now."""
    if attribute is not None:
        more["LookupAttributes"] = [{"AttributeKey": attribute[0], "AttributeValue": attribute[1]}]
    found: dict[str, Any] = driver.cloud.client("cloudtrail").lookup_events(**more)
    return found


def later(driver: Driver) -> None:
    driver.cloud.world.clock.advance(driver.cloud.world.delays.event_history.total_seconds())


def records(driver: Driver) -> list[dict[str, Any]]:
    later(driver)
    return [json.loads(event["CloudTrailEvent"]) for event in look_up(driver)["Events"]]


def users(driver: Driver, **more: Any) -> list[str]:
    return [event["Username"] for event in look_up(driver, **more)["Events"]]


def refused(driver: Driver, **more: Any) -> str:
    with pytest.raises(ClientError) as caught:
        look_up(driver, **more)
    return str(caught.value.response["Error"]["Code"])


@pytest.fixture
def prompt(driver: Driver) -> Driver:
    """A cloud whose event history has no delay."""
    driver.cloud.world.delays.event_history = timedelta(0)
    return driver


# --- what is recorded ---


def test_a_start_by_a_person_is_recorded_as_their_session_of_the_role(driver: Driver) -> None:
    before = driver.cloud.world.clock.now().replace(microsecond=0)
    execution = start(driver, person=ADA, name="one", input='{"secret": 1}')
    (record,) = records(driver)
    assert record["userIdentity"] == {
        "type": "AssumedRole",
        "principalId": f"AROAEXAMPLEOPERATOR0:{ADA}",
        "arn": f"arn:aws:sts::{APPLICATION}:assumed-role/Operator/{ADA}",
        "accountId": APPLICATION,
        "accessKeyId": driver.cloud.sign_in(ADA),
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": "AROAEXAMPLEOPERATOR0",
                "arn": f"arn:aws:iam::{APPLICATION}:role/Operator",
                "accountId": APPLICATION,
                "userName": "Operator",
            },
            "attributes": {"creationDate": record["eventTime"], "mfaAuthenticated": "false"},
        },
    }
    assert record["requestParameters"] == {
        "stateMachineArn": MACHINE,
        "name": "one",
        "input": "HIDDEN_DUE_TO_SECURITY_REASONS",
    }
    assert record["responseElements"]["executionArn"] == execution
    assert {name: record[name] for name in ("eventSource", "eventName", "awsRegion", "readOnly")} == {
        "eventSource": "states.amazonaws.com",
        "eventName": "StartExecution",
        "awsRegion": REGION,
        "readOnly": False,
    }
    assert (record["recipientAccountId"], record["sourceIPAddress"]) == (APPLICATION, "127.0.0.1")
    assert before <= datetime.fromisoformat(record["eventTime"]) <= before + timedelta(minutes=1)
    assert "secret" not in json.dumps(record)


def test_a_look_up_sums_an_event_up(prompt: Driver) -> None:
    start(prompt, person=ADA)
    (event,) = look_up(prompt)["Events"]
    record = json.loads(event["CloudTrailEvent"])
    assert {name: event[name] for name in ("EventName", "EventSource", "ReadOnly", "Username", "EventId")} == {
        "EventName": "StartExecution",
        "EventSource": "states.amazonaws.com",
        "ReadOnly": "false",
        "Username": ADA,
        "EventId": record["eventID"],
    }
    assert event["EventTime"] == datetime.fromisoformat(record["eventTime"])
    assert event["Resources"] == [{"ResourceType": "AWS::StepFunctions::StateMachine", "ResourceName": MACHINE}]


def test_whether_the_machine_is_among_the_resources_is_a_switch(prompt: Driver) -> None:
    prompt.cloud.world.switches.set("event_resources", "unnamed")
    start(prompt)
    assert look_up(prompt)["Events"][0]["Resources"] == []


def test_a_start_with_an_accounts_key_is_its_roots(prompt: Driver) -> None:
    start(prompt)
    (record,) = records(prompt)
    assert record["userIdentity"] == {
        "type": "Root",
        "principalId": APPLICATION,
        "arn": f"arn:aws:iam::{APPLICATION}:root",
        "accountId": APPLICATION,
        "accessKeyId": APPLICATION,
    }
    assert users(prompt) == ["root"]


def test_a_start_by_a_function_is_its_roles(prompt: Driver) -> None:
    let_the_function_start_executions(prompt)
    prompt.call("stepfunctions", "start_execution", parameters={"stateMachineArn": MACHINE})
    (record,) = records(prompt)
    identity = record["userIdentity"]
    assert identity["arn"].startswith(f"arn:aws:sts::{APPLICATION}:assumed-role/muster-sample/")
    assert identity["principalId"].startswith("AROA")
    assert identity["sessionContext"]["sessionIssuer"]["arn"] == ROLE


def test_a_refused_start_is_recorded_with_its_error_and_without_its_parameters(prompt: Driver) -> None:
    answer = prompt.call("stepfunctions", "start_execution", parameters={"stateMachineArn": MACHINE})
    (record,) = records(prompt)
    assert record["errorCode"] == answer["code"] == "AccessDeniedException"
    assert f"not authorized to perform: states:StartExecution on resource: {MACHINE}" in record["errorMessage"]
    assert (record["requestParameters"], record["responseElements"]) == (None, None)


def test_a_start_of_what_is_not_there_is_recorded_with_its_error(prompt: Driver) -> None:
    with pytest.raises(ClientError):
        start(prompt, stateMachineArn=f"{MACHINE}-typo")
    (record,) = records(prompt)
    assert record["errorCode"] == "StateMachineDoesNotExist"
    assert record["requestParameters"] == {"stateMachineArn": f"{MACHINE}-typo"}


def test_a_start_whose_answer_is_lost_is_recorded_and_one_that_never_arrives_is_not(prompt: Driver) -> None:
    let_the_function_start_executions(prompt)
    fault = {"service": "states", "operation": "StartExecution", "times": 1}
    for lost in ({"error": "Timeout"}, {"drop_response": True}):
        prompt.cloud.set_faults([{**fault, **lost}])
        prompt.call("stepfunctions", "start_execution", parameters={"stateMachineArn": MACHINE, "name": str(len(lost))})
    (record,) = records(prompt)
    assert record["responseElements"]["executionArn"]


def test_nothing_but_starts_is_recorded(prompt: Driver) -> None:
    prompt.cloud.client("stepfunctions").list_state_machines()
    prompt.cloud.client("sts").get_caller_identity()
    assert records(prompt) == []


# --- when and where it can be looked up ---


def test_an_event_can_be_looked_up_only_after_a_while(driver: Driver) -> None:
    start(driver)
    driver.cloud.world.clock.advance(280)
    assert users(driver) == []
    driver.cloud.world.clock.advance(20)
    assert users(driver) == ["root"]


def test_an_event_is_forgotten_after_ninety_days(prompt: Driver) -> None:
    start(prompt)
    prompt.cloud.world.clock.advance(timedelta(days=90).total_seconds())
    assert users(prompt) == []


def test_an_event_is_in_the_history_of_its_account_and_region_only(prompt: Driver) -> None:
    start(prompt)
    for account, region in ((APPLICATION, "us-east-1"), (MANAGEMENT, REGION)):
        assert prompt.cloud.client("cloudtrail", account, region).lookup_events()["Events"] == []


def test_a_reset_forgets_the_history(prompt: Driver) -> None:
    start(prompt)
    prompt.cloud.reset()
    later(prompt)
    assert users(prompt) == []


# --- looking up ---


@pytest.mark.parametrize(
    ("key", "value", "other"),
    [
        ("Username", ADA, GRACE),
        ("EventName", "StartExecution", "StopExecution"),
        ("EventSource", "states.amazonaws.com", "iam.amazonaws.com"),
        ("ReadOnly", "false", "true"),
        ("ResourceName", MACHINE, f"{MACHINE}-other"),
        ("ResourceType", "AWS::StepFunctions::StateMachine", "AWS::IAM::Role"),
    ],
)
def test_events_are_looked_up_by_an_attribute(prompt: Driver, key: str, value: str, other: str) -> None:
    start(prompt, person=ADA)
    assert users(prompt, attribute=(key, value)) == [ADA]
    assert users(prompt, attribute=(key, other)) == []


def test_events_are_looked_up_by_their_time_in_whole_seconds(prompt: Driver) -> None:
    start(prompt, person=ADA)
    prompt.cloud.world.clock.advance(3600)
    start(prompt, person=GRACE)
    late, early = (event["EventTime"] for event in look_up(prompt)["Events"])
    assert users(prompt, StartTime=late) == [GRACE]
    assert users(prompt, EndTime=early) == [ADA]
    assert users(prompt, StartTime=early, EndTime=late) == [GRACE, ADA]
    assert users(prompt, StartTime=early + timedelta(seconds=1), EndTime=late - timedelta(seconds=1)) == []


def test_the_newest_come_first_page_by_page(prompt: Driver) -> None:
    for number in range(5):
        start(prompt, person=f"person-{number}@example.com")
    pages = prompt.cloud.client("cloudtrail").get_paginator("lookup_events").paginate(PaginationConfig={"PageSize": 2})
    found = [[event["Username"][7] for event in page["Events"]] for page in pages]
    assert found == [["4", "3"], ["2", "1"], ["0"]]


def test_an_event_that_arrives_between_pages_shifts_none(prompt: Driver) -> None:
    for person in (ADA, GRACE):
        start(prompt, person=person)
    first = look_up(prompt, MaxResults=1)
    start(prompt)
    assert users(prompt, MaxResults=1, NextToken=first["NextToken"]) == [ADA]


def test_at_most_fifty_come_at_once(prompt: Driver) -> None:
    for _ in range(51):
        start(prompt, person=ADA)
    answer = look_up(prompt)
    assert (len(answer["Events"]), "NextToken" in answer) == (50, True)


def test_a_look_up_that_cloudtrail_refuses_is_refused_by_its_name(prompt: Driver) -> None:
    for _ in range(2):
        start(prompt)
    two = [{"AttributeKey": key, "AttributeValue": "x"} for key in ("Username", "EventName")]
    token = look_up(prompt, MaxResults=1)["NextToken"]
    now = datetime.now(UTC)
    assert refused(prompt, LookupAttributes=two) == "InvalidLookupAttributesException"
    assert refused(prompt, attribute=("Colour", "red")) == "InvalidLookupAttributesException"
    assert refused(prompt, StartTime=now, EndTime=now - timedelta(hours=1)) == "InvalidTimeRangeException"
    assert refused(prompt, NextToken="made up") == "InvalidNextTokenException"
    assert refused(prompt, NextToken=token, attribute=("Username", "root")) == "InvalidNextTokenException"


def test_more_than_fifty_at_once_are_refused(prompt: Driver) -> None:
    unchecked: Any = boto3.Session().client(
        "cloudtrail",
        region_name=REGION,
        endpoint_url=prompt.cloud.url,
        aws_access_key_id=APPLICATION,
        aws_secret_access_key="embedded",
        config=Config(parameter_validation=False, proxies={}, retries={"total_max_attempts": 1}),
    )
    for size in (0, 51):
        with pytest.raises(ClientError) as caught:
            unchecked.lookup_events(MaxResults=size)
        assert caught.value.response["Error"]["Code"] == "InvalidMaxResultsException"


def test_a_role_needs_the_permission_to_look_events_up(prompt: Driver) -> None:
    answer = prompt.call("cloudtrail", "lookup_events")
    assert answer["code"] == "AccessDeniedException"
    assert "cloudtrail:LookupEvents on resource: *" in answer["message"]


def test_moto_has_no_event_history_of_its_own() -> None:
    assert event_history.unpatched_lookup_events is None


# --- people ---


def test_a_person_is_who_they_are_in_every_account(driver: Driver) -> None:
    for account in (APPLICATION, MANAGEMENT):
        identity = driver.cloud.client("sts", account, person=ADA).get_caller_identity()
        assert identity["Arn"] == f"arn:aws:sts::{account}:assumed-role/Operator/{ADA}"
        assert (identity["UserId"], identity["Account"]) == (f"AROAEXAMPLEOPERATOR0:{ADA}", account)


def test_a_person_signs_in_once_and_stays_over_a_reset(driver: Driver) -> None:
    key = driver.cloud.sign_in(ADA)
    driver.cloud.reset()
    assert driver.cloud.sign_in(ADA) == key != driver.cloud.sign_in(GRACE)
    assert driver.cloud.client("sts", person=ADA).get_caller_identity()["Arn"].endswith(ADA)


def test_a_persons_calls_are_no_calls_of_the_application(driver: Driver) -> None:
    driver.cloud.client("iam", person=ADA).create_role(RoleName="x", AssumeRolePolicyDocument="{}")
    assert driver.cloud.calls() == []


def test_a_person_can_sign_in_over_http(driver: Driver) -> None:
    connection = http.client.HTTPConnection(urlsplit(driver.cloud.url).netloc, timeout=5)
    outcomes = []
    for asked in ({"person": ADA}, {"person": "no body"}, {"who": ADA}, {"person": 7}):
        connection.request("POST", "/_muster/people", json.dumps(asked))
        answer = connection.getresponse()
        outcomes.append((answer.status, json.loads(answer.read())))
    connection.close()
    assert outcomes[0] == (200, {"access_key_id": driver.cloud.sign_in(ADA)})
    assert [status for status, _ in outcomes[1:]] == [400, 400, 400]


def test_a_name_that_no_session_can_have_is_refused(driver: Driver) -> None:
    with pytest.raises(AskedError, match="2 to 64 letters"):
        driver.cloud.sign_in("a b")

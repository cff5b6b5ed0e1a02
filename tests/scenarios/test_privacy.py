"""A responder's name, title and address are in their parameter and in the membership, and nowhere else."""

import base64
import json
import quopri
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

import boto3
import pytest

from tests.scenarios.operating import DESIGNATED, HOME, Operator

ZOE = {"name": "Zoë Kanárie", "job_title": "Häuptling 7Q", "email": "zoe+kanarie=7q@example.com", "role": "primary"}
JOS = {"name": "José O'Kanári", "job_title": "Vîce 7Q / Night", "email": "jose.o'kanari@example.com"}
NEW = {"name": 'Ñandu "Kanári"', "job_title": "Lehrling 7Q & Day", "email": "nandu&kanari%7q@example.com"}
# Planted on purpose, and nobody's contact: a function's log outlives the tests that wrote it.
QUI = {"name": "Quí Kanári", "job_title": "Spion 7Q", "email": "qui+kanari=7q@example.com"}
VALUES = [person[key] for person in (ZOE, JOS, NEW) for key in ("name", "job_title", "email")]
ROLE = "muster-contact-setup"
TOPIC = f"arn:aws:sns:{HOME}:{DESIGNATED}:muster-notifications"


def forms_of(value: str) -> set[str]:
    """Return how a value may be written: as it is, escaped for JSON, URLs and mail, and as base64 at any offset."""
    encoded = value.encode()
    forms = {
        value,
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        json.dumps(json.dumps(value)[1:-1])[1:-1],
        quote(value),
        quote(value, safe=""),
        quote_plus(value),
        quopri.encodestring(encoded).decode().strip(),
        ascii(value)[1:-1],
    }
    for offset in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(b"\0" * offset + encoded).decode()
            # The first and last characters hang on what stands around the value.
            forms.add(text.rstrip("=")[(0, 2, 3)[offset] : -1])
    return forms


FORMS = [form for value in VALUES for form in sorted(forms_of(value))]
PLANTED_FORMS = [form for value in QUI.values() for form in sorted(forms_of(value))]


def traces_of(operator: Operator) -> dict[str, str]:
    """Return everything that runs left anywhere, but for the parameter and the service's own memory."""
    return {
        "calls": json.dumps(operator.cloud.calls(), default=str, ensure_ascii=False),
        **{f"log of {name}": text for name, text in operator.cloud.logs().items()},
        **dict(_histories(operator)),
        **dict(_objects(operator)),
        **dict(_messages(operator)),
        **dict(_parameters(operator)),
        **dict(_queued(operator)),
    }


def _pages(client: Any, operation: str, rows: str, **arguments: Any) -> Iterator[Any]:
    for page in client.get_paginator(operation).paginate(**arguments):
        yield from page.get(rows, [])


def _histories(operator: Operator) -> Iterator[tuple[str, str]]:
    machines = operator.client("stepfunctions")
    for machine in _pages(machines, "list_state_machines", "stateMachines"):
        for execution in _pages(machines, "list_executions", "executions", stateMachineArn=machine["stateMachineArn"]):
            arn = execution["executionArn"]
            found = machines.describe_execution(executionArn=arn)
            events = list(_pages(machines, "get_execution_history", "events", executionArn=arn))
            yield f"execution {arn}", json.dumps([found, events], default=str, ensure_ascii=False)


def _objects(operator: Operator) -> Iterator[tuple[str, str]]:
    s3, bucket = operator.client("s3"), operator.stack.state_bucket
    for version in _pages(s3, "list_object_versions", "Versions", Bucket=bucket):
        key, number = version["Key"], version["VersionId"]
        found = s3.get_object(Bucket=bucket, Key=key, VersionId=number)
        yield f"object {key} {number}", found["Body"].read().decode() + json.dumps(found["Metadata"])


def _messages(operator: Operator) -> Iterator[tuple[str, str]]:
    for number, call in enumerate(operator.calls("Publish")):
        yield f"message {number}", json.dumps(call["parameters"], ensure_ascii=False)


def _parameters(operator: Operator) -> Iterator[tuple[str, str]]:
    ssm = operator.client("ssm")
    for found in _pages(ssm, "describe_parameters", "Parameters"):
        text = json.dumps(found, default=str, ensure_ascii=False)
        if found["Name"] != operator.stack.contacts_parameter:
            text += ssm.get_parameter(Name=found["Name"], WithDecryption=True)["Parameter"]["Value"]
        yield f"parameter {found['Name']}", text


def _queued(operator: Operator) -> Iterator[tuple[str, str]]:
    sqs = operator.client("sqs")
    for url in _pages(sqs, "list_queues", "QueueUrls"):
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
        yield f"queue {url}", json.dumps(answer.get("Messages", []), ensure_ascii=False)


def leaks(traces: dict[str, str], forms: list[str] = FORMS) -> list[str]:
    return [f"{place}: {form}" for place, text in traces.items() for form in forms if form in text]


def onboarded(operator: Operator) -> None:
    """Sign up with two people, and ask for changes of the team."""
    operator.push(contacts=[ZOE, JOS])
    operator.onboard()
    operator.cloud.world.clock.advance(5)
    operator.push(contacts=[ZOE, {**JOS, "job_title": NEW["job_title"]}, NEW])


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_every_value_is_found(form: str) -> None:
    assert leaks({"log": f"signing up {form}!"})


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("before", ["", "x", "xy"])
def test_value_in_the_midst_of_base64_is_found(value: str, before: str) -> None:
    assert leaks({"log": base64.b64encode(f"{before}{value} and more".encode()).decode()})


def test_what_is_said_of_a_responder_by_place_is_no_leak() -> None:
    assert not leaks({"log": "add responder 1; e-mail differs"})


def _as_role(operator: Operator, service: str) -> Any:
    """Return a client with the session of a function's role: what it does is recorded as the application's."""
    credentials = operator.cloud.session_of(f"arn:aws:iam::{operator.cloud.application_account}:role/{ROLE}")
    session: Any = boto3.Session(
        aws_access_key_id=credentials["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=credentials["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=credentials["AWS_SESSION_TOKEN"],
        region_name=operator.cloud.region,
    )
    return session.client(service, endpoint_url=operator.cloud.url)


def _leak_into_a_log(operator: Operator) -> None:
    operator.client("lambda").invoke(FunctionName="muster-scoping", Payload=json.dumps({"run": QUI["email"]}))


def _leak_into_a_history(operator: Operator) -> None:
    operator.onboard(trigger={"kind": QUI["name"]})


def _leak_into_an_old_object(operator: Operator) -> None:
    for body in (QUI["email"], "{}"):
        operator.client("s3").put_object(Bucket=operator.stack.state_bucket, Key="runs/x.json", Body=body.encode())


def _leak_into_a_call(operator: Operator) -> None:
    s3 = _as_role(operator, "s3")
    with pytest.raises(s3.exceptions.ClientError):
        s3.get_object(Bucket=operator.stack.state_bucket, Key=QUI["email"])


def _leak_into_a_message(operator: Operator) -> None:
    sns = _as_role(operator, "sns")
    with pytest.raises(sns.exceptions.ClientError):
        sns.publish(TopicArn=TOPIC, Message=QUI["job_title"])


def _leak_into_a_parameter(operator: Operator) -> None:
    operator.client("ssm").put_parameter(Name="/muster/other", Value=QUI["email"], Type="String")


def _leak_into_a_queue(operator: Operator) -> None:
    sqs = operator.client("sqs")
    url = sqs.create_queue(QueueName="muster-dead-letters")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=quote(QUI["email"]))


PLANTED: dict[str, Callable[[Operator], None]] = {
    "log of": _leak_into_a_log,
    "execution": _leak_into_a_history,
    "object runs/x.json": _leak_into_an_old_object,
    "calls": _leak_into_a_call,
    "message": _leak_into_a_message,
    "parameter /muster/other": _leak_into_a_parameter,
    "queue": _leak_into_a_queue,
}


@pytest.mark.parametrize("place", PLANTED)
def test_planted_leak_is_found_where_it_is(operator: Operator, place: str) -> None:
    def found() -> int:
        return sum(leak.startswith(place) for leak in leaks(traces_of(operator), PLANTED_FORMS))

    assert found() == 0

    PLANTED[place](operator)

    assert found() > 0


def test_no_responder_shows_in_runs_that_sign_up_and_change_the_team(operator: Operator) -> None:
    onboarded(operator)

    run = operator.onboard()

    assert [change["kind"] for change in run.output["changes"]] == ["update_responder", "add_responder"]
    operator.push(contacts=[{**ZOE, "email": "someone.else@example.com"}, {**JOS, "notify": ["Case Created"]}])
    assert operator.onboard().output["handoffs"]
    assert leaks(traces_of(operator)) == []


def test_no_responder_shows_when_a_person_has_to_allow_the_change(operator: Operator) -> None:
    onboarded(operator)
    operator.push(mode="propose", contacts=[ZOE, {**JOS, "job_title": NEW["job_title"]}, NEW])

    assert operator.onboard().outcome == "Asks"
    assert leaks(traces_of(operator)) == []


FAULTS = [
    {"operation": "UpdateMembership", "error": "AccessDeniedException", "rate": 1},
    {"operation": "UpdateMembership", "error": "ValidationException", "rate": 1},
    {"operation": "UpdateMembership", "error": "ConflictException", "rate": 1},
    {"operation": "UpdateMembership", "error": "ThrottlingException", "rate": 1},
    {"operation": "UpdateMembership", "error": "InternalServerException", "times": 3},
    {"operation": "UpdateMembership", "kill_function": True, "times": 1},
    {"operation": "UpdateMembership", "drop_response": True, "times": 1},
    {"operation": "GetMembership", "error": "AccessDeniedException", "rate": 1},
    {"operation": "GetMembership", "drop_response": True, "times": 2},
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: "-".join(map(str, fault.values())))
def test_no_responder_shows_when_the_team_cannot_be_set_up(operator: Operator, fault: dict[str, Any]) -> None:
    onboarded(operator)
    operator.cloud.set_faults([{"service": "security-ir", "role": ROLE, **fault}])

    operator.onboard()

    assert any(call["role"] == ROLE for call in operator.calls(fault["operation"]))
    assert leaks(traces_of(operator)) == []


@pytest.mark.parametrize(
    "error", ["ValidationException", "AccessDeniedException", "ConflictException", "InternalServerException"]
)
def test_no_responder_shows_when_the_service_does_not_take_the_membership(operator: Operator, error: str) -> None:
    operator.push(contacts=[ZOE, JOS])
    operator.cloud.set_faults([{"service": "security-ir", "operation": "CreateMembership", "error": error, "rate": 1}])

    operator.onboard()

    assert leaks(traces_of(operator)) == []


@pytest.mark.parametrize("is_signed_up", [False, True])
def test_unusable_contacts_are_named_by_field_only(operator: Operator, is_signed_up: bool) -> None:  # noqa: FBT001
    operator.push(contacts=[ZOE, JOS])
    if is_signed_up:
        operator.onboard()
    operator.cloud.clear_calls()
    broken = [{**ZOE, "email": "zoe.kanarie at example.com", "role": "primary"}, JOS]
    operator.client("ssm").put_parameter(
        Name=operator.stack.contacts_parameter, Value=json.dumps(broken), Type="SecureString", Tier="Advanced",
        Overwrite=True,
    )  # fmt: skip

    run = operator.onboard()

    assert run.error == "DesiredStateError"
    assert "contacts[0].email" in str(run.cause)
    assert operator.writes() == []
    traces = traces_of(operator)
    assert "zoe.kanarie at" not in json.dumps(traces)
    assert leaks(traces) == []

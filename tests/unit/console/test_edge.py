import sys

import pytest
from botocore.exceptions import (
    BotoCoreError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ProfileNotFound,
    TokenRetrievalError,
)

from muster_console.__main__ import main
from muster_console.aws import Clients, Connection, SdkClients
from muster_console.desk import Desk
from tests.unit.console.fakes import FakeCloud, Operator, refusal


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("AccessDenied", "These credentials may not call GetObject there."),
        ("ExpiredToken", "The AWS credentials have expired."),
        ("InvalidClientTokenId", "AWS does not recognize the credentials."),
        ("SlowDown", "AWS refused GetObject with SlowDown."),
    ],
)
def test_a_refusal_is_one_sentence_and_a_next_step(
    operator: Operator, cloud: FakeCloud, code: str, sentence: str
) -> None:
    cloud.s3.fault = refusal(code, "GetObject")

    ran = operator.types("status")

    assert ran.code == 4
    assert ran.err.splitlines()[0] == sentence
    assert ran.err.splitlines()[1].startswith("Next: ")


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (NoCredentialsError(), 4, "No AWS credentials were found."),
        (TokenRetrievalError(provider="sso", error_msg="x"), 4, "The AWS sign-in has ended."),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), 4, "http://127.0.0.1:1 cannot be reached."),
        (NoRegionError(), 2, "No Region is set."),
        (ProfileNotFound(profile="nobody"), 2, "There is no AWS profile nobody."),
        (BotoCoreError(), 4, "The AWS SDK failed (BotoCoreError)."),
    ],
)
def test_a_connection_that_fails_is_one_sentence_and_a_next_step(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int, sentence: str
) -> None:
    def fail(_: Connection) -> Clients:
        raise error

    monkeypatch.setattr(operator.cloud, "connect", fail)

    ran = operator.types("--endpoint-url", "http://127.0.0.1:1", "--profile", "nobody", "status")

    assert ran.code == code
    assert ran.err.splitlines()[0] == sentence
    assert len(ran.err.splitlines()) == 2


def test_a_stack_that_is_not_there_is_named_with_its_region(operator: Operator) -> None:
    ran = operator.types("--stack-name", "elsewhere", "status")

    assert ran.code == 4
    assert ran.err.startswith("There is no stack elsewhere in eu-west-1.\nNext: ")


def test_a_stack_of_something_else_is_told_apart(operator: Operator, cloud: FakeCloud) -> None:
    del cloud.cloudformation.outputs["StateBucketName"]

    ran = operator.types("status")

    assert ran.code == 4
    assert ran.err.startswith("Stack muster has no output StateBucketName")


def test_a_mistake_of_ours_is_a_sentence_and_debug_shows_where(operator: Operator, cloud: FakeCloud) -> None:
    cloud.cloudformation.outputs = None  # type: ignore[assignment] # a fault on purpose

    plain, debug = operator.types("status"), operator.types("--debug", "status")

    assert plain.err.startswith("muster has a mistake of its own (AttributeError).")
    assert "Traceback" not in plain.err
    assert "Traceback" in debug.err
    assert (plain.code, debug.code) == (1, 1)


@pytest.mark.parametrize(
    "arguments",
    [
        ("status", "--json", "--tree"),
        ("onboard", "--no-wait", "--follow", "x"),
        ("onboard", "--yes", "--follow", "x"),
        ("plan", "--show", "3fa9c01b2d4e", "--accept-unknown", "memberships"),
        ("apply",),
        ("reject", "3fa9c01b2d4e"),
        ("approve", "3fa9c01b2d4e", "--reason", "x" * 1001),
        ("freeze", "--until", "4h", "--lift"),
        ("freeze", "--reason", "incident 1234"),
        ("fly",),
        ("validate", "no-such-file.yaml"),
    ],
)
def test_wrong_usage_ends_with_2(operator: Operator, arguments: tuple[str, ...]) -> None:
    assert operator.types(*arguments).code == 2


def test_help_ends_with_0_and_reaches_nothing(operator: Operator, cloud: FakeCloud) -> None:
    assert operator.types("onboard", "--help").code == 0
    assert cloud.connections == []


def test_the_global_options_reach_the_connection(operator: Operator, cloud: FakeCloud) -> None:
    operator.types("--region", "eu-west-1", "--profile", "audit", "--endpoint-url", "http://127.0.0.1:5000", "status")

    assert cloud.connections == [Connection("eu-west-1", "audit", "http://127.0.0.1:5000")]


def test_local_hands_everything_on_to_the_embedded_cloud(operator: Operator) -> None:
    operator.types("local", "up", "--organization", "file.yaml", "--help")

    assert operator.programs == [
        [sys.executable, "-m", "muster_local", "up", "--organization", "file.yaml", "--help"],
    ]


def test_clients_are_made_for_the_endpoint_and_the_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "222222222222")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "invented")
    clients = SdkClients(Connection(region="eu-west-1", endpoint_url="http://127.0.0.1:5000"))

    for client in (clients.s3, clients.ssm, clients.cloudformation, clients.stepfunctions, clients.organizations):
        assert client.meta.endpoint_url == "http://127.0.0.1:5000"
        assert client.meta.region_name == "eu-west-1"
    assert clients.s3 is clients.s3


def test_the_command_line_of_the_process_is_used_when_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    programs: list[list[str]] = []
    monkeypatch.setattr(sys, "argv", ["muster", "local"])

    main(desk=Desk(run_program=lambda _, program: programs.append(program)))

    assert programs == [[sys.executable, "-m", "muster_local"]]

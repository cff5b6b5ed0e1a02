"""`muster preflight`: a table, what to do about each line of it, and an exit code that a script can use."""

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from muster.domain import service_terms
from muster.errors import UnavailableError
from muster.messages.preflight import PreflightResult
from muster.wiring import LocalIdentity
from muster_console import local_preflight
from tests.unit.console.fakes import EXAMPLE, FakeCloud, Operator

PRICE = {"subject": service_terms.PRICE.subject, "detail": service_terms.PRICE.detail}


def check(check_id: str = "organization", status: str = "passed", severity: str | None = None) -> dict[str, Any]:
    remedy = f"aws remedy of {check_id} " + "x" * 120 if severity else None
    return {
        "id": check_id, "title": "so it is", "status": status, "severity": severity, "evidence": f"saw {check_id}",
        "remedy": remedy,
    }  # fmt: skip


def answer(*checks: dict[str, Any], notices: tuple[Any, ...] = (), accepted: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"schema": 1, "checks": checks, "notices": notices, "handoffs": [], "accepted": accepted}


@pytest.fixture
def pushed(operator: Operator, cloud: FakeCloud) -> Operator:
    operator.types("push", str(EXAMPLE))
    cloud.lambda_.answer = answer(check())
    return operator


def test_newest_desired_state_is_checked_and_no_run_is_stopped_by_it(pushed: Operator, cloud: FakeCloud) -> None:
    ran = pushed.types("preflight", "--accept-unknown", "memberships")

    (asked,) = cloud.lambda_.invoked
    assert asked.pop("run").startswith("preflight-20270131T101500Z-")
    assert asked == {
        "schema": 1,
        "desired": {"key": "desired-state.json", "version": "v1"},
        "accept_unknown": ["memberships"],
        "stops": False,
    }
    assert ran.code == 0
    assert cloud.stepfunctions.started == []


@pytest.mark.parametrize(
    ("checks", "accepted", "code"),
    [
        ([check(), check("region", "not_applicable")], (), 0),
        ([check("trusted_access", "unknown", "warning")], (), 0),
        ([check("memberships", "unknown", "blocker")], ("memberships",), 0),
        ([check("memberships", "unknown", "blocker")], ("organization",), 3),
        ([check("contacts", "failed", "warning")], (), 3),
        ([check("contacts", "failed", "warning"), check("region", "failed", "blocker")], (), 1),
        ([check("memberships", "failed", "blocker")], ("memberships",), 1),
    ],
)
def test_exit_code_tells_what_stands_in_the_way(
    pushed: Operator, cloud: FakeCloud, checks: list[Any], accepted: tuple[str, ...], code: int
) -> None:
    cloud.lambda_.answer = answer(*checks, accepted=accepted)

    assert pushed.types("preflight").code == code


def test_table_is_followed_by_remedies_that_can_be_pasted_and_by_the_terms(pushed: Operator, cloud: FakeCloud) -> None:
    failed, unknown = check("contacts", "failed", "warning"), check("memberships", "unknown", "blocker")
    warning = {"subject": "preflight: contacts failed", "detail": "in the table already"}
    cloud.lambda_.answer = answer(check(), failed, unknown, notices=(PRICE, warning), accepted=("memberships",))

    lines = pushed.types("preflight").out.splitlines()

    assert lines[0].split() == ["Status", "Check", "Seen"]
    assert [line.split()[0] for line in lines[1:4]] == ["passed", "failed", "unknown"]
    assert f"    {failed['remedy']}" in lines
    assert "memberships should say: so it is (accepted)" in lines
    assert f"Know: {PRICE['subject']}: {PRICE['detail']}" in lines
    assert "in the table already" not in "\n".join(lines)


def test_json_is_the_result(pushed: Operator, cloud: FakeCloud) -> None:
    cloud.lambda_.answer = answer(check(), notices=(PRICE,))

    shown = json.loads(pushed.types("preflight", "--json").out)

    assert shown == {"checks": [check()], "notices": [PRICE], "accepted": []}


def test_without_a_desired_state_the_next_step_is_push(operator: Operator, cloud: FakeCloud) -> None:
    ran = operator.types("preflight")

    assert ran.code == 3
    assert "muster push FILE" in ran.err
    assert cloud.lambda_.invoked == []


def test_function_that_fails_says_why(pushed: Operator, cloud: FakeCloud) -> None:
    cloud.lambda_.error = True
    cloud.lambda_.answer = {"errorType": "ThrottledError", "errorMessage": "organizations:ListAccounts"}

    ran = pushed.types("preflight")

    assert ran.code == 1
    assert ran.err.startswith("The checks could not be made: ThrottledError: organizations:ListAccounts")


@pytest.mark.parametrize("command", ["preflight", "onboard"])
def test_check_that_does_not_exist_is_refused_with_the_list(pushed: Operator, cloud: FakeCloud, command: str) -> None:
    ran = pushed.types(command, "--accept-unknown", "membership")

    assert ran.code == 2
    assert (cloud.lambda_.invoked, cloud.stepfunctions.started) == ([], [])


def test_accepted_checks_go_with_the_run(pushed: Operator, cloud: FakeCloud) -> None:
    pushed.types("onboard", "--no-wait", "--accept-unknown", "memberships", "--accept-unknown", "organization")

    assert json.loads(cloud.stepfunctions.started[0]["input"])["accept_unknown"] == ["memberships", "organization"]


def test_run_that_is_followed_accepts_nothing_new(pushed: Operator) -> None:
    assert pushed.types("onboard", "--follow", "x", "--accept-unknown", "memberships").code == 2


@pytest.mark.parametrize("options", [("--local", str(EXAMPLE)), ("--management-profile", "x")])
def test_looking_from_here_needs_the_file_and_both_accounts(operator: Operator, options: tuple[str, ...]) -> None:
    assert operator.types("preflight", *options).code == 2


def test_file_that_is_not_valid_is_not_looked_for(operator: Operator, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text("mode: nonsense\n")

    ran = operator.types("preflight", "--local", str(file), "--management-profile", "x")

    assert ran.code == 2
    assert operator.cloud.connections == []


class Step:
    """The application's step, as far as the console uses it."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.asked: dict[str, Any] = {}

    def apply(self, _desired: Any, **asked: Any) -> PreflightResult:
        self.asked = asked
        if self.error:
            raise self.error
        return PreflightResult.model_validate(answer(check()))


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Step:
    """Let two profiles be there, each of its account, and the step say that all is well."""
    accounts = {None: "999999999999", "security": "222222222222", "management": "111111111111"}
    step = Step()

    def identity(profile: str | None, region: str, endpoint_url: str | None) -> LocalIdentity:
        return LocalIdentity(boto3.Session(region_name=region), accounts[profile], f"profile {profile}", endpoint_url)

    def build(own: LocalIdentity, management: LocalIdentity, region: str, *, people: int) -> Step:
        assert (own.account_id, management.account_id, region) == ("222222222222", "111111111111", "eu-west-1")
        assert people == len(yaml.safe_load(EXAMPLE.read_text())["contacts"])
        return step

    monkeypatch.setattr(local_preflight, "_identity", identity)
    monkeypatch.setattr(local_preflight, "build_local_preflight", build)
    return step


LOCAL = ("preflight", "--local", str(EXAMPLE), "--management-profile", "management")


def test_looking_from_here_reaches_no_deployment(operator: Operator, here: Step) -> None:
    ran = operator.types("--profile", "security", *LOCAL, "--accept-unknown", "memberships")

    assert ran.code == 0
    assert here.asked == {"run": "local", "accept_unknown": ("memberships",), "stops": False}
    assert operator.cloud.connections == []


@pytest.mark.usefixtures("here")
def test_credentials_of_another_account_are_refused(operator: Operator) -> None:
    ran = operator.types(*LOCAL)

    assert ran.code == 2
    assert "is of account 999999999999, but the membership is to be in 222222222222" in ran.err


def test_service_that_gave_no_answer_is_to_be_asked_again(operator: Operator, here: Step) -> None:
    here.error = UnavailableError("security-ir:ListMemberships in account 1: no answer")

    ran = operator.types("--profile", "security", *LOCAL)

    assert (ran.code, ran.err.splitlines()[1]) == (4, "Next: Try again.")


def test_profile_that_does_not_exist_is_said(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")

    ran = operator.types("--profile", "nobody", *LOCAL)

    assert (ran.code, ran.err.splitlines()[0]) == (2, "There is no AWS profile nobody.")


def test_identity_is_who_sts_says(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    class Sts:
        def get_caller_identity(self) -> dict[str, str]:
            return {"Account": "222222222222"}

    class Session:
        def __init__(self, profile_name: str | None, region_name: str) -> None:
            asked.append((profile_name, region_name))

        def client(self, service: str, *, endpoint_url: str | None, config: object) -> Sts:
            assert config
            asked.append((service, endpoint_url))
            return Sts()

    monkeypatch.setattr(boto3, "Session", Session)
    found = local_preflight._identity(None, "eu-west-1", "http://127.0.0.1:1")

    assert (found.account_id, found.name) == ("222222222222", "the default profile")
    assert asked == [(None, "eu-west-1"), ("sts", "http://127.0.0.1:1")]


def test_onboard_tells_how_many_checks_have_nothing_in_the_way(pushed: Operator, cloud: FakeCloud) -> None:
    checks = [check(), check("region", "not_applicable"), check("contacts", "failed", "warning")]
    cloud.stepfunctions.batches = [
        [
            {
                "type": "TaskStateExited",
                "stateExitedEventDetails": {"name": "Preflight", "output": json.dumps(answer(*checks))},
            }
        ]
    ]

    assert "Preflight      2 of 3 checks have nothing in the way, 1 failed" in pushed.types("onboard", "--yes").out

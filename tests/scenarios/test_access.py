"""What the management account does not allow is handed over as a command, and verified by reading."""

import json
import shlex
from typing import Any

import pytest

from tests.scenarios.conftest import Cloud
from tests.scenarios.members import deploy_readers
from tests.scenarios.operating import MANAGEMENT, Operator
from tests.scenarios.test_onboarding import EVERYBODY


def do_by_hand(operator: Operator, run_output: dict[str, Any]) -> None:
    """Do what the handoffs say, word by word, as the management account."""
    calls = {
        ("organizations", "enable-aws-service-access"): ("enable_aws_service_access", {"ServicePrincipal"}),
        ("organizations", "register-delegated-administrator"): (
            "register_delegated_administrator", {"AccountId", "ServicePrincipal"},
        ),
        ("iam", "create-service-linked-role"): ("create_service_linked_role", {"AWSServiceName"}),
    }  # fmt: skip
    members = {
        "--service-principal": "ServicePrincipal",
        "--account-id": "AccountId",
        "--aws-service-name": "AWSServiceName",
    }
    for handoff in run_output["handoffs"]:
        for line in handoff["command"].splitlines():
            _, service, operation, *options = shlex.split(line.rpartition("||")[2])
            if (service, operation) not in calls:
                continue
            arguments = dict(zip((members[name] for name in options[::2]), options[1::2], strict=True))
            method, expected = calls[service, operation]
            assert set(arguments) == expected
            getattr(operator.client(service, MANAGEMENT), method)(**arguments)


@pytest.mark.parametrize("access", ["onboard", "manage"])
def test_enough_access_onboards_without_a_handoff(fresh: Cloud, access: str) -> None:
    operator = fresh(access=access)
    operator.push()

    run = operator.onboard()

    assert (run.outcome, run.output["handoffs"]) == ("Covered", [])


@pytest.mark.parametrize("access", ["forward", "read"])
def test_less_access_hands_over_and_the_next_run_completes(fresh: Cloud, access: str) -> None:
    operator = fresh(access=access)
    operator.push()

    waiting = operator.onboard()

    assert waiting.outcome == "WaitingForHandoff"
    assert operator.writes() == []
    assert len(operator.messages()) == 1
    for _ in range(3):  # each round shows what the one before has made possible
        do_by_hand(operator, waiting.output)
        operator.cloud.world.clock.advance(30)
        waiting = operator.onboard()
        if waiting.output["membership_id"]:
            break
    assert set(operator.writes()) <= {"CreateMembership"}
    assert operator.coverage() == EVERYBODY
    if access == "read":
        assert waiting.outcome == "Covered"


def test_member_reader_finds_the_missing_role_where_it_is_deployed(fresh: Cloud) -> None:
    operator = fresh(parameters={"MemberAccess": "read"})
    operator.cloud.world.switches.set("triage_role_creator", "nobody")
    deploy_readers(operator, "300000000003")
    operator.push()

    run = operator.onboard()

    assert run.outcome == "WaitingForHandoff"
    causes = operator.causes()
    assert causes["300000000003"] == "role_missing"
    assert causes["300000000004"] == "unknown"
    reasons = {account["id"]: account["reason"] for account in operator.assessment["accounts"]}
    assert "AccessDenied" in reasons["300000000004"] or "denied" in reasons["300000000004"]
    assert "Covered" not in json.dumps([reasons["300000000003"], reasons["300000000004"]])


def test_deployment_that_observes_writes_nothing_whatever_was_pushed(fresh: Cloud) -> None:
    operator = fresh(parameters={"Purpose": "observe"})
    operator.push()

    run = operator.onboard()

    assert (run.outcome, operator.writes()) == ("WaitingForHandoff", [])
    assert {handoff["why"] for handoff in run.output["handoffs"]} == {
        "mode is observe, so nothing is changed without a person"
    }

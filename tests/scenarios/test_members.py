"""The triage role in the member accounts: created where that is allowed, asked of the owners where it is not."""

import json
import shlex
from typing import Any

import pytest

from tests.scenarios.conftest import Cloud
from tests.scenarios.members import REPAIRER, deploy_readers
from tests.scenarios.operating import DESIGNATED, MANAGEMENT, Operator, Run
from tests.scenarios.test_onboarding import EVERYBODY

MEMBERS = [f"30000000000{number}" for number in (1, 2, 3, 4, 5, 6, 8)]
CREATE = "aws iam create-service-linked-role --aws-service-name triage.security-ir.amazonaws.com"


def begin(fresh: Cloud, access: str, *deployed: str, **desired: Any) -> Operator:
    """Begin with an organization in which nobody but us creates the role, and with access to some members."""
    # Over after a few looks; the waits of production are those of the other scenarios.
    operator = fresh(parameters={"MemberAccess": access, "SettleSeconds": "120", "SettleWaitSeconds": "60"})
    operator.cloud.world.switches.set("triage_role_creator", "nobody")
    if access != "none":
        deploy_readers(operator, *deployed, access=access)
    operator.push(**desired)
    return operator


def created_in(operator: Operator) -> list[str]:
    """Return the accounts in which the application has created the role, but for sign-up's."""
    return sorted(
        call["account"]
        for call in operator.calls("CreateServiceLinkedRole")
        if call["outcome"] == "ok" and call["account"] != MANAGEMENT
    )


def for_owners(run: Run) -> list[dict[str, Any]]:
    return [each for each in run.output["handoffs"] if each["to"] == "owners of the accounts"]


def test_missing_roles_are_created_and_everybody_is_covered_in_the_same_run(fresh: Cloud) -> None:
    operator = begin(fresh, "repair", *MEMBERS)

    run = operator.onboard()

    assert (run.outcome, run.output["handoffs"]) == ("Covered", [])
    assert operator.coverage() == EVERYBODY
    assert created_in(operator) == [DESIGNATED, *MEMBERS]
    assert run.states.count("MemberRepair") == 2
    (change,) = (each for each in run.output["changes"] if each["kind"] == "create_triage_role")
    assert change["resource"] == "8 accounts"
    operator.cloud.clear_calls()
    again = operator.onboard()
    assert (again.outcome, operator.writes(), operator.messages()) == ("Covered", [], [])
    assert "MemberRepair" not in again.states


def test_account_without_the_repairer_is_unknown_and_the_others_are_repaired(fresh: Cloud) -> None:
    operator = begin(fresh, "repair", *MEMBERS[1:])

    run = operator.onboard()

    assert run.outcome == "NeedsAttention"
    assert created_in(operator) == [DESIGNATED, *MEMBERS[1:]]
    assert operator.causes() == {MEMBERS[0]: "unknown"}


def test_account_that_denies_is_left_to_its_owners_and_the_others_are_repaired(fresh: Cloud) -> None:
    operator = begin(fresh, "repair", *MEMBERS)
    denial = {"Effect": "Deny", "Action": "iam:CreateServiceLinkedRole", "Resource": "*"}
    operator.client("iam", MEMBERS[0]).put_role_policy(
        RoleName=REPAIRER,
        PolicyName="denied",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [denial]}),
    )

    run = operator.onboard()

    assert run.outcome == "WaitingForHandoff"
    assert created_in(operator) == [DESIGNATED, *MEMBERS[1:]]
    (handoff,) = for_owners(run)
    assert (handoff["command"], handoff["accounts"]) == (CREATE, [MEMBERS[0]])
    assert f"In: account {MEMBERS[0]}" in operator.text(run.output["report"]["text_key"])


def test_access_to_read_asks_the_owners_once_and_the_next_run_verifies(fresh: Cloud) -> None:
    operator = begin(fresh, "read", *MEMBERS)

    waiting = operator.onboard()

    assert (waiting.outcome, created_in(operator)) == ("WaitingForHandoff", [])
    (handoff,) = for_owners(waiting)
    assert (handoff["command"], handoff["accounts"]) == (CREATE, [DESIGNATED, *MEMBERS])
    assert "MemberAccess is read" in handoff["why"]
    for account in handoff["accounts"]:
        *_, service = shlex.split(handoff["command"])
        operator.client("iam", account).create_service_linked_role(AWSServiceName=service)
    operator.cloud.world.clock.advance(60)
    run = operator.onboard()
    assert (run.outcome, run.output["handoffs"]) == ("Covered", [])
    assert operator.coverage() == EVERYBODY


def test_what_a_person_has_to_allow_is_asked_for_and_not_created(fresh: Cloud) -> None:
    operator = begin(fresh, "repair", *MEMBERS, automatic=["sign_up"])

    run = operator.onboard()

    assert run.outcome == "Asks"
    assert created_in(operator) == []
    assert "automatic does not list create_triage_role" in operator.messages()[-1]


def test_without_access_the_reader_is_asked_for_once(fresh: Cloud) -> None:
    operator = begin(fresh, "none")

    run = operator.onboard()

    assert run.outcome == "WaitingForHandoff"
    (handoff,) = (each for each in run.output["handoffs"] if each["to"] == "management team")
    assert handoff["what"] == "deploy the member reader, then muster with MemberAccess=read"
    activate, create, deploy = (shlex.split(line) for line in handoff["command"].splitlines())
    assert (activate[2], create[2], deploy[2]) == (
        "activate-organizations-access", "create-stack-set", "create-stack-instances"
    )  # fmt: skip
    root = operator.client("organizations", MANAGEMENT).list_roots()["Roots"][0]["Id"]
    assert deploy[-1] == f"OrganizationalUnitIds={root}"
    assert [each["accounts"] for each in for_owners(run)] == [[DESIGNATED]]


@pytest.mark.parametrize(
    "fault",
    [{"kill_function": True}, {"drop_response": True}, {"error": "Throttling"}, {"error": "ServiceFailure"}],
    ids=lambda fault: str(*fault),
)
def test_creation_that_is_cut_short_is_finished(fresh: Cloud, fault: dict[str, Any]) -> None:
    operator = begin(fresh, "repair", *MEMBERS)
    operator.cloud.set_faults(
        [{"service": "iam", "operation": "CreateServiceLinkedRole", "role": REPAIRER, "times": 1, **fault}]
    )

    run = operator.onboard()

    assert (run.outcome, run.output["handoffs"]) == ("Covered", [])
    assert operator.coverage() == EVERYBODY
    assert created_in(operator) == [DESIGNATED, *MEMBERS]


def test_account_that_fails_for_good_does_not_hold_the_run_up(fresh: Cloud) -> None:
    operator = begin(fresh, "repair", *MEMBERS)
    operator.cloud.set_faults(
        [
            {
                "service": "iam", "operation": "CreateServiceLinkedRole", "account": MEMBERS[2],
                "error": "ServiceFailure", "rate": 1,
            }
        ]
    )  # fmt: skip

    run = operator.onboard()

    assert run.outcome == "NeedsAttention"
    assert operator.causes() == {MEMBERS[2]: "role_missing"}
    assert any(
        notice["subject"] == "the triage role could not be created in 1 account" for notice in run.output["notices"]
    )

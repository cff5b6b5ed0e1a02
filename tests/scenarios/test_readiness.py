"""Containment that is known to work: what somebody did to the roles is named with its cause and its remedy."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest

from muster.domain.containment_roles import CONTAINMENT_ROLE, EXECUTION_ROLE
from tests.scenarios.conftest import Cloud
from tests.scenarios.operating import DESIGNATED, MANAGEMENT, Operator, Run
from tests.scenarios.test_containment import (
    MEMBERS,
    NAME,
    PLAYGROUND,
    SHOP,
    SUSPENDED,
    UNDER_THE_ROOT,
    begin,
    contain,
    do_by_hand,
    put_stack_set,
    writes,
)

LOG_ARCHIVE, PAYMENTS, EUROPE, STAGING = "300000000002", "300000000004", "300000000005", "300000000006"
CONTAINMENT_POLICY = "AWSSecurityIncidentResponseContainmentPolicy"
EXECUTION_POLICY = "AWSSecurityIncidentResponseContainmentExecutionPolicy"
INVESTIGATION_POLICY = "AWSSecurityIncidentResponseInvestigationPolicy"
NOTHING_ALLOWED = {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "ssm:*", "Resource": "*"}}

type Document = dict[str, Any]


def iam(operator: Operator, account: str) -> Any:
    return operator.client("iam", account)


def edit_trust(operator: Operator, account: str, edit: Callable[[Document], None]) -> None:
    """Edit who may assume the containment role, as somebody in the account would."""
    client = iam(operator, account)
    found = client.get_role(RoleName=CONTAINMENT_ROLE)["Role"]["AssumeRolePolicyDocument"]
    document = found if isinstance(found, dict) else json.loads(unquote(found))
    edit(document)
    client.update_assume_role_policy(RoleName=CONTAINMENT_ROLE, PolicyDocument=json.dumps(document))


def edit_policy(operator: Operator, account: str, role: str, policy: str, edit: Callable[[Document], None]) -> None:
    """Edit an inline policy of a role there."""
    client = iam(operator, account)
    document = client.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
    edit(document)
    client.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))


def trust_somebody_else(document: Document) -> None:
    for statement in document["Statement"]:
        statement["Principal"] = {"Service": "ec2.amazonaws.com"}


def remove_external_id(document: Document) -> None:
    del document["Statement"][0]["Condition"]


def expect_another_account(document: Document) -> None:
    document["Statement"][0]["Condition"] = {"StringEquals": {"sts:ExternalId": MANAGEMENT}}


def forbid_tags(document: Document) -> None:
    document["Statement"] = [each for each in document["Statement"] if each["Action"] != "sts:TagSession"]


def drop_an_action(document: Document) -> None:
    document["Statement"][0]["Action"].remove("iam:PutRolePolicy")


def narrow_a_resource(document: Document) -> None:
    document["Statement"][1]["Resource"] = "arn:aws:ssm:eu-west-1:*:*"


def write_otherwise(document: Document) -> None:
    """Say the same in other words: another order, other groups, a string for a list, another case."""
    first, *others = document["Statement"]
    single = [{**first, "Resource": each, "Action": "SSM:startautomationexecution"} for each in first["Resource"]]
    document["Statement"] = [*reversed(others), *single]


def start_as_before_march(document: Document) -> None:
    for statement in document["Statement"]:
        if statement["Action"] == "ssm:StartAutomationExecution":
            statement["Resource"] = "arn:aws:ssm:*:*:automation-definition/AWSSupport-ContainEC2Instance:$DEFAULT"


def verdicts(operator: Operator) -> dict[str, tuple[str, list[str]]]:
    """Return readiness and kinds of defects of each account in the latest document."""
    accounts = operator.document("containment/latest.json")["accounts"]
    return {each["id"]: (each["readiness"], [one["kind"] for one in each["defects"]]) for each in accounts}


def remedy(operator: Operator, account: str) -> str:
    accounts = operator.document("containment/latest.json")["accounts"]
    return str(next(each["remedy"] for each in accounts if each["id"] == account))


def look_at(operator: Operator, *accounts: str) -> Run:
    """Run with a hint that somebody may have changed the roles of some accounts."""
    return operator.onboard(suspects=list(accounts or MEMBERS))


READY: tuple[str, list[str]] = ("Ready", [])


def test_every_alteration_of_a_role_is_named_and_other_words_are_none(fresh: Cloud) -> None:
    operator = begin(fresh)
    assert contain(operator).outcome == "Covered"
    assert verdicts(operator) == {MANAGEMENT: ("AbsentByChoice", []), **dict.fromkeys(MEMBERS, READY)}
    edit_trust(operator, UNDER_THE_ROOT, trust_somebody_else)
    edit_trust(operator, LOG_ARCHIVE, remove_external_id)
    edit_trust(operator, SHOP, expect_another_account)
    edit_trust(operator, PAYMENTS, forbid_tags)
    edit_policy(operator, EUROPE, EXECUTION_ROLE, EXECUTION_POLICY, drop_an_action)
    edit_policy(operator, STAGING, CONTAINMENT_ROLE, CONTAINMENT_POLICY, narrow_a_resource)
    edit_policy(operator, PLAYGROUND, CONTAINMENT_ROLE, CONTAINMENT_POLICY, write_otherwise)
    iam(operator, DESIGNATED).put_role_policy(
        RoleName=EXECUTION_ROLE, PolicyName="Guardrail", PolicyDocument=json.dumps(NOTHING_ALLOWED)
    )
    operator.push(containment={"roles": "verify"})
    operator.cloud.clear_calls()

    run = look_at(operator)

    assert (run.outcome, writes(operator)) == ("NeedsAttention", [])
    assert verdicts(operator) == {
        MANAGEMENT: ("AbsentByChoice", []),
        UNDER_THE_ROOT: ("NotReady", ["trust_principal"]),
        LOG_ARCHIVE: ("NotReady", ["external_id_missing"]),
        SHOP: ("NotReady", ["external_id_foreign"]),
        PAYMENTS: ("NotReady", ["tag_session_missing"]),
        EUROPE: ("NotReady", ["policy_altered"]),
        STAGING: ("NotReady", ["policy_altered"]),
        PLAYGROUND: READY,
        DESIGNATED: ("NotReady", ["inline_deny"]),
    }
    assert "delete-role-policy --role-name" in remedy(operator, DESIGNATED)
    text = operator.text(run.output["report"]["text_key"])
    assert "iam:PutRolePolicy" in text
    assert SUSPENDED in {each["id"] for each in operator.document("containment/latest.json")["inactive"]}


def test_what_blocks_a_role_from_outside_is_named_and_so_is_what_nobody_could_read(fresh: Cloud) -> None:
    operator = begin(fresh)
    contain(operator)
    client = iam(operator, SHOP)
    client.attach_role_policy(RoleName=EXECUTION_ROLE, PolicyArn="arn:aws:iam::aws:policy/AWSDenyAll")
    iam(operator, PAYMENTS).put_role_permissions_boundary(
        RoleName=CONTAINMENT_ROLE, PermissionsBoundary="arn:aws:iam::aws:policy/ReadOnlyAccess"
    )
    delete_role(operator, EUROPE)
    edit_policy(operator, STAGING, CONTAINMENT_ROLE, CONTAINMENT_POLICY, start_as_before_march)
    iam(operator, PLAYGROUND).detach_role_policy(
        RoleName=EXECUTION_ROLE, PolicyArn="arn:aws:iam::aws:policy/SecurityAudit"
    )
    deny_reader(operator, LOG_ARCHIVE)
    remove_reader(operator, UNDER_THE_ROOT)
    operator.push(containment={"roles": "verify", "ec2_triage": False})

    run = look_at(operator)

    assert run.outcome == "NeedsAttention"
    assert verdicts(operator) == {
        MANAGEMENT: ("AbsentByChoice", []),
        SHOP: ("NotReady", ["attached_deny"]),
        PAYMENTS: ("NotReady", ["boundary"]),
        EUROPE: ("NotReady", ["role_missing"]),
        STAGING: ("NotReady", ["old_generation"]),
        PLAYGROUND: ("NotReady", ["security_audit_missing"]),
        LOG_ARCHIVE: ("Unknown", []),
        UNDER_THE_ROOT: ("Unknown", []),
        DESIGNATED: READY,
    }
    assert "detach-role-policy" in remedy(operator, SHOP)
    assert "delete-role-permissions-boundary" in remedy(operator, PAYMENTS)
    assert "stacks/member-account.yaml" in remedy(operator, UNDER_THE_ROOT)
    operator.push(containment={"roles": "verify", "ec2_triage": True})
    look_at(operator)
    assert verdicts(operator)[DESIGNATED] == ("NotReady", ["triage_policy_missing"])


def delete_role(operator: Operator, account: str) -> None:
    """Delete the containment role there, as an administrator of the account can."""
    client = iam(operator, account)
    for policy in client.list_role_policies(RoleName=CONTAINMENT_ROLE)["PolicyNames"]:
        client.delete_role_policy(RoleName=CONTAINMENT_ROLE, PolicyName=policy)
    client.delete_role(RoleName=CONTAINMENT_ROLE)


def deny_reader(operator: Operator, account: str) -> None:
    """Let the reader of the account stay and see nothing any more."""
    iam(operator, account).delete_role_policy(RoleName="muster-member-reader", PolicyName="read")


def remove_reader(operator: Operator, account: str) -> None:
    operator.client("cloudformation", account, "us-east-1").delete_stack(StackName="muster-member-account")


def test_altered_roles_are_written_anew_by_one_operation_for_those_accounts(fresh: Cloud) -> None:
    operator = begin(fresh)
    contain(operator)
    edit_trust(operator, SHOP, remove_external_id)
    edit_policy(operator, EUROPE, EXECUTION_ROLE, EXECUTION_POLICY, drop_an_action)
    operator.cloud.world.clock.advance(3600)
    operator.cloud.clear_calls()

    run = look_at(operator, SHOP, EUROPE)

    assert (run.outcome, writes(operator)) == ("Covered", ["UpdateStackInstances"])
    (call,) = (each for each in operator.calls("UpdateStackInstances") if each["outcome"] == "ok")
    assert call["parameters"]["DeploymentTargets"]["Accounts"] == [SHOP, EUROPE]
    assert verdicts(operator) == {MANAGEMENT: ("AbsentByChoice", []), **dict.fromkeys(MEMBERS, READY)}
    operator.cloud.clear_calls()
    again = look_at(operator)
    assert (again.outcome, operator.writes(), operator.messages()) == ("Covered", [], [])


def test_repair_that_cloudformation_does_not_make_is_tried_once_and_handed_over(fresh: Cloud) -> None:
    operator = begin(fresh)
    operator.cloud.world.switches.set("stack_update_scope", "changed_properties")
    contain(operator)
    edit_trust(operator, SHOP, remove_external_id)
    delete_role(operator, EUROPE)
    operator.cloud.world.clock.advance(3600)
    operator.cloud.clear_calls()

    run = look_at(operator, SHOP, EUROPE)

    assert (run.outcome, writes(operator)) == ("WaitingForHandoff", ["UpdateStackInstances"])
    (handoff,) = run.output["handoffs"]
    assert f"Accounts={SHOP},{EUROPE}," in handoff["command"]
    again = operator.onboard()
    assert (again.output["handoffs"], writes(operator)) == ([handoff], ["UpdateStackInstances"])
    operator.cloud.world.clock.advance(600)
    do_by_hand(operator, again)
    operator.cloud.clear_calls()
    done = operator.onboard()
    assert (done.outcome, writes(operator)) == ("Covered", ["CreateStackInstances"])
    assert verdicts(operator)[SHOP] == verdicts(operator)[EUROPE] == READY


def test_in_sync_is_not_ready_drift_shows_where_to_look_and_the_rest_is_found_in_its_turn(fresh: Cloud) -> None:
    operator = begin(fresh, readers=True, signed_up=True)
    put_stack_set(operator)
    assert contain(operator, "verify").outcome == "Covered"
    operator.cloud.world.clock.advance(90_000)
    edit_trust(operator, SHOP, remove_external_id)
    iam(operator, PAYMENTS).put_role_permissions_boundary(
        RoleName=CONTAINMENT_ROLE, PermissionsBoundary="arn:aws:iam::aws:policy/ReadOnlyAccess"
    )
    operator.onboard()
    operator.cloud.world.clock.advance(3600)

    operator.onboard()

    assert drift(operator) == {SHOP: "DRIFTED", PAYMENTS: "IN_SYNC"}
    assert verdicts(operator)[SHOP] == ("NotReady", ["external_id_missing"])
    for _ in range(7):
        operator.cloud.world.clock.advance(86400)
        operator.onboard()
    assert verdicts(operator)[PAYMENTS] == ("NotReady", ["boundary"])


def drift(operator: Operator) -> dict[str, str]:
    """Return what CloudFormation says of two accounts."""
    client = operator.client("cloudformation", MANAGEMENT, "us-east-1")
    found = client.list_stack_instances(StackSetName=NAME)["Summaries"]
    return {each["Account"]: each["DriftStatus"] for each in found if each["Account"] in (SHOP, PAYMENTS)}


def test_account_that_is_moved_out_of_the_targets_has_lost_its_roles_and_that_is_told_at_once(fresh: Cloud) -> None:
    operator = begin(fresh)
    prod, sandbox = operator.unit_id("Workloads", "Prod"), operator.unit_id("Sandbox")
    scope = {"scope": {"units": ["Workloads"]}}
    before = contain(operator, more=scope, canary_unit=prod, quarantine_units=[sandbox])
    assert {
        f"quarantine unit {sandbox} is not in scope",
        f"quarantine unit {sandbox} gets no containment roles",
    } <= {each["subject"] for each in before.output["notices"]}
    assert verdicts(operator)[SHOP] == READY

    operator.client("organizations", MANAGEMENT).move_account(
        AccountId=SHOP, SourceParentId=prod, DestinationParentId=sandbox
    )
    operator.cloud.world.clock.advance(600)
    after = operator.onboard()

    lost = [each["detail"] for each in after.output["notices"] if "have lost" in each["subject"]]
    assert [SHOP in each for each in lost] == [True]
    assert operator.coverage()[SHOP] == "OutOfScope"


@pytest.mark.parametrize("readers", [False, True])
def test_without_a_reader_nothing_is_called_ready(fresh: Cloud, *, readers: bool) -> None:
    operator = begin(fresh, readers=readers, signed_up=True)
    put_stack_set(operator)

    run = contain(operator, "verify")

    word = "Ready" if readers else "Unknown"
    assert {verdict for account, (verdict, _) in verdicts(operator).items() if account != MANAGEMENT} == {word}
    assert run.outcome == ("Covered" if readers else "NeedsAttention")

"""Stacks of a set whose roles somebody has altered: what updates write, what deletions meet, what overrides keep."""

import json
from typing import Any

import pytest

from tests.embedded_cloud.small_world import LEDGER, PROD, SHOP, SmallWorld, refused
from tests.embedded_cloud.stack_set_world import (
    CONTAINMENT,
    DENIAL,
    DENY_ALL,
    EXECUTION_ROLE,
    NAME,
    OWN_POLICY,
    ROLE,
    SECURITY_AUDIT,
    TRUST,
    StackSets,
    instances,
    repairable,
)

EACH = ("CURRENT", "SUCCEEDED")
FOREIGN_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "999999999999"}, "Action": "sts:AssumeRole"}],
}


def documents(cloud: SmallWorld, name: str, account: str = SHOP) -> dict[str, Any]:
    """All that IAM says of a role, in one document."""
    iam = cloud.iam(account)
    role = iam.get_role(RoleName=name)["Role"]
    policies = iam.list_role_policies(RoleName=name)["PolicyNames"]
    attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    return {
        "trust": role["AssumeRolePolicyDocument"],
        "description": role["Description"],
        "policies": {one: iam.get_role_policy(RoleName=name, PolicyName=one)["PolicyDocument"] for one in policies},
        "attached": {policy["PolicyArn"] for policy in attached},
        "boundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
    }


def alter(cloud: SmallWorld, name: str) -> None:
    """Do to a role what its template names otherwise."""
    iam = cloud.iam(SHOP)
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(FOREIGN_TRUST))
    iam.put_role_policy(RoleName=name, PolicyName=OWN_POLICY, PolicyDocument=json.dumps(DENIAL))
    iam.detach_role_policy(RoleName=EXECUTION_ROLE, PolicyArn=SECURITY_AUDIT)


def add_to(cloud: SmallWorld, name: str) -> None:
    """Add to a role what its template does not name."""
    iam = cloud.iam(SHOP)
    iam.put_role_policy(RoleName=name, PolicyName="Foreign", PolicyDocument=json.dumps(DENIAL))
    iam.attach_role_policy(RoleName=name, PolicyArn=DENY_ALL)
    iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=DENY_ALL)


def remove(cloud: SmallWorld, name: str) -> None:
    """Delete a role as somebody with the right to do so: its policies first."""
    iam = cloud.iam(SHOP)
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    for policy in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
        iam.detach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])
    iam.delete_role(RoleName=name)


def repair(cloud: SmallWorld, stack_sets: StackSets, **values: str | None) -> str:
    operation = stack_sets.override(SHOP, unit=PROD, **(values or {"Repair": "once"}))
    cloud.advance(seconds=40)
    return operation


# --- updates ---


def test_roles_are_made_with_their_documents_and_their_description(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.deployed(PROD, TemplateBody=repairable())
    found = documents(cloud, EXECUTION_ROLE)
    own = {"Effect": "Allow", "Action": ["s3:GetObject", "iam:GetRole"], "Resource": "*"}
    assert found == {
        "trust": TRUST,
        "description": "Repair: none",
        "policies": {OWN_POLICY: {"Version": "2012-10-17", "Statement": [own]}},
        "attached": {SECURITY_AUDIT},
        "boundary": None,
    }


def test_an_override_of_one_property_writes_all_that_the_template_names(
    cloud: SmallWorld, stack_sets: StackSets
) -> None:
    stack_sets.deployed(PROD, TemplateBody=repairable())
    before = documents(cloud, EXECUTION_ROLE)
    number = cloud.iam(SHOP).get_role(RoleName=EXECUTION_ROLE)["Role"]["RoleId"]
    alter(cloud, EXECUTION_ROLE)
    repair(cloud, stack_sets)
    assert documents(cloud, EXECUTION_ROLE) == before | {"description": "Repair: once"}
    assert cloud.iam(SHOP).get_role(RoleName=EXECUTION_ROLE)["Role"]["RoleId"] == number
    assert documents(cloud, EXECUTION_ROLE, LEDGER) == before
    assert stack_sets.states()[SHOP] == EACH


def test_with_the_other_answer_only_the_changed_property_is_written(cloud: SmallWorld, stack_sets: StackSets) -> None:
    cloud.flip("stack_update_scope", "changed_properties")
    stack_sets.deployed(PROD, TemplateBody=repairable())
    alter(cloud, EXECUTION_ROLE)
    repair(cloud, stack_sets)
    assert documents(cloud, EXECUTION_ROLE) == {
        "trust": FOREIGN_TRUST,
        "description": "Repair: once",
        "policies": {OWN_POLICY: DENIAL},
        "attached": set(),
        "boundary": None,
    }


@pytest.mark.parametrize("scope", ["whole_resource", "changed_properties"])
def test_what_the_template_does_not_name_stays(cloud: SmallWorld, stack_sets: StackSets, scope: str) -> None:
    cloud.flip("stack_update_scope", scope)
    stack_sets.deployed(PROD, TemplateBody=repairable())
    add_to(cloud, EXECUTION_ROLE)
    repair(cloud, stack_sets)
    found = documents(cloud, EXECUTION_ROLE)
    assert found["description"] == "Repair: once"
    assert found["policies"]["Foreign"] == DENIAL
    assert found["attached"] == {SECURITY_AUDIT, DENY_ALL}
    assert found["boundary"] == DENY_ALL


@pytest.mark.parametrize("scope", ["whole_resource", "changed_properties"])
def test_a_role_that_does_not_change_is_not_touched(cloud: SmallWorld, stack_sets: StackSets, scope: str) -> None:
    cloud.flip("stack_update_scope", scope)
    stack_sets.deployed(PROD, TemplateBody=repairable(Description="Always the same"))
    for name in (ROLE, EXECUTION_ROLE):
        cloud.iam(SHOP).update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(FOREIGN_TRUST))
    repair(cloud, stack_sets)
    assert documents(cloud, ROLE)["trust"] == FOREIGN_TRUST
    assert documents(cloud, EXECUTION_ROLE)["description"] == "Repair: once"
    repair(cloud, stack_sets, Repair="once")
    cloud.iam(SHOP).detach_role_policy(RoleName=EXECUTION_ROLE, PolicyArn=SECURITY_AUDIT)
    repair(cloud, stack_sets, Repair="once")
    assert documents(cloud, EXECUTION_ROLE)["attached"] == set()


@pytest.mark.parametrize("scope", ["whole_resource", "changed_properties"])
def test_a_property_that_the_template_drops_goes_back_to_its_default(
    cloud: SmallWorld, stack_sets: StackSets, scope: str
) -> None:
    cloud.flip("stack_update_scope", scope)
    more = {"PermissionsBoundary": SECURITY_AUDIT, "MaxSessionDuration": 7200, "ManagedPolicyArns": [SECURITY_AUDIT]}
    tags = [{"Key": "by", "Value": "template"}]
    stack_sets.deployed(PROD, TemplateBody=repairable(**more, Tags=tags))
    cloud.iam(SHOP).tag_role(RoleName=ROLE, Tags=[{"Key": "by-hand", "Value": "yes"}])
    assert documents(cloud, ROLE)["boundary"] == SECURITY_AUDIT
    stack_sets.api().update_stack_set(
        StackSetName=NAME,
        TemplateBody=repairable(Policies=[]),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        OperationPreferences={"FailureTolerancePercentage": 100, "MaxConcurrentPercentage": 100},
    )
    cloud.advance(seconds=40)
    found = documents(cloud, ROLE)
    assert (found["boundary"], found["attached"], found["policies"]) == (None, set(), {})
    role = cloud.iam(SHOP).get_role(RoleName=ROLE)["Role"]
    assert (role["MaxSessionDuration"], role["Tags"]) == (3600, [{"Key": "by-hand", "Value": "yes"}])


def test_a_role_that_somebody_deleted_fails_an_update_of_it(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.deployed(PROD, TemplateBody=repairable())
    remove(cloud, ROLE)
    operation = repair(cloud, stack_sets)
    assert stack_sets.states()[SHOP] == ("OUTDATED", "FAILED")
    assert stack_sets.instances()[SHOP]["StatusReason"] == (
        "ResourceLogicalId:Containment, ResourceType:AWS::IAM::Role, ResourceStatusReason:Resource handler returned "
        f"message: \"Resource of type 'AWS::IAM::Role' with identifier '{ROLE}' was not found.\" "
        "(HandlerErrorCode: NotFound)"
    )
    assert stack_sets.results(operation)[SHOP] == "FAILED"
    (stack,) = stack_sets.api(SHOP).describe_stacks()["Stacks"]
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert documents(cloud, EXECUTION_ROLE)["description"] == "Repair: none"
    assert stack_sets.roles(SHOP) == {EXECUTION_ROLE}


def test_a_role_that_somebody_deleted_is_no_obstacle_to_an_update_of_another_one(
    cloud: SmallWorld, stack_sets: StackSets
) -> None:
    stack_sets.deployed(PROD, TemplateBody=repairable(Description="Always the same"))
    remove(cloud, ROLE)
    repair(cloud, stack_sets)
    assert stack_sets.states()[SHOP] == EACH
    assert documents(cloud, EXECUTION_ROLE)["description"] == "Repair: once"


def test_a_role_that_somebody_made_in_its_place_is_the_stacks_role(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.deployed(PROD, TemplateBody=repairable())
    before = documents(cloud, EXECUTION_ROLE)
    remove(cloud, EXECUTION_ROLE)
    by_hand = stack_sets.create_role_by_hand(SHOP, EXECUTION_ROLE)
    repair(cloud, stack_sets)
    assert documents(cloud, EXECUTION_ROLE) == before | {"description": "Repair: once"}
    assert cloud.iam(SHOP).get_role(RoleName=EXECUTION_ROLE)["Role"]["RoleId"] == by_hand


def test_a_role_whose_managed_policy_does_not_exist_is_not_made(stack_sets: StackSets) -> None:
    missing = f"arn:aws:iam::{SHOP}:policy/Missing"
    stack_sets.deployed(PROD, TemplateBody=repairable(ManagedPolicyArns=[missing]))
    assert stack_sets.states()[SHOP] == ("OUTDATED", "FAILED")
    assert f"Policy {missing} does not exist" in stack_sets.instances()[SHOP]["StatusReason"]
    assert stack_sets.roles(SHOP) == set()


# --- overrides ---


def test_overrides_stay_through_updates_of_the_set(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.deployed(PROD, TemplateBody=repairable())
    repair(cloud, stack_sets, Repair="once")
    stack_sets.api().update_stack_set(
        StackSetName=NAME, UsePreviousTemplate=True, Capabilities=["CAPABILITY_NAMED_IAM"]
    )
    cloud.advance(seconds=40)
    stack_sets.deploy(PROD)
    cloud.advance(seconds=40)
    assert stack_sets.overrides(SHOP) == {"Repair": "once"}
    assert stack_sets.overrides(LEDGER) == {}
    assert documents(cloud, ROLE)["description"] == "Repair: once"


def test_a_list_of_overrides_replaces_the_one_before(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.deployed(PROD, TemplateBody=repairable())
    repair(cloud, stack_sets, Repair="once", Other="x")
    assert stack_sets.overrides(SHOP) == {"Repair": "once", "Other": "x"}
    repair(cloud, stack_sets, Repair="twice", Other=None)
    assert stack_sets.overrides(SHOP) == {"Repair": "twice", "Other": "x"}
    repair(cloud, stack_sets, Other="y")
    assert stack_sets.overrides(SHOP) == {"Other": "y"}
    assert documents(cloud, ROLE)["description"] == "Repair: none"
    repair(cloud, stack_sets, Repair=None, Other=None)
    assert stack_sets.overrides(SHOP) == {"Other": "y"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"ParameterKey": "Repair", "ParameterValue": "x", "UsePreviousValue": True},
        {"ParameterKey": "Unknown", "UsePreviousValue": True},
        {"ParameterKey": "Repair", "ParameterValue": "Not this"},
    ],
    ids=str,
)
def test_overrides_that_cannot_be_are_refused(stack_sets: StackSets, wrong: dict[str, Any]) -> None:
    stack_sets.deployed(PROD, TemplateBody=repairable())
    request = instances(PROD) | {"ParameterOverrides": [wrong]}
    assert refused(stack_sets.api().update_stack_instances, **request) == ("ValidationError", 400)
    assert stack_sets.operations() == [("CREATE", "SUCCEEDED")]


# --- deletions ---


def delete(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.api().delete_stack_instances(**instances(PROD), RetainStacks=False)
    cloud.advance(seconds=40)


def test_instances_that_are_deleted_and_created_again_have_fresh_roles(
    cloud: SmallWorld, stack_sets: StackSets
) -> None:
    stack_sets.deployed(PROD, TemplateBody=CONTAINMENT)
    before = cloud.iam(SHOP).get_role(RoleName=ROLE)["Role"]["RoleId"]
    found = documents(cloud, ROLE)
    cloud.iam(SHOP).update_assume_role_policy(RoleName=ROLE, PolicyDocument=json.dumps(FOREIGN_TRUST))
    cloud.iam(SHOP).put_role_permissions_boundary(RoleName=ROLE, PermissionsBoundary=DENY_ALL)
    remove(cloud, EXECUTION_ROLE)
    targets = {"OrganizationalUnitIds": [PROD], "Accounts": [SHOP], "AccountFilterType": "INTERSECTION"}
    stack_sets.api().delete_stack_instances(**(instances(PROD) | {"DeploymentTargets": targets}), RetainStacks=False)
    cloud.advance(seconds=40)
    assert stack_sets.roles(SHOP) == set()
    assert stack_sets.states().keys() >= {LEDGER}
    assert SHOP not in stack_sets.states()
    stack_sets.deploy(DeploymentTargets=targets)
    cloud.advance(seconds=40)
    assert stack_sets.states()[SHOP] == EACH
    assert cloud.iam(SHOP).get_role(RoleName=ROLE)["Role"]["RoleId"] != before
    assert documents(cloud, ROLE) == found
    assert documents(cloud, EXECUTION_ROLE)["attached"] == {SECURITY_AUDIT}


@pytest.mark.parametrize(
    ("is_attached", "why"), [(True, "must detach all policies first"), (False, "must delete policies first")]
)
@pytest.mark.parametrize(
    ("name", "left"), [(ROLE, {ROLE, EXECUTION_ROLE}), (EXECUTION_ROLE, {EXECUTION_ROLE})], ids=["first", "last"]
)
def test_a_policy_that_the_template_does_not_name_keeps_its_role_and_what_that_needs(
    cloud: SmallWorld, stack_sets: StackSets, *, is_attached: bool, why: str, name: str, left: set[str]
) -> None:
    iam = cloud.iam(SHOP)
    stack_sets.deployed(PROD, TemplateBody=repairable())
    if is_attached:
        iam.attach_role_policy(RoleName=name, PolicyArn=DENY_ALL)
    else:
        iam.put_role_policy(RoleName=name, PolicyName="Foreign", PolicyDocument=json.dumps(DENIAL))
    delete(cloud, stack_sets)
    assert stack_sets.states() == {SHOP: ("INOPERABLE", "INOPERABLE")}
    reason = stack_sets.instances()[SHOP]["StatusReason"]
    assert f"Cannot delete entity, {why}." in reason
    assert stack_sets.roles(SHOP) == left
    repair(cloud, stack_sets)
    assert stack_sets.states() == {SHOP: ("INOPERABLE", "FAILED")}
    assert "DELETE_FAILED state and can not be updated" in stack_sets.instances()[SHOP]["StatusReason"]
    if is_attached:
        iam.detach_role_policy(RoleName=name, PolicyArn=DENY_ALL)
    else:
        iam.delete_role_policy(RoleName=name, PolicyName="Foreign")
    delete(cloud, stack_sets)
    assert (stack_sets.states(), stack_sets.roles(SHOP)) == ({}, set())


# --- what somebody in the account does by hand ---


def test_iam_deletes_no_role_that_has_policies(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.deployed(PROD, TemplateBody=repairable())
    assert refused(cloud.iam(SHOP).delete_role, RoleName=ROLE) == ("DeleteConflict", 409)
    remove(cloud, ROLE)
    assert refused(cloud.iam(SHOP).get_role, RoleName=ROLE) == ("NoSuchEntity", 404)


def test_a_boundary_is_put_on_a_role_and_taken_off(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.deployed(PROD, TemplateBody=repairable())
    cloud.iam(SHOP).put_role_permissions_boundary(RoleName=ROLE, PermissionsBoundary=DENY_ALL)
    assert cloud.iam(SHOP).get_role(RoleName=ROLE)["Role"]["PermissionsBoundary"] == {
        "PermissionsBoundaryType": "PermissionsBoundaryPolicy",
        "PermissionsBoundaryArn": DENY_ALL,
    }
    cloud.iam(SHOP).delete_role_permissions_boundary(RoleName=ROLE)
    assert documents(cloud, ROLE)["boundary"] is None


def test_policies_of_aws_have_their_documents(cloud: SmallWorld) -> None:
    def document(arn: str) -> Any:
        version = cloud.iam(SHOP).get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        return cloud.iam(SHOP).get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]

    (denial,) = document(DENY_ALL)["Statement"]
    assert (denial["Effect"], denial["Action"], denial["Resource"]) == ("Deny", ["*"], "*")
    audit = document(SECURITY_AUDIT)["Statement"]
    assert {statement["Effect"] for statement in audit} == {"Allow"}
    assert any("iam:GetRole" in action or action == "iam:Get*" for one in audit for action in one["Action"])
    missing = "arn:aws:iam::aws:policy/Nothing"
    assert refused(cloud.iam(SHOP).get_policy, PolicyArn=missing) == ("NoSuchEntity", 404)
    assert refused(cloud.iam(SHOP).attach_role_policy, RoleName="x", PolicyArn=DENY_ALL) == ("NoSuchEntity", 404)


def test_a_policy_of_aws_is_attached_once_and_in_one_account(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.deployed(PROD, TemplateBody=repairable())
    for _ in range(2):
        cloud.iam(SHOP).attach_role_policy(RoleName=ROLE, PolicyArn=DENY_ALL)
    assert cloud.iam(SHOP).get_policy(PolicyArn=DENY_ALL)["Policy"]["AttachmentCount"] == 1
    assert documents(cloud, ROLE)["attached"] == {DENY_ALL}
    assert documents(cloud, ROLE, LEDGER)["attached"] == set()


def test_attached_policies_are_listed_in_pages(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.deployed(PROD, TemplateBody=repairable())
    cloud.iam(SHOP).attach_role_policy(RoleName=EXECUTION_ROLE, PolicyArn=DENY_ALL)
    list_attached = cloud.iam(SHOP).list_attached_role_policies
    first = list_attached(RoleName=EXECUTION_ROLE, MaxItems=1)
    second = list_attached(RoleName=EXECUTION_ROLE, Marker=first["Marker"])
    assert [first["IsTruncated"], second["IsTruncated"]] == [True, False]
    assert [page["AttachedPolicies"][0]["PolicyArn"] for page in (first, second)] == [DENY_ALL, SECURITY_AUDIT]

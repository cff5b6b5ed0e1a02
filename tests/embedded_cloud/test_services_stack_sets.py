import json
from typing import Any

import pytest

from tests.embedded_cloud.small_world import (
    HOME,
    LEDGER,
    LOG_ARCHIVE,
    MANAGEMENT,
    PROD,
    SECURITY,
    SECURITY_TOOLING,
    SHOP,
    SmallWorld,
    refused,
)
from tests.embedded_cloud.stack_set_world import (
    AUTO_DEPLOYMENT,
    CONTAINMENT,
    EXECUTION_ROLE,
    NAME,
    ROLE,
    WITHOUT_AUTO_DEPLOYMENT,
    StackSets,
    instances,
    template,
)

STACK_SETS = "member.org.stacksets.cloudformation.amazonaws.com"
NOTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}
WISH: dict[str, Any] = {
    "StackSetName": NAME,
    "TemplateBody": template(ROLE),
    "PermissionModel": "SERVICE_MANAGED",
    "Capabilities": ["CAPABILITY_NAMED_IAM"],
    "AutoDeployment": WITHOUT_AUTO_DEPLOYMENT,
}


# --- trusted access ---


def test_an_organization_starts_without_organizations_access(cloud: SmallWorld) -> None:
    assert StackSets(cloud).api().describe_organizations_access()["Status"] == "DISABLED"
    assert refused(StackSets(cloud).api().create_stack_set, **WISH) == ("ValidationError", 400)


def test_organizations_access_is_activated_and_deactivated(cloud: SmallWorld, stack_sets: StackSets) -> None:
    def principals() -> list[str]:
        listed = cloud.organizations().list_aws_service_access_for_organization()["EnabledServicePrincipals"]
        return [entry["ServicePrincipal"] for entry in listed]

    stack_sets.api().activate_organizations_access()
    assert stack_sets.api().describe_organizations_access()["Status"] == "ENABLED"
    assert principals() == [STACK_SETS]
    stack_sets.api().deactivate_organizations_access()
    stack_sets.api().deactivate_organizations_access()
    assert stack_sets.api().describe_organizations_access()["Status"] == "DISABLED"
    assert principals() == []


def test_trusted_access_through_organizations_alone_switches_no_stack_sets_on(cloud: SmallWorld) -> None:
    cloud.organizations().enable_aws_service_access(ServicePrincipal=STACK_SETS)
    assert StackSets(cloud).api().describe_organizations_access()["Status"] == "DISABLED"


def test_a_world_can_begin_with_organizations_access(cloud: SmallWorld) -> None:
    cloud.world.stack_sets_access = True
    assert StackSets(cloud).create().startswith(f"{NAME}:")


@pytest.mark.parametrize("operation", ["activate_organizations_access", "deactivate_organizations_access"])
def test_organizations_access_is_the_management_accounts(stack_sets: StackSets, operation: str) -> None:
    call = getattr(stack_sets.api(SECURITY_TOOLING), operation)
    assert refused(call) == ("InvalidOperationException", 400)


def test_a_member_account_may_not_operate_a_service_managed_set(stack_sets: StackSets) -> None:
    stack_sets.create()
    member = stack_sets.api(SECURITY_TOOLING)
    assert refused(member.create_stack_set, **WISH) == ("ValidationError", 400)
    assert refused(member.create_stack_set, **WISH, CallAs="DELEGATED_ADMIN") == ("ValidationError", 400)
    assert refused(member.describe_stack_set, StackSetName=NAME) == ("StackSetNotFoundException", 404)
    assert member.list_stack_sets()["Summaries"] == []


def test_a_delegated_administrator_operates_the_management_accounts_sets(
    cloud: SmallWorld, stack_sets: StackSets
) -> None:
    cloud.organizations().register_delegated_administrator(AccountId=SECURITY_TOOLING, ServicePrincipal=STACK_SETS)
    member = stack_sets.api(SECURITY_TOOLING)
    member.create_stack_set(**WISH, CallAs="DELEGATED_ADMIN")
    assert member.describe_organizations_access(CallAs="DELEGATED_ADMIN")["Status"] == "ENABLED"
    assert stack_sets.api().describe_stack_set(StackSetName=NAME)["StackSet"]["StackSetARN"].split(":")[4] == MANAGEMENT


# --- sets ---


def test_a_set_is_described_as_it_was_created(stack_sets: StackSets) -> None:
    made = stack_sets.create(
        TemplateBody=CONTAINMENT,
        Description="Two roles",
        Parameters=[{"ParameterKey": "Ec2Triage", "ParameterValue": "true"}],
        Tags=[{"Key": "for", "Value": "containment"}],
        AutoDeployment=AUTO_DEPLOYMENT,
        ManagedExecution={"Active": True},
    )
    for name in (NAME, made, f"arn:aws:cloudformation:{HOME}:{MANAGEMENT}:stackset/{made}"):
        found = stack_sets.api().describe_stack_set(StackSetName=name)["StackSet"]
        assert found == {
            "StackSetName": NAME,
            "StackSetId": made,
            "StackSetARN": f"arn:aws:cloudformation:{HOME}:{MANAGEMENT}:stackset/{made}",
            "Description": "Two roles",
            "Status": "ACTIVE",
            "TemplateBody": CONTAINMENT,
            "Parameters": [{"ParameterKey": "Ec2Triage", "ParameterValue": "true"}],
            "Capabilities": ["CAPABILITY_NAMED_IAM"],
            "Tags": [{"Key": "for", "Value": "containment"}],
            "AutoDeployment": AUTO_DEPLOYMENT,
            "PermissionModel": "SERVICE_MANAGED",
            "ManagedExecution": {"Active": True},
            "OrganizationalUnitIds": [],
            "Regions": [],
            "StackSetDriftDetectionDetails": {
                "DriftStatus": "NOT_CHECKED",
                "TotalStackInstancesCount": 0,
                "DriftedStackInstancesCount": 0,
                "InSyncStackInstancesCount": 0,
                "InProgressStackInstancesCount": 0,
                "FailedStackInstancesCount": 0,
            },
        }


def test_a_set_lives_in_one_region(stack_sets: StackSets) -> None:
    stack_sets.create()
    elsewhere = stack_sets.api(region="us-west-2")
    assert refused(elsewhere.describe_stack_set, StackSetName=NAME) == ("StackSetNotFoundException", 404)
    assert elsewhere.list_stack_sets()["Summaries"] == []


def test_a_name_is_used_once(stack_sets: StackSets) -> None:
    stack_sets.create()
    assert refused(stack_sets.api().create_stack_set, **WISH) == ("NameAlreadyExistsException", 409)


def test_a_repeated_token_gives_the_same_set(stack_sets: StackSets) -> None:
    made = stack_sets.create(ClientRequestToken="once")
    assert stack_sets.create(ClientRequestToken="once") == made
    create = stack_sets.api().create_stack_set
    others = WISH | {"ClientRequestToken": "once", "Description": "Other"}
    assert refused(create, **others) == ("CreatedButModifiedException", 409)
    stack_sets.deploy(PROD)
    assert refused(create, **WISH, ClientRequestToken="once") == ("CreatedButModifiedException", 409)


def test_a_deleted_set_frees_its_name_and_its_token(stack_sets: StackSets) -> None:
    first = stack_sets.create(ClientRequestToken="once")
    stack_sets.api().delete_stack_set(StackSetName=NAME)
    stack_sets.api().delete_stack_set(StackSetName=NAME)
    second = stack_sets.create(ClientRequestToken="once")
    assert first != second
    listed = stack_sets.api().list_stack_sets()["Summaries"]
    assert [one["Status"] for one in listed] == ["DELETED", "ACTIVE"]
    assert [one["StackSetId"] for one in stack_sets.api().list_stack_sets(Status="ACTIVE")["Summaries"]] == [second]


def test_a_set_with_instances_or_a_running_operation_is_not_deleted(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.create()
    stack_sets.deploy(PROD)
    delete = stack_sets.api().delete_stack_set
    assert refused(delete, StackSetName=NAME) == ("OperationInProgressException", 409)
    cloud.advance(seconds=40)
    assert refused(delete, StackSetName=NAME) == ("StackSetNotEmptyException", 409)
    assert refused(delete, StackSetName=NAME, CallAs="DELEGATED_ADMIN") == ("ValidationError", 400)


def test_sets_are_listed_in_pages(stack_sets: StackSets) -> None:
    for number in range(3):
        stack_sets.create(StackSetName=f"set-{number}")
    first = stack_sets.api().list_stack_sets(MaxResults=2)
    second = stack_sets.api().list_stack_sets(MaxResults=2, NextToken=first["NextToken"])
    names = [one["StackSetName"] for page in (first, second) for one in page["Summaries"]]
    assert (names, "NextToken" in second) == (["set-0", "set-1", "set-2"], False)
    assert refused(stack_sets.api().list_stack_sets, NextToken="elsewhere") == ("ValidationError", 400)


@pytest.mark.parametrize(
    "change",
    [
        {"StackSetName": "1-starts-with-a-digit"},
        {"PermissionModel": "SELF_MANAGED"},
        {"PermissionModel": "NOBODY_MANAGED"},
        {"TemplateBody": ": no yaml ["},
        {"TemplateBody": "Resources: {}"},
        {"TemplateBody": '{"Transform": "AWS::LanguageExtensions", "Resources": {"A": {"Type": "AWS::SNS::Topic"}}}'},
        {"TemplateBody": template(Nested={"Type": "AWS::CloudFormation::Stack", "Properties": {}})},
        {"TemplateBody": template(ROLE) + " " * 51_200},
        {"AutoDeployment": {"Enabled": True}},
        {"AutoDeployment": {"Enabled": False, "RetainStacksOnAccountRemoval": True}},
        {"AutoDeployment": {}},
        {"Parameters": [{"ParameterKey": "Unknown", "ParameterValue": "x"}]},
        {"Parameters": [{"ParameterKey": "Unknown", "UsePreviousValue": True}]},
        {"TemplateBody": CONTAINMENT, "Parameters": [{"ParameterKey": "Ec2Triage", "ParameterValue": "perhaps"}]},
        {"TemplateBody": '{"Parameters": {"P": {"Type": "String"}}, "Resources": {"A": {"Type": "AWS::SNS::Topic"}}}'},
    ],
    ids=str,
)  # fmt: skip
def test_a_set_that_cannot_be_is_refused(stack_sets: StackSets, change: dict[str, Any]) -> None:
    assert refused(stack_sets.api().create_stack_set, **(WISH | change)) == ("ValidationError", 400)


def test_a_set_without_a_template_or_with_its_url_is_refused(stack_sets: StackSets) -> None:
    without = {key: value for key, value in WISH.items() if key != "TemplateBody"}
    create = stack_sets.api().create_stack_set
    assert refused(create, **without) == ("ValidationError", 400)
    assert refused(create, **without, TemplateURL="https://example.com/t.yaml") == ("ValidationError", 400)


@pytest.mark.parametrize(
    ("body", "capabilities"),
    [
        (template(ROLE), []),
        (template(ROLE), ["CAPABILITY_IAM"]),
        (template(User={"Type": "AWS::IAM::User"}), ["CAPABILITY_AUTO_EXPAND"]),
    ],
)
def test_iam_resources_need_their_capability(stack_sets: StackSets, body: str, capabilities: list[str]) -> None:
    change = {"TemplateBody": body, "Capabilities": capabilities}
    found = refused(stack_sets.api().create_stack_set, **(WISH | change))
    assert found == ("InsufficientCapabilitiesException", 400)


@pytest.mark.parametrize(
    ("body", "capabilities"),
    [
        (template(User={"Type": "AWS::IAM::User"}), ["CAPABILITY_IAM"]),
        (template(User={"Type": "AWS::IAM::User"}), ["CAPABILITY_NAMED_IAM"]),
        (template(Topic={"Type": "AWS::SNS::Topic"}), []),
    ],
)
def test_other_resources_need_less(stack_sets: StackSets, body: str, capabilities: list[str]) -> None:
    assert stack_sets.create(TemplateBody=body, Capabilities=capabilities)


# --- updates ---


def update(stack_sets: StackSets, **more: Any) -> str:
    wish: dict[str, Any] = {
        "StackSetName": NAME,
        "UsePreviousTemplate": True,
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
        "OperationPreferences": {"MaxConcurrentPercentage": 100, "FailureTolerancePercentage": 100},
    }
    return str(stack_sets.api().update_stack_set(**(wish | more))["OperationId"])


def test_an_update_changes_the_roles_in_place(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.deployed(PROD, TemplateBody=CONTAINMENT)
    iam = cloud.iam(SHOP)
    before = iam.get_role(RoleName=ROLE)["Role"]
    iam.put_role_policy(RoleName=ROLE, PolicyName="ByHand", PolicyDocument=json.dumps(NOTHING))
    update(stack_sets, Parameters=[{"ParameterKey": "Ec2Triage", "ParameterValue": "true"}])
    assert stack_sets.states()[SHOP] == ("OUTDATED", "RUNNING")
    cloud.advance(seconds=40)
    assert set(iam.list_role_policies(RoleName=ROLE)["PolicyNames"]) == {
        "AWSSecurityIncidentResponseContainmentPolicy",
        "AWSSecurityIncidentResponseInvestigationPolicy",
        "ByHand",
    }
    assert iam.get_role(RoleName=ROLE)["Role"]["RoleId"] == before["RoleId"]
    attached = iam.list_attached_role_policies(RoleName=EXECUTION_ROLE)["AttachedPolicies"]
    assert [policy["PolicyName"] for policy in attached] == ["SecurityAudit"]
    assert stack_sets.states()[SHOP] == ("CURRENT", "SUCCEEDED")


def test_an_update_without_a_change_leaves_what_was_done_by_hand(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.deployed(PROD, TemplateBody=CONTAINMENT)
    policy = "AWSSecurityIncidentResponseContainmentPolicy"
    cloud.iam(SHOP).delete_role_policy(RoleName=ROLE, PolicyName=policy)
    update(stack_sets)
    cloud.advance(seconds=40)
    assert cloud.iam(SHOP).list_role_policies(RoleName=ROLE)["PolicyNames"] == []


def test_an_update_outdates_the_instances_that_it_leaves_out(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.deployed(PROD, SECURITY)
    targets = {"OrganizationalUnitIds": [PROD]}
    changed = template(ROLE, "Second")
    update(stack_sets, UsePreviousTemplate=False, TemplateBody=changed, DeploymentTargets=targets, Regions=[HOME])
    cloud.advance(seconds=40)
    assert stack_sets.states()[LEDGER] == ("CURRENT", "SUCCEEDED")
    assert stack_sets.states()[LOG_ARCHIVE] == ("OUTDATED", "SUCCEEDED")
    assert stack_sets.roles(LEDGER) == {ROLE, "Second"}
    assert stack_sets.roles(LOG_ARCHIVE) == {ROLE}


def test_an_update_names_parameters_anew_or_keeps_them(stack_sets: StackSets) -> None:
    def parameters() -> Any:
        return stack_sets.api().describe_stack_set(StackSetName=NAME)["StackSet"]["Parameters"]

    given = [{"ParameterKey": "Ec2Triage", "ParameterValue": "true"}]
    stack_sets.create(TemplateBody=CONTAINMENT, Parameters=given, ManagedExecution={"Active": True})
    update(stack_sets, Parameters=[{"ParameterKey": "Ec2Triage", "UsePreviousValue": True}])
    assert parameters() == given
    update(stack_sets)
    assert parameters() == []


def test_an_update_changes_the_set_itself(stack_sets: StackSets) -> None:
    stack_sets.create(Tags=[{"Key": "a", "Value": "b"}])
    update(stack_sets, AutoDeployment=AUTO_DEPLOYMENT, Description="New", Tags=[{"Key": "c", "Value": "d"}])
    found = stack_sets.api().describe_stack_set(StackSetName=NAME)["StackSet"]
    assert found["AutoDeployment"] == AUTO_DEPLOYMENT
    assert (found["Description"], found["Tags"]) == ("New", [{"Key": "c", "Value": "d"}])


@pytest.mark.parametrize(
    "change",
    [
        {"UsePreviousTemplate": False},
        {"AutoDeployment": AUTO_DEPLOYMENT, "Regions": [HOME]},
        {"PermissionModel": "SELF_MANAGED"},
        {"OperationPreferences": {"MaxConcurrentCount": 1, "MaxConcurrentPercentage": 1}},
    ],
    ids=str,
)
def test_an_update_that_cannot_be_is_refused(stack_sets: StackSets, change: dict[str, Any]) -> None:
    stack_sets.create()
    wish: dict[str, Any] = {
        "StackSetName": NAME,
        "UsePreviousTemplate": True,
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
    }
    assert refused(stack_sets.api().update_stack_set, **(wish | change)) == ("ValidationError", 400)


def test_an_update_needs_the_capabilities_again(stack_sets: StackSets) -> None:
    stack_sets.create()
    found = refused(stack_sets.api().update_stack_set, StackSetName=NAME, UsePreviousTemplate=True)
    assert found == ("InsufficientCapabilitiesException", 400)


def test_the_execution_configuration_does_not_change_while_an_operation_runs(stack_sets: StackSets) -> None:
    stack_sets.create(ManagedExecution={"Active": True})
    stack_sets.deploy(PROD)
    found = refused(
        stack_sets.api().update_stack_set,
        StackSetName=NAME,
        UsePreviousTemplate=True,
        Capabilities=["CAPABILITY_NAMED_IAM"],
        ManagedExecution={"Active": False},
    )
    assert found == ("InvalidOperationException", 400)


def test_overridden_parameters_stay_overridden(cloud: SmallWorld, stack_sets: StackSets) -> None:
    stack_sets.deployed(PROD, TemplateBody=CONTAINMENT)
    override = [{"ParameterKey": "Ec2Triage", "ParameterValue": "true"}]
    request = instances(PROD)
    request["DeploymentTargets"] |= {"Accounts": [SHOP], "AccountFilterType": "INTERSECTION"}
    stack_sets.api().update_stack_instances(**request, ParameterOverrides=override)
    cloud.advance(seconds=40)
    update(stack_sets)
    cloud.advance(seconds=40)
    found = stack_sets.api().describe_stack_instance(
        StackSetName=NAME, StackInstanceAccount=SHOP, StackInstanceRegion=HOME
    )["StackInstance"]
    assert found["ParameterOverrides"] == override
    policies = {
        account: cloud.iam(account).list_role_policies(RoleName=ROLE)["PolicyNames"] for account in (SHOP, LEDGER)
    }
    assert [len(policies[SHOP]), len(policies[LEDGER])] == [2, 1]


def test_instances_that_are_not_there_are_not_updated(stack_sets: StackSets) -> None:
    stack_sets.create()
    found = refused(stack_sets.api().update_stack_instances, **instances(PROD))
    assert found == ("StackInstanceNotFoundException", 404)

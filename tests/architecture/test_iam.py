"""What the roles may do, read from the templates as they are deployed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from tools.expand_template import expand

FORBIDDEN = {
    "security-ir:CancelMembership",
    "organizations:DeregisterDelegatedAdministrator",
    "organizations:DisableAWSServiceAccess",
    "iam:DeleteServiceLinkedRole",
}
# Actions that have no resource type, or whose resources nobody can name before they are read.
ANY_RESOURCE = {
    "cloudformation:ActivateOrganizationsAccess",
    "cloudformation:CreateStackSet",
    "cloudformation:ListStackSets",
    "cloudformation:DescribeOrganizationsAccess",
    "cloudtrail:DescribeTrails",
    "cloudtrail:LookupEvents",
    "organizations:DescribeOrganization",
    "organizations:DescribeOrganizationalUnit",
    "organizations:EnableAWSServiceAccess",
    "organizations:ListAccounts",
    "organizations:ListAWSServiceAccessForOrganization",
    "organizations:ListDelegatedAdministrators",
    "organizations:ListOrganizationalUnitsForParent",
    "organizations:ListRoots",
    "organizations:RegisterDelegatedAdministrator",
    "security-ir:ListMemberships",
    "ssm:DescribeParameters",
    "states:SendTaskSuccess",
}
BASIC_EXECUTION = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
APPLICATION = expand(Path("template.yaml"))["Resources"]
MANAGEMENT = yaml_parse(Path("stacks/management-account.yaml").read_text())["Resources"]


def of_type(resources: dict[str, Any], kind: str) -> dict[str, Any]:
    return {name: item["Properties"] for name, item in resources.items() if item["Type"] == kind}


ROLES = {**of_type(APPLICATION, "AWS::IAM::Role"), **of_type(MANAGEMENT, "AWS::IAM::Role")}


def as_list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(role: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for policy in role.get("Policies", []):
        for statement in policy["PolicyDocument"]["Statement"]:
            yield statement["Fn::If"][1] if "Fn::If" in statement else statement


def test_every_function_and_machine_has_a_role_of_its_own() -> None:
    functions = of_type(APPLICATION, "AWS::Lambda::Function")
    machines = of_type(APPLICATION, "AWS::StepFunctions::StateMachine")
    used = [str(item["Role"]) for item in functions.values()] + [str(item["RoleArn"]) for item in machines.values()]

    assert len(functions) == 12
    assert len(machines) == 3
    assert len(used) == len(set(used)) == len(of_type(APPLICATION, "AWS::IAM::Role"))


@pytest.mark.parametrize("name", ROLES)
def test_role_has_no_wildcard_in_an_action_and_no_negation(name: str) -> None:
    for statement in statements(ROLES[name]):
        assert "NotAction" not in statement
        assert "NotResource" not in statement
        for action in as_list(statement["Action"]):
            assert "*" not in action


@pytest.mark.parametrize("name", ROLES)
def test_any_resource_is_granted_only_where_none_can_be_named(name: str) -> None:
    for statement in statements(ROLES[name]):
        if "*" in as_list(statement["Resource"]):
            assert set(as_list(statement["Action"])) <= ANY_RESOURCE


@pytest.mark.parametrize("name", ROLES)
def test_role_denies_the_forbidden_calls_and_has_no_other_managed_policy_but_basic_execution(name: str) -> None:
    policies = ROLES[name]["ManagedPolicyArns"]

    assert {"Ref": "ForbiddenCalls"} in policies
    assert [policy for policy in policies if policy != {"Ref": "ForbiddenCalls"}] in ([], [BASIC_EXECUTION])


@pytest.mark.parametrize("resources", [APPLICATION, MANAGEMENT], ids=["application", "management"])
def test_forbidden_calls_are_denied_without_a_condition(resources: dict[str, Any]) -> None:
    (statement,) = resources["ForbiddenCalls"]["Properties"]["PolicyDocument"]["Statement"]

    assert set(statement["Action"]) == FORBIDDEN
    assert (statement["Effect"], statement["Resource"]) == ("Deny", "*")
    assert "Condition" not in statement


@pytest.mark.parametrize("name", ROLES)
def test_no_role_allows_a_forbidden_call(name: str) -> None:
    allowed = {action for statement in statements(ROLES[name]) for action in as_list(statement["Action"])}

    assert not allowed & FORBIDDEN


@pytest.mark.parametrize("name", of_type(MANAGEMENT, "AWS::IAM::Role"))
def test_management_role_trusts_roles_by_name_in_one_account_of_this_organization(name: str) -> None:
    (statement,) = ROLES[name]["AssumeRolePolicyDocument"]["Statement"]

    assert statement["Principal"] == {"AWS": {"Fn::Sub": "arn:aws:iam::${ApplicationAccountId}:root"}}
    assert statement["Condition"]["StringEquals"] == {"aws:PrincipalOrgID": {"Ref": "OrganizationId"}}
    assert all(":role/" in arn["Fn::Sub"] for arn in as_list(statement["Condition"]["ArnEquals"]["aws:PrincipalArn"]))


def test_each_write_in_the_management_account_is_pinned_to_the_service() -> None:
    pinned = {
        action: statement["Condition"]["StringEquals"]
        for statement in statements(ROLES["OnboardingRole"])
        for action in as_list(statement["Action"])
    }

    assert pinned == {
        "organizations:EnableAWSServiceAccess": {"organizations:ServicePrincipal": "security-ir.amazonaws.com"},
        "organizations:RegisterDelegatedAdministrator": {"organizations:ServicePrincipal": "security-ir.amazonaws.com"},
        "iam:CreateServiceLinkedRole": {"iam:AWSServiceName": "triage.security-ir.amazonaws.com"},
    }


def test_containment_roles_are_deployed_by_one_stack_set_and_never_taken_away() -> None:
    first, then = statements(ROLES["ContainmentDeploymentRole"])

    assert set(first["Action"]) == {"cloudformation:ActivateOrganizationsAccess", "cloudformation:CreateStackSet"}
    assert set(then["Action"]) == {
        "cloudformation:UpdateStackSet",
        "cloudformation:CreateStackInstances",
        "cloudformation:UpdateStackInstances",
    }
    assert then["Resource"] == [
        {"Fn::Sub": "arn:aws:cloudformation:*:${AWS::AccountId}:stackset/${ContainmentStackSetName}:*"},
        {"Fn::Sub": "arn:aws:cloudformation:*:*:stackset-target/${ContainmentStackSetName}:*"},
        "arn:aws:cloudformation:*:*:type/resource/AWS-IAM-Role",
    ]


def test_nobody_changes_the_containment_roles_but_through_that_stack_set() -> None:
    """So with any lower access than manage, as verify needs, there is nothing that could."""
    members = of_type(yaml_parse(Path("stacks/member-account.yaml").read_text())["Resources"], "AWS::IAM::Role")
    writes = {
        (name, action)
        for name, role in (*ROLES.items(), *members.items())
        for statement in statements(role)
        for action in as_list(statement["Action"])
        if statement["Effect"] == "Allow"
        and action.startswith(("iam:", "cloudformation:"))
        and not action.partition(":")[2].startswith(("Get", "List", "Describe"))
    }

    assert {action for _, action in writes if action.startswith("iam:")} == {"iam:CreateServiceLinkedRole"}
    assert {(name, action) for name, action in writes if action.startswith("cloudformation:")} == {
        # It compares and changes nothing.
        ("ReaderRole", "cloudformation:DetectStackSetDrift"),
        *(
            ("ContainmentDeploymentRole", f"cloudformation:{action}")
            for action in (
                "ActivateOrganizationsAccess",
                "CreateStackSet",
                "UpdateStackSet",
                "CreateStackInstances",
                "UpdateStackInstances",
            )
        ),
    }


def test_only_sign_up_and_contact_setup_read_the_responders() -> None:
    readers = {
        name
        for name, role in ROLES.items()
        for statement in statements(role)
        if "ssm:GetParameter" in as_list(statement["Action"])
    }

    assert readers == {"SignUpRole", "ContactSetupRole"}


def test_access_levels_of_the_management_stack_are_a_ladder() -> None:
    conditions = yaml_parse(Path("stacks/management-account.yaml").read_text())["Conditions"]

    assert MANAGEMENT["ReaderRole"]["Condition"] == "CanRead"
    assert conditions["CanRead"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "Access"}, "forward"]}]}
    assert MANAGEMENT["ContainmentDeploymentRole"]["Condition"] == "CanManage"
    assert conditions["CanManage"] == {"Fn::Equals": [{"Ref": "Access"}, "manage"]}
    assert MANAGEMENT["OnboardingRole"]["Condition"] == "CanOnboard"
    assert conditions["CanOnboard"] == {
        "Fn::Or": [{"Fn::Equals": [{"Ref": "Access"}, level]} for level in ("onboard", "manage")]
    }


def test_state_bucket_outlives_the_stack_and_is_closed() -> None:
    bucket = APPLICATION["StateBucket"]

    assert bucket["DeletionPolicy"] == "RetainExceptOnCreate"
    assert bucket["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}
    assert all(bucket["Properties"]["PublicAccessBlockConfiguration"].values())


@pytest.mark.parametrize("function", ["ApprovalFunction", "PreferenceFunction"])
def test_who_answers_and_attests_is_no_role_of_the_application(function: str) -> None:
    variables = APPLICATION[function]["Properties"]["Environment"]["Variables"]
    known = set(variables["MUSTER_OWN_ROLES"]["Fn::Sub"].split(","))

    assert known == {role["RoleName"]["Fn::Sub"] for role in of_type(APPLICATION, "AWS::IAM::Role").values()}

"""What Muster may do in a member account, read from the template of the optional StackSet."""

from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

PATH = Path("stacks/member-account.yaml")
TEMPLATE = yaml_parse(PATH.read_text())
ROLES = {name: item for name, item in TEMPLATE["Resources"].items() if item["Type"] == "AWS::IAM::Role"}
OWN_ROLE = "arn:aws:iam::${AWS::AccountId}:role/"
TRIAGE_PATH = "aws-service-role/triage.security-ir.amazonaws.com/"
TRIAGE_ROLE = "AWSServiceRoleForSecurityIncidentResponse_Triage"


def statements(name: str) -> list[dict[str, Any]]:
    return [
        statement
        for policy in ROLES[name]["Properties"]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
    ]


def trust(*role_names: str) -> dict[str, Any]:
    """The trust in roles of the application's account, by their names."""
    arns = [{"Fn::Sub": f"arn:aws:iam::${{ApplicationAccountId}}:role/{name}"} for name in role_names]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": {"Fn::Sub": "arn:aws:iam::${ApplicationAccountId}:root"}},
                "Action": "sts:AssumeRole",
                "Condition": {
                    "StringEquals": {"aws:PrincipalOrgID": {"Ref": "OrganizationId"}},
                    "ArnEquals": {"aws:PrincipalArn": arns if len(arns) > 1 else arns[0]},
                },
            }
        ],
    }


def test_template_holds_a_reader_a_repairer_and_what_both_are_denied() -> None:
    assert {name: item["Type"] for name, item in TEMPLATE["Resources"].items()} == {
        "ReaderRole": "AWS::IAM::Role",
        "RepairRole": "AWS::IAM::Role",
        "ForbiddenCalls": "AWS::IAM::ManagedPolicy",
    }
    assert {name: item["Properties"]["RoleName"] for name, item in ROLES.items()} == {
        "ReaderRole": {"Fn::Sub": "${DeploymentName}-member-reader"},
        "RepairRole": {"Fn::Sub": "${DeploymentName}-member-repair"},
    }


def test_reader_trusts_assess_and_containment_of_the_application_alone() -> None:
    properties = ROLES["ReaderRole"]["Properties"]

    assert properties["AssumeRolePolicyDocument"] == trust("${DeploymentName}-assess", "${DeploymentName}-containment")


def test_repairer_trusts_the_function_of_its_name_alone() -> None:
    properties = ROLES["RepairRole"]["Properties"]

    assert properties["AssumeRolePolicyDocument"] == trust("${DeploymentName}-member-repair")


def test_reader_reads_the_roles_of_the_service_and_what_is_attached_to_them_and_nothing_else() -> None:
    found = {each["Sid"]: (each["Effect"], each["Action"], each["Resource"]) for each in statements("ReaderRole")}

    assert found == {
        "ReadContainmentRoles": (
            "Allow",
            ["iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies"],
            [
                {"Fn::Sub": OWN_ROLE + name}
                for name in (
                    "AWSSecurityIncidentResponseContainment",
                    "AWSSecurityIncidentResponseContainmentExecution",
                )
            ],
        ),
        "ReadWhatIsAttachedToThem": (
            "Allow",
            ["iam:GetPolicy", "iam:GetPolicyVersion"],
            [{"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:policy/*"}, "arn:aws:iam::aws:policy/*"],
        ),
        "ReadTriageRole": (
            "Allow",
            "iam:GetRole",
            [{"Fn::Sub": OWN_ROLE + TRIAGE_PATH + TRIAGE_ROLE}, {"Fn::Sub": OWN_ROLE + TRIAGE_ROLE}],
        ),
    }


def test_repairer_creates_the_triage_role_and_nothing_else() -> None:
    (statement,) = statements("RepairRole")

    assert statement == {
        "Sid": "CreateTriageRoleOnly",
        "Effect": "Allow",
        "Action": "iam:CreateServiceLinkedRole",
        "Resource": {"Fn::Sub": OWN_ROLE + TRIAGE_PATH + TRIAGE_ROLE},
        "Condition": {"StringEquals": {"iam:AWSServiceName": "triage.security-ir.amazonaws.com"}},
    }


def test_repairer_is_there_only_when_asked_for_and_not_where_its_name_is_the_functions_own() -> None:
    assert "Condition" not in ROLES["ReaderRole"]
    assert ROLES["RepairRole"]["Condition"] == "CanRepair"
    assert TEMPLATE["Conditions"] == {
        "CanRepair": {
            "Fn::And": [
                {"Fn::Equals": [{"Ref": "Access"}, "repair"]},
                {"Fn::Not": [{"Fn::Equals": [{"Ref": "AWS::AccountId"}, {"Ref": "ApplicationAccountId"}]}]},
            ]
        }
    }
    assert TEMPLATE["Parameters"]["Access"]["Default"] == "read"
    assert TEMPLATE["Parameters"]["Access"]["AllowedValues"] == ["read", "repair"]


@pytest.mark.parametrize("name", ROLES)
def test_role_is_denied_the_forbidden_calls_and_has_no_other_managed_policy(name: str) -> None:
    assert ROLES[name]["Properties"]["ManagedPolicyArns"] == [{"Ref": "ForbiddenCalls"}]


def test_forbidden_calls_are_denied_always_and_without_a_condition() -> None:
    forbidden = TEMPLATE["Resources"]["ForbiddenCalls"]
    (statement,) = forbidden["Properties"]["PolicyDocument"]["Statement"]

    assert "Condition" not in forbidden
    assert statement == {
        "Sid": "NeverEndTheMembership",
        "Effect": "Deny",
        "Action": [
            "security-ir:CancelMembership",
            "organizations:DeregisterDelegatedAdministrator",
            "organizations:DisableAWSServiceAccess",
            "iam:DeleteServiceLinkedRole",
        ],
        "Resource": "*",
    }


@pytest.mark.parametrize("stack", ["template.yaml", "stacks/management-account.yaml"])
def test_the_name_of_a_deployment_is_the_same_kind_of_name_in_every_template(stack: str) -> None:
    others = yaml_parse(Path(stack).read_text())["Parameters"]["DeploymentName"]
    own = TEMPLATE["Parameters"]["DeploymentName"]

    assert (own["Default"], own["AllowedPattern"]) == (others["Default"], others["AllowedPattern"])


def test_accounts_and_organization_are_given_by_their_ids() -> None:
    assert set(TEMPLATE["Parameters"]) == {"DeploymentName", "ApplicationAccountId", "OrganizationId", "Access"}
    assert TEMPLATE["Parameters"]["ApplicationAccountId"]["AllowedPattern"] == r"^\d{12}$"
    assert TEMPLATE["Parameters"]["OrganizationId"]["AllowedPattern"] == "^o-[a-z0-9]{10,32}$"


def test_template_can_be_the_body_of_a_stack_set_with_service_managed_permissions() -> None:
    assert "Transform" not in TEMPLATE
    assert "Fn::Transform" not in str(TEMPLATE)
    assert len(PATH.read_bytes()) < 51_200

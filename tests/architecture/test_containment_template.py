"""The containment roles, compared statement by statement with AWS's templates of the generation of 2026-04-20."""

from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

PATH = Path("stacks/containment-roles.yaml")
TEMPLATE = yaml_parse(PATH.read_text())
ACCOUNT = "333333333333"
CONTAINMENT = "AWSSecurityIncidentResponseContainment"
EXECUTION = "AWSSecurityIncidentResponseContainmentExecution"
EXECUTION_ARN = f"arn:aws:iam::{ACCOUNT}:role/{EXECUTION}"

# What the execution role may do: Sid, service, names of actions. Every statement is for every resource.
EXECUTION_STATEMENTS = {
    "AllowIAMContainment": {
        "iam": """
            AttachRolePolicy AttachUserPolicy DeactivateMFADevice DeleteLoginProfile DeleteRolePolicy
            DeleteUserPolicy GetLoginProfile GetPolicy GetRole GetRolePolicy GetUser GetUserPolicy ListAccessKeys
            ListAttachedRolePolicies ListAttachedUserPolicies ListMfaDevices ListPolicies ListRolePolicies
            ListUserPolicies ListVirtualMFADevices PutRolePolicy PutUserPolicy TagMFADevice TagPolicy TagRole
            TagUser UntagMFADevice UntagPolicy UntagRole UntagUser UpdateAccessKey
        """,
        "identitystore": """
            CreateGroupMembership DeleteGroupMembership IsMemberInGroups ListUsers ListGroups ListGroupMemberships
        """,
    },
    "AllowOrgListAccounts": {
        "organizations": "ListAccounts",
    },
    "AllowSSOContainment": {
        "sso": """
            CreateAccountAssignment DeleteAccountAssignment DeleteInlinePolicyFromPermissionSet
            GetInlinePolicyForPermissionSet ListAccountAssignments ListInstances ListPermissionSets
            ListPermissionSetsProvisionedToAccount PutInlinePolicyToPermissionSet TagResource UntagResource
        """,
    },
    "AllowSSORead": {
        "sso-directory": "SearchUsers DescribeUser",
    },
    "AllowS3Read": {
        "s3": """
            GetAccountPublicAccessBlock GetBucketAcl GetBucketLocation GetBucketOwnershipControls GetBucketPolicy
            GetBucketPolicyStatus GetBucketPublicAccessBlock GetBucketTagging GetEncryptionConfiguration GetObject
            GetObjectAcl GetObjectTagging GetReplicationConfiguration ListBucket
        """,
        "s3express": "GetBucketPolicy",
    },
    "AllowS3Write": {
        "s3": """
            CreateBucket DeleteBucketPolicy DeleteObjectTagging PutAccountPublicAccessBlock PutBucketACL
            PutBucketOwnershipControls PutBucketPolicy PutBucketPublicAccessBlock PutBucketTagging
            PutBucketVersioning PutObject PutObjectAcl
        """,
        "s3express": "CreateSession DeleteBucketPolicy PutBucketPolicy",
    },
    "AllowAutoScalingWrite": {
        "autoscaling": """
            CreateOrUpdateTags DeleteTags DescribeAutoScalingGroups DescribeAutoScalingInstances DescribeTags
            EnterStandby ExitStandby UpdateAutoScalingGroup
        """,
    },
    "AllowEC2Containment": {
        "ec2": """
            AuthorizeSecurityGroupEgress AuthorizeSecurityGroupIngress CopyImage CreateImage CreateSecurityGroup
            CreateSnapshot CreateTags DeleteSecurityGroup DeleteTags DescribeImages DescribeInstances
            DescribeSecurityGroups DescribeSnapshots DescribeTags ModifyNetworkInterfaceAttribute
            RevokeSecurityGroupEgress
        """,
    },
    "AllowKMSActions": {
        "kms": """
            CreateGrant DescribeKey GenerateDataKeyWithoutPlaintext ReEncryptFrom ReEncryptTo
        """,
    },
    "AllowSSMActions": {
        "ssm": "DescribeAutomationExecutions",
    },
}
CONTAINMENT_STATEMENTS = [
    {
        "Effect": "Allow",
        "Action": {"ssm:StartAutomationExecution"},
        "Resource": {
            "arn:aws:ssm:*::document/AWSSupport-ContainEC2Instance",
            "arn:aws:ssm:*::document/AWSSupport-ContainS3Resource",
            "arn:aws:ssm:*::document/AWSSupport-ContainIAMPrincipal",
            f"arn:aws:ssm:*:{ACCOUNT}:automation-execution/*",
        },
    },
    {
        "Effect": "Allow",
        "Action": {"ssm:DescribeInstanceInformation", "ssm:GetAutomationExecution", "ssm:ListCommandInvocations"},
        "Resource": {"*"},
    },
    {
        "Effect": "Allow",
        "Action": {"iam:PassRole"},
        "Resource": {EXECUTION_ARN},
        "Condition": {"StringEquals": {"iam:PassedToService": "ssm.amazonaws.com"}},
    },
]
INVESTIGATION_STATEMENTS = [
    {
        "Effect": "Allow",
        "Action": {
            "ec2:DescribeInstanceStatus",
            "ec2:DescribeInstances",
            "ec2:DescribeRouteTables",
            "ec2:DescribeSecurityGroupRules",
            "iam:GetInstanceProfile",
            "ssm:DescribeInstanceInformation",
            "ssm:GetCommandInvocation",
        },
        "Resource": {"*"},
    },
    {"Effect": "Allow", "Action": {"ssm:SendCommand"}, "Resource": {"*"}},
]


def resolved(value: Any, *, ec2_triage: str, partition: str = "aws") -> Any:
    """What CloudFormation makes of a value of the template in ACCOUNT. Raises KeyError for what it does not know."""

    def resolve(item: Any) -> Any:
        found = item
        match item:
            case {"Ref": name}:
                found = {"AWS::AccountId": ACCOUNT, "AWS::NoValue": None, "Ec2Triage": ec2_triage}[name]
            case {"Fn::Sub": text}:
                found = text.replace("${AWS::Partition}", partition).replace("${AWS::AccountId}", ACCOUNT)
            case {"Fn::GetAtt": [name, "Arn"]}:
                role_name = TEMPLATE["Resources"][name]["Properties"]["RoleName"]
                found = f"arn:{partition}:iam::{ACCOUNT}:role/{role_name}"
            case {"Fn::Equals": [left, right]}:
                found = resolve(left) == resolve(right)
            case {"Fn::If": [condition, true, false]}:
                found = resolve(true if resolve(TEMPLATE["Conditions"][condition]) else false)
            case dict():
                found = {key: resolve(inner) for key, inner in item.items()}
            case list():
                found = [each for inner in item if (each := resolve(inner)) is not None]
            case _:
                pass
        return found

    return resolve(value)


def role(name: str, *, ec2_triage: str = "false") -> Any:
    (properties,) = [
        item["Properties"] for item in TEMPLATE["Resources"].values() if item["Properties"]["RoleName"] == name
    ]
    return resolved(properties, ec2_triage=ec2_triage)


def policies(name: str, *, ec2_triage: str) -> dict[str, list[dict[str, Any]]]:
    """The inline policies of a role, by name, their actions and resources as sets. No list may name a thing twice."""
    found = {
        policy["PolicyName"]: policy["PolicyDocument"]["Statement"]
        for policy in role(name, ec2_triage=ec2_triage)["Policies"]
    }
    return {
        policy: [
            statement | {key: as_set(statement[key]) for key in ("Action", "Resource")} for statement in statements
        ]
        for policy, statements in found.items()
    }


def as_set(value: str | list[str]) -> set[str]:
    listed = [value] if isinstance(value, str) else value
    assert len(listed) == len(set(listed))
    return set(listed)


def test_template_holds_the_two_roles_under_the_logical_ids_and_names_of_aws_and_nothing_else() -> None:
    assert {
        logical_id: (item["Type"], item["Properties"]["RoleName"]) for logical_id, item in TEMPLATE["Resources"].items()
    } == {name: ("AWS::IAM::Role", name) for name in (CONTAINMENT, EXECUTION)}


def test_role_has_no_setting_beyond_those_of_aws() -> None:
    for item in TEMPLATE["Resources"].values():
        assert set(item) == {"Type", "Properties"}
    # A description grants nothing: it is there so that a repair has something to change.
    assert set(role(CONTAINMENT)) == {"RoleName", "Description", "AssumeRolePolicyDocument", "Policies"}
    assert set(role(EXECUTION)) == {
        "RoleName", "Description", "AssumeRolePolicyDocument", "ManagedPolicyArns", "Policies"
    }  # fmt: skip


def test_repair_is_in_the_description_of_both_roles_and_nowhere_else() -> None:
    assert TEMPLATE["Parameters"]["Repair"]["Default"] == "none"
    assert str(TEMPLATE["Resources"]).count("${Repair}") == 2
    assert all("${Repair}" in str(role(name)["Description"]) for name in (CONTAINMENT, EXECUTION))


def test_containment_role_is_assumed_by_the_service_with_the_own_account_as_external_id() -> None:
    principal = {"Service": "containment.security-ir.amazonaws.com"}

    assert role(CONTAINMENT)["AssumeRolePolicyDocument"] == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": principal,
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"sts:ExternalId": ACCOUNT}},
            },
            {"Effect": "Allow", "Principal": principal, "Action": "sts:TagSession"},
        ],
    }


def test_execution_role_is_assumed_by_systems_manager() -> None:
    assert role(EXECUTION)["AssumeRolePolicyDocument"] == {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ssm.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }


def test_without_ec2_triage_the_containment_role_has_the_containment_policy_alone() -> None:
    assert policies(CONTAINMENT, ec2_triage="false") == {
        "AWSSecurityIncidentResponseContainmentPolicy": CONTAINMENT_STATEMENTS
    }


def test_with_ec2_triage_the_containment_role_has_the_investigation_policy_too() -> None:
    assert policies(CONTAINMENT, ec2_triage="true") == {
        "AWSSecurityIncidentResponseContainmentPolicy": CONTAINMENT_STATEMENTS,
        "AWSSecurityIncidentResponseInvestigationPolicy": INVESTIGATION_STATEMENTS,
    }


@pytest.mark.parametrize("ec2_triage", ["false", "true"])
def test_execution_role_may_do_what_awss_table_lists_by_sid(ec2_triage: str) -> None:
    expected = [
        {
            "Sid": sid,
            "Effect": "Allow",
            "Action": {f"{service}:{name}" for service, names in services.items() for name in names.split()},
            "Resource": {"*"},
        }
        for sid, services in EXECUTION_STATEMENTS.items()
    ]

    assert policies(EXECUTION, ec2_triage=ec2_triage) == {
        "AWSSecurityIncidentResponseContainmentExecutionPolicy": expected
    }
    assert role(EXECUTION, ec2_triage=ec2_triage)["ManagedPolicyArns"] == ["arn:aws:iam::aws:policy/SecurityAudit"]


def test_every_policy_is_of_the_present_version_of_the_language() -> None:
    documents = [
        policy["PolicyDocument"]["Version"]
        for name in (CONTAINMENT, EXECUTION)
        for policy in role(name, ec2_triage="true")["Policies"]
    ]

    assert documents == ["2012-10-17"] * 3


def test_ec2_triage_is_off_unless_it_is_asked_for() -> None:
    assert set(TEMPLATE["Parameters"]) == {"Ec2Triage", "Repair"}
    parameter = TEMPLATE["Parameters"]["Ec2Triage"]
    assert (parameter["Default"], parameter["AllowedValues"]) == ("false", ["true", "false"])


def test_no_statement_has_the_form_of_the_old_generation() -> None:
    assert "automation-definition" not in str(TEMPLATE["Resources"])


def test_template_says_which_generation_it_follows() -> None:
    assert TEMPLATE["Metadata"]["Generation"]["Date"] == "2026-04-20"
    assert "2026-04-20" in TEMPLATE["Description"]


def test_every_arn_is_of_the_partition_that_the_stack_is_in() -> None:
    text = str(resolved(TEMPLATE["Resources"], ec2_triage="true", partition="aws-us-gov"))

    assert text.count("arn:aws-us-gov:") == text.count("arn:") == 6


def test_template_can_be_the_body_of_a_stack_set_with_service_managed_permissions() -> None:
    assert "Transform" not in TEMPLATE
    assert "Fn::Transform" not in str(TEMPLATE)
    assert len(PATH.read_bytes()) < 51_200

"""A role reads the roles and policies of its account over HTTP: what it needs, what is recorded, what can go wrong."""

import json
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.embedded_cloud.runtime.conftest import Driver
from tests.embedded_cloud.stack_set_world import DENY_ALL, EXECUTION_ROLE, OWN_POLICY, SECURITY_AUDIT, TRUST, repairable

MEMBER = "333333333333"
READ = f"arn:aws:iam::{MEMBER}:role/{EXECUTION_ROLE}"
OWN = f"arn:aws:iam::{MEMBER}:policy/*"
OF_THE_ROLE = ("GetRole", "ListRolePolicies", "GetRolePolicy", "ListAttachedRolePolicies")


def reader(driver: Driver, *statements: dict[str, Any]) -> Any:
    """Deploy two roles into a member account and return IAM as a third one, which has these statements."""
    driver.cloud.client("cloudformation", MEMBER).create_stack(
        StackName="roles", TemplateBody=repairable(), Capabilities=["CAPABILITY_NAMED_IAM"]
    )
    iam = driver.cloud.client("iam", MEMBER)
    role = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]
    if statements:
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **one} for one in statements]}
        iam.put_role_policy(RoleName="reader", PolicyName="read", PolicyDocument=json.dumps(document))
    session = driver.cloud.session_of(role["Arn"])
    return boto3.Session().client(
        "iam",
        region_name="us-east-1",
        endpoint_url=driver.cloud.url,
        aws_access_key_id=session["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=session["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=session["AWS_SESSION_TOKEN"],
        config=Config(proxies={}, retries={"total_max_attempts": 1}),
    )


def read(iam: Any) -> dict[str, Any]:
    """Read a role, all of its policies, and the document of each that is attached."""
    attached = {}
    for policy in iam.list_attached_role_policies(RoleName=EXECUTION_ROLE)["AttachedPolicies"]:
        version = iam.get_policy(PolicyArn=policy["PolicyArn"])["Policy"]["DefaultVersionId"]
        found = iam.get_policy_version(PolicyArn=policy["PolicyArn"], VersionId=version)["PolicyVersion"]
        attached[policy["PolicyArn"]] = found["Document"]
    names = iam.list_role_policies(RoleName=EXECUTION_ROLE)["PolicyNames"]
    return {
        "trust": iam.get_role(RoleName=EXECUTION_ROLE)["Role"]["AssumeRolePolicyDocument"],
        "inline": {
            name: iam.get_role_policy(RoleName=EXECUTION_ROLE, PolicyName=name)["PolicyDocument"] for name in names
        },
        "attached": attached,
    }


def test_a_role_is_read_with_the_permissions_for_it_and_nothing_is_written(driver: Driver) -> None:
    iam = reader(
        driver,
        {"Action": [f"iam:{operation}" for operation in OF_THE_ROLE], "Resource": READ},
        {"Action": ["iam:GetPolicy", "iam:GetPolicyVersion"], "Resource": [OWN, SECURITY_AUDIT]},
    )
    found = read(iam)
    assert found["trust"] == TRUST
    assert found["inline"].keys() == {OWN_POLICY}
    assert found["attached"][SECURITY_AUDIT]["Statement"][0]["Effect"] == "Allow"
    seen = {(one["action"], one["resource"]) for one in driver.cloud.permissions() if one["role"] == "reader"}
    assert seen >= {
        *((f"iam:{operation}", READ) for operation in OF_THE_ROLE),
        ("iam:GetPolicy", SECURITY_AUDIT),
        ("iam:GetPolicyVersion", SECURITY_AUDIT),
    }
    calls = [call for call in driver.cloud.calls() if call["role"] == "reader"]
    assert {(call["operation"], call["account"], call["outcome"], call["write"]) for call in calls} == {
        (operation, MEMBER, "ok", False) for operation in (*OF_THE_ROLE, "GetPolicy", "GetPolicyVersion")
    }


def test_a_policy_of_aws_that_is_not_allowed_to_be_read_is_denied(driver: Driver) -> None:
    iam = reader(driver, {"Action": "iam:*", "Resource": [READ, OWN]})
    with pytest.raises(ClientError, match=r"not authorized to perform: iam:GetPolicy on resource: .*SecurityAudit"):
        read(iam)


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("put_role_policy", {"PolicyName": OWN_POLICY, "PolicyDocument": "{}"}),
        ("delete_role_policy", {"PolicyName": OWN_POLICY}),
        ("attach_role_policy", {"PolicyArn": DENY_ALL}),
        ("detach_role_policy", {"PolicyArn": SECURITY_AUDIT}),
        ("update_assume_role_policy", {"PolicyDocument": "{}"}),
        ("put_role_permissions_boundary", {"PermissionsBoundary": DENY_ALL}),
        ("delete_role_permissions_boundary", {}),
        ("delete_role", {}),
    ],
)
def test_whoever_may_only_read_a_role_does_not_change_it(
    driver: Driver, operation: str, parameters: dict[str, Any]
) -> None:
    iam = reader(driver, {"Action": ["iam:Get*", "iam:List*"], "Resource": "*"})
    before = read(iam)
    with pytest.raises(ClientError) as refusal:
        getattr(iam, operation)(RoleName=EXECUTION_ROLE, **parameters)
    assert refusal.value.response["Error"]["Code"] == "AccessDenied"
    assert "does not know" not in refusal.value.response["Error"]["Message"]
    assert driver.cloud.calls()[-1]["write"]
    assert read(iam) == before


@pytest.mark.parametrize(
    ("operation", "listed", "result"),
    [
        ("ListRolePolicies", "list_role_policies", "PolicyNames"),
        ("ListAttachedRolePolicies", "list_attached_role_policies", "AttachedPolicies"),
    ],
)
def test_an_empty_page_of_policies_leads_to_the_rest(driver: Driver, operation: str, listed: str, result: str) -> None:
    iam = reader(driver, {"Action": "iam:List*", "Resource": "*"})
    driver.cloud.set_faults([{"service": "iam", "operation": operation, "empty_page": True, "times": 1}])
    first = getattr(iam, listed)(RoleName=EXECUTION_ROLE)
    second = getattr(iam, listed)(RoleName=EXECUTION_ROLE, Marker=first["Marker"])
    assert (first[result], first["IsTruncated"]) == ([], True)
    assert (len(second[result]), second["IsTruncated"]) == (1, False)


def test_what_aws_gives_a_role_is_no_part_of_what_its_template_allows(driver: Driver) -> None:
    iam = driver.cloud.client("iam")
    attached = iam.list_attached_role_policies(RoleName="muster-sample")["AttachedPolicies"]
    assert "AWSLambdaBasicExecutionRole" in {policy["PolicyName"] for policy in attached}
    allowed = [
        statement for document in driver.cloud.role_policies()["muster-sample"] for statement in document["Statement"]
    ]
    assert not any("logs:" in str(statement["Action"]) for statement in allowed)

"""StackSets as a role of the application calls them over HTTP: permissions, faults and what is recorded."""

import json
from typing import Any

import pytest

from tests.embedded_cloud.runtime.conftest import APPLICATION, MANAGEMENT, REGION, Driver
from tests.embedded_cloud.stack_set_world import NAME, ROLE, template

SET = f"arn:aws:cloudformation:{REGION}:{APPLICATION}:stackset/{NAME}:*"
TARGETS = f"arn:aws:cloudformation:*:*:stackset-target/{NAME}:*/*"
CREATE = {
    "StackSetName": NAME,
    "TemplateBody": template(ROLE),
    "PermissionModel": "SERVICE_MANAGED",
    "Capabilities": ["CAPABILITY_NAMED_IAM"],
    "AutoDeployment": {"Enabled": False},
}


def let_the_function(driver: Driver, *statements: dict[str, Any]) -> None:
    """Give the sample's role a policy, and its account the administration of StackSets."""
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **one} for one in statements]}
    iam = driver.cloud.client("iam", APPLICATION)
    iam.put_role_policy(RoleName="muster-sample", PolicyName="stack-sets", PolicyDocument=json.dumps(document))
    driver.cloud.world.stack_sets_access = True
    driver.cloud.client("organizations", MANAGEMENT).register_delegated_administrator(
        AccountId=APPLICATION, ServicePrincipal="member.org.stacksets.cloudformation.amazonaws.com"
    )


def call(driver: Driver, operation: str, **parameters: Any) -> Any:
    return driver.call("cloudformation", operation, parameters={"CallAs": "DELEGATED_ADMIN", **parameters})


def create_instances(driver: Driver) -> Any:
    return call(
        driver,
        "create_stack_instances",
        StackSetName=NAME,
        Regions=[REGION],
        DeploymentTargets={"OrganizationalUnitIds": [driver.cloud.world.tree.root_id]},
    )


def sets(driver: Driver) -> list[str]:
    found = driver.cloud.client("cloudformation", MANAGEMENT).list_stack_sets()["Summaries"]
    return [one["StackSetName"] for one in found]


def test_instances_need_the_set_and_each_target(driver: Driver) -> None:
    let_the_function(
        driver,
        {"Action": "cloudformation:CreateStackSet", "Resource": "*"},
        {"Action": "cloudformation:CreateStackInstances", "Resource": SET},
    )
    assert "StackSetId" in call(driver, "create_stack_set", **CREATE)
    assert create_instances(driver)["code"] == "AccessDenied"
    let_the_function_also_on_targets(driver)
    assert "OperationId" in create_instances(driver)
    asked = {one["resource"] for one in driver.cloud.permissions() if "StackInstances" in one["action"]}
    root = driver.cloud.world.tree.root_id
    assert asked == {SET, f"arn:aws:cloudformation:*:*:stackset-target/{NAME}:*/{root}"}
    written = [(one["operation"], one["outcome"], one["write"]) for one in driver.cloud.calls()]
    assert written == [
        ("CreateStackSet", "ok", True),
        ("CreateStackInstances", "AccessDenied", True),
        ("CreateStackInstances", "ok", True),
    ]


def let_the_function_also_on_targets(driver: Driver) -> None:
    condition = {"StringEquals": {"cloudformation:TargetRegion": REGION}}
    statement = {
        "Effect": "Allow",
        "Action": "cloudformation:CreateStackInstances",
        "Resource": TARGETS,
        "Condition": condition,
    }
    driver.cloud.client("iam", APPLICATION).put_role_policy(
        RoleName="muster-sample",
        PolicyName="targets",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )


def test_a_refusal_reaches_the_function_with_its_code(driver: Driver) -> None:
    let_the_function(driver, {"Action": "cloudformation:*", "Resource": "*"})
    call(driver, "create_stack_set", **CREATE)
    again = call(driver, "create_stack_set", **CREATE)
    assert (again["code"], again["status"]) == ("NameAlreadyExistsException", 409)
    assert call(driver, "describe_stack_set", StackSetName="x")["code"] == "StackSetNotFoundException"


@pytest.mark.parametrize(
    ("fault", "code", "made"),
    [
        ({"error": "LimitExceededException"}, "LimitExceededException", []),
        ({"error": "Throttling"}, "Throttling", []),
        ({"error": "Timeout"}, "ConnectionClosedError", []),
        ({"drop_response": True}, "ConnectionClosedError", [NAME]),
    ],
)
def test_faults_come_before_or_after_the_set_is_made(
    driver: Driver, fault: dict[str, Any], code: str, made: list[str]
) -> None:
    let_the_function(driver, {"Action": "cloudformation:*", "Resource": "*"})
    driver.cloud.set_faults([{"service": "cloudformation", "operation": "CreateStackSet", "times": 1, **fault}])
    assert call(driver, "create_stack_set", **CREATE)["code"] == code
    assert sets(driver) == made


def test_a_killed_function_has_made_the_set(driver: Driver) -> None:
    let_the_function(driver, {"Action": "cloudformation:*", "Resource": "*"})
    driver.cloud.set_faults(
        [{"service": "cloudformation", "operation": "CreateStackSet", "times": 1, "kill_function": True}]
    )
    parameters = {"CallAs": "DELEGATED_ADMIN", **CREATE}
    one = {"service": "cloudformation", "operation": "create_stack_set", "parameters": parameters}
    assert driver.invoke(do="call", calls=[one])[0] == "Unhandled"
    assert sets(driver) == [NAME]


def test_the_trail_is_read_with_permission(driver: Driver) -> None:
    trail = f"arn:aws:cloudtrail:us-east-1:{MANAGEMENT}:trail/organization-trail"
    let_the_function(
        driver,
        {"Action": "cloudtrail:DescribeTrails", "Resource": "*"},
        {"Action": "cloudtrail:GetTrailStatus", "Resource": trail},
    )
    assert driver.call("cloudtrail", "describe_trails")["trailList"] == []
    driver.call("cloudtrail", "get_trail_status", parameters={"Name": trail})
    assert [one["resource"] for one in driver.cloud.permissions() if one["action"].endswith("TrailStatus")] == [trail]


def test_roles_reach_the_members_as_time_passes(driver: Driver) -> None:
    let_the_function(driver, {"Action": "cloudformation:*", "Resource": "*"})
    call(driver, "create_stack_set", **CREATE)
    create_instances(driver)
    driver.cloud.world.clock.advance(40)
    roles = driver.cloud.client("iam", "333333333333").list_roles()["Roles"]
    assert ROLE in {role["RoleName"] for role in roles}


def test_a_detection_of_drift_needs_the_set_and_is_no_write(driver: Driver) -> None:
    let_the_function(
        driver,
        {"Action": "cloudformation:CreateStackSet", "Resource": "*"},
        {"Action": "cloudformation:DetectStackSetDrift", "Resource": SET},
    )
    call(driver, "create_stack_set", **CREATE)
    other = call(driver, "detect_stack_set_drift", StackSetName="other")
    assert "OperationId" in call(driver, "detect_stack_set_drift", StackSetName=NAME)
    detections = [one for one in driver.cloud.calls() if one["operation"] == "DetectStackSetDrift"]
    assert [(one["outcome"], one["write"]) for one in detections] == [("AccessDenied", False), ("ok", False)]
    assert "stackset/other:*" in other["message"]
    asked = {one["resource"] for one in driver.cloud.permissions() if one["action"].endswith(":DetectStackSetDrift")}
    assert asked == {SET, SET.replace(NAME, "other")}

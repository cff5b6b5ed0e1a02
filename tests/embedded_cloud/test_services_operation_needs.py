from typing import Any

from muster_local.operation_needs import Realm, needs_of
from muster_local.operations import Call, service_model

REALM = Realm("o-example", "111111111111")
OBJECT = "arn:aws:s3:::state/runs/lease.json"
DOCUMENT = "arn:aws:ssm:eu-west-1:222222222222:document"
EXECUTION = "arn:aws:states:eu-west-1:222222222222:execution:muster-onboard:one"


def needs(service: str, operation: str, **parameters: Any) -> list[tuple[str, str]]:
    """Return the actions and resources that a call needs."""
    model = service_model(service).operation_model(operation)
    role = "arn:aws:iam::222222222222:role/muster-onboard"
    call = Call(service, operation, "eu-west-1", "222222222222", role, parameters, model)
    return [(need.action, need.resource) for need in needs_of(call, REALM)]


def test_a_write_that_compares_tags_has_to_read_as_well() -> None:
    where = {"Bucket": "state", "Key": "runs/lease.json"}
    assert needs("s3", "PutObject", **where) == [("s3:PutObject", OBJECT)]
    assert needs("s3", "PutObject", IfNoneMatch="*", **where) == [("s3:PutObject", OBJECT)]
    assert needs("s3", "PutObject", IfMatch='"1"', **where) == [("s3:PutObject", OBJECT), ("s3:GetObject", OBJECT)]
    assert needs("s3", "DeleteObject", IfMatch="*", **where) == [("s3:DeleteObject", OBJECT)]
    assert needs("s3", "DeleteObject", IfMatch='"1"', **where) == [
        ("s3:DeleteObject", OBJECT),
        ("s3:GetObject", OBJECT),
    ]


def test_the_state_of_calendars_needs_each_of_them() -> None:
    assert needs("ssm", "GetCalendarState", CalendarNames=["changes", f"{DOCUMENT}/freeze"]) == [
        ("ssm:GetCalendarState", f"{DOCUMENT}/changes"),
        ("ssm:GetCalendarState", f"{DOCUMENT}/freeze"),
    ]


def test_the_event_history_and_answers_to_tokens_have_no_resource() -> None:
    assert needs("cloudtrail", "LookupEvents") == [("cloudtrail:LookupEvents", "*")]
    assert needs("states", "SendTaskSuccess", taskToken="t", output="{}") == [("states:SendTaskSuccess", "*")]
    assert needs("states", "SendTaskFailure", taskToken="t") == [("states:SendTaskFailure", "*")]


def test_an_execution_is_described_and_stopped_by_its_own_name() -> None:
    for operation in ("DescribeExecution", "StopExecution"):
        assert needs("states", operation, executionArn=EXECUTION) == [(f"states:{operation}", EXECUTION)]


def test_a_role_is_read_and_changed_by_its_own_name() -> None:
    role = "arn:aws:iam::222222222222:role/Execution"
    for operation in ("GetRole", "ListRolePolicies", "ListAttachedRolePolicies", "UpdateAssumeRolePolicy"):
        assert needs("iam", operation, RoleName="Execution") == [(f"iam:{operation}", role)]
    for operation in ("GetRolePolicy", "PutRolePolicy", "DeleteRolePolicy"):
        assert needs("iam", operation, RoleName="Execution", PolicyName="Own") == [(f"iam:{operation}", role)]
    for operation in ("AttachRolePolicy", "DetachRolePolicy", "PutRolePermissionsBoundary"):
        assert needs("iam", operation, RoleName="Execution", PolicyArn="any") == [(f"iam:{operation}", role)]


def test_a_managed_policy_is_read_by_its_own_name() -> None:
    for policy in ("arn:aws:iam::222222222222:policy/own", "arn:aws:iam::aws:policy/SecurityAudit"):
        assert needs("iam", "GetPolicy", PolicyArn=policy) == [("iam:GetPolicy", policy)]
        assert needs("iam", "GetPolicyVersion", PolicyArn=policy, VersionId="v1") == [("iam:GetPolicyVersion", policy)]

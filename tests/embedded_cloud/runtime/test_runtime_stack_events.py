import json
from typing import Any

import pytest

from tests.embedded_cloud.runtime.conftest import APPLICATION, MANAGEMENT, REGION, Driver
from tests.embedded_cloud.runtime.event_driver import AT_HOME, AT_MANAGEMENT, Place, bodies, until

BUS = f"arn:aws:events:{REGION}:{APPLICATION}:event-bus/changes"
FORWARD = f"arn:aws:iam::{MANAGEMENT}:role/forward"
ORGANIZATIONS = {"source": ["aws.organizations"], "detail": {"errorCode": [{"exists": False}]}}


def trust(service: str, action: str, resource: Any) -> dict[str, Any]:
    return {
        "AssumeRolePolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}],
        },
        "Policies": [
            {
                "PolicyName": "allow",
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}],
                },
            }
        ],
    }


def home(due: str = "at(2200-01-01T00:00:00)", **changed: Any) -> dict[str, Any]:
    """Return the application's side: a bus that takes what the forwarder sends, a rule, a queue and a schedule."""
    return {
        "Bus": {"Type": "AWS::Events::EventBus", "Properties": {"Name": "changes"}},
        "BusPolicy": {
            "Type": "AWS::Events::EventBusPolicy",
            "Properties": {
                "EventBusName": {"Ref": "Bus"},
                "StatementId": "forwarder",
                "Statement": {
                    "Effect": "Allow",
                    "Principal": {"AWS": f"arn:aws:iam::{MANAGEMENT}:root"},
                    "Action": "events:PutEvents",
                    "Resource": {"Fn::GetAtt": ["Bus", "Arn"]},
                    "Condition": {
                        "StringEquals": {"events:source": "aws.organizations"},
                        "ArnEquals": {"aws:PrincipalArn": FORWARD},
                    },
                },
            },
        },
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "changes"}},
        "QueuePolicy": {
            "Type": "AWS::SQS::QueuePolicy",
            "Properties": {
                "Queues": [{"Ref": "Queue"}],
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "events.amazonaws.com"},
                            "Action": "sqs:SendMessage",
                            "Resource": {"Fn::GetAtt": ["Queue", "Arn"]},
                        }
                    ],
                },
            },
        },
        "Rule": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "Name": "changes",
                "EventBusName": {"Ref": "Bus"},
                "EventPattern": {"account": [MANAGEMENT], **ORGANIZATIONS},
                "Targets": [
                    {"Id": "queue", "Arn": {"Fn::GetAtt": ["Queue", "Arn"]}, "InputPath": "$.detail.eventName"}
                ],
                **changed,
            },
        },
        "SchedulerRole": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "RoleName": "sweep",
                **trust("scheduler.amazonaws.com", "sqs:SendMessage", {"Fn::GetAtt": ["Queue", "Arn"]}),
            },
        },
        "Sweep": {
            "Type": "AWS::Scheduler::Schedule",
            "Properties": {
                "Name": "sweep",
                "ScheduleExpression": due,
                "FlexibleTimeWindow": {"Mode": "OFF"},
                "Target": {
                    "Arn": {"Fn::GetAtt": ["Queue", "Arn"]},
                    "RoleArn": {"Fn::GetAtt": ["SchedulerRole", "Arn"]},
                    "Input": '"sweep"',
                },
            },
        },
    }


def away() -> dict[str, Any]:
    """Return the management account's side in us-east-1: the forwarder."""
    return {
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {"RoleName": "forward", **trust("events.amazonaws.com", "events:PutEvents", BUS)},
        },
        "Rule": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "Name": "forward",
                "EventPattern": ORGANIZATIONS,
                "Targets": [{"Id": "bus", "Arn": BUS, "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]}}],
            },
        },
    }


def deploy(driver: Driver, resources: dict[str, Any], place: Place = AT_HOME, *, update: bool = False) -> str:
    """Create or update the stack of events and return its status."""
    formation = driver.cloud.client("cloudformation", *place)
    change = formation.update_stack if update else formation.create_stack
    change(StackName="events", TemplateBody=json.dumps({"Resources": resources}), Capabilities=["CAPABILITY_NAMED_IAM"])
    stack = formation.describe_stacks(StackName="events")["Stacks"][0]
    return f"{stack['StackStatus']} {stack.get('StackStatusReason', '')}".strip()


@pytest.fixture
def deployed(driver: Driver) -> str:
    """The ARN of the queue that a change of the organization comes to."""
    assert deploy(driver, home()) == "CREATE_COMPLETE"
    assert deploy(driver, away(), AT_MANAGEMENT) == "CREATE_COMPLETE"
    return f"arn:aws:sqs:{REGION}:{APPLICATION}:changes"


def change(driver: Driver, name: str) -> None:
    organizations = driver.cloud.client("organizations", MANAGEMENT)
    root = organizations.list_roots()["Roots"][0]["Id"]
    organizations.create_organizational_unit(ParentId=root, Name=name)


def test_a_change_of_the_organization_comes_from_virginia_to_the_queue_at_home(driver: Driver, deployed: str) -> None:
    change(driver, "One")
    assert bodies(driver, deployed) == ["CreateOrganizationalUnit"]
    assert driver.cloud.world.traffic.undelivered == []


def test_an_update_changes_rule_and_schedule_in_place(driver: Driver, deployed: str) -> None:
    target = {"Id": "queue", "Arn": deployed, "Input": '"changed"'}
    assert deploy(driver, home(Targets=[target], due="rate(1 day)"), update=True) == "UPDATE_COMPLETE"
    change(driver, "One")
    found = until(lambda: bodies(driver, deployed))
    found += [] if len(found) > 1 else until(lambda: bodies(driver, deployed))
    assert sorted(found) == ["changed", "sweep"]
    (rule,) = driver.cloud.client("events").list_rules(EventBusName="changes")["Rules"]
    assert rule["Name"] == "changes"


def test_a_schedule_of_a_stack_fires_when_the_clock_comes_to_it(driver: Driver, deployed: str) -> None:
    assert deploy(driver, home(due="cron(0 0 1 1 ? *)"), update=True) == "UPDATE_COMPLETE"
    driver.cloud.world.clock.advance(366 * 24 * 3600)
    assert until(lambda: bodies(driver, deployed)) == ["sweep"]


def test_an_invalid_pattern_fails_the_stack(driver: Driver) -> None:
    status = deploy(driver, home(EventPattern={"source": [{"begins": "aws"}]}))
    assert status.startswith("ROLLBACK_COMPLETE")
    assert "InvalidEventPatternException" in status
    assert driver.cloud.client("events").list_rules()["Rules"] == []


@pytest.mark.usefixtures("deployed")
def test_a_deleted_stack_leaves_no_rule_no_policy_and_no_schedule(driver: Driver) -> None:
    for place in (AT_HOME, AT_MANAGEMENT):
        formation = driver.cloud.client("cloudformation", *place)
        formation.delete_stack(StackName="events")
        assert driver.cloud.client("events", *place).list_rules()["Rules"] == []
    assert [bus["Name"] for bus in driver.cloud.client("events").list_event_buses()["EventBuses"]] == ["default"]
    assert driver.cloud.client("scheduler").list_schedules()["Schedules"] == []
    assert "QueueUrls" not in driver.cloud.client("sqs").list_queues()


def test_a_bucket_of_a_template_sends_events_when_it_says_so(driver: Driver, deployed: str) -> None:
    resources = home(EventBusName="default", EventPattern={"source": ["aws.s3"]})
    resources["Rule"]["Properties"]["Targets"][0]["InputPath"] = "$.detail.object.key"
    resources["Bucket"] = {
        "Type": "AWS::S3::Bucket",
        "Properties": {
            "BucketName": "desired",
            "NotificationConfiguration": {"EventBridgeConfiguration": {"EventBridgeEnabled": True}},
        },
    }
    assert deploy(driver, resources, update=True) == "UPDATE_COMPLETE"
    driver.cloud.client("s3").put_object(Bucket="desired", Key="one", Body=b"")
    assert bodies(driver, deployed) == ["one"]

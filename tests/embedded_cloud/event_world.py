"""Rules, queues, buses and roles for events, in the accounts of the small organization."""

import json
from typing import Any

from tests.embedded_cloud.small_world import HOME, MANAGEMENT, SECURITY_TOOLING, client

ANY = {"account": [{"exists": True}]}
ORGANIZATION_ID = "o-smallworld1"


def events(account: str = SECURITY_TOOLING, region: str = HOME) -> Any:
    return client("events", account, region)


def queue(name: str, account: str = SECURITY_TOOLING, region: str = HOME) -> str:
    """Make a queue and return its ARN."""
    client("sqs", account, region).create_queue(QueueName=name)
    return f"arn:aws:sqs:{region}:{account}:{name}"


def messages(arn: str) -> list[dict[str, Any]]:
    """Take every message of a queue, with its attributes."""
    _, _, _, region, account, name = arn.split(":")
    api = client("sqs", account, region)
    url = api.get_queue_url(QueueName=name)["QueueUrl"]
    found: list[dict[str, Any]] = []
    while batch := api.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=600
    ).get("Messages"):
        found += batch
        for message in batch:
            api.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


def bodies(arn: str) -> list[Any]:
    """Take every message of a queue and read it as JSON."""
    return [json.loads(message["Body"]) for message in messages(arn)]


def rule(
    target: dict[str, Any] | str,
    *,
    pattern: dict[str, Any] | None = None,
    name: str = "rule",
    bus: str = "default",
    place: tuple[str, str] = (SECURITY_TOOLING, HOME),
) -> str:
    """Put a rule with one target and return its ARN."""
    api = events(*place)
    arn: str = api.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps(pattern or ANY))["RuleArn"]
    entry = {"Arn": target} if isinstance(target, str) else target
    api.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "one", **entry}])
    return arn


def put(
    detail: dict[str, Any] | None = None, *, bus: str = "default", account: str = SECURITY_TOOLING, **more: Any
) -> dict[str, Any]:
    """Put one event as a client and return its entry of the answer."""
    entry = {"Source": "shop", "DetailType": "Order", "Detail": json.dumps(detail or {}), "EventBusName": bus, **more}
    (answer,) = events(account).put_events(Entries=[entry])["Entries"]
    return dict(answer)


def role(
    name: str, action: str, resource: str, *, account: str = MANAGEMENT, service: str = "events.amazonaws.com"
) -> str:
    """Make a role that a service may assume, which allows one action, and return its ARN."""
    iam = client("iam", account, "us-east-1")
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy(trust))
    allowed = {"Effect": "Allow", "Action": action, "Resource": resource}
    iam.put_role_policy(RoleName=name, PolicyName="allow", PolicyDocument=_policy(allowed))
    return str(made["Role"]["Arn"])


def machine(name: str, account: str = SECURITY_TOOLING, region: str = HOME) -> str:
    """Make a state machine that does nothing and return its ARN."""
    definition = {"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}
    own = role(f"{name}-machine", "s3:GetObject", "*", account=account, service="states.amazonaws.com")
    made = client("stepfunctions", account, region).create_state_machine(
        name=name, definition=json.dumps(definition), roleArn=own
    )
    return str(made["stateMachineArn"])


def inputs(machine_arn: str) -> list[Any]:
    """Return with what the executions of a machine were started, the latest first."""
    _, _, _, region, account, *_ = machine_arn.split(":")
    api = client("stepfunctions", account, region)
    started = api.list_executions(stateMachineArn=machine_arn)["executions"]
    return [json.loads(api.describe_execution(executionArn=one["executionArn"])["input"]) for one in started]


def _policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

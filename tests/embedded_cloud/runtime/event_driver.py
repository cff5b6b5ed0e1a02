"""Rules and queues on the running cloud, through its endpoint."""

import json
import time
from collections.abc import Callable
from typing import Any

from tests.embedded_cloud.runtime.conftest import APPLICATION, MANAGEMENT, REGION, Driver

VIRGINIA = "us-east-1"
AT_MANAGEMENT = (MANAGEMENT, VIRGINIA)
AT_HOME = (APPLICATION, REGION)

type Place = tuple[str, str]


def queue(driver: Driver, name: str, place: Place = AT_HOME, **attributes: str) -> str:
    """Make a queue and return its ARN."""
    account, region = place
    driver.cloud.client("sqs", account, region).create_queue(QueueName=name, Attributes=attributes)
    return f"arn:aws:sqs:{region}:{account}:{name}"


def listen(driver: Driver, place: Place = AT_HOME, **pattern: Any) -> str:
    """Put a rule that sends everything, or what a pattern matches, to a queue of its own; return the queue's ARN."""
    arn = queue(driver, "all", place)
    events = driver.cloud.client("events", *place)
    events.put_rule(Name="all", EventPattern=json.dumps(pattern or {"version": ["0"]}))
    events.put_targets(Rule="all", Targets=[{"Id": "queue", "Arn": arn}])
    return arn


def bodies(driver: Driver, arn: str) -> list[Any]:
    """Take every message that is visible in a queue and read it as JSON."""
    _, _, _, region, account, name = arn.split(":")
    sqs = driver.cloud.client("sqs", account, region)
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    found: list[Any] = []
    while batch := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=600).get("Messages"):
        found += [json.loads(message["Body"]) for message in batch]
        for message in batch:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


def until(look: Callable[[], Any], wanted: Callable[[Any], bool] = bool) -> Any:
    """Look until what is seen is what is wanted, for a few seconds at most, and return what is seen."""
    end = time.monotonic() + 10
    while not wanted(seen := look()) and time.monotonic() < end:
        time.sleep(0.01)
    assert wanted(seen), seen
    return seen

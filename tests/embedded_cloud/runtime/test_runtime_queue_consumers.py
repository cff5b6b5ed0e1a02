import json
import re
from typing import Any

import pytest

from tests.embedded_cloud.runtime.conftest import APPLICATION, REGION, Driver
from tests.embedded_cloud.runtime.event_driver import bodies, until
from tests.embedded_cloud.runtime.test_runtime_stack_events import deploy

QUEUE = f"arn:aws:sqs:{REGION}:{APPLICATION}:work"
DEAD = f"arn:aws:sqs:{REGION}:{APPLICATION}:dead"


def resources(**mapping: Any) -> dict[str, Any]:
    """Return a queue that the sample function reads; what fails twice is a dead letter."""
    return {
        "Dead": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "dead"}},
        "Work": {
            "Type": "AWS::SQS::Queue",
            "Properties": {
                "QueueName": "work",
                "VisibilityTimeout": 60,
                "RedrivePolicy": {"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": 2},
            },
        },
        "Mapping": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {
                "EventSourceArn": {"Fn::GetAtt": ["Work", "Arn"]},
                "FunctionName": "muster-sample",
                "BatchSize": 10,
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
                **mapping,
            },
        },
    }


@pytest.fixture
def reading(driver: Driver) -> Driver:
    """A cloud whose sample function reads the queue."""
    actions = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
    statement = {"Effect": "Allow", "Action": actions, "Resource": QUEUE}
    driver.cloud.client("iam").put_role_policy(
        RoleName="muster-sample",
        PolicyName="read",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    assert deploy(driver, resources()) == "CREATE_COMPLETE"
    return driver


def send(driver: Driver, *said: str) -> None:
    sqs = driver.cloud.client("sqs")
    url = sqs.get_queue_url(QueueName="work")["QueueUrl"]
    entries = [{"Id": str(number), "MessageBody": json.dumps(one)} for number, one in enumerate(said)]
    sqs.send_message_batch(QueueUrl=url, Entries=entries)


def left(driver: Driver) -> int:
    sqs = driver.cloud.client("sqs")
    url = sqs.get_queue_url(QueueName="work")["QueueUrl"]
    counted = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return int(counted["ApproximateNumberOfMessages"]) + int(counted["ApproximateNumberOfMessagesNotVisible"])


def batches(driver: Driver, said_before: int = 0) -> list[str]:
    """Return every message that the function has taken, again and again, in order."""
    text = "\n".join(driver.cloud.logs().values())
    found = [json.loads(line) for line in re.findall(r"batch (\[.*\])", text)]
    return [message for batch in found for message in batch][said_before:]


def test_a_function_reads_a_queue_and_what_it_took_is_gone(reading: Driver) -> None:
    before = len(batches(reading))
    send(reading, "a", "b", "c")
    until(lambda: left(reading), lambda count: count == 0)
    assert sorted(batches(reading, before)) == ["a", "b", "c"]


def test_what_a_function_reports_as_failed_comes_again_and_then_to_the_dead_letters(reading: Driver) -> None:
    before = len(batches(reading))
    send(reading, "fail", "d")
    until(lambda: left(reading), lambda count: count == 1)
    reading.cloud.world.clock.advance(61)
    until(lambda: batches(reading, before).count("fail"), lambda count: count == 2)
    assert batches(reading, before).count("d") == 1
    reading.cloud.world.clock.advance(61)
    assert until(lambda: bodies(reading, DEAD)) == ["fail"]


def test_a_batch_that_raises_comes_again_as_a_whole(reading: Driver) -> None:
    before = len(batches(reading))
    send(reading, "raise", "e")
    until(lambda: batches(reading, before), lambda taken: "raise" in taken and "e" in taken)
    reading.cloud.world.clock.advance(61)
    until(lambda: batches(reading, before).count("raise"), lambda count: count == 2)


def test_a_deleted_mapping_reads_no_more(reading: Driver) -> None:
    without = {name: resource for name, resource in resources().items() if name != "Mapping"}
    assert deploy(reading, without, update=True) == "UPDATE_COMPLETE"
    before = len(batches(reading))
    send(reading, "f")
    reading.cloud.settle()
    assert (left(reading), batches(reading, before)) == (1, [])


def test_a_mapping_is_refused_when_the_functions_role_may_not_read_the_queue(driver: Driver) -> None:
    assert deploy(driver, resources()).startswith("ROLLBACK_COMPLETE")

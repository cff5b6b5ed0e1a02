"""Queues that functions read: batches, partial failures, and the way to the dead letters, on the virtual clock.

moto invokes a function while a message is sent, one message at a time, does not retry and knows no partial failure.
Here each mapping has one batch at work at a time, and waits for no batching window.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from moto.awslambda.exceptions import LambdaClientError
from moto.awslambda.models import LambdaBackend
from moto.awslambda_simple.models import lambda_simple_backends
from moto.sqs import models as sqs_models
from moto.sqs.models import Queue, sqs_backends

from muster_local.authorization import Need, Principal, allows, identity_policies
from muster_local.simulation import World, current

_NEEDED = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")

unpatched_create_mapping: Callable[..., Any] = LambdaBackend.create_event_source_mapping
unpatched_add_message: Callable[..., Any] = Queue.add_message

_at_work: set[str] = set()
_guard = threading.Lock()


def read_queues_by_the_worlds_clock() -> None:
    """Let messages be sent, hidden and late by the world's clock, and mappings read them when they can be seen."""
    sqs_models.unix_time = lambda *_: current().clock.now().timestamp()
    sqs_models.unix_time_millis = lambda *_: current().clock.now().timestamp() * 1000

    def add_message(self: Queue, message: Any) -> None:
        unpatched_add_message(self, message)
        current().clock.wake()

    def create_event_source_mapping(self: LambdaBackend, spec: dict[str, Any]) -> Any:
        _check(self, spec)
        mapping = unpatched_create_mapping(self, spec)
        for queue in sqs_backends[self.account_id][self.region_name].queues.values():
            queue.lambda_event_source_mappings.clear()
        current().clock.wake()
        return mapping

    Queue.add_message = add_message
    LambdaBackend.create_event_source_mapping = create_event_source_mapping


def consume(world: World) -> None:
    """Let each mapping whose queue has something to read go to work, on a thread of its own."""
    for backend, mapping, queue in _mappings():
        if not any(message.visible for message in queue.messages):
            continue
        with _guard:
            if mapping.uuid in _at_work:
                continue
            _at_work.add(mapping.uuid)
        threading.Thread(
            target=_work, args=(world, backend, mapping, queue), name="queue-consumer", daemon=True
        ).start()


def next_due(world: World) -> datetime | None:
    """Return when a message that is hidden or late can be read next, or None when there is none."""
    now = world.clock.now().timestamp() * 1000
    dues = [
        max(message.visible_at, message.delayed_until)
        for _, _, queue in _mappings()
        for message in list(queue._messages)
    ]
    coming = min((due for due in dues if due > now), default=None)
    return None if coming is None else datetime.fromtimestamp((coming + 1) / 1000, UTC)


def _mappings() -> Iterator[tuple[Any, Any, Queue]]:
    for account, regions in list(lambda_simple_backends.items()):
        for region, backend in list(regions.items()):
            for mapping in list(backend._event_source_mappings.values()):
                queue = sqs_backends[account][region].queues.get(mapping.event_source_arn.rpartition(":")[2])
                if queue is not None and mapping.enabled:
                    yield backend, mapping, queue


def _check(backend: Any, spec: Mapping[str, Any]) -> None:
    """Refuse a mapping that Lambda refuses: a role that may not read the queue, or messages that come back too soon."""
    arn = str(spec.get("EventSourceArn", ""))
    queue = sqs_backends[backend.account_id][backend.region_name].queues.get(arn.rpartition(":")[2])
    if queue is None or not spec.get("FunctionName"):
        return
    function = backend.get_function(spec["FunctionName"])
    principal = Principal(backend.account_id, function.role, None)
    for action in _NEEDED:
        if not allows(identity_policies(function.role), Need(action, arn), principal):
            operation = action.partition(":")[2]
            raise LambdaClientError(
                "InvalidParameterValueException",
                f"The provided execution role does not have permissions to call {operation} on SQS",
            )
    if int(queue.visibility_timeout) < int(function.timeout):
        raise LambdaClientError(
            "InvalidParameterValueException",
            f"Queue visibility timeout: {queue.visibility_timeout} seconds is less than Function timeout: "
            f"{function.timeout} seconds",
        )


def _work(world: World, backend: Any, mapping: Any, queue: Queue) -> None:
    try:
        while world is current() and mapping.enabled and mapping.uuid in backend._event_source_mappings:
            sqs = sqs_backends[backend.account_id][backend.region_name]
            batch = sqs.receive_message(queue.name, mapping.batch_size, 0, int(queue.visibility_timeout))
            if not batch:
                return
            failed = _failures(mapping, batch, _invoke(backend, mapping, queue, batch))
            for message in batch:
                if message.id not in failed:
                    queue.delete_message(message.receipt_handle)
    finally:
        with _guard:
            _at_work.discard(mapping.uuid)
        world.clock.wake()


def _invoke(backend: Any, mapping: Any, queue: Queue, batch: Sequence[Any]) -> bytes | None:
    """Return what the function answers, or None when it failed."""
    records = [_record(message, queue, backend.region_name) for message in batch]
    headers: dict[str, Any] = {}
    try:
        answer = backend.invoke(mapping.function_arn, None, json.dumps({"Records": records}), {}, headers)
    except Exception:  # noqa: BLE001 - whatever keeps a function from answering leaves the batch in the queue
        return None
    return None if "x-amz-function-error" in headers else answer


def _failures(mapping: Any, batch: Sequence[Any], answer: bytes | None) -> set[str]:
    """Return the ids of the messages that stay in the queue."""
    everything = {message.id for message in batch}
    if answer is None:
        return everything
    if "ReportBatchItemFailures" not in (mapping.function_response_types or ()):
        return set()
    try:
        said = json.loads(answer)
        failed = {one["itemIdentifier"] for one in (said or {}).get("batchItemFailures") or ()}
    except (ValueError, TypeError, KeyError, AttributeError):
        return everything
    return min(failed, everything)


def _record(message: Any, queue: Queue, region: str) -> dict[str, Any]:
    return {
        "messageId": message.id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": str(message.approximate_receive_count),
            "SentTimestamp": str(message.sent_timestamp),
            "SenderId": str(message.sender_id),
            "ApproximateFirstReceiveTimestamp": str(message.approximate_first_receive_timestamp),
        },
        "messageAttributes": {},
        "md5OfBody": message.body_md5,
        "eventSource": "aws:sqs",
        "eventSourceARN": queue.queue_arn,
        "awsRegion": region,
    }

"""Targets of rules: queues, buses, state machines, functions; and the dead-letter queue for what they do not take.

Left aside: queue policies, and waiting between retries. What fails here would fail as long as AWS tries.
"""

import json
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from moto.awslambda.utils import get_backend
from moto.core.exceptions import ServiceException
from moto.events.models import EventBus, events_backends
from moto.sqs.models import sqs_backends
from moto.stepfunctions import models as machine_models

from muster_local.authorization import (
    Need,
    PolicyError,
    Principal,
    allows,
    identity_policies,
    resource_allows,
    trust_policy,
    trusts,
)
from muster_local.event_inputs import Event, InputError, input_for
from muster_local.event_traffic import Arrival, Undelivered
from muster_local.simulation import current

SERVICE = "events.amazonaws.com"
_INVOCATIONS = 3


class UndeliverableError(Exception):
    """A target does not take what it is sent, now or later."""

    def __init__(self, code: str, message: str) -> None:
        """Keep the code, as the attributes of a dead letter have it."""
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Sender:
    """On whose behalf something is sent: a rule or a schedule."""

    arn: str
    account: str
    region: str
    service: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Arn:
    """The parts of an ARN."""

    text: str
    service: str
    region: str
    account: str
    resource: str

    @classmethod
    def of(cls, text: str) -> "Arn":
        """Read an ARN. Raises UndeliverableError."""
        parts = text.split(":", 5)
        if len(parts) != 6 or parts[0] != "arn":  # noqa: PLR2004 - an ARN has six parts
            raise UndeliverableError("INVALID_PARAMETER", f"{text} is no ARN")
        return cls(text, parts[2], parts[3], parts[4], parts[5])


type Forward = Callable[[Arrival], None]


def deliver(sender: Sender, target: Mapping[str, Any], arrival: Arrival, forward: Forward) -> None:
    """Hand an event to a target of a rule; what it does not take goes to the dead-letter queue."""
    event = arrival.event
    try:
        arn = Arn.of(str(target["Arn"]))
        if arn.service == "events":
            if not arrival.is_forwarded:  # one hop only
                forward(_at_bus(sender, target, arn, event))
            return
        send(sender, target, arn, input_for(target, event, rule_name=sender.name, rule_arn=sender.arn))
    except InputError as error:
        bury(sender, target, json.dumps(event), UndeliverableError("INVALID_PARAMETER", str(error)))
    except UndeliverableError as error:
        bury(sender, target, json.dumps(event), error)


def send(sender: Sender, target: Mapping[str, Any], arn: Arn, payload: str) -> None:
    """Send a payload to a queue, a state machine or a function. Raises UndeliverableError."""
    match _in_region(arn, sender).service:
        case "sqs":
            if sender.service != SERVICE:
                check_role(sender, target, "sqs:SendMessage", arn)
            _put_in_queue(arn, payload, group=(target.get("SqsParameters") or {}).get("MessageGroupId"))
        case "states":
            check_role(sender, target, "states:StartExecution", arn)
            _start(arn, payload)
        case "lambda":
            _invoke(sender, target, arn, payload)
        case _:
            raise UndeliverableError("NOT_EMULATED", f"the embedded cloud delivers nothing to {arn.service}")


def _in_region(arn: Arn, sender: Sender) -> Arn:
    """Return an ARN that is in its sender's Region, as targets and dead-letter queues are; else raise."""
    if arn.region != sender.region:
        raise UndeliverableError("INVALID_PARAMETER", f"{arn.text} is in another Region than {sender.arn}")
    return arn


def bury(sender: Sender, target: Mapping[str, Any], body: str, error: UndeliverableError) -> None:
    """Put what could not be delivered into the target's dead-letter queue, where it has one."""
    is_kept = False
    queue = (target.get("DeadLetterConfig") or {}).get("Arn")
    if queue:
        attributes = {
            "RULE_ARN": sender.arn,
            "TARGET_ARN": str(target["Arn"]),
            "ERROR_CODE": error.code,
            "ERROR_MESSAGE": str(error),
        }
        try:
            _put_in_queue(_in_region(Arn.of(str(queue)), sender), body, attributes=attributes)
            is_kept = True
        except UndeliverableError as second:
            error = second
    world = current()
    with world.lock:
        undelivered = Undelivered(sender.arn, str(target["Arn"]), error.code, str(error), is_kept)
        world.traffic.undelivered.append(undelivered)


def check_role(sender: Sender, target: Mapping[str, Any], action: str, arn: Arn) -> None:
    """Raise UndeliverableError unless the target's role trusts the sender and allows what it is to do."""
    role = str(target.get("RoleArn") or "")
    trust = trust_policy(role)
    context = {"aws:SourceArn": (sender.arn,), "aws:SourceAccount": (sender.account,)}
    try:
        if trust is None or not trusts(trust, sender.service, context):
            raise UndeliverableError("NO_PERMISSIONS", f"{role or 'no role'} cannot be assumed by {sender.service}")
        if not allows(identity_policies(role), Need(action, arn.text), _principal(sender.account, role)):
            raise UndeliverableError("NO_PERMISSIONS", f"{role} may not perform {action} on {arn.text}")
    except PolicyError as error:
        raise UndeliverableError("NO_PERMISSIONS", str(error)) from error


def may_put_events(bus: EventBus, event: Event, principal: Principal, source_arn: str | None) -> bool:
    """Tell whether a bus takes an event from another account: only what a statement of its policy allows."""
    context = {"events:source": (str(event["source"]),), "events:detail-type": (str(event["detail-type"]),)}
    if source_arn is not None:
        context["aws:SourceArn"] = (source_arn,)
    document = json.loads((bus.policy or "{}").replace("arn:aws:iam::*:root", "*"))
    return resource_allows(document, Need("events:PutEvents", bus.arn, context), principal)


def root_of(account: str) -> Principal:
    """Return an account's root, with the organization it belongs to."""
    return _principal(account, f"arn:aws:iam::{account}:root")


def _principal(account: str, arn: str) -> Principal:
    world = current()
    belongs = account in world.tree.positions and world.tree.position(account) is not None
    return Principal(account, arn, world.organization.id if belongs else None)


# --- each kind of target ----------------------------------------------------------------------------------------------


def _at_bus(sender: Sender, target: Mapping[str, Any], arn: Arn, event: Event) -> Arrival:
    name = arn.resource.removeprefix("event-bus/")
    bus = events_backends[arn.account][arn.region].event_buses.get(name)
    if bus is None:
        raise UndeliverableError("RESOURCE_NOT_FOUND", f"there is no {arn.text}")
    if (arn.account, arn.region) != (sender.account, sender.region) or target.get("RoleArn"):
        check_role(sender, target, "events:PutEvents", arn)
    if arn.account != sender.account:
        principal = _principal(sender.account, str(target["RoleArn"]))
        try:
            allowed = may_put_events(bus, event, principal, sender.arn)
        except PolicyError as error:
            raise UndeliverableError("NO_PERMISSIONS", str(error)) from error
        if not allowed:
            raise UndeliverableError("NO_PERMISSIONS", f"the policy of {arn.text} allows nothing to {sender.account}")
    return Arrival(arn.account, arn.region, name, event, is_forwarded=True)


def _put_in_queue(
    arn: Arn, body: str, *, group: str | None = None, attributes: Mapping[str, str] | None = None
) -> None:
    backend = sqs_backends[arn.account][arn.region]
    if arn.resource not in backend.queues:
        raise UndeliverableError("RESOURCE_NOT_FOUND", f"there is no {arn.text}")
    said = {name: {"DataType": "String", "StringValue": value} for name, value in (attributes or {}).items()}
    try:
        backend.send_message(arn.resource, body, message_attributes=said, group_id=group)
    except ServiceException as error:
        raise UndeliverableError("SDK_CLIENT_ERROR", str(error.message)) from error


def _start(arn: Arn, payload: str) -> None:
    backend: Any = machine_models.stepfunctions_backends[arn.account][arn.region]
    try:
        backend.start_execution(arn.text, str(uuid.uuid4()), payload)
    except Exception as error:
        raise UndeliverableError("SDK_CLIENT_ERROR", f"{arn.text}: {type(error).__name__}") from error


def _invoke(sender: Sender, target: Mapping[str, Any], arn: Arn, payload: str) -> None:
    backend = get_backend(arn.account, arn.region)
    try:
        function = backend.get_function(arn.text)
    except Exception as error:
        raise UndeliverableError("RESOURCE_NOT_FOUND", f"there is no {arn.text}") from error
    if sender.service == SERVICE:
        context = {"aws:SourceArn": (sender.arn,), "aws:SourceAccount": (sender.account,)}
        document = {"Statement": list(function.policy.statements) if function.policy else []}
        need = Need("lambda:InvokeFunction", function.function_arn, context)
        if not resource_allows(document, need, sender.service):
            raise UndeliverableError("NO_PERMISSIONS", f"{arn.text} may not be invoked by {sender.arn}")
    else:
        check_role(sender, target, "lambda:InvokeFunction", arn)
    world = current()

    def invoke() -> None:
        """Invoke as Lambda does what nobody waits for: twice more when the function fails, here without a pause."""
        for _ in range(_INVOCATIONS):
            headers: dict[str, Any] = {}
            try:
                backend.invoke(arn.text, None, payload, {}, headers)
            except Exception as error:  # noqa: BLE001 - whatever goes wrong, nobody waits for it
                if world is current():
                    bury(sender, target, payload, UndeliverableError("SDK_CLIENT_ERROR", type(error).__name__))
                return
            if "x-amz-function-error" not in headers:
                return

    threading.Thread(target=invoke, name="event-invocation", daemon=True).start()

"""Calls as CloudTrail records them: who started which execution."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from muster_local.callers import Caller
from muster_local.http_answers import Answer
from muster_local.operations import Call

HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"

_RECORDED = frozenset({("states", "StartExecution")})
_DENIALS = ("AccessDenied", "UnrecognizedClient")


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """One call as CloudTrail keeps it. ``at`` is in whole seconds, as it is there."""

    account: str
    region: str
    at: datetime
    recorded: datetime
    record: Mapping[str, Any]
    user: str
    resources: tuple[tuple[str, str], ...]

    def summary(self) -> dict[str, Any]:
        """Return it as LookupEvents does."""
        return {
            "EventId": self.record["eventID"],
            "EventName": self.record["eventName"],
            "ReadOnly": json.dumps(self.record["readOnly"]),
            "AccessKeyId": self.record["userIdentity"]["accessKeyId"],
            "EventTime": self.at,
            "EventSource": self.record["eventSource"],
            "Username": self.user,
            "Resources": [{"ResourceType": kind, "ResourceName": name} for kind, name in self.resources],
            "CloudTrailEvent": json.dumps(self.record),
        }

    def has(self, key: str, value: str) -> bool:
        """Tell whether an attribute to look up by has a value."""
        match key:
            case "ResourceType":
                return any(kind == value for kind, _ in self.resources)
            case "ResourceName":
                return any(name == value for _, name in self.resources)
            case _:
                return bool(self.summary()[key] == value)


def is_recorded(call: Call) -> bool:
    """Tell whether calls of this operation are kept; here only what starts executions is."""
    return (call.service, call.operation) in _RECORDED


def record_of(call: Call, caller: Caller, answer: Answer, now: datetime, *, address: str, agent: str) -> dict[str, Any]:
    """Return a call as CloudTrail writes it; one that failed has an error and no answer, a denied one no request."""
    at = now.replace(microsecond=0)
    said = json.loads(answer.body) if answer.body.startswith(b"{") else {}
    succeeded = answer.outcome == "ok"
    shape = call.model.output_shape
    document: dict[str, Any] = {
        "eventVersion": "1.08",
        "userIdentity": caller.identity(at),
        "eventTime": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": f"{call.service}.amazonaws.com",
        "eventName": call.operation,
        "awsRegion": call.region,
        "sourceIPAddress": address,
        "userAgent": agent,
        "requestParameters": None
        if answer.outcome.startswith(_DENIALS)
        else _written(dict(call.parameters), call.model.input_shape) or None,
        "responseElements": (_written(said, shape) or None) if succeeded and shape is not None else None,
        "requestID": str(uuid.uuid4()),
        "eventID": str(uuid.uuid4()),
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": call.account,
        "eventCategory": "Management",
    }
    if not succeeded:
        document |= {"errorCode": answer.outcome, "errorMessage": str(said.get("message") or said.get("Message") or "")}
    return document


def recorded(
    call: Call, caller: Caller, answer: Answer, now: datetime, *, address: str, agent: str, names_resources: bool
) -> RecordedEvent:
    """Record a call that the service has seen, whether it succeeded or not."""
    said = json.loads(answer.body) if answer.body.startswith(b"{") else {}
    succeeded = answer.outcome == "ok" and "executionArn" in said
    at = now.replace(microsecond=0)
    response = {"executionArn": said["executionArn"], "startDate": _date(at)} if succeeded else None
    document = record_of(call, caller, answer, now, address=address, agent=agent)
    document |= {"requestParameters": document["requestParameters"] and _request(call), "responseElements": response}
    machine = str(call.parameters.get("stateMachineArn", ""))
    resources = (("AWS::StepFunctions::StateMachine", machine),) if succeeded and names_resources else ()
    return RecordedEvent(call.account, call.region, at, now, document, caller.user_name, resources)


def _written(value: Any, shape: Any) -> Any:
    """Write a request or an answer as records do: names begin small, and what is sensitive is hidden."""
    if shape is None:
        return value
    if shape.metadata.get("sensitive"):
        return HIDDEN
    match shape.type_name, value:
        case "structure", dict():
            return {
                name[0].lower() + name[1:]: _written(item, shape.members[name])
                for name, item in value.items()
                if name in shape.members and item is not None
            }
        case "list", list():
            return [_written(item, shape.member) for item in value]
        case "timestamp", int() | float():
            return _date(datetime.fromtimestamp(value, UTC))
        case _:
            return value if isinstance(value, str | int | float | bool | dict) else str(value)


def _request(call: Call) -> dict[str, Any]:
    return {name: HIDDEN if name == "input" else value for name, value in call.parameters.items()}


def _date(moment: datetime) -> str:
    """Write a date as Step Functions does in a record: Nov 24, 2026, 9:00:00 AM."""
    return f"{moment:%b} {moment.day}, {moment.year}, {moment.hour % 12 or 12}:{moment:%M:%S %p}"

"""The services that the console talks to, in memory, and a desk that is connected to them."""

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from botocore.exceptions import ClientError
from rich.console import Console

from muster_console.__main__ import main
from muster_console.aws import Clients, Connection
from muster_console.desk import Desk

NOW = datetime(2027, 1, 31, 10, 15, tzinfo=UTC)
PREFLIGHT = "arn:aws:lambda:eu-west-1:222222222222:function:muster-preflight"
BUCKET = "muster-222222222222-eu-west-1"
MACHINE = "arn:aws:states:eu-west-1:222222222222:stateMachine:muster-onboard"
APPROVE_MACHINE = "arn:aws:states:eu-west-1:222222222222:stateMachine:muster-approve"
ATTEST_MACHINE = "arn:aws:states:eu-west-1:222222222222:stateMachine:muster-attest"
EXAMPLE = Path(__file__).parents[3] / "config" / "desired-state.example.yaml"


def refusal(code: str, operation: str, message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


class Pages:
    """A paginator over pages that are known already."""

    def __init__(self, pages: Callable[..., list[Mapping[str, Any]]]) -> None:
        self._pages = pages

    def paginate(self, **request: Any) -> Iterator[Mapping[str, Any]]:
        yield from self._pages(**request)


@dataclass
class FakeCloudFormation:
    outputs: dict[str, str] = field(
        default_factory=lambda: {
            "OnboardMachineArn": MACHINE,
            "ApproveMachineArn": APPROVE_MACHINE,
            "AttestMachineArn": ATTEST_MACHINE,
            "StateBucketName": BUCKET,
            "ContactsParameterName": "/muster/contacts",
            "PreflightFunctionArn": PREFLIGHT,
        }
    )
    meta: Any = field(default_factory=lambda: SimpleNamespace(region_name="eu-west-1"))
    asked: list[str] = field(default_factory=list)

    def describe_stacks(self, *, StackName: str) -> Any:  # noqa: N803 - AWS's spelling
        self.asked.append(StackName)
        if StackName != "muster":
            raise refusal("ValidationError", "DescribeStacks", f"Stack with id {StackName} does not exist")
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in self.outputs.items()]
        return {"Stacks": [{"Outputs": outputs}]}


@dataclass
class FakeS3:
    objects: dict[str, list[bytes]] = field(default_factory=dict)
    before_put: Callable[[], None] = lambda: None
    fault: ClientError | None = None
    writes: list[str] = field(default_factory=list)

    def _present(self, key: str, operation: str, absent: str) -> dict[str, Any]:
        if self.fault:
            raise self.fault
        if key not in self.objects:
            raise refusal(absent, operation)
        body = self.objects[key][-1]
        return {"VersionId": f"v{len(self.objects[key])}", "ETag": hashlib.md5(body).hexdigest()}  # noqa: S324 - S3's

    def get_object(self, *, Bucket: str, Key: str) -> Any:  # noqa: N803 - AWS's spelling
        assert Bucket == BUCKET
        found = self._present(Key, "GetObject", "NoSuchKey")
        return {**found, "Body": io.BytesIO(self.objects[Key][-1])}

    def head_object(self, *, Bucket: str, Key: str) -> Any:  # noqa: N803 - AWS's spelling
        assert Bucket == BUCKET
        return self._present(Key, "HeadObject", "404")

    def list_objects_v2(self, *, Bucket: str, Prefix: str, MaxKeys: int) -> Any:  # noqa: N803 - AWS's spelling
        assert Bucket == BUCKET
        found = sorted(key for key in self.objects if key.startswith(Prefix))[:MaxKeys]
        return {"Contents": [{"Key": key} for key in found]} if found else {}

    def put_object(self, **request: Any) -> Any:
        key, body = request["Key"], request["Body"]
        assert (request["Bucket"], request["ContentType"]) == (BUCKET, "application/json")
        self.before_put()
        present = self._present(key, "PutObject", "404")["ETag"] if key in self.objects else None
        if request.get("IfMatch") != present or ("IfNoneMatch" in request and present):
            raise refusal("PreconditionFailed", "PutObject")
        self.objects.setdefault(key, []).append(body)
        self.writes.append(key)
        return {"VersionId": f"v{len(self.objects[key])}"}


@dataclass
class FakeSsm:
    values: dict[str, str] = field(default_factory=dict)
    written: list[dict[str, Any]] = field(default_factory=list)
    fault: ClientError | None = None

    def get_parameter(self, *, Name: str, WithDecryption: bool) -> Any:  # noqa: N803 - AWS's spelling
        assert WithDecryption
        if Name not in self.values:
            raise refusal("ParameterNotFound", "GetParameter")
        return {"Parameter": {"Value": self.values[Name]}}

    def put_parameter(self, **request: Any) -> Any:
        if self.fault:
            raise self.fault
        self.written.append(request)
        self.values[request["Name"]] = request["Value"]
        return {"Version": 1}


@dataclass
class FakeStepFunctions:
    """Each poll shows one more batch of the history; with the last one the execution has ended.

    Each start takes the next of ``upcoming``, where there are any: its history and its ending.
    """

    batches: list[list[dict[str, Any]]] = field(default_factory=list)
    ending: dict[str, Any] = field(default_factory=lambda: {"status": "SUCCEEDED", "output": "{}"})
    upcoming: list[tuple[list[list[dict[str, Any]]], dict[str, Any]]] = field(default_factory=list)
    started: list[dict[str, Any]] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    newest_first: bool = True
    polls: int = 0
    events_read: int = 0

    def start_execution(self, **request: Any) -> Any:
        self.started.append(request)
        self.known.add(f"{request['stateMachineArn'].replace('stateMachine', 'execution')}:{request['name']}")
        if self.upcoming:
            (self.batches, self.ending), self.polls = self.upcoming.pop(0), 0
        return {}

    @property
    def inputs(self) -> list[dict[str, Any]]:
        return [json.loads(request["input"]) for request in self.started]

    def describe_execution(self, *, executionArn: str) -> Any:  # noqa: N803 - AWS's spelling
        if executionArn not in self.known:
            raise refusal("ExecutionDoesNotExist", "DescribeExecution")
        self.polls += 1
        return self.ending if self.polls >= len(self.batches) else {"status": "RUNNING"}

    def get_paginator(self, operation: str) -> Pages:
        assert operation == "get_execution_history"
        return Pages(self._history)

    def _history(self, **request: Any) -> list[Mapping[str, Any]]:
        assert request["reverseOrder"]
        size = request["PaginationConfig"]["PageSize"]
        shown = [event for batch in self.batches[: self.polls] for event in batch]
        events = [{"id": number, **event} for number, event in enumerate(shown, start=1)]
        if self.newest_first:
            events.reverse()
        self.events_read += len(events)
        return [{"events": events[at : at + size]} for at in range(0, len(events), size)] or [{"events": []}]


@dataclass
class FakeLambda:
    """One function, with its answer."""

    answer: Any = None
    error: bool = False
    invoked: list[Any] = field(default_factory=list)

    def invoke(self, *, FunctionName: str, Payload: bytes) -> Any:  # noqa: N803 - AWS's spelling
        assert FunctionName == PREFLIGHT
        self.invoked.append(json.loads(Payload))
        failed = {"FunctionError": "Unhandled"} if self.error else {}
        return {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(self.answer).encode()), **failed}


@dataclass
class FakeOrganizations:
    """Units by parent, in pages of one, so that every reader has to page."""

    units: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    fault: ClientError | None = None

    def get_paginator(self, operation: str) -> Pages:
        if self.fault:
            raise self.fault
        pages: dict[str, Callable[..., list[Mapping[str, Any]]]] = {
            "list_roots": self._roots,
            "list_organizational_units_for_parent": self._below,
        }
        return Pages(pages[operation])

    def describe_organization(self) -> Any:
        if self.fault:
            raise self.fault
        return {"Organization": {"Id": "o-exampleorg1"}}

    def _roots(self) -> list[Mapping[str, Any]]:
        return [{"Roots": [{"Id": "r-ab12", "Name": "Root"}]}]

    def _below(self, *, ParentId: str) -> list[Mapping[str, Any]]:  # noqa: N803 - AWS's spelling
        children = self.units.get(ParentId, [])
        return [{"OrganizationalUnits": [{"Id": i, "Name": n}]} for i, n in children] or [{"OrganizationalUnits": []}]


@dataclass
class FakeCloud:
    cloudformation: FakeCloudFormation = field(default_factory=FakeCloudFormation)
    s3: FakeS3 = field(default_factory=FakeS3)
    ssm: FakeSsm = field(default_factory=FakeSsm)
    stepfunctions: FakeStepFunctions = field(default_factory=FakeStepFunctions)
    lambda_: FakeLambda = field(default_factory=FakeLambda)
    organizations: FakeOrganizations = field(default_factory=FakeOrganizations)
    connections: list[Connection] = field(default_factory=list)

    def connect(self, connection: Connection) -> Clients:
        self.connections.append(connection)
        return cast("Clients", self)

    def store(self, key: str, document: object) -> None:
        self.s3.objects.setdefault(key, []).append(json.dumps(document).encode())


@dataclass
class Ran:
    code: int
    out: str
    err: str


@dataclass
class Operator:
    """Somebody who types commands at a desk."""

    cloud: FakeCloud = field(default_factory=FakeCloud)
    pauses: list[float] = field(default_factory=list)
    programs: list[list[str]] = field(default_factory=list)
    interrupt: bool = False
    answers: list[bool] | None = None
    """What is typed at questions; None where there is no terminal."""

    def types(self, *arguments: str) -> Ran:
        out, err = io.StringIO(), io.StringIO()
        desk = Desk(
            connect=self.cloud.connect,
            out=Console(file=out, width=100),
            err=Console(file=err, width=100),
            now=lambda: NOW,
            sleep=self._sleep,
            can_ask=lambda: self.answers is not None,
            ask=self._answer,
            run_program=lambda _, program: self.programs.append(program),
        )
        return Ran(main(arguments, desk), out.getvalue(), err.getvalue())

    def _answer(self, _question: str) -> bool:
        assert self.answers, "nobody expected this question"
        return self.answers.pop(0)

    def _sleep(self, seconds: float) -> None:
        if self.interrupt:
            raise KeyboardInterrupt
        self.pauses.append(seconds)

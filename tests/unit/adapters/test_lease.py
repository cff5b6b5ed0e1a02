"""The lease in S3, the status of its holder, and the fence in front of every attempt."""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ReadTimeoutError
from botocore.response import StreamingBody
from botocore.stub import Stubber

from muster.adapters.clients import GLOBAL_REGION, READS, Clients
from muster.adapters.lease import Executions, LeaseInBucket
from muster.adapters.translate import translated
from muster.domain.lease import Lease, LeaseState
from muster.errors import AlreadyThereError, DeniedError, LeaseLostError, RefusedError, UnavailableError

ACCOUNT = "222222222222"
EXECUTION = f"arn:aws:states:eu-west-1:{ACCOUNT}:execution:muster-onboard:run-1"
LEASE = Lease(
    EXECUTION, 3, datetime(2026, 11, 24, 12, tzinfo=UTC), datetime(2026, 11, 24, 12, 1, tzinfo=UTC), LeaseState.BARRED
)
TEXT = (
    '{"acquired_at":"2026-11-24T12:00:00+00:00","generation":3,"held_at":"2026-11-24T12:01:00+00:00",'
    f'"holder":"{EXECUTION}","schema":1,"state":"barred"}}'
)
PLACE = {"Bucket": "muster-state", "Key": "lease.json"}
WRITE = {**PLACE, "Body": TEXT.encode(), "ContentType": "application/json"}


def session() -> boto3.Session:
    return boto3.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name="eu-west-1")


@pytest.fixture
def bucket() -> LeaseInBucket:
    return LeaseInBucket(session().client("s3"), "muster-state", ACCOUNT)


@pytest.fixture
def service(bucket: LeaseInBucket) -> Iterator[Stubber]:
    with Stubber(bucket.s3) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def body(text: str) -> StreamingBody:
    return StreamingBody(io.BytesIO(text.encode()), len(text.encode()))


def test_lease_is_read_with_its_tag(service: Stubber, bucket: LeaseInBucket) -> None:
    service.add_response("get_object", {"Body": body(TEXT), "ETag": '"a"', "VersionId": "v1"}, PLACE)

    assert bucket.read() == (LEASE, '"a"')


def test_no_object_is_no_lease_and_a_denial_is_not(service: Stubber, bucket: LeaseInBucket) -> None:
    service.add_client_error("get_object", "NoSuchKey", http_status_code=404)
    service.add_client_error("get_object", "AccessDenied", http_status_code=403)

    assert bucket.read() is None
    with pytest.raises(DeniedError):
        bucket.read()


@pytest.mark.parametrize("text", ["", "held", "{}", json.dumps({**json.loads(TEXT), "schema": 2})])
def test_object_that_is_no_lease_is_refused_with_the_command_that_removes_it(
    service: Stubber, bucket: LeaseInBucket, text: str
) -> None:
    service.add_response("get_object", {"Body": body(text), "ETag": '"a"', "VersionId": "v1"}, PLACE)

    with pytest.raises(RefusedError, match=r"no lease.*`aws s3 rm s3://muster-state/lease.json`"):
        bucket.read()


def test_first_lease_is_written_where_there_is_none(service: Stubber, bucket: LeaseInBucket) -> None:
    service.add_response("put_object", {"ETag": '"b"'}, {**WRITE, "IfNoneMatch": "*"})

    assert bucket.write(LEASE, None) == '"b"'


def test_lease_is_replaced_as_it_was_read(service: Stubber, bucket: LeaseInBucket) -> None:
    service.add_response("put_object", {"ETag": '"b"'}, {**WRITE, "IfMatch": '"a"'})

    assert bucket.write(LEASE, '"a"') == '"b"'


@pytest.mark.parametrize(
    ("code", "status"), [("PreconditionFailed", 412), ("ConditionalRequestConflict", 409), ("NoSuchKey", 404)]
)
def test_write_that_came_second_is_overtaken(service: Stubber, bucket: LeaseInBucket, code: str, status: int) -> None:
    service.add_client_error("put_object", code, http_status_code=status)

    with pytest.raises(AlreadyThereError, match=code):
        bucket.write(LEASE, '"a"')


def test_write_may_be_denied_or_fail(service: Stubber, bucket: LeaseInBucket) -> None:
    service.add_client_error("put_object", "AccessDenied", http_status_code=403)
    service.add_client_error("put_object", "InternalError", http_status_code=500)

    with pytest.raises(DeniedError):
        bucket.write(LEASE, None)
    with pytest.raises(UnavailableError):
        bucket.write(LEASE, None)


def test_status_of_an_execution_is_asked_without_its_input() -> None:
    client = session().client("stepfunctions")
    asked = {"executionArn": EXECUTION, "includedData": "METADATA_ONLY"}
    answer = {
        "executionArn": EXECUTION, "stateMachineArn": "x", "status": "PENDING_REDRIVE", "startDate": LEASE.held_at
    }  # fmt: skip
    with Stubber(client) as service:
        service.add_response("describe_execution", answer, asked)
        service.add_client_error("describe_execution", "ExecutionDoesNotExist")
        service.add_client_error("describe_execution", "AccessDeniedException")
        executions = Executions(client, ACCOUNT)

        assert executions.status(EXECUTION) == "PENDING_REDRIVE"
        assert executions.status(EXECUTION) is None
        with pytest.raises(DeniedError):
            executions.status(EXECUTION)


@dataclass
class Guard:
    """Counts what it let pass; with ``passes`` used up it is lost."""

    passes: int = 99
    asked: int = 0
    log: list[str] = field(default_factory=list)

    def hold(self) -> None:
        self.asked += 1
        if self.asked > self.passes:
            raise LeaseLostError("another run has the lease")
        self.log.append("hold")


def answering(client: Any, log: list[str], *statuses: int | Exception) -> None:
    """Answer the client's attempts, one after the other, in place of the network."""
    answers = iter(statuses)

    def answer(request: Any, **_: object) -> AWSResponse:
        assert "Authorization" in request.headers, "sent as it was signed"
        log.append("sent")
        status = next(answers)
        if isinstance(status, Exception):
            raise status
        return AWSResponse(request.url, status, HTTPHeaders(), Raw(b"{}"))

    client.meta.events.register_first("before-send", answer)


class Raw(io.BytesIO):
    """A body as urllib3 streams it."""

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self.read()


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the SDK try again at once."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)


def guarded(guard: Guard, *statuses: int | Exception) -> Any:
    client = Clients(session(), ACCOUNT, fence=guard).security_ir("eu-west-1")
    answering(client, guard.log, *statuses)
    return client


def update(client: Any) -> None:
    with translated("security-ir:UpdateMembership", ACCOUNT):
        client.update_membership(membershipId="m-12345678901234", membershipName="example")


def test_fence_is_asked_before_a_write_is_sent() -> None:
    guard = Guard()

    update(guarded(guard, 200))

    assert guard.log == ["hold", "sent"]


@pytest.mark.parametrize("first", [503, ReadTimeoutError(endpoint_url="x")])
def test_fence_is_asked_again_before_each_of_the_sdks_own_attempts(first: int | Exception) -> None:
    guard = Guard()

    update(guarded(guard, first, 503, 200))

    assert guard.log == ["hold", "sent"] * 3


def test_lost_lease_is_told_by_name_and_nothing_more_is_sent() -> None:
    guard = Guard(passes=1)

    with pytest.raises(LeaseLostError):
        update(guarded(guard, 503, 200))

    assert guard.log == ["hold", "sent"]


def test_reads_pass_without_being_asked() -> None:
    guard = Guard(passes=0)

    guarded(guard, 200).list_memberships()

    assert (guard.asked, guard.log) == (0, ["sent"])


def test_without_a_fence_nothing_is_asked_and_writes_are_sent() -> None:
    log = list[str]()
    client = Clients(session(), ACCOUNT).security_ir("eu-west-1")
    answering(client, log, 200)

    update(client)

    assert log == ["sent"]


WRITERS: list[Callable[[Clients], Any]] = [
    lambda clients: clients.organizations,
    lambda clients: clients.iam,
    lambda clients: clients.cloudformation(GLOBAL_REGION),
    lambda clients: clients.security_ir("eu-west-1"),
]


@pytest.mark.parametrize("client_of", WRITERS)
@pytest.mark.parametrize("role_arn", [None, "arn:aws:iam::111111111111:role/muster-management-onboarding"])
def test_every_client_of_every_identity_is_behind_the_fence(
    client_of: Callable[[Clients], Any], role_arn: str | None
) -> None:
    guard = Guard(passes=0)
    clients = Clients(session(), ACCOUNT, fence=guard)
    if role_arn is not None:
        clients = clients.through(role_arn)
        vars(clients)["_credentials"] = {"aws_access_key_id": "y", "aws_secret_access_key": "y"}  # as assumed before
    client = client_of(clients)
    answering(client, guard.log)
    writes: dict[str, tuple[str, dict[str, Any]]] = {
        "organizations": ("enable_aws_service_access", {"ServicePrincipal": "security-ir.amazonaws.com"}),
        "iam": ("create_service_linked_role", {"AWSServiceName": "triage.security-ir.amazonaws.com"}),
        "cloudformation": ("activate_organizations_access", {}),
        "security-ir": ("tag_resource", {"resourceArn": "arn:aws:security-ir:x", "tags": {}}),
    }
    operation, arguments = writes[client.meta.service_model.service_name]

    with pytest.raises(LeaseLostError):
        getattr(client, operation)(**arguments)

    assert (guard.asked, guard.log) == (1, [])


@pytest.mark.parametrize(
    "name",
    [
        "GetMembership", "ListAccounts", "DescribeOrganization", "BatchGetMemberAccountDetails", "HeadObject",
        "LookupEvents", "AssumeRole",
    ],
)  # fmt: skip
def test_names_of_reads_are_known(name: str) -> None:
    assert READS.match(name)


@pytest.mark.parametrize(
    "name",
    [
        "CreateMembership", "UpdateMembership", "TagResource", "EnableAWSServiceAccess",
        "RegisterDelegatedAdministrator", "CreateServiceLinkedRole", "ActivateOrganizationsAccess", "UpdateStackSet",
        "NobodyKnowsThisOne", "Getaway", "Listen", "AssumeRoleWithSAML",
    ],
)  # fmt: skip
def test_whatever_is_not_known_as_a_read_is_a_write(name: str) -> None:
    assert READS.match(name) is None

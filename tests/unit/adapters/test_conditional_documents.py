import io
from collections.abc import Iterator

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from muster.adapters.conditional_documents import BucketConditionalDocuments
from muster.errors import AlreadyThereError, DeniedError, UnavailableError
from muster.ports import StoredDocument

KEY = "approvals/1.json"
OBJECT = {"Bucket": "bucket", "Key": KEY}
WRITTEN = {**OBJECT, "Body": b"{}", "ContentType": "application/json"}


@pytest.fixture
def s3() -> Iterator[tuple[BucketConditionalDocuments, Stubber]]:
    session = boto3.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name="eu-west-1")
    client = session.client("s3")
    with Stubber(client) as service:
        yield BucketConditionalDocuments(client, "bucket", "222222222222"), service
        service.assert_no_pending_responses()


type Bucket = tuple[BucketConditionalDocuments, Stubber]


def test_document_is_read_as_its_bytes_lie_there_with_tag_and_version(s3: Bucket) -> None:
    documents, service = s3
    body = StreamingBody(io.BytesIO(b"\xff{}"), 3)
    service.add_response("get_object", {"Body": body, "ETag": '"e1"', "VersionId": "v1"}, OBJECT)

    assert documents.read(KEY) == StoredDocument(b"\xff{}", '"e1"', "v1")


def test_absent_document_is_none_and_a_denied_one_is_an_error(s3: Bucket) -> None:
    documents, service = s3
    service.add_client_error("get_object", "NoSuchKey", http_status_code=404)
    service.add_client_error("get_object", "AccessDenied", http_status_code=403)

    assert documents.read(KEY) is None
    with pytest.raises(DeniedError):
        documents.read(KEY)


def test_write_names_the_version_that_it_replaces_or_that_there_is_none(s3: Bucket) -> None:
    documents, service = s3
    service.add_response("put_object", {"ETag": '"e1"'}, {**WRITTEN, "IfNoneMatch": "*"})
    service.add_response("put_object", {"ETag": '"e2"'}, {**WRITTEN, "IfMatch": '"e1"'})

    assert documents.replace(KEY, "{}", None) == '"e1"'
    assert documents.replace(KEY, "{}", '"e1"') == '"e2"'


@pytest.mark.parametrize(
    ("code", "status"), [("PreconditionFailed", 412), ("ConditionalRequestConflict", 409), ("NoSuchKey", 404)]
)
def test_write_that_was_overtaken_says_so(s3: Bucket, code: str, status: int) -> None:
    documents, service = s3
    service.add_client_error("put_object", code, http_status_code=status)

    with pytest.raises(AlreadyThereError):
        documents.replace(KEY, "{}", '"e1"')


def test_write_without_an_answer_is_uncertain_and_never_overtaken(s3: Bucket) -> None:
    documents, service = s3
    service.add_client_error("put_object", "InternalError", http_status_code=500)

    with pytest.raises(UnavailableError):
        documents.replace(KEY, "{}", None)


def test_document_is_written_whatever_is_there_and_deleted(s3: Bucket) -> None:
    documents, service = s3
    service.add_response("put_object", {"ETag": '"e"'}, WRITTEN)
    service.add_response("delete_object", {}, OBJECT)

    documents.put(KEY, "{}")
    documents.delete(KEY)

"""The documents in the state bucket: read as they are, and replaced only while nobody else has."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from muster_console.aws import Clients, error_code

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import PutObjectRequestTypeDef


@dataclass(frozen=True, slots=True)
class Stored:
    """A document as it lies in the bucket; ``etag`` says whether it is still the same."""

    body: bytes
    version: str
    etag: str


class OvertakenError(Exception):
    """Somebody else stored the document in between; nothing was written."""


def read(clients: Clients, bucket: str, key: str) -> Stored | None:
    """Return a document, None where there is none."""
    try:
        answer = clients.s3.get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error_code(error) in ("NoSuchKey", "404"):
            return None
        raise
    return Stored(body=answer["Body"].read(), version=answer.get("VersionId", ""), etag=answer["ETag"])


def replace(clients: Clients, bucket: str, key: str, body: str, before: Stored | None) -> str:
    """Store JSON in the place of what was read before, and return its version. Raises OvertakenError."""
    request: PutObjectRequestTypeDef = {
        "Bucket": bucket,
        "Key": key,
        "Body": body.encode(),
        "ContentType": "application/json",
    }
    if before:
        request["IfMatch"] = before.etag
    else:
        request["IfNoneMatch"] = "*"
    try:
        return clients.s3.put_object(**request).get("VersionId", "")
    except ClientError as error:
        if error_code(error) not in ("PreconditionFailed", "ConditionalRequestConflict", "412", "409"):
            raise
    raise OvertakenError

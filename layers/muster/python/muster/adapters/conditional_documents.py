"""Documents of the bucket that several may write at once: each write names the version that it replaces."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from muster.adapters.translate import translated
from muster.errors import AbsentError, AlreadyThereError
from muster.ports import ConditionalDocuments, StoredDocument

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_JSON = "application/json"


@dataclass(frozen=True)
class BucketConditionalDocuments(ConditionalDocuments):
    """Documents in S3; a tag is the object's ETag. A denied read is an error, never an absent document."""

    s3: "S3Client"
    bucket: str
    account_id: str

    def read(self, key: str) -> StoredDocument | None:
        """Read the newest version; S3 answers with what was written last."""
        try:
            with translated("s3:GetObject", self.account_id):
                answer = self.s3.get_object(Bucket=self.bucket, Key=key)
                body = answer["Body"].read()
        except AbsentError:
            return None
        return StoredDocument(body, answer["ETag"], answer["VersionId"])

    def replace(self, key: str, text: str, tag: str | None) -> str:
        """Write if nobody else did since it was read. A document that was deleted meanwhile is overtaken as well."""
        try:
            with translated("s3:PutObject", self.account_id):
                if tag is None:
                    answer = self.s3.put_object(
                        Bucket=self.bucket, Key=key, Body=text.encode(), ContentType=_JSON, IfNoneMatch="*"
                    )
                else:
                    answer = self.s3.put_object(
                        Bucket=self.bucket, Key=key, Body=text.encode(), ContentType=_JSON, IfMatch=tag
                    )
        except AbsentError as error:
            raise AlreadyThereError(error.operation, error.account_id, error.said) from None
        return answer["ETag"]

    def put(self, key: str, text: str) -> None:
        """Write whatever is there."""
        with translated("s3:PutObject", self.account_id):
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=text.encode(), ContentType=_JSON)

    def delete(self, key: str) -> None:
        """Delete it; S3 says nothing of what was not there."""
        with translated("s3:DeleteObject", self.account_id):
            self.s3.delete_object(Bucket=self.bucket, Key=key)

"""The run's documents and the desired state, in one versioned bucket."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from muster.adapters.translate import translated
from muster.errors import AbsentError
from muster.ports import RunDocuments

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class BucketDocuments(RunDocuments):
    """Documents in S3. A denied read is an error, never an absent document."""

    s3: "S3Client"
    bucket: str
    account_id: str

    def read(self, key: str) -> Any | None:  # noqa: ANN401 - JSON
        """Read the newest version."""
        text = self.read_text(key)
        return None if text is None else json.loads(text)

    def read_text(self, key: str, version: str | None = None) -> str | None:
        """Read one version (the newest when None) as text."""
        try:
            with translated("s3:GetObject", self.account_id):
                if version is None:
                    answer = self.s3.get_object(Bucket=self.bucket, Key=key)
                else:
                    answer = self.s3.get_object(Bucket=self.bucket, Key=key, VersionId=version)
                return answer["Body"].read().decode()
        except AbsentError:
            return None

    def write(self, key: str, document: Any) -> None:  # noqa: ANN401 - JSON
        """Write canonical JSON: sorted keys, no white space."""
        self._put(
            key, json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False), "application/json"
        )

    def write_text(self, key: str, text: str) -> None:
        """Write plain text."""
        self._put(key, text, "text/plain; charset=utf-8")

    def _put(self, key: str, text: str, content_type: str) -> None:
        with translated("s3:PutObject", self.account_id):
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=text.encode(), ContentType=content_type)

"""The lease as one object of the state bucket, and what Step Functions says of its holder."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from muster.adapters.conditional_documents import BucketConditionalDocuments
from muster.adapters.translate import translated
from muster.domain.lease import Lease, lease_from_document, lease_to_document
from muster.errors import AbsentError, RefusedError
from muster.lease_ports import ExecutionReader, LeaseStore

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient

LEASE_KEY = "lease.json"


@dataclass(frozen=True)
class LeaseInBucket(LeaseStore):
    """The lease in S3, written only where it is as it was read; its tag is the object's ETag."""

    s3: "S3Client"
    bucket: str
    account_id: str

    @property
    def _documents(self) -> BucketConditionalDocuments:
        return BucketConditionalDocuments(self.s3, self.bucket, self.account_id)

    def read(self) -> tuple[Lease, str] | None:
        """Read the newest version; S3 answers with what was written last."""
        found = self._documents.read(LEASE_KEY)
        if found is None:
            return None
        try:
            return lease_from_document(json.loads(found.body)), found.tag
        except ValueError as error:
            raise RefusedError(
                "s3:GetObject",
                self.account_id,
                f"{LEASE_KEY} in {self.bucket} is no lease ({error}). While no execution runs, remove it: "
                f"`aws s3 rm s3://{self.bucket}/{LEASE_KEY}`",
            ) from None

    def write(self, lease: Lease, tag: str | None) -> str:
        """Write if nobody else did since it was read."""
        body = json.dumps(lease_to_document(lease), sort_keys=True, separators=(",", ":"))
        return self._documents.replace(LEASE_KEY, body, tag)


@dataclass(frozen=True)
class Executions(ExecutionReader):
    """Executions of the application's state machines."""

    stepfunctions: "SFNClient"
    account_id: str

    def status(self, execution_arn: str) -> str | None:
        """Ask for the status alone: input and output are nobody's business here."""
        try:
            with translated("states:DescribeExecution", self.account_id):
                answer = self.stepfunctions.describe_execution(
                    executionArn=execution_arn, includedData="METADATA_ONLY"
                )  # fmt: skip
        except AbsentError:
            return None
        return answer["status"]

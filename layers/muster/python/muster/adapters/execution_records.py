"""Executions of the application's state machines, with the input that each was started with."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from muster.adapters.translate import translated
from muster.errors import AbsentError
from muster.ports import ExecutionRecord, ExecutionRecords

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient


@dataclass(frozen=True)
class ExecutionsWithInput(ExecutionRecords):
    """Executions as Step Functions describes them."""

    stepfunctions: "SFNClient"
    account_id: str

    def find(self, execution_arn: str) -> ExecutionRecord | None:
        """Read DescribeExecution."""
        try:
            with translated("states:DescribeExecution", self.account_id):
                answer = self.stepfunctions.describe_execution(executionArn=execution_arn)
        except AbsentError:
            return None
        return ExecutionRecord(answer["status"], answer["startDate"], answer.get("input", ""))

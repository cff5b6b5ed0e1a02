"""Answers to state machines that wait for a task token."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from muster.adapters.translate import translated
from muster.errors import AbsentError
from muster.ports import TaskTokens

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient


@dataclass(frozen=True)
class StepFunctionsTaskTokens(TaskTokens):
    """Task tokens of Step Functions."""

    stepfunctions: "SFNClient"
    account_id: str

    def succeed(self, token: str, output: Mapping[str, Any]) -> bool:
        """Send it. A task that is over, also because an earlier answer reached it, is told by False."""
        try:
            with translated("states:SendTaskSuccess", self.account_id):
                self.stepfunctions.send_task_success(taskToken=token, output=json.dumps(dict(output), sort_keys=True))
        except AbsentError:
            return False
        return True

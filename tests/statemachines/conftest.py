"""The deployed file, run by an interpreter in this process: only what the tasks answer is invented."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from sfnx.testing import Execution, run

from tests.statemachines.answering import Cloud

SUBSTITUTIONS = {
    "StateBucketName": "bucket",
    "PreflightFunctionArn": "preflight",
    "SignUpFunctionArn": "sign-up",
    "ScopingFunctionArn": "scoping",
    "ContactSetupFunctionArn": "contact-setup",
    "AssessFunctionArn": "assess",
    "MemberRepairFunctionArn": "member-repair",
    "ContainmentFunctionArn": "containment",
    "PlanFunctionArn": "plan",
    "LeaseFunctionArn": "lease",
    "ApprovalFunctionArn": "approval",
    "ReportFunctionArn": "report",
    "NotificationTopicArn": "topic",
    "ConsistencyWaitSeconds": "15",
    "ConsistencyAttempts": "3",
    "UnitPaceSeconds": "1",
    "SettleSeconds": "1800",
    "SettleWaitSeconds": "60",
    "SettleAttempts": "4",
    "ContainmentWaitSeconds": "30",
    "ContainmentAttempts": "3",
    "LeaseWaitSeconds": "30",
    "LeaseAttempts": "3",
    "Reminders": "2",
}


@pytest.fixture(scope="session")
def definition() -> dict[str, Any]:
    text = Path("statemachines/onboard.asl.yaml").read_text()
    text = re.sub(r"\$\{(\w+)\}", lambda name: SUBSTITUTIONS[name[1]], text)
    loaded = yaml.safe_load(text)
    assert isinstance(loaded, dict)
    return loaded


@pytest.fixture
def onboard(definition: dict[str, Any]) -> Callable[..., Execution]:
    def start(cloud: Cloud, execution_input: object | None = None) -> Execution:
        return run(definition, execution_input if execution_input is not None else {}, cloud)

    return start

"""One run at a time writes, and one that dies while it may write blocks nobody for long."""

import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest

from tests.scenarios.operating import Operator

WRITES = ["EnableAWSServiceAccess", "CreateServiceLinkedRole", "RegisterDelegatedAdministrator", "CreateMembership"]
PATIENCE_S = 30.0


def until(holds: Callable[[], bool]) -> None:
    pause, deadline = threading.Event(), time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        pause.wait(0.005)


def test_two_runs_started_together_write_everything_once(operator: Operator) -> None:
    operator.push()

    arns = [operator.start(), operator.start()]
    runs = [operator.finish(arn) for arn in arns]

    assert [run.outcome for run in runs] == ["Covered", "Covered"], [run.cause for run in runs]
    assert operator.writes() == WRITES
    assert sum(bool(run.output["changes"]) for run in runs) == 1
    assert operator.document("lease.json")["state"] == "released"


@pytest.mark.parametrize("operation", ["RegisterDelegatedAdministrator", "CreateMembership"])
def test_run_that_is_stopped_while_it_writes_is_succeeded_by_the_next_one(operator: Operator, operation: str) -> None:
    operator.push(scope={"units": ["Security"]})
    machines = operator.client("stepfunctions")
    service = "security-ir" if operation == "CreateMembership" else "organizations"
    operator.cloud.set_faults([{"service": service, "operation": operation, "latency_ms": 500, "times": 1}])
    arn = operator.start()
    until(lambda: operator.cloud.faults.as_list()[0]["hits"] > 0)

    machines.stop_execution(executionArn=arn, error="Stopped", cause="by hand")
    until(lambda: machines.describe_execution(executionArn=arn)["status"] == "ABORTED")
    held = operator.document("lease.json")
    run = operator.onboard()

    assert (held["holder"], held["state"]) == (arn, "held")
    assert run.outcome == "Covered", run.cause
    assert "WaitForLease" in run.states
    assert Counter(operator.writes()) == Counter([*WRITES, "UpdateMembership"])

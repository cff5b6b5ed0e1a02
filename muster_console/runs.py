"""Starts executions of the onboarding machine and of those that people answer by, and follows one from its history."""

import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final, Literal

from botocore.exceptions import ClientError

from muster_console.aws import Clients, error_code
from muster_console.errors import ConsoleError, ExitCode
from muster_console.stack import DESIRED_STATE_KEY, Stack, execution_of

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions.type_defs import HistoryEventTypeDef

_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 4.0
TIME_OUT: Final = "a time-out"
"""The error of a task that took too long."""

_RUN_NAME: Final = r"[A-Za-z0-9_-]{1,80}"


class Moment(Enum):
    """What may happen to a state while a run is followed."""

    ENTERED = auto()
    LEFT = auto()
    FAILED = auto()


@dataclass(frozen=True, slots=True)
class Step:
    """One moment of one state: ``output`` when it was left, ``error`` when an attempt of it failed."""

    state: str
    moment: Moment
    waits: bool = False
    output: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended. ``status`` is the execution's; ``output`` is empty unless it succeeded."""

    status: str
    output: Mapping[str, Any]
    error: str
    cause: str


def start(
    clients: Clients,
    stack: Stack,
    now: datetime,
    accept_unknown: Sequence[str] = (),
    *,
    applies: bool = True,
    plan: str | None = None,
) -> str:
    """Start a run towards the present desired state and return its name. Raises ConsoleError when there is none.

    Without ``applies`` it only makes a plan; with ``plan``, a SHA-256, it does nothing that is not in that one.
    """
    version = desired_version(clients, stack)
    run = _name("manual", now)
    clients.stepfunctions.start_execution(
        stateMachineArn=stack.onboard_machine_arn,
        name=run,
        input=json.dumps(
            {
                "schema": 1,
                "trigger": {"kind": "manual"},
                "desired": {"key": DESIRED_STATE_KEY, "version": version},
                **({"accept_unknown": list(accept_unknown)} if accept_unknown else {}),
                **({} if applies else {"applies": False}),
                **({"plan": plan} if plan else {}),
            }
        ),
    )
    return run


def start_answer(
    clients: Clients, stack: Stack, now: datetime, *, plan: str, decision: Literal["approve", "reject"], reason: str
) -> str:
    """Start the execution by which somebody answers a plan, and return its ARN. Raises ConsoleError without one."""
    machine, name = stack.machine_for_answers(), _name(decision, now)
    answer = {"plan": plan, "decision": decision, "reason": reason}
    clients.stepfunctions.start_execution(stateMachineArn=machine, name=name, input=json.dumps(answer))
    return execution_of(machine, name)


def start_attestation(
    clients: Clients, stack: Stack, now: datetime, *, case: str, level: str, accounts: Sequence[str]
) -> str:
    """Start the execution by which somebody attests a preference, and return its ARN. May raise ConsoleError."""
    machine, name = stack.machine_for_attestations(), _name("attest", now)
    said = {"case": case, "level": level, "accounts": list(accounts)}
    clients.stepfunctions.start_execution(stateMachineArn=machine, name=name, input=json.dumps(said))
    return execution_of(machine, name)


def _name(kind: str, now: datetime) -> str:
    return f"{kind}-{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def desired_version(clients: Clients, stack: Stack) -> str:
    """Return the newest version of the desired state. Raises ConsoleError when none was pushed."""
    try:
        return clients.s3.head_object(Bucket=stack.state_bucket, Key=DESIRED_STATE_KEY).get("VersionId", "")
    except ClientError as error:
        if error_code(error) not in ("404", "NoSuchKey", "NotFound"):
            raise
    raise ConsoleError(
        "No desired state has been pushed yet.",
        "Write one after config/desired-state.example.yaml, then run `muster push FILE`.",
        ExitCode.NEEDS_PERSON,
    )


def run_arn(stack: Stack, run: str) -> str:
    """Return the ARN of a run. Raises ConsoleError when that is no name of a run."""
    if not re.fullmatch(_RUN_NAME, run):
        raise ConsoleError(f"{run!r} is not the name of a run.", "`muster onboard` prints the name.", ExitCode.UNUSABLE)
    return stack.execution_arn(run)


def follow(clients: Clients, arn: str, tell: Callable[[Step], None], sleep: Callable[[float], None]) -> Ending:
    """Tell every step of an execution, from its beginning, until it ends. Raises ConsoleError when there is none."""
    history = _History()
    pause = _FIRST_PAUSE_S
    while True:
        # The end is read before the history, so that nothing of it can be missed.
        ending = _ending(clients, arn)
        news = list(history.news(clients, arn))
        for step in news:
            tell(step)
        if ending:
            return ending
        pause = _FIRST_PAUSE_S if news else min(2 * pause, _LONGEST_PAUSE_S)
        sleep(pause)


def _ending(clients: Clients, arn: str) -> Ending | None:
    try:
        execution = clients.stepfunctions.describe_execution(executionArn=arn)
    except ClientError as error:
        if error_code(error) not in ("ExecutionDoesNotExist", "InvalidArn"):
            raise
        execution = None
    if execution is None:
        run = arn.rpartition(":")[2]
        raise ConsoleError(f"There is no run {run}.", "Start one with `muster onboard`.", ExitCode.UNUSABLE)
    if execution["status"] == "RUNNING":
        return None
    return Ending(
        status=execution["status"],
        output=_parsed(execution.get("output")),
        error=execution.get("error", ""),
        cause=_message(execution.get("cause", "")),
    )


class _History:
    """Reads a history from its end back to what is known, so that following a long run stays cheap."""

    def __init__(self) -> None:
        self._last_id = 0
        self._state = ""

    def news(self, clients: Clients, arn: str) -> Iterator[Step]:
        for event in self._events(clients, arn):
            step = self._step(event)
            if step:
                yield step

    def _events(self, clients: Clients, arn: str) -> list["HistoryEventTypeDef"]:
        found: dict[int, HistoryEventTypeDef] = {}
        pages = clients.stepfunctions.get_paginator("get_execution_history").paginate(
            executionArn=arn, reverseOrder=True, PaginationConfig={"PageSize": 100}
        )
        for page in pages:
            ids = [event["id"] for event in page["events"]]
            found.update((event["id"], event) for event in page["events"] if event["id"] > self._last_id)
            newest_first = bool(ids) and ids[0] >= ids[-1]
            if newest_first and ids[-1] <= self._last_id + 1:
                break
        self._last_id = max(found, default=self._last_id)
        return [found[number] for number in sorted(found)]

    def _step(self, event: "HistoryEventTypeDef") -> Step | None:
        kind = event["type"]
        if kind.endswith("StateEntered"):
            self._state = event.get("stateEnteredEventDetails", {}).get("name", "")
            return Step(self._state, Moment.ENTERED, waits=kind.startswith("Wait"))
        if kind == "TaskStateExited":
            details = event.get("stateExitedEventDetails")
            name = details["name"] if details else self._state
            return Step(name, Moment.LEFT, output=_parsed(details.get("output") if details else None))
        if kind in ("TaskFailed", "TaskTimedOut", "LambdaFunctionFailed", "LambdaFunctionTimedOut"):
            return Step(self._state, Moment.FAILED, error=_error_name(event))
        return None


def _error_name(event: "HistoryEventTypeDef") -> str:
    for details in (event.get("taskFailedEventDetails"), event.get("lambdaFunctionFailedEventDetails")):
        if details:
            return details.get("error", "an error")
    return TIME_OUT


def _parsed(text: str | None) -> Mapping[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _message(cause: str) -> str:
    """Return what a person should read of a cause: a Lambda function's error is wrapped in JSON."""
    return str(_parsed(cause).get("errorMessage", cause))

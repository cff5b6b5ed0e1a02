"""Machines that wait for a task token: moto waits in real time, whatever is stopped or answered twice."""

import json
from collections.abc import Callable
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, EmptyResult
from moto.stepfunctions.parser import api
from moto.stepfunctions.parser.asl.component.state.exec.execute_state import ExecutionState
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.resource import ResourceCondition
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service import StateTaskService
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (
    StateTaskServiceCallback,
)
from moto.stepfunctions.parser.asl.eval.callback.callback import (
    CallbackOutcomeFailure,
    CallbackOutcomeSuccess,
    CallbackOutcomeTimedOut,
)
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.event.event_manager import EventManager
from moto.stepfunctions.parser.asl.eval.program_state import ProgramStopped
from moto.stepfunctions.responses import StepFunctionResponse

from muster_local.task_tokens import ClosedTokenError, TaskTokens, UnknownTokenError

type Tokens = Callable[[], TaskTokens]

_TOO_LATE = "Task Timed Out: 'Provided task does not exist anymore'"


class TokenAnswerError(ServiceException):
    """An error of Step Functions about a token, by its code; moto serialises only what is no class of its own."""


def give_every_attempt_a_token_of_its_own(tokens: Tokens) -> None:
    """Make a token for each attempt, which dies with it: moto gives a state one, which its retries find used up."""

    def evaluate(self: Any, env: Any) -> None:
        if self.resource.condition != ResourceCondition.WaitForTaskToken:
            StateTaskService._eval_execution(self, env)
            return
        token = env.states.context_object.update_task_token()
        env.callback_pool_manager.add(token)
        present = tokens()
        present.open(
            token,
            owner=(env.aws_execution_details.account, env.aws_execution_details.region),
            timeout=_seconds(self.timeout, env),
            heartbeat=None if self.heartbeat is None else _seconds(self.heartbeat, env),
        )
        try:
            StateTaskService._eval_execution(self, env)
        finally:
            present.close(token)

    StateTaskServiceCallback._eval_execution = evaluate


def _seconds(duration: Any, env: Any) -> float:
    duration.eval(env=env)
    return float(env.stack.pop())


def wait_for_tokens_on_the_virtual_clock(tokens: Tokens) -> None:
    """Let TimeoutSeconds and HeartbeatSeconds of a waiting task pass on our clock: moto takes the machine's."""

    def wait(_self: Any, *, callback_endpoint: Any, **_moto: Any) -> Any:
        token = callback_endpoint.callback_id
        return tokens().wait(token) or CallbackOutcomeTimedOut(callback_id=token)

    StateTaskServiceCallback._eval_wait_for_task_token = wait


def take_one_answer_for_a_token(tokens: Tokens) -> None:
    """Answer as AWS who is too late: moto takes a second answer, forgets causes, and stumbles over what just starts."""
    inner = {name: _original(name) for name in ("send_task_success", "send_task_failure", "send_task_heartbeat")}

    def answering(name: str, act: Callable[[Any, TaskTokens, str, tuple[str, str]], None]) -> None:
        def answer(self: Any) -> ActionResult:
            token, present = self._get_param("taskToken"), tokens()
            if not present.knows(token):
                return inner[name](self)
            try:
                act(self, present, token, (self.current_account, self.region))
            except UnknownTokenError:
                raise TokenAnswerError("InvalidToken", "Invalid Token: 'Invalid token'") from None
            except ClosedTokenError:
                raise TokenAnswerError("TaskTimedOut", _TOO_LATE) from None
            return EmptyResult()

        answer.wraps = inner[name]  # type: ignore[attr-defined] # so that installing twice does not wrap twice
        setattr(StepFunctionResponse, name, answer)

    answering("send_task_success", _succeed)
    answering("send_task_failure", _fail)
    answering("send_task_heartbeat", lambda _, present, token, owner: present.beat(token, owner=owner))


def _original(name: str) -> Callable[[Any], ActionResult]:
    present = getattr(StepFunctionResponse, name)
    original: Callable[[Any], ActionResult] = getattr(present, "wraps", present)
    return original


def _succeed(request: Any, tokens: TaskTokens, token: str, owner: tuple[str, str]) -> None:
    output = request._get_param("output")
    try:
        json.loads(output)
    except ValueError:
        raise TokenAnswerError("InvalidOutput", "Invalid Output: 'The output is not JSON'") from None
    tokens.answer(token, CallbackOutcomeSuccess(callback_id=token, output=output), owner=owner)


def _fail(request: Any, tokens: TaskTokens, token: str, owner: tuple[str, str]) -> None:
    error, cause = request._get_param("error"), request._get_param("cause")
    tokens.answer(token, CallbackOutcomeFailure(callback_id=token, error=error, cause=cause), owner=owner)


def end_what_waits_when_it_is_stopped(tokens: Tokens) -> None:
    """Let StopExecution end a waiting task at once: moto lets it wait on, then retries, catches and records it."""
    _wake_who_waits(tokens)
    _leave_a_stopped_task_alone()
    _end_the_history_with_the_stop()


def _wake_who_waits(tokens: Tokens) -> None:
    inner = Environment.set_stop
    original = getattr(inner, "wraps", inner)

    def set_stop(self: Any, *more: Any, **named: Any) -> None:
        original(self, *more, **named)
        if isinstance(self.program_state(), ProgramStopped):
            self.event_manager.is_stopped = True
            for token in list(self.callback_pool_manager._pool):
                tokens().close(token)

    set_stop.wraps = original  # type: ignore[attr-defined] # so that installing twice does not wrap twice
    Environment.set_stop = set_stop


def _leave_a_stopped_task_alone() -> None:
    inner = ExecutionState._evaluate_with_timeout
    original = getattr(inner, "wraps", inner)

    def evaluate(self: Any, env: Any) -> None:
        try:
            original(self, env)
        except Exception:
            if not isinstance(env.program_state(), ProgramStopped):
                raise

    evaluate.wraps = original  # type: ignore[attr-defined] # so that installing twice does not wrap twice
    ExecutionState._evaluate_with_timeout = evaluate


def _end_the_history_with_the_stop() -> None:
    inner = EventManager.add_event
    original = getattr(inner, "wraps", inner)

    def add_event(self: Any, context: Any, event_type: Any, *more: Any, **named: Any) -> int:
        if getattr(self, "is_stopped", False) and event_type != api.HistoryEventType.ExecutionAborted:
            return int(context.last_published_event_id)
        return int(original(self, context, event_type, *more, **named))

    add_event.wraps = original  # type: ignore[attr-defined] # so that installing twice does not wrap twice
    EventManager.add_event = add_event

"""Approval: a request that people answer by starting an execution, which AWS records with their identity."""

import hashlib
import json
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta

from muster.domain import approval
from muster.domain.approval import (
    LATEST_KEY,
    AnswerKind,
    ApprovalRequest,
    Attempt,
    Refusal,
    RequestState,
    open_request,
    request_key,
    take_answer,
    token_key,
    why_closed,
)
from muster.domain.approval_commands import (
    AnswerBegun,
    AnswerOutcome,
    ApprovalCommand,
    ApprovalOutcome,
    BeginAnswer,
    CloseRequest,
    GiveAnswer,
    KeepToken,
    OpenRequest,
    RequestClosed,
    TokenKept,
)
from muster.domain.approval_texts import ApprovalTexts, write_texts
from muster.domain.callers import StartRecord
from muster.domain.plan import SHORT, Plan, PlanError, canonical, open_sealed, plan_key
from muster.errors import AlreadyThereError, ApprovalRefusedError, DeniedError, PlanUnusableError, UnavailableError
from muster.ports import ConditionalDocuments, EventHistory, ExecutionRecord, ExecutionRecords, TaskTokens

MAX_TRIES = 5
"""How often a request is read again after a write that was overtaken."""

DESIRED_STATE_KEY = "desired-state.json"


@dataclass(frozen=True, slots=True)
class Approval:
    """Everything that happens to a request. Each action may be repeated, also after a lost answer.

    ``approvals_needed`` tells from the key and the version of a desired state how many people have to approve.
    ``onboard_executions`` and ``approve_executions`` are what the ARNs of the executions begin with that may ask and
    that may answer.
    """

    documents: ConditionalDocuments
    history: EventHistory
    executions: ExecutionRecords
    tokens: TaskTokens
    approvals_needed: Callable[[str, str], int]
    onboard_executions: str
    approve_executions: str
    own_roles: AbstractSet[str]
    plan_max_age: timedelta

    def apply(self, command: ApprovalCommand) -> ApprovalOutcome:
        """Do what a machine asks. Raises what the actions raise."""
        match command:
            case OpenRequest():
                return self.request(command)
            case KeepToken():
                return self.wait(command)
            case CloseRequest():
                return self.close(command)
            case GiveAnswer():
                return self.answer(command)
            case BeginAnswer():
                return self.begin(command)

    def request(self, command: OpenRequest) -> ApprovalTexts:
        """Open the request, and return what people are told. Raises PlanUnusableError."""
        plan = self._plan(command.plan)
        _expect_execution(command.execution, self.onboard_executions)
        needed = self.approvals_needed(command.desired_key, command.desired_version)
        request = self._change(
            command.plan,
            lambda found: open_request(
                found,
                plan=command.plan,
                run=command.run,
                execution=command.execution,
                at=command.at,
                waits=command.waits,
                approvals=needed,
            ),
        )
        self.documents.put(LATEST_KEY, _text(request))
        return write_texts(request, plan)

    def wait(self, command: KeepToken) -> TokenKept:
        """Keep the token; each wait of the machine has a new one.

        An answer that came first found no token, or an old one: it is delivered here. The token is written before the
        request is read, and an answer reads the token after it has written the request: one of the two sees the other.
        """
        self.documents.put(token_key(command.plan), canonical({"schema": 1, "token": command.token}))
        return TokenKept(answered=self._deliver(self._request(command.plan)))

    def close(self, command: CloseRequest) -> RequestClosed:
        """Take no more answers, unless people have decided already. A request that is gone is closed."""
        found, _ = self._read(command.plan)
        if found is None:
            return RequestClosed(command.state)
        request = self._change(command.plan, lambda now: approval.close(now or found, command.state))
        self._update_latest(request)
        self.documents.delete(token_key(command.plan))
        return RequestClosed(request.state)

    def begin(self, command: BeginAnswer) -> AnswerBegun:
        """See whether the answer could be taken. Nothing about the plan stands in the way of a rejection.

        Raises ApprovalRefusedError and PlanUnusableError.
        """
        request = self._request(command.plan)
        if request.answer_of(command.execution) is None:
            self._check(request, command)
        return AnswerBegun()

    def answer(self, command: GiveAnswer) -> AnswerOutcome:
        """Take the answer, and let the waiting machine go on when it decides the request.

        Raises ApprovalRefusedError and PlanUnusableError.
        """
        request = self._request(command.plan)
        if request.answer_of(command.execution) is None:
            waiting = self._check(request, command)
            attempt = Attempt(
                plan=command.plan,
                decision=command.decision,
                reason=command.reason,
                execution=command.execution,
                at=command.at,
                answerers=self._starts(command.execution, self._own_execution(command)),
                planners=self._starts(request.execution, waiting) if command.decision is AnswerKind.APPROVE else (),
            )
            if not attempt.is_attributed:
                if command.last_attempt:
                    raise _no_record("the run that asks" if attempt.answerers else "this answer", command)
                return AnswerOutcome(recorded=False)
            request = self._change(command.plan, lambda found: self._take(found, attempt))
        self._update_latest(request)
        self._deliver(request)
        return AnswerOutcome(recorded=True, status=approval.say_status(request), message=_say_answered(request))

    def _take(self, found: ApprovalRequest | None, attempt: Attempt) -> ApprovalRequest:
        if found is None:
            raise _no_request(attempt.plan)
        match take_answer(found, attempt, self.own_roles):
            case Refusal(why):
                raise ApprovalRefusedError(why)
            case taken:
                return taken

    def _check(self, request: ApprovalRequest, command: BeginAnswer) -> ExecutionRecord:
        """Return the execution that waits for the answer, when the answer makes sense."""
        if refusal := why_closed(request, command.at):
            raise ApprovalRefusedError(refusal.why)
        waiting = self.executions.find(request.execution)
        if waiting is None or waiting.status != "RUNNING":
            raise ApprovalRefusedError(
                f"the run that asked about plan {request.short} no longer waits for an answer "
                f"({waiting.status if waiting else 'it is gone'}); for a new plan run `muster onboard`"
            )
        if command.decision is AnswerKind.APPROVE:
            self._check_plan(self._plan(request.plan), request, command.at)
        return waiting

    def _check_plan(self, plan: Plan, request: ApprovalRequest, at: datetime) -> None:
        if at > plan.at + self.plan_max_age:
            raise PlanUnusableError(
                f"plan {request.short} was made at {approval.say_time(plan.at)} and could be approved until "
                f"{approval.say_time(plan.at + self.plan_max_age)}: reject it, and run `muster onboard` for a new one"
            )
        newest = self.documents.read(DESIRED_STATE_KEY)
        if newest is None or newest.version != plan.desired_version:
            raise PlanUnusableError(
                f"plan {request.short} is for version {plan.desired_version} of the desired state, and the newest is "
                f"{newest.version if newest else 'gone'}: reject it, and run `muster onboard` for a new one"
            )

    def _plan(self, sha256: str) -> Plan:
        found = self.documents.read(plan_key(sha256))
        if found is None:
            raise PlanUnusableError(f"plan {sha256[:SHORT]} is gone: run `muster onboard` for a new one")
        if hashlib.sha256(found.body).hexdigest() != sha256:
            raise PlanUnusableError(
                f"plan {sha256[:SHORT]} was changed after it was made, so nobody knows what would be approved: "
                f"reject it, find out who wrote {plan_key(sha256)}, and run `muster onboard` for a new one"
            )
        try:
            return open_sealed(found.body.decode(), sha256).plan
        except PlanError as error:
            raise PlanUnusableError(str(error)) from None

    def _own_execution(self, command: GiveAnswer) -> ExecutionRecord:
        """Return the execution that answers. What it was started with counts, whoever invokes the function."""
        _expect_execution(command.execution, self.approve_executions)
        found = self.executions.find(command.execution)
        if found is None:
            raise ApprovalRefusedError(f"{command.execution} is unknown: run `muster {command.decision} PLAN` again")
        said = _members(found.input)
        if (said.get("plan"), said.get("decision"), said.get("reason") or "") != (
            command.plan,
            command.decision.value,
            command.reason,
        ):
            raise ApprovalRefusedError(
                f"{command.execution} was started to say something else than this answer, so it is not taken: run "
                f"`muster {command.decision} {command.plan[:SHORT]}`"
            )
        return found

    def _starts(self, execution: str, record: ExecutionRecord) -> tuple[StartRecord, ...]:
        try:
            return self.history.starts(execution, record.started_at)
        except DeniedError as error:
            raise ApprovalRefusedError(
                f"who started {execution} cannot be read ({error}), so no answer is taken. Allow the function "
                f"cloudtrail:LookupEvents, also in the organization's service control policies, and answer again"
            ) from error

    def _deliver(self, request: ApprovalRequest) -> bool:
        """Let the waiting machine go on when the request is decided; True when it was told.

        A token that is used up or timed out needs nothing: either an earlier answer arrived, or the machine comes back
        with a new token, or it closes the request and sees how that was decided.
        """
        if not request.state.is_decided:
            return False
        kept = self.documents.read(token_key(request.plan))
        if kept is None:
            return False
        token = json.loads(kept.body)["token"]
        return self.tokens.succeed(token, {"decision": request.state.value, "answers": len(request.answers)})

    def _request(self, plan: str) -> ApprovalRequest:
        found, _ = self._read(plan)
        if found is None:
            raise _no_request(plan)
        return found

    def _read(self, plan: str) -> tuple[ApprovalRequest | None, str | None]:
        stored = self.documents.read(request_key(plan))
        if stored is None:
            return None, None
        try:
            return approval.from_document(json.loads(stored.body)), stored.tag
        except (ValueError, KeyError, TypeError) as error:
            raise ApprovalRefusedError(
                f"{request_key(plan)} is not a request that this version can read ({type(error).__name__}): stop the "
                f"run that waits (`aws stepfunctions stop-execution --execution-arn ARN`) and run `muster onboard`"
            ) from None

    def _change(self, plan: str, decide: Callable[[ApprovalRequest | None], ApprovalRequest]) -> ApprovalRequest:
        """Write what is decided about the request as it is now; when somebody else was first, decide again."""
        for _ in range(MAX_TRIES):
            found, tag = self._read(plan)
            wanted = decide(found)
            if wanted == found:
                return wanted
            try:
                self.documents.replace(request_key(plan), _text(wanted), tag)
            except AlreadyThereError:
                continue
            return wanted
        raise UnavailableError(f"the request about plan {plan[:SHORT]} was changed by others each time it was written")

    def _update_latest(self, request: ApprovalRequest) -> None:
        """Let the copy of the newest request follow, unless there is a newer one."""
        latest = self.documents.read(LATEST_KEY)
        if latest is None or _members(latest.body).get("plan") == request.plan:
            self.documents.put(LATEST_KEY, _text(request))


def _text(request: ApprovalRequest) -> str:
    return canonical(approval.to_document(request))


def _members(text: str | bytes) -> dict[str, object]:
    """Return the members of a JSON object; none for anything else."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _expect_execution(arn: str, beginning: str) -> None:
    if not arn.startswith(beginning):
        raise ApprovalRefusedError(
            f"{arn} is no execution of {beginning.removesuffix(':')}: start that machine instead"
        )


def _no_record(of: str, command: GiveAnswer) -> ApprovalRefusedError:
    look = "aws cloudtrail lookup-events --lookup-attributes AttributeKey=EventName,AttributeValue=StartExecution"
    return ApprovalRefusedError(
        f"CloudTrail has no record yet of who started {of}, so the answer is not taken. See that records arrive "
        f"(`{look}`), and run `muster {command.decision} {command.plan[:SHORT]}` again"
    )


def _no_request(plan: str) -> ApprovalRefusedError:
    return ApprovalRefusedError(
        f"nobody asks for approval of plan {plan[:SHORT]}: `muster status` shows what waits for an answer"
    )


def _say_answered(request: ApprovalRequest) -> str:
    match request.state:
        case RequestState.APPROVED:
            return f"Plan {request.short} is approved, and the run goes on: `muster status`."
        case RequestState.REJECTED:
            return f"Plan {request.short} is rejected, and the run writes nothing of it: `muster status`."
        case _:
            return (
                f"Your answer is recorded. Plan {request.short} has {request.approved} of {request.approvals} "
                f"approvals: the next person runs `muster approve {request.short}`."
            )

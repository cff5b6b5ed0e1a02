"""What approval reads and writes, in memory: documents with tags, AWS's records, executions and waiting machines."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from muster.domain.approval import ApprovalRequest, from_document, request_key
from muster.domain.callers import Caller, CallerKind, StartRecord
from muster.domain.plan import Affected, Plan, PlannedRemediation, SealedPlan, seal
from muster.domain.remediation import Remediation, RemediationKind, Step
from muster.errors import AlreadyThereError, DeniedError
from muster.ports import ExecutionRecord, StoredDocument
from muster.steps.approval import DESIRED_STATE_KEY, Approval

ACCOUNT = "222222222222"
AT = datetime(2027, 1, 31, 10, 15, tzinfo=UTC)
EXECUTIONS = f"arn:aws:states:eu-west-1:{ACCOUNT}:execution:"
ONBOARD = f"{EXECUTIONS}muster-onboard:"
APPROVE = f"{EXECUTIONS}muster-approve:"
RUN = f"{ONBOARD}manual-1"
TWO_ACCOUNTS = Affected(2, ("300000000001", "300000000002"))
OWN_ROLES = frozenset({"muster-approval", "muster-report"})


def person(name: str, role: str = "Operator", *, source_identity: str | None = None) -> Caller:
    """Return a session of a role under a person's name."""
    return Caller(
        f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{name}@example.com",
        f"AROA{role.upper()}:{name}@example.com",
        source_identity,
    )


def schedule() -> Caller:
    """Return the service that starts runs by the clock."""
    return Caller(
        f"arn:aws:sts::{ACCOUNT}:assumed-role/muster-schedule/0a1b2c", "AROASCHEDULE:0a1b2c", None, CallerKind.SERVICE
    )


def record(caller: Caller, event_id: str = "event-1", at: datetime = AT) -> StartRecord:
    """Return AWS's record of a start."""
    return StartRecord(caller, event_id, at)


def remediation(
    kind: RemediationKind = RemediationKind.ADD_UNIT, resource: str = "ou-ab12-11111111", step: Step = Step.SCOPING
) -> Remediation:
    """Return a write."""
    return Remediation(step, kind, resource, "absent", "present", f"{kind.value} {resource}", "it is asked for")


def planned(
    kind: RemediationKind = RemediationKind.ADD_UNIT,
    resource: str = "ou-ab12-11111111",
    *,
    affected: Affected = TWO_ACCOUNTS,
    approval: tuple[str, ...] = ("mode is propose",),
    held: str | None = None,
) -> PlannedRemediation:
    """Return a write of a plan."""
    return PlannedRemediation(remediation(kind, resource), affected, approval, held)


def plan_of(*writes: PlannedRemediation, accounts: int | None = 40) -> Plan:
    """Return a plan; with one addition when nothing is said."""
    return Plan("manual-1", 1, AT, "v1", "propose", "m-1", accounts, writes or (planned(),))


@dataclass
class FakeConditionalDocuments:
    """Documents with the tag of their content and a version for each write."""

    stored: dict[str, StoredDocument] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)
    before_replacing: list[Callable[[], object]] = field(default_factory=list)
    """What somebody else does between a reading and the write, one for each write."""

    def read(self, key: str) -> StoredDocument | None:
        return self.stored.get(key)

    def replace(self, key: str, text: str, tag: str | None) -> str:
        if self.before_replacing:
            self.before_replacing.pop(0)()
        found = self.stored.get(key)
        if (found.tag if found else None) != tag:
            raise AlreadyThereError("s3:PutObject", ACCOUNT, "PreconditionFailed")
        self.put(key, text)
        return self.stored[key].tag

    def put(self, key: str, text: str) -> None:
        self.write(key, text.encode())

    def write(self, key: str, body: bytes) -> None:
        """Store bytes."""
        self.writes.append(key)
        self.stored[key] = StoredDocument(body, hashlib.md5(body).hexdigest(), f"v{len(self.writes)}")  # noqa: S324

    def delete(self, key: str) -> None:
        self.stored.pop(key, None)


@dataclass
class FakeEventHistory:
    """AWS's records by execution."""

    records: dict[str, tuple[StartRecord, ...]] = field(default_factory=dict)
    is_denied: bool = False
    asked: list[tuple[str, datetime]] = field(default_factory=list)

    def starts(self, execution_arn: str, started_at: datetime) -> tuple[StartRecord, ...]:
        self.asked.append((execution_arn, started_at))
        if self.is_denied:
            raise DeniedError("cloudtrail:LookupEvents", ACCOUNT, "AccessDeniedException (no)")
        return self.records.get(execution_arn, ())


@dataclass
class FakeExecutions:
    """Executions by their ARN."""

    found: dict[str, ExecutionRecord] = field(default_factory=dict)

    def find(self, execution_arn: str) -> ExecutionRecord | None:
        return self.found.get(execution_arn)


@dataclass
class FakeTaskTokens:
    """Machines that wait, by token, and what they were told."""

    waiting: set[str] = field(default_factory=set)
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def succeed(self, token: str, output: Mapping[str, Any]) -> bool:
        if token not in self.waiting:
            return False
        self.waiting.remove(token)
        self.told.append((token, dict(output)))
        return True


@dataclass
class Office:
    """Everything around one plan that waits for approval, and the step on top of it."""

    plan: Plan = field(default_factory=plan_of)
    approvals: int = 1
    documents: FakeConditionalDocuments = field(default_factory=FakeConditionalDocuments)
    history: FakeEventHistory = field(default_factory=FakeEventHistory)
    executions: FakeExecutions = field(default_factory=FakeExecutions)
    tokens: FakeTaskTokens = field(default_factory=FakeTaskTokens)

    def __post_init__(self) -> None:
        """Store what a run has stored before it asks."""
        self.documents.write(DESIRED_STATE_KEY, b"{}")
        self.documents.put(self.sealed.key, self.sealed.text)
        self.executions.found[RUN] = ExecutionRecord("RUNNING", AT, "{}")
        self.history.records[RUN] = (record(person("planner"), "event-0"),)

    @property
    def sealed(self) -> SealedPlan:
        return seal(self.plan)

    @property
    def step(self) -> Approval:
        return Approval(
            documents=self.documents,
            history=self.history,
            executions=self.executions,
            tokens=self.tokens,
            approvals_needed=lambda _key, _version: self.approvals,
            onboard_executions=ONBOARD,
            approve_executions=APPROVE,
            own_roles=OWN_ROLES,
            plan_max_age=timedelta(days=7),
        )

    @property
    def request(self) -> ApprovalRequest:
        """The request as it is stored."""
        stored = self.documents.stored[request_key(self.sealed.sha256)]
        return from_document(json.loads(stored.body))

    def start_answer(self, caller: Caller | None, name: str = "a", **said: Any) -> str:
        """Start an execution that answers, with AWS's record of it unless nobody is named; return its ARN."""
        arn = f"{APPROVE}{name}"
        given = {"plan": self.sealed.sha256, "decision": "approve", **said}
        self.executions.found[arn] = ExecutionRecord("RUNNING", AT, json.dumps(given))
        if caller is not None:
            self.history.records[arn] = (record(caller, f"event-{name}"),)
        return arn

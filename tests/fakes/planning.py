"""Rounds as the machine runs them: look, plan, let people decide, make what is granted; and what each write does."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from muster.domain import approval
from muster.domain.desired import DesiredState
from muster.domain.member_repair import MemberAccess
from muster.domain.membership import ACTIVE, Association, Membership
from muster.domain.observed import Known
from muster.domain.organization import AccountState
from muster.domain.outcomes import AssessOutcome, Handoff, PlanOutcome
from muster.domain.plan import Plan, SealedPlan, open_sealed, plan_key
from muster.domain.planning import Verdict
from muster.domain.remediation import Step
from muster.errors import AbsentError
from muster.steps.gate import Gate, Looking, keep_proposals, open_granted
from muster.steps.planning import Planning, proposals_key
from tests.fakes.ports import FakeDocuments
from tests.fakes.steps import SETTLE, assess, repair_members, scope_until_done, set_up_contacts, sign_up
from tests.fakes.world import WRITES, World

MAX_ROUNDS = 10
"""So many rounds has a run of the machine."""

VERSION = "version-1"
MAX_AGE = timedelta(hours=72)


@dataclass(frozen=True, slots=True)
class Protection:
    """What the organization has of the service: who is covered, and what responders can use and reach."""

    covered: frozenset[str]
    triage: bool
    roles: frozenset[str]
    hears: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Effect:
    """One write, with the protection before and after it."""

    operation: str
    detail: Any
    before: Protection
    after: Protection

    @property
    def losing(self) -> frozenset[str]:
        """The accounts that lost their coverage by it."""
        return self.before.covered - self.after.covered

    @property
    def reduces(self) -> bool:
        """Tell whether anybody has less afterwards."""
        before, after = self.before, self.after
        return bool(
            self.losing or (before.triage and not after.triage) or before.roles - after.roles
            or before.hears - after.hears
        )  # fmt: skip


@dataclass(slots=True)
class MeasuredWorld(World):
    """A world that keeps the effect of every write; ``hidden`` are the true paths of accounts that show none."""

    hidden: dict[str, tuple[str, ...]] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)

    @contextmanager
    def call(self, operation: str, account_id: str, detail: Any = None) -> Iterator[None]:
        """Measure before and after a write."""
        if operation not in WRITES:
            with World.call(self, operation, account_id, detail):
                yield
            return
        before = self.protection()
        with World.call(self, operation, account_id, detail):
            yield
        self.effects.append(Effect(operation, detail, before, self.protection()))

    def association(self, found: Membership, account_id: str) -> Association:
        """Say what the service says: it knows the path of every account."""
        account = self.accounts.get(account_id)
        if account is None or account.state is not AccountState.ACTIVE or account_id not in self.triage_roles:
            return Association.UNASSOCIATED
        path = self.hidden.get(account_id, account.ancestors or ())
        within = found.covers_entire_organization or not found.unit_ids.isdisjoint(path)
        return Association.ASSOCIATED if within and found.status == ACTIVE else Association.UNASSOCIATED

    def protection(self) -> Protection:
        """Measure what the organization has now."""
        return Protection(
            covered=frozenset(
                account_id
                for account_id in self.accounts
                for each in self.memberships
                if self.association(each.membership, account_id) is Association.ASSOCIATED
            ),
            triage=any(each.membership.triage_enabled for each in self.memberships),
            roles=frozenset(self.triage_roles),
            hears=frozenset(
                (person.key, kind)
                for each in self.memberships
                if isinstance(each.team, Known)
                for person in each.team.value
                for kind in person.hears
            ),
        )


@dataclass(slots=True)
class FakeCalendars:
    """A change calendar that says what it is told to, and is absent when it is told nothing."""

    says: str | None = None

    def state(self, calendar: str) -> str:
        if self.says is None:
            raise AbsentError("ssm:GetCalendarState", "222222222222", f"no calendar {calendar}")
        return self.says


@dataclass(slots=True)
class Rounds:
    """One run: its plans and outcomes in order, and what it left to people."""

    world: MeasuredWorld
    desired: DesiredState
    run: str = "run-1"
    access: MemberAccess = MemberAccess.REPAIR
    applies: bool = True
    pinned: str | None = None
    approved: str | None = None
    number: int = 0
    plans: list[SealedPlan] = field(default_factory=list)
    outcomes: list[PlanOutcome] = field(default_factory=list)
    approvals: list[str] = field(default_factory=list)
    handoffs: list[Handoff] = field(default_factory=list)
    calendars: FakeCalendars = field(default_factory=FakeCalendars)
    membership_id: str | None = None

    @property
    def documents(self) -> FakeDocuments:
        """The bucket."""
        return FakeDocuments(self.world)

    @property
    def plan(self) -> Plan:
        """The last plan."""
        return self.plans[-1].plan

    def step(self) -> Planning:
        """Wire Planning."""
        return Planning(self.documents, self.calendars, MAX_AGE)

    def look(self) -> str | None:
        """Let every step look, and return the key of the assessment."""
        self.handoffs = []
        gate = Looking()
        found = sign_up(self.world, self.desired, gate=gate, last_attempt=True)
        self._keep(Step.SIGN_UP, gate)
        self.handoffs += found.handoffs
        self.membership_id = found.membership_id
        if self.membership_id is None:
            return None
        gate = Looking()
        for each in scope_until_done(
            self.world, self.desired, run=self.run, membership_id=self.membership_id, gate=gate
        ):
            self.handoffs += each.handoffs
        self._keep(Step.SCOPING, gate)
        gate = Looking()
        self.handoffs += set_up_contacts(self.world, membership_id=self.membership_id, gate=gate).handoffs
        self._keep(Step.CONTACT_SETUP, gate)
        assessed = self._assess(self.membership_id)
        if assessed.missing_triage_roles + assessed.unread_triage_roles:
            gate = Looking()
            self._repair(gate)
            self._keep(Step.MEMBER_REPAIR, gate)
        return assessed.assessment_key

    def _assess(self, membership_id: str) -> AssessOutcome:
        """Look at the accounts until they have settled, as the machine waits for it."""
        outcome = assess(
            self.world, self.desired, run=self.run, membership_id=membership_id, number=100 * self.number, scoped=False
        )
        for each in range(1, 4):
            if outcome.settled:
                break
            self.world.now += SETTLE
            outcome = assess(
                self.world, self.desired, run=self.run, membership_id=membership_id, number=100 * self.number + each,
                scoped=False,
            )  # fmt: skip
        return outcome

    def _keep(self, step: Step, gate: Looking) -> None:
        keep_proposals(self.documents, proposals_key(self.run, self.number, step), gate)

    def decide(self, assessment_key: str | None) -> PlanOutcome:
        """Make the plan of this round."""
        outcome = self.step().apply(
            self.desired,
            desired_version=VERSION,
            run=self.run,
            number=self.number,
            at=self.world.now,
            membership_id=self.membership_id,
            assessment_key=assessment_key,
            applies=self.applies,
            pinned=self.pinned,
            approved=self.approved,
            handoffs=self.handoffs,
        )
        self.outcomes.append(outcome)
        return outcome

    def plan_once(self) -> PlanOutcome:
        """Look, and plan."""
        self.number += 1
        outcome = self.decide(self.look())
        sha256 = outcome.plan
        if outcome.verdict == Verdict.ASK and self.pinned:
            sha256 = self.pinned
        self.plans.append(open_sealed(self.world.documents[plan_key(sha256)], sha256))
        return outcome

    def make(self, outcome: PlanOutcome) -> None:
        """Make what a plan grants, step by step."""
        assert outcome.grant_key is not None
        assert outcome.grant_sha256 is not None
        for each in map(Step, outcome.todo):
            self.make_step(each, open_granted(self.documents, each, outcome.grant_key, outcome.grant_sha256))

    def make_step(self, step: Step, gate: Gate) -> None:
        """Make one step's part."""
        if step is Step.SIGN_UP:
            self.handoffs += sign_up(self.world, self.desired, gate=gate, last_attempt=True).handoffs
            return
        assert self.membership_id is not None
        match step:
            case Step.SCOPING:
                for each in scope_until_done(
                    self.world, self.desired, run=self.run, membership_id=self.membership_id, gate=gate
                ):
                    self.handoffs += each.handoffs
            case Step.CONTACT_SETUP:
                self.handoffs += set_up_contacts(self.world, membership_id=self.membership_id, gate=gate).handoffs
            case Step.MEMBER_REPAIR:
                self._repair(gate)
            case _:
                raise AssertionError(step)

    def _repair(self, gate: Gate) -> None:
        cursor = None
        while True:
            outcome = repair_members(
                self.world, self.desired, access=self.access, run=self.run, cursor=cursor, gate=gate
            )
            self.handoffs += outcome.handoffs
            cursor = outcome.cursor
            if cursor is None:
                return

    def approve(self, sha256: str) -> None:
        """Let people approve a plan."""
        approve(self.world, sha256, run=self.run)
        self.approved = sha256
        self.approvals.append(sha256)

    def go(self, approves: Callable[[Plan], bool] = lambda _: True) -> PlanOutcome:
        """Run rounds until nothing is left that may be done, or until nobody approves."""
        while True:
            outcome = self.plan_once()
            if self.number > MAX_ROUNDS:
                return outcome
            if outcome.verdict == Verdict.APPLY:
                self.make(outcome)
            elif outcome.verdict == Verdict.ASK and approves(self.plan):
                self.approve(outcome.plan)
            else:
                return outcome
            self.world.now += timedelta(minutes=1)


def approve(
    world: World, sha256: str, *, run: str = "run-1", state: approval.RequestState = approval.RequestState.APPROVED
) -> None:
    """Store the request of a plan as people have decided it."""
    request = approval.ApprovalRequest(
        plan=sha256,
        run=run,
        execution=f"arn:aws:states:eu-west-1:222222222222:execution:muster-onboard:{run}",
        requested_at=world.now,
        expires_at=world.now + timedelta(hours=24),
        approvals=1,
        state=state,
    )
    FakeDocuments(world).write(approval.request_key(sha256), approval.to_document(request))

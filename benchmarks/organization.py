"""An organization that lives: accounts come, move and close, roles are tampered with, operations take their time."""

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from itertools import count
from random import Random
from typing import Final, override

from benchmarks.calls import ASSUME_IN_MANAGEMENT, LIST, LIST_OPERATIONS, Bill, calls_to_read, pages, pages_of_unusual
from muster.domain.containment_roles import CONTAINMENT_ROLE, EXECUTION_ROLE, ROLES, RoleDocument, RolesFound
from muster.domain.desired import DesiredStackSet
from muster.domain.observed import Known, Observed
from muster.domain.organization import AccountState
from muster.domain.stack_sets import DETECT_DRIFT, Accounts, StackInstance, StackSetOperation
from muster.errors import TransientError
from tests.fakes.stack_sets import OURS, FakeStackSets
from tests.fakes.world import MANAGEMENT, World

DEPLOYMENT: Final = timedelta(minutes=2)
"""How long an operation for some accounts takes. Assumed."""

DETECTION: Final = timedelta(minutes=30)
"""How long CloudFormation looks for drift in every stack. Assumed."""

PERSON: Final = timedelta(hours=12)
"""When a person has mended what Muster cannot. Assumed."""

_COUNTED_APART = frozenset({LIST, LIST_OPERATIONS, "iam:GetRole"})
"""What the fake records as one call, and is billed as the adapter makes it."""


class Shown(StrEnum):
    """What shows that a role was tampered with."""

    BY_EVENT = "an event names the account"
    BY_DRIFT = "the drift status, once it is looked for"
    BY_NOTHING = "nothing: its turn comes"


@dataclass(slots=True)
class Tampering:
    """One role that somebody changed: when, when and in which run it showed, and when and in which a reading had it."""

    shown: Shown
    account_id: str
    at: datetime
    shown_at: datetime | None = None
    shown_in: int = 0
    found_at: datetime | None = None
    found_in: int = 0


def without_external_id(roles: dict[str, RoleDocument]) -> None:
    """Let others have the service act."""
    role = roles[CONTAINMENT_ROLE]
    statements = [{**each, "Condition": {}} for each in role.trust["Statement"]]
    roles[CONTAINMENT_ROLE] = replace(role, trust={**role.trust, "Statement": statements})


def without_a_policy(roles: dict[str, RoleDocument]) -> None:
    """Take away what the execution role may do."""
    roles[EXECUTION_ROLE] = replace(roles[EXECUTION_ROLE], inline={})


def with_a_boundary(roles: dict[str, RoleDocument]) -> None:
    """Block a role in a way that is no drift, and that no stack mends."""
    roles[CONTAINMENT_ROLE] = replace(roles[CONTAINMENT_ROLE], boundary="arn:aws:iam::aws:policy/ReadOnlyAccess")


_ALTERATIONS = {
    Shown.BY_EVENT: without_external_id,
    Shown.BY_DRIFT: without_a_policy,
    Shown.BY_NOTHING: with_a_boundary,
}


@dataclass
class LivingOrganization(FakeStackSets):
    """The fake with a clock that moves: ``advance`` lets happen what is due, each operation when those before ended.

    ``bill`` has the calls of the pass that goes on, as the adapters make them; ``settle_pass`` closes it.
    """

    bill: Bill = field(default_factory=Bill)
    tamperings: list[Tampering] = field(default_factory=list)
    runs: int = 0
    hints: set[str] = field(default_factory=set)
    read_now: list[str] = field(default_factory=list)
    read_in_run: Counter[str] = field(default_factory=Counter)
    read_twice: list[str] = field(default_factory=list)
    written: Counter[str] = field(default_factory=Counter)
    unfounded: list[str] = field(default_factory=list)
    _due: list[tuple[datetime, int, Callable[[], None]]] = field(default_factory=list)
    _number: Iterator[int] = field(default_factory=count)
    _queue: list[tuple[str, str]] = field(default_factory=list)
    _drifting: set[str] = field(default_factory=set)

    # --- time ---

    def plan(self, at: datetime, what: Callable[[], None]) -> None:
        """Let something happen at a time."""
        heapq.heappush(self._due, (at, next(self._number), what))

    def advance(self, to: datetime) -> None:
        """Move the clock, and let everything happen that is due by then, in its order."""
        while self._due and self._due[0][0] <= to:
            at, _, what = heapq.heappop(self._due)
            self.world.now = max(self.world.now, at)
            what()
        self.world.now = max(self.world.now, to)

    def settle_pass(self) -> Bill:
        """Return what the pass has cost, with the assumed roles of the management account; move the clock by it."""
        writes = any("UpdateStack" in call.operation for call in self.world.calls)
        self.bill.add(ASSUME_IN_MANAGEMENT, 1 + writes)
        for call in self.world.calls:
            if call.operation not in _COUNTED_APART:
                self.bill.add(call.operation)
        self.world.calls.clear()
        bill, self.bill = self.bill, Bill()
        self.advance(self.world.now + timedelta(seconds=bill.seconds))
        return bill

    def begin_run(self) -> frozenset[str]:
        """Return the hints since the last run began."""
        self.runs += 1
        self.read_in_run.clear()
        hints, self.hints = frozenset(self.hints), set()
        return hints

    # --- what happens in an organization ---

    def join(self, account_id: str, unit: str, *, fails_for: timedelta | None = None) -> None:
        """Let an account be created; automatic deployment begins at once, and may fail until its owner helps."""
        self.world.add_account(account_id, unit)
        if fails_for is not None:
            self.failing[account_id] = "explicit deny in a service control policy"
            self.plan(self.world.now + fails_for, partial(self._help, account_id))
        operation_id = f"auto-{next(self._number)}"
        self._operations.append(StackSetOperation(operation_id, "CREATE", "QUEUED"))
        self._queue.append((operation_id, account_id))
        self._start_next()

    def close(self, account_id: str) -> None:
        """Let an account be closed."""
        self.world.accounts[account_id] = replace(self.world.accounts[account_id], state=AccountState.SUSPENDED)

    def _help(self, account_id: str) -> None:
        del self.failing[account_id]

    def _mend(self, account_id: str) -> None:
        self.altered.pop(account_id, None)

    def tamper(self, account_id: str, shown: Shown) -> None:
        """Let somebody change a role of the account."""
        self.altered[account_id] = _ALTERATIONS[shown]
        tampering = Tampering(shown, account_id, self.world.now)
        self.tamperings.append(tampering)
        if shown is Shown.BY_EVENT:
            tampering.shown_at, tampering.shown_in = self.world.now, self.runs
            self.hint(account_id)

    def hint(self, account_id: str) -> None:
        """Let an event name an account; the next run to begin is told."""
        self.hints.add(account_id)

    def note_found(self, defective: Mapping[str, datetime]) -> None:
        """Take down which tampered roles a reading has by now; ``defective`` has when accounts were read as such."""
        for each in self.tamperings:
            if each.found_at is None and defective.get(each.account_id, each.at) > each.at:
                each.found_at, each.found_in = self.world.now, self.runs
                if each.shown is Shown.BY_NOTHING:
                    self.plan(self.world.now + PERSON, partial(self._mend, each.account_id))

    @property
    def is_damaged(self) -> bool:
        """Tell whether there is anything that a write of Muster may repair."""
        instances = self.instances_of[OURS.name].values()
        return any(each is not with_a_boundary for each in self.altered.values()) or any(
            each.status != "CURRENT" for each in instances
        )

    def pick(self, random: Random, number: int) -> Sequence[str]:
        """Return members that are well."""
        instances = self.instances_of[OURS.name]
        well = [
            each.id
            for each in self.world.accounts.values()
            if each.state is AccountState.ACTIVE
            and each.id not in self.altered
            and each.id in instances
            and instances[each.id].status == "CURRENT"
        ]
        return random.sample(well, number)

    # --- operations, one after the other ---

    @property
    def _operations(self) -> list[StackSetOperation]:
        return self.operations_of[OURS.name]

    @override
    def _begin(self, name: str, operation_id: str, action: str) -> None:
        super()._begin(name, operation_id, action)
        takes = DETECTION if action == DETECT_DRIFT else DEPLOYMENT
        self.plan(self.world.now + takes, partial(self._end, action))

    def _end(self, action: str) -> None:
        waiting = {operation_id for operation_id, _ in self._queue}
        for account_id in (*self.pending.get(OURS.name, ()), *self.repairing):
            self.read_in_run.pop(account_id, None)
        if action == DETECT_DRIFT:
            self._show_drift()
        self.finish()
        self.operations_of[OURS.name] = [
            replace(each, status="QUEUED") if each.id in waiting else each for each in self._operations
        ]
        self._start_next()

    def _start_next(self) -> None:
        if not self._queue or any(each.status == "RUNNING" for each in self._operations):
            return
        operation_id, account_id = self._queue.pop(0)
        self.operations_of[OURS.name] = [
            replace(each, status="RUNNING") if each.id == operation_id else each for each in self._operations
        ]
        self.pending[OURS.name] = [account_id]
        self.plan(self.world.now + DEPLOYMENT, partial(self._end, "CREATE"))

    def _show_drift(self) -> None:
        """Show what had drifted when the look began: nothing that no template sets."""
        self.drifted = set(self._drifting)
        self.sets[OURS.name] = replace(self.sets[OURS.name], drift_checked_at=self.world.now)
        for each in self.tamperings:
            is_open = each.shown_at is None and each.found_at is None
            if is_open and each.shown is Shown.BY_DRIFT and each.account_id in self.drifted:
                each.shown_at, each.shown_in = self.world.now, self.runs

    # --- the ports, with their bill ---

    @override
    def instances(self, where: DesiredStackSet) -> tuple[StackInstance, ...]:
        found = super().instances(where)
        self.bill.add(LIST, pages(len(found)))
        return found

    @override
    def unusual_instances(self, where: DesiredStackSet) -> tuple[StackInstance, ...]:
        found = super().unusual_instances(where)
        self.bill.add(LIST, pages_of_unusual(found))
        return found

    @override
    def operations(self, where: DesiredStackSet) -> tuple[StackSetOperation, ...]:
        found = super().operations(where)
        self.bill.add(LIST_OPERATIONS, pages(len(found)))
        return found

    @override
    def detect_drift(self, where: DesiredStackSet) -> None:
        before = self.sets[where.name].drift_checked_at
        super().detect_drift(where)
        self.sets[where.name] = replace(self.sets[where.name], drift_checked_at=before)
        self._drifting = {one for one, alteration in self.altered.items() if alteration is not with_a_boundary}

    @override
    def create_instances(self, where: DesiredStackSet, target: str, accounts: Accounts, operation_id: str) -> None:
        self.unfounded.append(f"CreateStackInstances {accounts.only}")
        super().create_instances(where, target, accounts, operation_id)

    @override
    def update_instances(
        self, where: DesiredStackSet, target: str, accounts: Accounts, operation_id: str, *, repair: str | None = None
    ) -> None:
        self.written["repairs" if repair else "redrives"] += 1
        instances = self.instances_of[where.name]
        for each in accounts.only or ("everybody",):
            if each not in self.altered and (each not in instances or instances[each].status == "CURRENT"):
                self.unfounded.append(f"UpdateStackInstances {each}")
        super().update_instances(where, target, accounts, operation_id, repair=repair)

    @override
    def roles(self, account_ids: Sequence[str]) -> Mapping[str, Observed[RolesFound] | TransientError]:
        found = super().roles(account_ids)
        for each in account_ids:
            self.read_in_run[each] += 1
            if self.read_in_run[each] > 1:
                self.read_twice.append(each)
        self.read_now.extend(account_ids)
        self.bill.add_readings(
            calls_to_read(answer.value, is_management=each == MANAGEMENT)
            for each, answer in found.items()
            if isinstance(answer, Known)
        )
        return found


def found_organization(number: int, units: int) -> LivingOrganization:
    """Return an organization of so many members below so many units, every one with good roles."""
    world = World()
    names = [world.add_unit(f"ou-ex01-{each:08}", f"Unit {each}") for each in range(units)]
    world.add_account(MANAGEMENT)
    members = [world.add_account(str(300_000_000_000 + each), names[each % units]) for each in range(number)]
    made = LivingOrganization(world, made_by_hand={MANAGEMENT: ROLES})
    made.put(
        instances=tuple(
            StackInstance(each, OURS.region, "CURRENT", "SUCCEEDED", "", f"stack of {each}") for each in members
        )
    )
    return made

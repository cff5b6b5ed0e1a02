"""One run at a time writes: step by step, and in a thousand histories of two runs, of which one may be killed."""

import heapq
import itertools
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from muster.domain.lease import (
    GRACE,
    AcquireOutcome,
    Bar,
    Lease,
    LeaseAction,
    LeaseState,
    Wait,
    decide_acquire,
)
from muster.errors import (
    AlreadyThereError,
    DeniedError,
    LeaseHeldError,
    LeaseLostError,
    MusterError,
    RefusedError,
    ThrottledError,
    TransientError,
    UnavailableError,
)
from muster.lease_ports import WriteFence
from muster.steps import lease as step
from muster.steps.lease import MAX_TRIES, Fence, Leasing

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
ONE, TWO = (f"arn:aws:states:eu-west-1:222222222222:execution:muster-onboard:{name}" for name in ("one", "two"))


@dataclass
class Bucket:
    """The lease as S3 keeps it."""

    lease: Lease | None = None
    tag: str | None = None
    versions: "itertools.count[int]" = field(default_factory=itertools.count)

    def put(self, lease: Lease, tag: str | None) -> str:
        if tag != self.tag:
            raise AlreadyThereError("s3:PutObject", "222222222222", "PreconditionFailed")
        self.lease, self.tag = lease, f'"{next(self.versions)}"'
        return self.tag


@dataclass
class Store:
    """The lease, next door; what ``faults`` names happens to the next writes, one after the other."""

    bucket: Bucket = field(default_factory=Bucket)
    faults: list[str | MusterError] = field(default_factory=list)
    unreadable: MusterError | None = None
    writes: int = 0

    def read(self) -> tuple[Lease, str] | None:
        if self.unreadable is not None:
            raise self.unreadable
        if self.bucket.lease is None or self.bucket.tag is None:
            return None
        return self.bucket.lease, self.bucket.tag

    def write(self, lease: Lease, tag: str | None) -> str:
        self.writes += 1
        match self.faults.pop(0) if self.faults else None:
            case MusterError() as error:
                raise error
            case "answer lost":
                self.bucket.put(lease, tag)
                raise UnavailableError("no answer")
            case "sent twice by the SDK":
                self.bucket.put(lease, tag)
        return self.bucket.put(lease, tag)


@dataclass
class Statuses:
    """What Step Functions says."""

    of: dict[str, str | MusterError] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def status(self, execution_arn: str) -> str | None:
        self.asked.append(execution_arn)
        found = self.of.get(execution_arn)
        if isinstance(found, MusterError):
            raise found
        return found


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def statuses() -> Statuses:
    return Statuses({ONE: "RUNNING", TWO: "RUNNING"})


@pytest.fixture
def leasing(store: Store, statuses: Statuses) -> Leasing:
    return Leasing(store, statuses)


def at(seconds: float = 0) -> datetime:
    return START + timedelta(seconds=seconds)


def fence(store: Store, execution: str = ONE, *times: float) -> Fence:
    moments = iter(times)
    return Fence(store, execution, lambda: at(next(moments, 0.0)))


def denied(operation: str = "s3:PutObject") -> DeniedError:
    return DeniedError(operation, "222222222222", "AccessDenied")


OVERTAKEN = AlreadyThereError("s3:PutObject", "222222222222", "ConditionalRequestConflict")


def test_first_run_has_the_lease_and_the_second_waits_until_it_is_released(leasing: Leasing, store: Store) -> None:
    assert leasing.acquire(ONE, at()) == AcquireOutcome(acquired=True)
    assert leasing.acquire(TWO, at(999)) == AcquireOutcome(
        acquired=False, waiting_for=f"the end of {ONE}, which has the lease and runs"
    )

    leasing.release(ONE)

    assert leasing.acquire(TWO, at(1000)) == AcquireOutcome(acquired=True)
    assert store.bucket.lease == Lease(TWO, 2, at(1000), at(1000))


def test_run_that_waited_long_enough_stops_and_says_for_whom(leasing: Leasing) -> None:
    leasing.acquire(ONE, at())

    with pytest.raises(LeaseHeldError, match=rf"waited for the end of {ONE}.*looked 61 times.*stop-execution"):
        leasing.acquire(TWO, at(), attempt=60, last_attempt=True)


def test_action_of_the_request_is_what_is_done(leasing: Leasing, store: Store) -> None:
    assert leasing.apply(LeaseAction.ACQUIRE, ONE, at()) == AcquireOutcome(acquired=True)
    assert leasing.apply(LeaseAction.RELEASE, ONE, at()) == AcquireOutcome(acquired=False)
    assert store.bucket.lease == Lease(ONE, 1, at(), at(), LeaseState.RELEASED)


def test_step_that_is_repeated_acquires_once(leasing: Leasing, store: Store, statuses: Statuses) -> None:
    for second in range(3):
        assert leasing.acquire(ONE, at(second)).acquired

    assert store.bucket.lease == Lease(ONE, 1, at(), at(2))
    assert statuses.asked == [], "nobody has to be asked about oneself"


def test_ended_holder_is_barred_at_once_and_succeeded_after_the_grace(
    leasing: Leasing, store: Store, statuses: Statuses
) -> None:
    leasing.acquire(ONE, at())
    statuses.of[ONE] = "ABORTED"

    assert leasing.acquire(TWO, at(1)).waiting_for == (
        f"2026-11-24T12:04:00Z: {ONE} has ended, yet until then a call of it may be going on"
    )
    with pytest.raises(LeaseLostError, match="another run found that this execution had ended"):
        fence(store).hold()
    assert not leasing.acquire(TWO, at(240)).acquired
    assert leasing.acquire(TWO, at(241)).acquired


def test_execution_that_step_functions_has_forgotten_is_over(leasing: Leasing, statuses: Statuses) -> None:
    leasing.acquire(ONE, at())
    del statuses.of[ONE]

    assert leasing.acquire(TWO, at(241)).acquired


@pytest.mark.parametrize("problem", [denied("states:DescribeExecution"), ThrottledError("Throttling")])
def test_holder_that_nobody_can_look_at_is_waited_for(
    leasing: Leasing, statuses: Statuses, problem: MusterError
) -> None:
    leasing.acquire(ONE, at())
    statuses.of[ONE] = problem

    outcome = leasing.acquire(TWO, at(9999))

    assert not outcome.acquired
    assert str(problem) in (outcome.waiting_for or "")


@pytest.mark.parametrize("fault", ["answer lost", "sent twice by the SDK", OVERTAKEN, UnavailableError("not sent")])
def test_one_uncertain_write_is_cleared_up_by_reading_again(
    leasing: Leasing, store: Store, fault: str | MusterError
) -> None:
    store.faults = [fault]
    assert leasing.acquire(ONE, at()).acquired
    assert store.bucket.lease == Lease(ONE, 1, at(), at())

    store.faults = [fault]
    fence(store).hold()

    store.faults = [fault]
    leasing.release(ONE)
    leasing.release(ONE)
    assert store.bucket.lease == Lease(ONE, 1, at(), at(), LeaseState.RELEASED)


def test_taking_that_is_overtaken_again_and_again_is_waiting(leasing: Leasing, store: Store) -> None:
    store.faults = [OVERTAKEN] * MAX_TRIES

    assert leasing.acquire(ONE, at()).waiting_for == "another run, which is taking the lease"
    assert store.writes == MAX_TRIES


def test_store_that_does_not_answer_is_an_error_and_never_a_lease(leasing: Leasing, store: Store) -> None:
    lost = [UnavailableError("no answer")] * MAX_TRIES
    store.faults = [*lost]
    with pytest.raises(UnavailableError):
        leasing.acquire(ONE, at())
    assert leasing.acquire(ONE, at()).acquired
    store.faults = [*lost]
    with pytest.raises(UnavailableError):
        fence(store).hold()
    for faults in (lost, [OVERTAKEN] * MAX_TRIES):
        store.faults = [*faults]
        with pytest.raises(UnavailableError):
            leasing.release(ONE)
    store.faults = [OVERTAKEN] * MAX_TRIES
    with pytest.raises(UnavailableError, match="changed by others"):
        fence(store).hold()


@pytest.mark.parametrize("problem", [denied(), RefusedError("s3:GetObject", "222222222222", "lease.json is no lease")])
def test_store_that_refuses_is_told_as_it_is(leasing: Leasing, store: Store, problem: MusterError) -> None:
    store.unreadable = problem

    with pytest.raises(type(problem)):
        leasing.acquire(ONE, at())


def test_what_another_run_holds_is_not_released(leasing: Leasing, store: Store) -> None:
    leasing.release(TWO)
    leasing.acquire(ONE, at())
    leasing.release(TWO)

    assert store.bucket.lease == Lease(ONE, 1, at(), at())


def test_every_attempt_renews_the_lease_by_one_call(leasing: Leasing, store: Store) -> None:
    leasing.acquire(ONE, at())
    guard, before = fence(store, ONE, 5, 6, 70, 71), store.writes

    guard.hold()
    guard.hold()

    assert store.writes == before + 2
    assert store.bucket.lease == Lease(ONE, 1, at(), at(70))


def test_two_functions_of_one_run_renew_in_turn(leasing: Leasing, store: Store) -> None:
    leasing.acquire(ONE, at())
    first, second = fence(store), fence(store)

    for guard in (first, second, first, second):
        guard.hold()


def test_run_without_the_lease_makes_no_attempt(leasing: Leasing, store: Store) -> None:
    with pytest.raises(LeaseLostError, match=r"the lease is gone, so this run writes no more.*`muster onboard`"):
        fence(store).hold()
    leasing.acquire(ONE, at())
    with pytest.raises(LeaseLostError, match=f"{ONE} has the lease since 2026-11-24T12:00:00"):
        fence(store, TWO).hold()
    leasing.release(ONE)
    with pytest.raises(LeaseLostError, match="has given it back"):
        fence(store).hold()


def test_lease_that_was_taken_over_since_the_last_attempt_is_noticed(
    leasing: Leasing, store: Store, statuses: Statuses
) -> None:
    leasing.acquire(ONE, at())
    guard = fence(store)
    guard.hold()
    statuses.of[ONE] = "TIMED_OUT"
    leasing.acquire(TWO, at(1000))

    with pytest.raises(LeaseLostError, match=f"{TWO} has the lease"):
        guard.hold()


def test_denial_of_the_lease_stops_the_run_and_is_never_taken_for_the_writes_own(
    leasing: Leasing, store: Store
) -> None:
    leasing.acquire(ONE, at())
    store.faults = [denied()]

    with pytest.raises(LeaseLostError, match=r"could not be seen \(s3:PutObject in account 222222222222: AccessDenied"):
        fence(store).hold()


def test_renewal_that_took_long_is_made_again_before_the_attempt(leasing: Leasing, store: Store) -> None:
    leasing.acquire(ONE, at())

    fence(store, ONE, 0, 61, 61, 62).hold()

    assert store.bucket.lease == Lease(ONE, 1, at(), at(61))
    with pytest.raises(UnavailableError, match="more than 60 s"):
        fence(store, ONE, *(100 * each for each in range(2 * MAX_TRIES))).hold()


# --- Histories: every call takes its own time, answers get lost, and a scheduler decides by a seed who goes on.

POLL, LONGEST_FUNCTION = 30.0, 900.0
TIME_OUT, TAKEN_UP_LATE = 35.0, 60.0
HISTORIES = 1000


class KilledError(BaseException):
    """The end of a process that was killed; nothing in the product may catch it."""


class Process:
    """A thread that runs only while the scheduler waits for it."""

    def __init__(self, history: "History", body: Callable[[], None]) -> None:
        self.killed = False
        self._history, self._body = history, body
        self._turn = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def go_on(self) -> None:
        self._turn.release()
        self._history.turn.acquire()

    def sleep(self, seconds: float) -> None:
        self._history.after(seconds, self.go_on)
        self._history.turn.release()
        self._turn.acquire()
        if self.killed:
            raise KilledError

    def _run(self) -> None:
        self._turn.acquire()
        try:
            if not self.killed:
                self._body()
        except KilledError:
            pass
        except BaseException as error:  # noqa: BLE001 - told by the scheduler
            self._history.problems.append(f"{type(error).__name__}: {error}")
        finally:
            self._history.turn.release()


@dataclass
class History:
    """One world with two runs, from one seed: the same seed is the same history."""

    seed: int
    grace: timedelta = GRACE
    is_fenced: bool = True
    now: float = 0.0
    bucket: Bucket = field(default_factory=Bucket)
    statuses: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    in_flight: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)  # noqa: S311 - a simulation
        self.turn = threading.Semaphore(0)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def after(self, seconds: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._numbers), event))

    def clock(self) -> datetime:
        return at(self.now)

    def play(self) -> None:
        runs = [Run(self, ONE), Run(self, TWO)]
        victim, when = self.chance.choice(runs), self.chance.uniform(0, 400)
        if self.chance.random() < 0.75:
            self.after(when, victim.stop)
        for run, start in zip(runs, (0.0, self.chance.uniform(0, 300)), strict=True):
            self.after(start, run.begin)
        while self._events:
            self.now, _, event = heapq.heappop(self._events)
            event()
        self._check_waiting(*runs)

    def duration(self) -> float:
        """Most calls are quick, a few are not, and now and then a process stands still in the middle of one."""
        kind = self.chance.random()
        if kind < 0.9:
            return self.chance.uniform(0.01, 1)
        return self.chance.uniform(0, 30) if kind < 0.99 else self.chance.uniform(0, 400)

    def write_lands(self, writer: str) -> None:
        self._check_owner(writer, "landed")
        self.in_flight.remove(writer)

    def write_is_sent(self, writer: str) -> None:
        self.in_flight.append(writer)
        self._check_owner(writer, "was sent")

    def _check_owner(self, writer: str, what: str) -> None:
        lease = self.bucket.lease
        if lease is None or lease.holder != writer or lease.state is LeaseState.RELEASED:
            self.problems.append(f"{self.now:.0f} s: a write of {writer} {what} under {lease}")
        if {*self.in_flight} - {writer}:
            self.problems.append(f"{self.now:.0f} s: writes of two runs are in flight")

    def _check_waiting(self, first: "Run", second: "Run") -> None:
        """A run that is there has the lease soon after the other's end, however that came about."""
        for run, other in ((first, second), (second, first)):
            if run.is_stopped:
                continue
            if run.acquired is None or (other.end is None and not other.is_stopped):
                self.problems.append(f"{run.execution} never had the lease")
                continue
            if other.acquired is not None and other.acquired > run.acquired:
                continue
            free = max(run.began, other.end or 0.0) + self.grace.total_seconds() + 4 * (POLL + run.longest_look)
            if run.acquired > free:
                self.problems.append(f"{run.execution} had the lease at {run.acquired:.0f} s instead of {free:.0f} s")


class Run:
    """One execution: its machine asks for the lease, then its function writes, then the lease is released."""

    def __init__(self, history: History, execution: str) -> None:
        self.history, self.execution = history, execution
        self.status: str | None = None
        self.is_stopped = False
        self.began = self.longest_look = 0.0
        self.acquired: float | None = None
        self.end: float | None = None
        self.process = Process(history, self._live)
        self.calls = SlowCalls(history, self.process)

    def begin(self) -> None:
        self.began = self.history.now
        self.process.killed |= self.is_stopped
        self.history.statuses.setdefault(self.execution, "RUNNING")
        self.process.go_on()

    def stop(self) -> None:
        """End the execution. Its function may die with it, or live on and write as long as a function may."""
        if self.end is None:
            self.is_stopped, self.end = True, self.history.now
            self.history.statuses[self.execution] = "ABORTED"
            self.process.killed = self.history.chance.random() < 0.4

    def _live(self) -> None:
        chance = self.history.chance
        leasing = Leasing(self.calls, self.calls, self.history.grace)
        while not self._look(leasing):
            if self.is_stopped:
                return
        self._write(chance.randrange(1, 30))
        while not self.is_stopped:
            try:
                leasing.release(self.execution)
            except TransientError:
                self.process.sleep(2)
                continue
            self.end = self.history.now
            self.history.statuses[self.execution] = "SUCCEEDED"
            return

    def _look(self, leasing: Leasing) -> bool:
        began = self.history.now
        try:
            outcome = leasing.acquire(self.execution, self.history.clock())
        except TransientError:
            self.process.sleep(2)
            return False
        finally:
            self.longest_look = max(self.longest_look, self.history.now - began)
        if not outcome.acquired:
            self.process.sleep(POLL)
            return False
        self.acquired = self.history.now
        return not self.is_stopped

    def _write(self, number: int) -> None:
        fence: WriteFence = NoFence()
        if self.history.is_fenced:
            fence = Fence(self.calls, self.execution, self.history.clock)
        began = self.history.now
        while number > 0 and self.history.now < began + LONGEST_FUNCTION:
            try:
                fence.hold()
            except TransientError:
                self.process.sleep(2)
                continue
            except LeaseLostError:
                self.history.seen.add("a late attempt was refused")
                assert self.is_stopped, "a run that lives keeps its lease"
                return
            self.calls.write_to_aws(self.execution)
            if self.is_stopped:
                self.history.seen.add("a function wrote after its execution had ended")
            number -= 1
            self.process.sleep(self.history.chance.uniform(0, 40))


class NoFence:
    """What a writer would be without a fence."""

    def hold(self) -> None:
        return


@dataclass
class SlowCalls:
    """S3, Step Functions and the services that are written to, as one process sees them.

    What was sent lands even when the process is dead by then, or has given up waiting for the answer.
    """

    history: History
    process: Process

    def read(self) -> tuple[Lease, str] | None:
        self._travel()
        found = self.history.bucket.lease, self.history.bucket.tag
        self._travel()
        return None if found[0] is None or found[1] is None else (found[0], found[1])

    def status(self, execution_arn: str) -> str | None:
        self._travel()
        found = self.history.statuses.get(execution_arn)
        self._travel()
        return found

    def write(self, lease: Lease, tag: str | None) -> str:
        chance, answers = self.history.chance, list[str | AlreadyThereError]()

        def land() -> None:
            before = self.history.bucket.lease
            try:
                answers.append(self.history.bucket.put(lease, tag))
            except AlreadyThereError as error:
                answers.append(error)
                self.history.seen.add("a conditional write was overtaken")
            else:
                if before and before.state is LeaseState.BARRED:
                    self.history.seen.add("a lease was taken over")

        there, fate = self.history.duration(), chance.random()
        if fate > 0.02:  # otherwise it is lost on its way
            self.history.after(there, land)
        self.process.sleep(min(there, TIME_OUT))
        self._travel()
        if not answers or fate > 0.96:
            raise UnavailableError("s3:PutObject: no answer")
        answer = answers[0]
        if isinstance(answer, AlreadyThereError):
            raise answer
        return answer

    def write_to_aws(self, writer: str) -> None:
        chance = self.history.chance
        there = chance.uniform(0, 1) if chance.random() < 0.7 else chance.uniform(0, TAKEN_UP_LATE)
        self.history.write_is_sent(writer)
        self.history.after(there, lambda: self.history.write_lands(writer))
        # A run that lives waits for the end of its attempts; one that is killed leaves them behind.
        self.process.sleep(there)

    def _travel(self) -> None:
        self.process.sleep(self.history.duration())
        if self.history.chance.random() < 0.01:
            raise UnavailableError("no answer")


def problems_in(histories: range, **how: Any) -> list[str]:
    """Return what went wrong in the first history in which something did."""
    for seed in histories:
        history = History(seed, **how)
        history.play()
        if history.problems:
            return [f"seed {seed}: {problem}" for problem in history.problems]
    return []


def test_two_runs_never_write_at_once_and_none_waits_long_for_a_dead_one() -> None:
    happened = set[str]()
    for seed in range(HISTORIES):
        history = History(seed)
        history.play()
        assert history.problems == [], seed
        happened |= history.seen

    assert happened == {
        "a late attempt was refused",
        "a function wrote after its execution had ended",
        "a conditional write was overtaken",
        "a lease was taken over",
    }


def test_same_seed_is_the_same_history() -> None:
    first, second = History(7), History(7)
    first.play()
    second.play()

    assert (first.now, first.bucket.lease) == (second.now, second.bucket.lease)


@pytest.mark.parametrize("how", [{"is_fenced": False}, {"grace": timedelta()}], ids=["no fence", "no grace"])
def test_histories_find_the_second_writer_where_a_safeguard_is_missing(how: dict[str, Any]) -> None:
    found = problems_in(range(HISTORIES), **how)

    assert any("a write of" in problem for problem in found)


def test_histories_find_the_second_writer_where_old_renewals_are_good_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "MAX_RENEWAL", timedelta(days=1))

    assert any("a write of" in problem for problem in problems_in(range(HISTORIES)))


def test_histories_find_the_long_wait_where_an_ended_holder_is_not_barred(monkeypatch: pytest.MonkeyPatch) -> None:
    def decide_without_barring(*seen: Any) -> object:
        decision = decide_acquire(*seen)
        return Wait("it to fall silent") if isinstance(decision, Bar) else decision

    monkeypatch.setattr(step, "decide_acquire", decide_without_barring)

    assert any("had the lease at" in problem for problem in problems_in(range(HISTORIES)))

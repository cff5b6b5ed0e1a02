"""Leasing: one run at a time may write. The fence asks again before every attempt."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from muster.domain.lease import (
    GRACE,
    MAX_RENEWAL,
    AcquireOutcome,
    Bar,
    Lease,
    LeaseAction,
    Lost,
    Renew,
    Take,
    Wait,
    decide_acquire,
    decide_hold,
    decide_release,
    judge_status,
    name_holder_in_question,
)
from muster.domain.observed import Observed, Unknown
from muster.errors import (
    AlreadyThereError,
    LeaseHeldError,
    LeaseLostError,
    ServiceAnswerError,
    TransientError,
    UnavailableError,
)
from muster.lease_ports import ExecutionReader, LeaseStore

MAX_TRIES = 5
"""How often the lease is read again after a write that was overtaken or whose answer was lost."""


@dataclass(frozen=True, slots=True)
class Leasing:
    """Acquires and releases the lease. Both may be repeated after a lost answer: the lease itself is the memory."""

    store: LeaseStore
    executions: ExecutionReader
    grace: timedelta = GRACE

    def apply(
        self, action: LeaseAction, execution: str, at: datetime, *, attempt: int = 0, last_attempt: bool = False
    ) -> AcquireOutcome:
        """Do what the run asks. Raises what ``acquire`` raises."""
        match action:
            case LeaseAction.ACQUIRE:
                return self.acquire(execution, at, attempt=attempt, last_attempt=last_attempt)
            case LeaseAction.RELEASE:
                self.release(execution)
                return AcquireOutcome(acquired=False)

    def acquire(
        self, execution: str, at: datetime, *, attempt: int = 0, last_attempt: bool = False
    ) -> AcquireOutcome:  # fmt: skip
        """Take the lease for an execution, if it may be taken; ``at`` is now, or a little earlier.

        ``attempt`` counts the looks before this one. Raises LeaseHeldError when it may not be taken and nobody will
        look again, and the store's errors.
        """
        waiting_for, problem = "another run, which is taking the lease", None
        for _ in range(MAX_TRIES):
            seen, tag = self.store.read() or (None, None)
            match decide_acquire(seen, execution, self._runs(name_holder_in_question(seen, execution)), at, self.grace):
                case Wait(why):
                    waiting_for, problem = why, None
                    break
                case Take(lease) | Renew(lease) | Bar(lease) as decision:
                    problem = self._write(lease, tag)
                    if problem is None and not isinstance(decision, Bar):
                        return AcquireOutcome(acquired=True)
        if isinstance(problem, TransientError):
            raise problem
        if last_attempt:
            raise LeaseHeldError(
                f"this run waited for {waiting_for}; it looked {attempt + 1} times and has written nothing since. "
                f"Wait until that is over, or stop it (`aws stepfunctions stop-execution --execution-arn ARN`); then "
                f"run `muster onboard`"
            )
        return AcquireOutcome(acquired=False, waiting_for=waiting_for)

    def release(self, execution: str) -> None:
        """Give the lease back. What another run holds stays as it is; releasing twice is once.

        To be called only when no function of this run is at work any more: the next run takes a released lease at once.
        """
        problem: TransientError | AlreadyThereError | None = None
        for _ in range(MAX_TRIES):
            seen, tag = self.store.read() or (None, None)
            lease = decide_release(seen, execution)
            if lease is None:
                return
            problem = self._write(lease, tag)
            if problem is None:
                return
        raise problem if isinstance(problem, TransientError) else _overtaken()

    def _write(self, lease: Lease, tag: str | None) -> TransientError | AlreadyThereError | None:
        """Write, and return what made it uncertain; then reading the lease again tells whether it was written."""
        try:
            self.store.write(lease, tag)
        except (TransientError, AlreadyThereError) as error:
            return error
        return None

    def _runs(self, holder: str | None) -> Observed[bool]:
        if holder is None:
            return Unknown("it was not asked")
        try:
            return judge_status(self.executions.status(holder))
        except (ServiceAnswerError, TransientError) as error:
            return Unknown(str(error))


@dataclass(slots=True)
class Fence:
    """Lets an attempt at a write pass while the execution holds the lease, and renews the lease each time.

    Lives for one invocation. ``clock`` tells the time now, in UTC; whoever comes next compares it with its own.
    """

    store: LeaseStore
    execution: str
    clock: Callable[[], datetime]
    _seen: tuple[Lease, str] | None = field(default=None, init=False)

    def hold(self) -> None:
        """Renew the lease, and return only when the renewal is young enough to write after it.

        Raises LeaseLostError when the lease is another's, or cannot be shown to be this run's; a TransientError when
        the store gave no usable answer, however often it was asked.
        """
        problem: TransientError = _overtaken()
        for _ in range(MAX_TRIES):
            began = self.clock()
            try:
                self._renew(began)
            except AlreadyThereError:  # a function of this run, or another run: reading again tells
                self._seen = None
            except TransientError as error:  # it may have been written: reading again tells
                self._seen, problem = None, error
            except ServiceAnswerError as error:
                raise LeaseLostError(
                    f"whether this run still has the lease could not be seen ({error}), so it writes no more. Allow "
                    f"the function s3:GetObject and s3:PutObject on lease.json, and run `muster onboard` again"
                ) from error
            else:
                if self.clock() - began <= MAX_RENEWAL:
                    return
                problem = UnavailableError(f"the lease took more than {MAX_RENEWAL.seconds} s to renew")
        raise problem

    def _renew(self, now: datetime) -> None:
        seen, tag = self._seen or self.store.read() or (None, None)
        match decide_hold(seen, self.execution, now):
            case Renew(lease):
                self._seen = lease, self.store.write(lease, tag)
            case Lost(why):
                raise LeaseLostError(
                    f"{why}, so this run writes no more. What it left undone the next run does: `muster onboard`"
                )


def _overtaken() -> UnavailableError:
    return UnavailableError("the lease was changed by others each time it was to be written")

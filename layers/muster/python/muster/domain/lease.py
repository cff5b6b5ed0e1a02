"""Who may write: one lease for all runs, kept in the state bucket and changed by conditional writes alone.

Nothing downstream refuses a late request, so time has to: every attempt at a write is preceded by a renewal of
``held_at``, and what follows a renewal is over long before ``GRACE`` (docs/adr/0010-lease-for-writers.md).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from muster.domain.observed import Known, Observed, Unknown

GRACE = timedelta(minutes=4)
"""How long after its last renewal something of a holder that no longer runs may still happen: at most a minute between
the renewal and the attempt, 5 s to connect and 30 s to be answered. The rest is for clocks that differ and for requests
that the service takes up late."""

MAX_RENEWAL = timedelta(minutes=1)
"""A renewal that took longer is made again: what it says about the time is too old to write after it."""

SCHEMA = 1


class LeaseState(StrEnum):
    """What has become of a lease."""

    HELD = "held"
    BARRED = "barred"
    """The holder was found not to run: nobody may write until ``GRACE`` is over, the holder never again."""

    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class Lease:
    """Who holds it (an execution's ARN), for the how manieth time it was taken, since when, and when last renewed."""

    holder: str
    generation: int
    acquired_at: datetime
    held_at: datetime
    state: LeaseState = LeaseState.HELD


@dataclass(frozen=True, slots=True)
class Take:
    """The lease is free: write this one, and it is ours."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Renew:
    """The lease is ours: write this one, and it is known to be ours still."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Bar:
    """The holder no longer runs: write this one, and whatever is left of it can start no further write."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Wait:
    """The lease may not be taken, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The lease is not ours, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class AcquireOutcome:
    """Whether this run has the lease; if not, ``waiting_for`` says who or what is in the way."""

    acquired: bool
    waiting_for: str | None = None


class LeaseAction(StrEnum):
    """What a run asks of the lease."""

    ACQUIRE = "acquire"
    RELEASE = "release"


def name_holder_in_question(seen: Lease | None, me: str) -> str | None:
    """Return the execution that has to be looked at before ``decide_acquire``; None where it makes no difference."""
    if seen is None or seen.state is not LeaseState.HELD or seen.holder == me:
        return None
    return seen.holder


def judge_status(status: str | None) -> Observed[bool]:
    """Tell whether an execution of that status runs, or will by itself; None stands for an execution that is gone.

    Source: Step Functions API, ``DescribeExecution.status``.
    """
    match status:
        case "RUNNING" | "PENDING_REDRIVE":
            return Known(value=True)
        case None | "SUCCEEDED" | "FAILED" | "TIMED_OUT" | "ABORTED":
            return Known(value=False)
        case _:
            return Unknown(f"its status is {status}, which nobody here knows")


def decide_acquire(
    seen: Lease | None, me: str, holder_runs: Observed[bool], now: datetime, grace: timedelta = GRACE
) -> Take | Renew | Bar | Wait:
    """Decide what the run ``me`` does about the lease as it was read.

    ``holder_runs`` counts only where ``name_holder_in_question`` names somebody. Not knowing is no reason to take over.
    """
    if seen is None:
        return Take(Lease(me, 1, now, now))
    match seen.state, holder_runs:
        case LeaseState.RELEASED, _:
            return Take(_succeed(seen, me, now))
        case LeaseState.HELD, _ if seen.holder == me:
            return Renew(_renew(seen, now))
        case LeaseState.HELD, Known(True):
            return Wait(f"the end of {seen.holder}, which has the lease and runs")
        case LeaseState.HELD, Unknown(why):
            return Wait(f"knowing whether {seen.holder}, which has the lease, still runs: {why}")
        case _:
            return _take_over(seen, me, now, grace)


def _take_over(seen: Lease, me: str, now: datetime, grace: timedelta) -> Take | Bar | Wait:
    """Follow a holder that is known not to run: bar it at once, and take the lease when nothing of it can happen."""
    until = seen.held_at + grace
    if now > until:
        return Take(_succeed(seen, me, now))
    if seen.state is LeaseState.HELD:
        return Bar(replace(seen, state=LeaseState.BARRED))
    return Wait(f"{until:%Y-%m-%dT%H:%M:%SZ}: {seen.holder} has ended, yet until then a call of it may be going on")


def decide_hold(seen: Lease | None, me: str, now: datetime) -> Renew | Lost:
    """Decide whether the run ``me`` may make one more attempt at a write."""
    if seen is None:
        return Lost("the lease is gone")
    if seen.holder != me:
        return Lost(f"{seen.holder} has the lease since {seen.acquired_at.isoformat()}")
    if seen.state is LeaseState.HELD:
        return Renew(_renew(seen, now))
    if seen.state is LeaseState.BARRED:
        return Lost("another run found that this execution had ended, and is about to take the lease")
    return Lost("this execution does not have the lease, or has given it back")


def decide_release(seen: Lease | None, me: str) -> Lease | None:
    """Return the lease to be written so that the next run need not wait; None where it is not ours to give."""
    if seen is None or seen.holder != me or seen.state is not LeaseState.HELD:
        return None
    return replace(seen, state=LeaseState.RELEASED)


def lease_to_document(lease: Lease) -> dict[str, Any]:
    """Return the lease as it is stored."""
    return {
        "schema": SCHEMA,
        "holder": lease.holder,
        "generation": lease.generation,
        "acquired_at": lease.acquired_at.isoformat(),
        "held_at": lease.held_at.isoformat(),
        "state": lease.state.value,
    }


def lease_from_document(document: Any) -> Lease:  # noqa: ANN401 - JSON
    """Read the lease back. Raises ValueError when the document is none."""
    match document:
        case {
            "schema": 1, "holder": str(holder), "generation": int(generation), "acquired_at": str(acquired_at),
            "held_at": str(held_at), "state": str(state),
        }:  # fmt: skip
            return Lease(holder, generation, _read_time(acquired_at), _read_time(held_at), LeaseState(state))
        case _:
            raise ValueError("a member is missing, of the wrong type, or of a schema that is not known here")


def _read_time(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return found


def _renew(seen: Lease, now: datetime) -> Lease:
    """Renew; never to an earlier time, for two functions of one run need not agree about it."""
    return replace(seen, held_at=max(now, seen.held_at))


def _succeed(seen: Lease, me: str, now: datetime) -> Lease:
    return Lease(me, seen.generation + 1, now, now)

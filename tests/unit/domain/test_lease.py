"""When the lease for writers may be taken, renewed and given back."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.domain.lease import (
    GRACE,
    MAX_RENEWAL,
    Bar,
    Lease,
    LeaseState,
    Lost,
    Renew,
    Take,
    Wait,
    decide_acquire,
    decide_hold,
    decide_release,
    judge_status,
    lease_from_document,
    lease_to_document,
    name_holder_in_question,
)
from muster.domain.observed import Known, Observed, Unknown

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ME, OTHER = (f"arn:aws:states:eu-west-1:222222222222:execution:muster-onboard:{name}" for name in ("me", "other"))
RUNS, ENDED, NOBODY_KNOWS = Known(value=True), Known(value=False), Unknown("denied")
LONG_AGO = NOW - GRACE - timedelta(seconds=1)

holders = st.sampled_from([ME, OTHER])
moments = st.datetimes(datetime(2026, 11, 24, 11), datetime(2026, 11, 24, 13), timezones=st.just(UTC))  # noqa: DTZ001
leases = st.builds(Lease, holders, st.integers(1, 9), moments, moments, st.sampled_from(LeaseState))
answers: st.SearchStrategy[Observed[bool]] = st.sampled_from([RUNS, ENDED, NOBODY_KNOWS])


def lease(holder: str = OTHER, held_at: datetime = NOW, **over: Any) -> Lease:
    return replace(Lease(holder, 3, NOW - timedelta(hours=1), held_at), **over)


def acquire(seen: Lease | None, runs: Observed[bool] = NOBODY_KNOWS, now: datetime = NOW) -> Take | Renew | Bar | Wait:
    return decide_acquire(seen, ME, runs, now)


def test_first_run_takes_the_lease() -> None:
    assert acquire(None) == Take(Lease(ME, 1, NOW, NOW))


@pytest.mark.parametrize("holder", [ME, OTHER])
def test_released_lease_is_taken_at_once_and_counted(holder: str) -> None:
    assert acquire(lease(holder, state=LeaseState.RELEASED), RUNS) == Take(Lease(ME, 4, NOW, NOW))


def test_who_has_the_lease_already_renews_it() -> None:
    seen = lease(ME, NOW - timedelta(minutes=9))

    assert acquire(seen, ENDED) == Renew(replace(seen, held_at=NOW))


def test_renewal_never_goes_back_in_time() -> None:
    seen = lease(ME, NOW + timedelta(seconds=3))

    assert acquire(seen) == decide_hold(seen, ME, NOW) == Renew(seen)


def test_holder_that_runs_is_waited_for_however_long_it_is_silent() -> None:
    decision = acquire(lease(held_at=NOW - timedelta(days=9)), RUNS)

    assert isinstance(decision, Wait)
    assert OTHER in decision.why


def test_not_knowing_whether_the_holder_runs_is_no_reason_to_take_over() -> None:
    decision = acquire(lease(held_at=NOW - timedelta(days=9)), NOBODY_KNOWS)

    assert isinstance(decision, Wait)
    assert decision.why.endswith("still runs: denied")


def test_holder_that_has_ended_is_barred_at_once() -> None:
    assert acquire(lease(), ENDED) == Bar(lease(state=LeaseState.BARRED))


def test_barred_lease_says_when_it_can_be_taken() -> None:
    decision = acquire(lease(state=LeaseState.BARRED), RUNS)

    assert decision == Wait(f"2026-11-24T12:04:00Z: {OTHER} has ended, yet until then a call of it may be going on")


@pytest.mark.parametrize("state", [LeaseState.HELD, LeaseState.BARRED])
def test_lease_of_an_ended_holder_is_taken_after_the_grace_and_not_at_its_end(state: LeaseState) -> None:
    assert acquire(lease(held_at=LONG_AGO, state=state), ENDED) == Take(Lease(ME, 4, NOW, NOW))
    assert not isinstance(acquire(lease(held_at=NOW - GRACE, state=state), ENDED), Take)


def test_run_that_was_barred_and_redriven_waits_like_any_other() -> None:
    assert isinstance(acquire(lease(ME, state=LeaseState.BARRED), RUNS), Wait)
    assert isinstance(acquire(lease(ME, LONG_AGO, state=LeaseState.BARRED), RUNS), Take)


@given(seen=st.none() | leases, runs=answers, now=moments)
def test_lease_is_taken_only_when_nothing_of_another_holder_can_still_happen(
    seen: Lease | None, runs: Observed[bool], now: datetime
) -> None:
    decision = acquire(seen, runs, now)

    match decision:
        case Take(taken):
            assert (taken.holder, taken.state, taken.held_at) == (ME, LeaseState.HELD, now)
            if seen is not None:
                assert taken.generation == seen.generation + 1
                is_over = now - seen.held_at > GRACE and (seen.state is LeaseState.BARRED or runs == ENDED)
                assert seen.state is LeaseState.RELEASED or is_over
        case Renew(renewed):
            assert seen is not None
            assert (seen.holder, seen.state) == (ME, LeaseState.HELD)
            assert replace(renewed, held_at=seen.held_at) == seen
            assert renewed.held_at == max(now, seen.held_at)
        case Bar(barred):
            assert seen is not None
            assert (runs, barred) == (ENDED, replace(seen, state=LeaseState.BARRED))
        case Wait(why):
            assert seen is not None
            assert seen.holder in why


@given(seen=leases, now=moments)
def test_holder_that_has_ended_blocks_nobody_for_longer_than_the_grace(seen: Lease, now: datetime) -> None:
    if seen.holder == OTHER and now > seen.held_at + GRACE:
        assert isinstance(acquire(seen, ENDED, now), Take)
    match acquire(replace(seen, holder=OTHER, state=LeaseState.HELD), ENDED, now):
        case Bar(barred):
            assert isinstance(acquire(barred, RUNS, seen.held_at + GRACE + timedelta(microseconds=1)), Take)


@given(seen=st.none() | leases, now=moments)
def test_who_is_not_asked_about_makes_no_difference(seen: Lease | None, now: datetime) -> None:
    if name_holder_in_question(seen, ME) is None:
        assert acquire(seen, RUNS, now) == acquire(seen, ENDED, now) == acquire(seen, NOBODY_KNOWS, now)
    else:
        assert seen is not None
        assert name_holder_in_question(seen, ME) == seen.holder == OTHER


@given(seen=st.none() | leases, now=moments)
def test_attempt_at_a_write_passes_only_for_the_holder(seen: Lease | None, now: datetime) -> None:
    match decide_hold(seen, ME, now):
        case Renew(renewed):
            assert seen is not None
            assert (seen.holder, seen.state) == (ME, LeaseState.HELD)
            assert renewed == replace(seen, held_at=max(now, seen.held_at))
        case Lost(why):
            assert why
            assert seen is None or seen.holder == OTHER or seen.state is not LeaseState.HELD


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (None, "the lease is gone"),
        (lease(), f"{OTHER} has the lease since 2026-11-24T11:00:00+00:00"),
        (lease(ME, state=LeaseState.BARRED), "another run found that this execution had ended"),
        (lease(ME, state=LeaseState.RELEASED), "this execution does not have the lease, or has given it back"),
    ],
)
def test_loss_of_the_lease_has_a_reason(seen: Lease | None, why: str) -> None:
    decision = decide_hold(seen, ME, NOW)

    assert isinstance(decision, Lost)
    assert decision.why.startswith(why)


@given(seen=st.none() | leases)
def test_only_the_holder_gives_the_lease_back_and_only_once(seen: Lease | None) -> None:
    released = decide_release(seen, ME)

    if seen is not None and (seen.holder, seen.state) == (ME, LeaseState.HELD):
        assert released == replace(seen, state=LeaseState.RELEASED)
    else:
        assert released is None
    assert decide_release(released, ME) is None


@pytest.mark.parametrize(
    ("status", "runs"),
    [
        ("RUNNING", RUNS),
        ("PENDING_REDRIVE", RUNS),
        ("SUCCEEDED", ENDED),
        ("FAILED", ENDED),
        ("TIMED_OUT", ENDED),
        ("ABORTED", ENDED),
        (None, ENDED),
        ("PAUSED", Unknown("its status is PAUSED, which nobody here knows")),
    ],
)
def test_status_tells_whether_an_execution_runs_and_a_new_one_tells_nothing(
    status: str | None, runs: Observed[bool]
) -> None:
    assert judge_status(status) == runs


@given(seen=leases)
def test_lease_is_read_back_as_it_was_written(seen: Lease) -> None:
    assert lease_from_document(json.loads(json.dumps(lease_to_document(seen)))) == seen


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {**lease_to_document(lease()), "schema": 2},
        {**lease_to_document(lease()), "held_at": 5},
        {**lease_to_document(lease()), "held_at": "yesterday"},
        {**lease_to_document(lease()), "held_at": "2026-11-24T12:00:00"},
        {**lease_to_document(lease()), "state": "lost"},
    ],
)
def test_what_is_no_lease_is_not_taken_for_one(document: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        lease_from_document(document)


def test_moments_are_compared_whatever_their_time_zone() -> None:
    elsewhere = LONG_AGO.astimezone(timezone(timedelta(hours=9)))

    assert isinstance(acquire(lease(held_at=elsewhere), ENDED), Take)


def test_grace_outlasts_a_renewal_and_an_attempt_of_the_sdk() -> None:
    assert MAX_RENEWAL + timedelta(seconds=5 + 30) < GRACE / 2

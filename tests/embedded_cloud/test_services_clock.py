import threading
from datetime import UTC, datetime, timedelta

import pytest

from muster_local.clock import Clock
from tests.embedded_cloud.small_world import NOW


def standing_clock(*, auto_advance: bool = True) -> Clock:
    return Clock(auto_advance=auto_advance, real_time=lambda: NOW)


def test_the_clock_shows_real_time_until_it_is_moved() -> None:
    before = datetime.now(UTC)
    assert before <= Clock().now() <= datetime.now(UTC)


def test_advancing_moves_the_clock() -> None:
    clock = standing_clock()
    clock.advance(90)
    assert clock.now() == NOW + timedelta(seconds=90)


def test_the_clock_never_goes_back() -> None:
    with pytest.raises(ValueError, match="only moves forward"):
        standing_clock().advance(-1)


def test_a_sleeper_moves_the_clock_at_once() -> None:
    clock = standing_clock()
    clock.sleep(3600)
    assert clock.now() == NOW + timedelta(hours=1)


def test_a_sleeper_waits_for_somebody_else_when_the_clock_does_not_advance_by_itself() -> None:
    clock = standing_clock(auto_advance=False)
    woke = threading.Event()

    def sleep() -> None:
        clock.sleep(3600)
        woke.set()

    sleeper = threading.Thread(target=sleep, daemon=True)
    sleeper.start()
    while not clock._moved._waiters:  # type: ignore[attr-defined] # the sleeper has not lain down yet
        pass
    clock.advance(3599)
    assert not woke.wait(timeout=0.05)
    clock.advance(1)
    assert woke.wait(timeout=5)
    sleeper.join()
    assert clock.now() == NOW + timedelta(hours=1)


def waiting(clock: Clock, happened: threading.Event, *, minutes: int) -> threading.Thread:
    until = clock.now() + timedelta(minutes=minutes)
    waiter = threading.Thread(target=clock.wait_for, args=(happened.is_set, until), daemon=True)
    waiter.start()
    while not clock._moved._waiters:  # type: ignore[attr-defined] # it does not wait yet
        pass
    return waiter


def test_who_waits_for_something_moves_nothing_and_goes_on_when_it_happens() -> None:
    clock, happened = standing_clock(), threading.Event()
    waiter = waiting(clock, happened, minutes=60)
    clock.wake()
    assert waiter.is_alive()
    happened.set()
    clock.wake()
    waiter.join(timeout=5)
    assert (waiter.is_alive(), clock.now()) == (False, NOW)


def test_who_waits_for_something_goes_on_when_the_time_has_come() -> None:
    clock = standing_clock()
    waiter = waiting(clock, threading.Event(), minutes=60)
    clock.advance(3600)
    waiter.join(timeout=5)
    assert not waiter.is_alive()


def test_nobody_waits_for_what_has_happened_or_for_a_time_that_is_past() -> None:
    clock = standing_clock()
    clock.wait_for(lambda: True, NOW + timedelta(days=1))
    clock.wait_for(lambda: False, NOW)
    assert clock.now() == NOW

"""The world's clock: real time plus an offset, so that minutes of propagation cost nothing to wait for."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def _real_time() -> datetime:
    return datetime.now(UTC)


class Clock:
    """Tells the simulated time and moves it forward, never back.

    ``auto_advance`` decides what a sleeper does: move the clock at once (the default), or wait until somebody else
    has moved it, or real time has passed.
    """

    def __init__(self, *, auto_advance: bool = True, real_time: Callable[[], datetime] = _real_time) -> None:
        """Start at ``real_time`` with no offset; a fixed ``real_time`` gives a clock that only ``advance`` moves."""
        self.auto_advance = auto_advance
        self._real_time = real_time
        self._offset = timedelta()
        self._moved = threading.Condition()
        self.changes = 0
        """How often the clock was moved, or somebody said that there is something new to wait for."""

    def now(self) -> datetime:
        """Return the simulated time, aware, in UTC."""
        return self._real_time() + self._offset

    def advance(self, seconds: float) -> None:
        """Move the clock forward and wake whoever was waiting for that moment."""
        if seconds < 0:
            raise ValueError(f"the clock only moves forward, not by {seconds} seconds")
        with self._moved:
            self._offset += timedelta(seconds=seconds)
            self.changes += 1
            self._moved.notify_all()

    def wait_for(self, happened: Callable[[], bool], until: datetime) -> None:
        """Return once something has happened, of which ``wake`` tells, or a moment has come; move nothing."""
        with self._moved:
            while not happened() and (remaining := (until - self.now()).total_seconds()) > 0:
                self._moved.wait(timeout=remaining)

    def wake(self) -> None:
        """Let everybody who waits look again."""
        with self._moved:
            self.changes += 1
            self._moved.notify_all()

    def sleep(self, seconds: float) -> None:
        """Return once ``seconds`` of simulated time have passed."""
        if self.auto_advance:
            self.advance(max(seconds, 0))
            return
        until = self.now() + timedelta(seconds=seconds)
        with self._moved:
            while (remaining := (until - self.now()).total_seconds()) > 0:
                self._moved.wait(timeout=remaining)

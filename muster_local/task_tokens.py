"""Task tokens: what machines wait for, and what became of it, on the world's clock."""

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from muster_local.clock import Clock


class UnknownTokenError(LookupError):
    """No task of this account and Region has ever been given this token."""


class ClosedTokenError(Exception):
    """The task has been answered, has timed out, or was stopped; who answers now is too late."""


@dataclass(slots=True)
class _Token:
    owner: tuple[str, str]
    until: datetime
    heartbeat: timedelta | None
    beat: datetime
    answer: Any = None
    is_open: bool = True

    @property
    def due(self) -> datetime:
        """When the task times out unless something happens."""
        return self.until if self.heartbeat is None else min(self.until, self.beat + self.heartbeat)

    @property
    def is_settled(self) -> bool:
        """Whether it needs no answer any more."""
        return self.answer is not None or not self.is_open

    def has_changed(self, due: datetime) -> bool:
        """Whether it is settled, or is due at another time than it was."""
        return self.is_settled or self.due != due


class TaskTokens:
    """Every token of one world. Time passes for all of them on one clock, whoever moves it; waiting never moves it."""

    def __init__(self, clock: Clock) -> None:
        """Start without tokens."""
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens: dict[str, _Token] = {}

    def open(self, token: str, *, owner: tuple[str, str], timeout: float, heartbeat: float | None) -> None:
        """Let a token of an account and Region be answered from now on, for so many seconds."""
        now = self._clock.now()
        beats = None if heartbeat is None else timedelta(seconds=heartbeat)
        with self._lock:
            self._tokens[token] = _Token(owner, now + timedelta(seconds=timeout), beats, now)

    def knows(self, token: str) -> bool:
        """Whether a task was given this token."""
        return token in self._tokens

    def answer(self, token: str, answer: object, *, owner: tuple[str, str]) -> None:
        """Keep the one answer and wake the task. Raises UnknownTokenError, ClosedTokenError."""
        with self._lock:
            self._waiting(token, owner).answer = answer
        self._clock.wake()

    def beat(self, token: str, *, owner: tuple[str, str]) -> None:
        """Let the task's heartbeat begin anew. Raises UnknownTokenError, ClosedTokenError."""
        with self._lock:
            self._waiting(token, owner).beat = self._clock.now()
        self._clock.wake()

    def wait(self, token: str) -> Any | None:
        """Return the answer, or None once the time is over or somebody has closed the token; then it is closed."""
        found = self._tokens[token]
        while True:
            due = found.due
            self._clock.wait_for(partial(found.has_changed, due), due)
            with self._lock:
                if found.is_settled or self._clock.now() >= found.due:
                    found.is_open = False
                    return found.answer

    def close(self, token: str) -> None:
        """Take no answer any more, and wake the task if it waits."""
        with self._lock:
            if token in self._tokens:
                self._tokens[token].is_open = False
        self._clock.wake()

    def _waiting(self, token: str, owner: tuple[str, str]) -> _Token:
        found = self._tokens.get(token)
        if found is None or found.owner != owner:
            raise UnknownTokenError
        if found.is_settled or self._clock.now() >= found.due:
            raise ClosedTokenError
        return found

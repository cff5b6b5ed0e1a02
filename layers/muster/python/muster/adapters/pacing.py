"""Spend at most a share of a published request rate: other tools draw from the same buckets."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

SHARE = 0.6


@dataclass(slots=True)
class Pacer:
    """A token bucket over one operation: ``rate`` a second and ``burst`` are AWS's figures, of which 60 % are used.

    Source of the rates: Organizations user guide (quotas), Security Incident Response endpoints and quotas.
    """

    rate: float
    burst: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _tokens: float = field(init=False)
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        """Start with a full bucket."""
        self.rate *= SHARE
        self.burst = max(1.0, self.burst * SHARE)
        self._tokens, self._at = self.burst, self.clock()

    def take(self) -> None:
        """Wait until one more request fits into the rate."""
        now = self.clock()
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate) - 1
        self._at = now
        if self._tokens < 0:
            self.sleep(-self._tokens / self.rate)

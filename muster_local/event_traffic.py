"""Events on their way: what the cloud emitted, what is lost, doubled or late, and what no target took."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

type Event = Mapping[str, Any]


class DisturbanceError(ValueError):
    """A disturbance makes no sense; the message says why."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """How unreliable events are that the cloud emits itself; rates are from 0 to 1."""

    lose: float = 0.0
    duplicate: float = 0.0
    delay_s: float = 0.0
    """The longest delay; each copy has its own, so that events overtake each other."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise DisturbanceError for what is no rate or no duration."""
        if not (0 <= self.lose <= 1 and 0 <= self.duplicate <= 1):
            raise DisturbanceError("lose and duplicate are rates from 0 to 1")
        if self.delay_s < 0:
            raise DisturbanceError("delay_s is a number of seconds, and not negative")


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event that comes to a bus."""

    account: str
    region: str
    bus: str
    event: Event
    is_forwarded: bool = False


@dataclass(frozen=True, slots=True)
class Undelivered:
    """An event that a target did not take, and whether its dead-letter queue did."""

    rule: str
    target: str
    code: str
    message: str
    is_kept: bool


@dataclass(slots=True)
class Traffic:
    """The events of one world. Whoever reads or changes it holds the world's lock."""

    disturbance: Disturbance = field(default_factory=Disturbance)
    emitted: list[Event] = field(default_factory=list)
    undelivered: list[Undelivered] = field(default_factory=list)
    on_the_way: list[tuple[datetime, int, Arrival]] = field(default_factory=list)
    """When each is due, in the order in which they were sent."""
    terminated: set[str] = field(default_factory=set)
    """Memberships of whose end the cloud has told."""
    stack_sets: dict[tuple[str, ...], Mapping[str, Any]] | None = None
    """What was last told of each stack set, operation and instance; None while nobody listens."""
    _random: Random = field(default_factory=lambda: Random(0))
    _sent: int = 0

    def disturb(self, disturbance: Disturbance) -> None:
        """Be as unreliable as this from now on, by the chance of its seed."""
        self.disturbance, self._random = disturbance, Random(disturbance.seed)

    def send(self, arrival: Arrival, now: datetime) -> None:
        """Put an event on its way: never, once or twice, now or later."""
        self.emitted.append(arrival.event)
        wish = self.disturbance
        if self._random.random() < wish.lose:
            return
        for _ in range(2 if self._random.random() < wish.duplicate else 1):
            self._sent += 1
            self.on_the_way.append((now + timedelta(seconds=self._random.random() * wish.delay_s), self._sent, arrival))

    def due(self, now: datetime) -> list[Arrival]:
        """Take what has arrived by now, in the order of arrival."""
        arrived = sorted((one for one in self.on_the_way if one[0] <= now), key=lambda one: one[:2])
        self.on_the_way = [one for one in self.on_the_way if one[0] > now]
        return [arrival for _, _, arrival in arrived]

    def next_due(self) -> datetime | None:
        """Return when the next one arrives."""
        return min((due for due, _, _ in self.on_the_way), default=None)

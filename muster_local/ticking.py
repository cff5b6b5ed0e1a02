"""What happens by itself as time passes: events arrive, schedules fire, functions read queues."""

import threading
from collections.abc import Callable
from datetime import timedelta

from muster_local import event_buses, queue_consumers, schedules, stack_set_events
from muster_local.simulation import World

_LONG = timedelta(days=1)
_turn = threading.RLock()


def tick(world: World) -> None:
    """Do what is due by now; whoever comes while another is at it waits until that is done."""
    with _turn:
        event_buses.settle(world)
        stack_set_events.tell(world)
        schedules.fire(world)
        queue_consumers.consume(world)


class Ticker:
    """A thread that ticks whenever the world's clock has come to something that is due."""

    def __init__(self, world: Callable[[], World], report: Callable[[str], None]) -> None:
        """Start, in the world that there is; another one needs another ticker."""
        self._world = world()
        self._report = report
        self._is_stopped = False
        self._thread = threading.Thread(target=self._run, name="ticker", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Tick no more."""
        self._is_stopped = True
        self._world.clock.wake()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        clock = self._world.clock
        while not self._is_stopped:
            seen = clock.changes
            try:
                tick(self._world)
                dues = [
                    self._world.traffic.next_due(),
                    schedules.next_due(self._world),
                    queue_consumers.next_due(self._world),
                    stack_set_events.next_due(self._world),
                ]
            except Exception as error:  # noqa: BLE001 - the cloud goes on, and says what went wrong
                self._report(f"something that was due failed inside the embedded cloud: {type(error).__name__}")
                dues = []
            until = min((due for due in dues if due is not None), default=clock.now() + _LONG)
            clock.wait_for(lambda seen=seen: self._is_stopped or clock.changes != seen, until)  # type: ignore[misc]

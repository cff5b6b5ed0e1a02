import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.adapters.pacing import Pacer


class Time:
    """A clock that only sleeping and working move."""

    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_burst_is_free_and_the_rest_keeps_sixty_percent_of_the_rate() -> None:
    time = Time()
    pacer = Pacer(rate=5, burst=10, clock=time.clock, sleep=time.sleep)

    for _ in range(6):
        pacer.take()
    after_burst = time.now
    for _ in range(30):
        pacer.take()

    assert after_burst == 0
    assert time.now == pytest.approx(10)


@given(rate=st.integers(1, 10), burst=st.integers(1, 15), work=st.lists(st.floats(0, 2), min_size=1, max_size=60))
def test_no_second_holds_more_than_burst_and_rate_allow(rate: int, burst: int, work: list[float]) -> None:
    time = Time()
    pacer = Pacer(rate=rate, burst=burst, clock=time.clock, sleep=time.sleep)
    taken = []
    for seconds in work:
        time.now += seconds
        pacer.take()
        taken.append(time.now)

    for start in taken:
        within = sum(1 for at in taken if start <= at < start + 1)
        assert within <= max(1, 0.6 * burst) + 0.6 * rate + 1e-6 + 1

"""When messages are due, by a clock that the test turns."""

import pytest

from delab.data.pace import Clock, Pace


class Turned:
    """A clock that moves only by sleeping, or when told."""

    def __init__(self) -> None:
        self.time = 100.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

    def clock(self) -> Clock:
        return Clock(lambda: self.time, self.sleep)


@pytest.fixture
def turned() -> Turned:
    return Turned()


def test_a_rate_spreads_rows_evenly(turned: Turned) -> None:
    pace = Pace(rate=4, clock=turned.clock())
    for number in range(9):
        pace.wait(number, 0)
        assert turned.time == pytest.approx(100 + number / 4)


def test_replay_keeps_the_distances_of_events(turned: Turned) -> None:
    pace = Pace(speed=60, clock=turned.clock())
    for number, minutes in enumerate((5, 6, 6, 10)):
        pace.wait(number, minutes * 60_000_000)
        assert turned.time == pytest.approx(100 + minutes - 5)


def test_the_slower_of_both_decides(turned: Turned) -> None:
    pace = Pace(rate=1, speed=1, clock=turned.clock())
    pace.wait(0, 0)
    pace.wait(1, 10_000_000)
    assert turned.time == pytest.approx(110)
    pace.wait(20, 10_000_001)
    assert turned.time == pytest.approx(120)


def test_lost_time_is_caught_up_with(turned: Turned) -> None:
    pace = Pace(rate=10, clock=turned.clock())
    pace.wait(0, 0)
    turned.time += 5
    for number in range(1, 51):
        pace.wait(number, 0)
    assert turned.slept == []
    pace.wait(51, 0)
    assert turned.time == pytest.approx(105.1)


def test_no_limit_never_sleeps(turned: Turned) -> None:
    pace = Pace(clock=turned.clock())
    for number in range(1000):
        pace.wait(number, number * 1_000_000)
    assert turned.slept == []

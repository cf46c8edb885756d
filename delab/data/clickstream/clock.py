"""When visits begin: a non-homogeneous Poisson process with a daily and weekly rhythm and bursts. Times are µs since 1970, UTC.

The rate is constant within a minute, so the visits of a minute are a Poisson number, drawn by inversion, at uniform times:
exactly the process.
"""

import datetime as dt
from functools import cache

import numpy as np
from numpy.typing import NDArray

from delab.data.rng import Bools, Draws, Ints

MS, SECOND = 1_000, 1_000_000
MINUTE = 60 * SECOND
START_AT = dt.datetime(2025, 3, 3, 8, tzinfo=dt.UTC)  # a Monday
START = int(START_AT.timestamp()) * SECOND

HOURS = (42, 32, 26, 24, 28, 42, 66, 92, 112, 122, 126, 126, 130, 126, 120, 118, 122, 132, 148, 160, 152, 126, 92, 60)  # %, UTC
WEEKDAYS = (100, 98, 96, 98, 104, 112, 108)  # %, Monday first
MEAN = 26  # quarter visits a minute
MOST = 127  # visits a minute
LEVELS = 256  # rates, in quarter visits a minute
BLOCK, LONGEST = 360, 20  # minutes: one burst in each block, and how long it is at most


class Bursts:
    """The bursts of a seed, one in each six hours: 5 to 20 minutes long, 1.5 to 4 times as busy."""

    def __init__(self, version: int, seed: int) -> None:
        self.draws = Draws.of("clickstream", version, seed, "bursts", "what")

    def begins(self, block: Ints) -> Ints:
        """In which minute since START each block's burst begins."""
        return block * BLOCK + self.draws.below(block * 4, BLOCK - LONGEST)

    def lasts(self, block: Ints) -> Ints:
        """How many minutes it lasts."""
        return 5 + self.draws.below(block * 4 + 1, LONGEST - 4)

    def quarters(self, block: Ints) -> Ints:
        """How busy it is, in quarters of the usual."""
        return 6 + self.draws.below(block * 4 + 2, 11)

    def cover(self, minute: Ints) -> Bools:
        """Which minutes lie in a burst."""
        block = minute // BLOCK
        since = minute - self.begins(block)
        inside: Bools = (since >= 0) & (since < self.lasts(block))
        return inside

    def factor(self, minute: Ints) -> Ints:
        """How busy each minute is, in quarters of the usual: 4 outside of bursts."""
        return np.where(self.cover(minute), self.quarters(minute // BLOCK), 4)


def rate(minute: Ints, bursts: Bursts) -> Ints:
    """The expected visits of each minute since START, in quarters: 1 to LEVELS - 1."""
    hour = minute // 60 + START_AT.hour
    usual = MEAN * np.array(HOURS, np.int64)[hour % 24] * np.array(WEEKDAYS, np.int64)[hour // 24 % 7]
    quarters: Ints = np.clip(usual * bursts.factor(minute) // 40_000, 1, LEVELS - 1)
    return quarters


@cache
def poisson() -> NDArray[np.uint64]:
    """2⁶⁴ times the probability of at most k visits, shape (LEVELS, MOST), by rate; integer arithmetic. More than MOST happen with
    a probability below 2⁻³⁰ at the highest rate, and count as MOST."""
    table = np.zeros((LEVELS, MOST), np.uint64)
    for quarters in range(LEVELS):
        terms = [1 << 256]
        for k in range(1, 2 * MOST):
            terms.append(terms[-1] * quarters // (4 * k))
        total, below = sum(terms), 0
        for k in range(MOST):
            below += terms[k]
            table[quarters, k] = min((below << 64) // total, (1 << 64) - 1)
    return table


def visits(minute: Ints, draws: Draws, bursts: Bursts) -> Ints:
    """How many visits begin in each minute: 0 to MOST."""
    counts: Ints = (poisson()[rate(minute, bursts)] <= draws.bits(minute)[:, None]).sum(axis=1, dtype=np.int64)
    return counts

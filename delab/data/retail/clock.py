"""When orders happen: 2024 and 2025, with growth and a yearly, weekly and daily rhythm. Times are µs since 1970, UTC."""

import datetime as dt
from functools import cache

import numpy as np
from numpy.typing import NDArray

from delab.data.retail.places import COUNTRIES
from delab.data.rng import Draws, Floats, Ints, Weights

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
FIRST_DAY, LAST_DAY = dt.date(2024, 1, 1), dt.date(2025, 12, 31)
DAYS = (LAST_DAY - FIRST_DAY).days + 1
EPOCH_DAY = (FIRST_DAY - dt.date(1970, 1, 1)).days
START = EPOCH_DAY * DAY
END = START + DAYS * DAY

MONTHS = (80, 78, 90, 95, 100, 98, 92, 88, 100, 106, 135, 168)
WEEKDAYS = (90, 88, 92, 98, 118, 132, 82)  # Monday first
HOURS = (3, 2, 1, 1, 1, 2, 6, 14, 26, 38, 46, 52, 56, 50, 46, 46, 50, 58, 64, 60, 48, 32, 18, 8)  # by the local clock


def local_activity(hour: int) -> list[int]:
    """How busy each country is at an hour of UTC."""
    return [country.pairs * HOURS[(hour + country.offset) % 24] for country in COUNTRIES]


@cache
def countries_by_hour() -> tuple[Weights, ...]:
    """Which country an order comes from, for each hour of UTC."""
    return tuple(Weights.of(local_activity(hour)) for hour in range(24))


@cache
def busy() -> Floats:
    """Cumulative activity at the start of each hour of the two years, shape (DAYS * 24 + 1,); whole numbers."""
    day = [sum(local_activity(hour)) for hour in range(24)]
    total, sums = 0, [0]
    for number in range(DAYS):
        date = FIRST_DAY + dt.timedelta(number)
        weight = MONTHS[date.month - 1] * WEEKDAYS[date.weekday()] * (1000 + number)  # the business grows by 73 % in two years
        for part in day:
            total += weight * part // 100_000
            sums.append(total)
    return np.array(sums, np.float64)


def order_times(draws: Draws, numbers: Ints, count: int) -> Ints:
    """The times of orders `numbers` (from 0, ascending) of `count`: ascending, each in its own 1/count of all activity."""
    cumulative = busy()
    position: NDArray[np.float64] = (numbers + draws.unit(numbers)) / count * cumulative[-1]
    hour = hours(position, cumulative)
    inside = (position - cumulative[hour]) / (cumulative[hour + 1] - cumulative[hour])
    at: Ints = START + hour * HOUR + np.minimum((inside * HOUR).astype(np.int64), HOUR - 1)
    return at


def hours(position: Floats, cumulative: Floats) -> Ints:
    """In which hour each position lies; positions ascend, so it is the few hours that are looked up among the many positions."""
    first, last = (int(np.searchsorted(cumulative, end, side="right")) - 1 for end in (position[0], position[-1]))
    last = min(last, len(cumulative) - 2)
    begins = np.searchsorted(position, cumulative[first + 1 : last + 1], side="left")
    return np.repeat(np.arange(first, last + 1), np.diff(begins, prepend=0, append=len(position)))

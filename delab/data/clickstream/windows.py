"""Truth about windows of event time under a watermark, counted from the generator's integers in the order of arrival.

The watermark before a delivery is the latest event time among all deliveries before it, minus `watermark` seconds. A window [a, b)
fires when the watermark reaches b. A click belongs to it on time if the watermark before its delivery is below b; if it is below
b + `lateness`, the click is late but admitted, and the window is emitted again; else it is dropped. That is what Flink does with
BoundedOutOfOrderness, a watermark after every event and allowedLateness; engines that move the watermark less often drop fewer.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from delab.data.arrow import ArrowTable, pa
from delab.data.clickstream.clicks import Deliveries, stream
from delab.data.clickstream.clock import MINUTE, SECOND, START
from delab.data.clickstream.visits import World
from delab.data.columns import money, times, whole
from delab.data.rng import Bools, Ints
from delab.errors import LabError

MARGIN = 180 * MINUTE  # clocks are not further off than this


@dataclass(frozen=True)
class Delivered:
    """Deliveries that count, in the order of arrival: when their clicks happened, and the latest event time before each."""

    deliveries: Deliveries
    chosen: Ints  # positions in the deliveries
    event_time: Ints
    latest: Ints  # the smallest integer before the first delivery

    @property
    def click(self) -> Ints:
        """Positions in the clicks."""
        return self.deliveries.position[self.chosen]

    @property
    def amount(self) -> Ints:
        """Euro cents."""
        return self.deliveries.clicks.amount[self.click]


def delivered(world: World, distinct: bool) -> Iterator[Delivered]:
    """The whole stream, without second deliveries if `distinct`."""
    before = np.iinfo(np.int64).min
    for some in stream(world):
        at = some.clicks.event_time[some.position]
        latest = np.maximum.accumulate(np.concatenate([[before], at]))
        before = latest[-1]
        chosen = np.flatnonzero(~some.second) if distinct else np.arange(len(some), dtype=np.int64)
        yield Delivered(some, chosen, at[chosen], latest[:-1][chosen])


@dataclass(frozen=True)
class Windows:
    """How time is cut: windows of `size` seconds that begin every `slide` seconds, counted from the epoch."""

    world: World
    size: int
    slide: int

    def __post_init__(self) -> None:
        if not 0 < self.slide <= self.size:
            raise LabError(f"expected 0 < slide ≤ size in whole seconds, got a slide of {self.slide} and a size of {self.size}")

    @property
    def base(self) -> int:
        """The number of the first window that may hold a click: window j begins at j * slide."""
        return (START - MARGIN) // SECOND // self.slide - self.size // self.slide

    @property
    def count(self) -> int:
        """How many windows there may be."""
        return (self.world.end + MARGIN) // SECOND // self.slide - self.base + 1

    def holding(self, at: Ints) -> Iterator[tuple[Ints, Bools]]:
        """For each of the windows that may hold an event: its number from base, and whether it does."""
        last = at // (self.slide * SECOND)
        for back in range(-(-self.size // self.slide)):
            yield last - back - self.base, at < (last - back) * self.slide * SECOND + self.size * SECOND

    def ends(self, number: Ints) -> Ints:
        """When these windows (from base) end, in µs."""
        return ((number + self.base) * self.slide + self.size) * SECOND

    def table(self, counts: dict[str, Ints]) -> ArrowTable:
        """The windows that hold something, with these counts and sums (names that end in `amount` are in cents)."""
        keep = np.flatnonzero(sum(counts.values()))
        ends = self.ends(keep)
        columns = {name: money(values[keep]) if name.endswith("amount") else whole(values[keep]) for name, values in counts.items()}
        return pa.table({"window_start": times(ends - self.size * SECOND), "window_end": times(ends), **columns})


def checked(watermark: int, lateness: int) -> None:
    """Raise LabError for less than nothing."""
    if watermark < 0 or lateness < 0:
        raise LabError(f"expected seconds from 0, got a watermark of {watermark} and a lateness of {lateness}")


def under_watermark(windows: Windows, watermark: int, lateness: int, distinct: bool) -> ArrowTable:
    """What each window holds in the end and what it has dropped."""
    checked(watermark, lateness)
    names = ("clicks", "amount", "on_time", "admitted_late", "dropped", "dropped_amount")
    counts = {name: np.zeros(windows.count, np.int64) for name in names}
    for some in delivered(windows.world, distinct):
        mark, amount = some.latest - min(watermark, 1 << 31) * SECOND * (some.latest > 0), some.amount
        for number, inside in windows.holding(some.event_time):
            end = windows.ends(number)
            on_time, kept = mark < end, mark < end + lateness * SECOND
            add(counts, number, inside & kept, ("clicks", 1), ("amount", amount))
            add(counts, number, inside & on_time, ("on_time", 1))
            add(counts, number, inside & kept & ~on_time, ("admitted_late", 1))
            add(counts, number, inside & ~kept, ("dropped", 1), ("dropped_amount", amount))
    return windows.table(counts)


def add(counts: dict[str, Ints], cell: Ints, chosen: Bools, *what: tuple[str, Ints | int]) -> None:
    """Add values of the chosen rows to their cells, exactly."""
    for name, value in what:
        np.add.at(counts[name], cell[chosen], value[chosen] if isinstance(value, np.ndarray) else value)


def tumbling_windows(world: World, size: int = 300, watermark: int = 60, lateness: int = 0, distinct: bool = True) -> ArrowTable:
    """Clicks and euro by tumbling window of event time, as an engine with that watermark emits them in the end, and what it drops.

    In seconds: `size`; `watermark`, how far it trails the latest event time; `lateness`, how long a window is kept after it has
    fired. `distinct` counts each click once, by its first delivery; without it, every delivery counts. A window [a, b) takes a
    click if the watermark before its delivery is below b (`on_time`) or below b + lateness (`admitted_late`), else it is `dropped`.
    """
    return under_watermark(Windows(world, size, size), watermark, lateness, distinct)


def sliding_windows(
    world: World, size: int = 600, slide: int = 120, watermark: int = 60, lateness: int = 0, distinct: bool = True
) -> ArrowTable:
    """The same by sliding windows, `size` seconds long, one every `slide` seconds: one may drop a click that another takes."""
    return under_watermark(Windows(world, size, slide), watermark, lateness, distinct)


def complete_windows(world: World, size: int = 300, slide: int = 300, distinct: bool = True) -> ArrowTable:
    """Clicks and euro by window of event time of all that has arrived, however late: what a recomputation gives."""
    windows = Windows(world, size, slide)
    counts = {name: np.zeros(windows.count, np.int64) for name in ("clicks", "amount")}
    for some in delivered(world, distinct):
        for number, inside in windows.holding(some.event_time):
            add(counts, number, inside, ("clicks", 1), ("amount", some.amount))
    return windows.table(counts)


def dropped_clicks(world: World, size: int = 300, watermark: int = 60, lateness: int = 0) -> Iterator[ArrowTable]:
    """The clicks that tumbling windows under this watermark drop, by their first delivery, in the order of arrival."""
    checked(watermark, lateness)
    windows = Windows(world, size, size)
    for some in delivered(world, distinct=True):
        mark = some.latest - min(watermark, 1 << 31) * SECOND * (some.latest > 0)
        end = (some.event_time // (size * SECOND) + 1) * size * SECOND
        late = mark >= end + lateness * SECOND
        arrival = some.deliveries.arrival[some.chosen[late]]
        yield pa.table(
            {
                "event_id": whole(some.deliveries.clicks.number[some.click[late]] + 1),
                "event_time": times(some.event_time[late]),
                "arrival_time": times(arrival),
                "watermark": times(mark[late]),
                "window_start": times(end[late] - windows.size * SECOND),
            }
        )

"""Truth about visits and visitors, straight from the visits; what has not arrived by the end of the stream is not counted."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from delab.data.arrow import ArrowTable, pa
from delab.data.clickstream import site
from delab.data.clickstream.clicks import Clicks
from delab.data.clickstream.clock import SECOND
from delab.data.clickstream.visits import CHUNK, World
from delab.data.columns import money, times, whole
from delab.data.rng import Bools, Ints
from delab.errors import LabError

LONGEST_GAP = 3300  # seconds: visits of a visitor are further apart than this
LOOKS = (site.HOME, site.LIST, site.SEARCH, site.PRODUCT)
STEPS = {"view": LOOKS, "cart": (site.CART,), "checkout": (site.CHECKOUT,), "buy": (site.BUY,)}


@dataclass(frozen=True)
class Found:
    """Sessions of some visits, one entry each; the clicks that have arrived, in the order of event time within each."""

    clicks: Clicks
    click: Ints  # positions in the clicks
    first: Ints  # the position in `click` of each session's first
    size: Ints  # clicks of each session

    @property
    def visitor(self) -> Ints:
        """Visitor number k of each."""
        visitor: Ints = self.clicks.visits.visitor[self.clicks.visit[self.click[self.first]]]
        return visitor

    def total(self, values: Ints) -> Ints:
        """Values of the clicks, added up by session."""
        return np.add.reduceat(values[self.click], self.first) if len(self.first) else np.zeros(0, np.int64)


def found(world: World, gap: int = 1800) -> Iterator[Found]:
    """All sessions, some at a time: a session ends where the next click is more than `gap` seconds away."""
    if not 0 < gap <= LONGEST_GAP:
        raise LabError(
            f"expected a gap from 1 to {LONGEST_GAP} seconds, got {gap}", "visits of a visitor are not much further apart"
        )
    for start in range(0, world.minutes, CHUNK):
        clicks = Clicks(world.visits(start, min(start + CHUNK, world.minutes)))
        click = np.flatnonzero(clicks.arrives < world.end)
        begins = np.ones(len(click), np.bool_)
        visit, at = clicks.visit[click], clicks.event_time[click]
        begins[1:] = (visit[1:] != visit[:-1]) | (at[1:] - at[:-1] > gap * SECOND)
        first = np.flatnonzero(begins)
        yield Found(clicks, click, first, np.diff(first, append=len(click)))


def sessions(world: World, gap: int = 1800) -> Iterator[ArrowTable]:
    """Sessions of each visitor by event time: one ends where the next click is more than `gap` seconds away (at most 3,300)."""
    for some in found(world, gap):
        at, visitor = some.clicks.event_time, some.visitor
        yield pa.table(
            {
                "visitor_id": whole(visitor + 1),
                "started_at": times(at[some.click[some.first]]),
                "ended_at": times(at[some.click[some.first + some.size - 1]]),
                "clicks": whole(some.size),
                "amount": money(some.total(some.clicks.amount)),
                "is_bot": pa.array(world.is_bot(visitor)),
            }
        )


def funnel(world: World, gap: int = 1800) -> ArrowTable:
    """How many sessions hold at least one view (or search), cart, checkout and buy; and how many of them are not by bots."""
    counts = np.zeros((len(STEPS), 2), np.int64)
    for some in found(world, gap):
        human = ~world.is_bot(some.visitor)
        for row, kinds in enumerate(STEPS.values()):
            reached = some.total(np.isin(some.clicks.kind, kinds).astype(np.int64)) > 0
            counts[row] += (reached.sum(), (reached & human).sum())
    return pa.table({"step": pa.array(list(STEPS)), "sessions": whole(counts[:, 0]), "without_bots": whole(counts[:, 1])})


def clicks_of(world: World) -> Ints:
    """How many clicks of each visitor have arrived."""
    counts = np.zeros(world.visitors, np.int64)
    for some in found(world):
        np.add.at(counts, some.visitor, some.size)
    return counts


def table_of(world: World, wanted: Bools) -> tuple[Ints, dict[str, object]]:
    """Visitors who have clicked and are wanted, with how often."""
    counts = clicks_of(world)
    k = np.flatnonzero((counts > 0) & wanted)
    return k, {"visitor_id": whole(k + 1), "clicks": whole(counts[k])}


def bots(world: World) -> ArrowTable:
    """The visitors that are machines, whether their user agent says so, and their clicks."""
    everyone = np.arange(world.visitors, dtype=np.int64)
    k, columns = table_of(world, world.is_bot(everyone))
    return pa.table({**columns, "declared": pa.array(world.is_declared(k))})


def wrong_clocks(world: World) -> ArrowTable:
    """The visitors whose device's clock is wrong, by how many seconds it is ahead (negative: behind), and their clicks."""
    everyone = np.arange(world.visitors, dtype=np.int64)
    k, columns = table_of(world, world.clock_offset(everyone) != 0)
    return pa.table({**columns, "seconds_ahead": whole(world.clock_offset(k) // SECOND)})

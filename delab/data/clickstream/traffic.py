"""Truth about the deliveries: how many came when, twice, how late and in which form."""

from collections.abc import Iterator

import numpy as np

from delab.data.arrow import ArrowTable, pa
from delab.data.clickstream import site
from delab.data.clickstream.clicks import PAGE, stream
from delab.data.clickstream.clock import BLOCK, MINUTE, SECOND, START
from delab.data.clickstream.visits import World
from delab.data.columns import gaps, money, times, whole, words

BOUNDS = (0, 1, 10, 60, 300, 900, 3600, 21_600, 86_400, 604_800)  # seconds


def duplicates(world: World) -> Iterator[ArrowTable]:
    """Clicks that are delivered a second time, with both arrivals, in the order of the second."""
    for some in stream(world):
        position = some.position[some.second]
        yield pa.table(
            {
                "event_id": whole(some.clicks.number[position] + 1),
                "first_arrival": times(some.clicks.arrives[position]),
                "second_arrival": times(some.arrival[some.second]),
            }
        )


def minute_arrivals(world: World) -> Iterator[ArrowTable]:
    """How much arrives in each minute: deliveries, and clicks for the first time; and whether there is a burst of visits."""
    for start, some in zip(range(0, world.minutes, PAGE), stream(world), strict=True):
        minute = np.arange(start, min(start + PAGE, world.minutes), dtype=np.int64)
        at = (some.arrival - START) // MINUTE - start
        counts = (np.bincount(at[chosen], minlength=len(minute)) for chosen in (some.second | True, ~some.second))
        columns = dict(zip(("deliveries", "clicks"), map(whole, counts), strict=True))
        yield pa.table({"minute": times(START + minute * MINUTE), **columns, "burst": pa.array(world.bursts.cover(minute))})


def bursts(world: World) -> ArrowTable:
    """When more visits than usual begin, and how many times as many are expected."""
    block = np.arange(-(-world.minutes // BLOCK), dtype=np.int64)
    bursts = world.bursts
    block = block[bursts.begins(block) < world.minutes]
    begins = bursts.begins(block)
    until = START + (begins + bursts.lasts(block)) * MINUTE
    columns = {"begins_at": times(START + begins * MINUTE), "ends_at": times(until)}
    return pa.table({**columns, "times_as_busy": pa.array(bursts.quarters(block) / 4)})


def lateness(world: World) -> ArrowTable:
    """Deliveries by how many seconds after their event time they arrive, at least `from`, less than `to`; wrong clocks included."""
    counts = np.zeros(len(BOUNDS) + 1, np.int64)
    edges = np.array(BOUNDS, np.int64) * SECOND
    for some in stream(world):
        late = some.arrival - some.clicks.event_time[some.position]
        counts += np.bincount(np.searchsorted(edges, late, side="right"), minlength=len(counts))
    ends = np.array((0, *BOUNDS, 0), np.int64)
    open_ended = np.arange(len(counts))
    lower = gaps(whole(ends[:-1]), open_ended == 0)
    upper = gaps(whole(ends[1:]), open_ended == len(counts) - 1)
    return pa.table({"from": lower, "to": upper, "deliveries": whole(counts)})


def schema_versions(world: World) -> ArrowTable:
    """Deliveries of each schema version, when the first and the last arrived: versions overlap."""
    counts, first, last = np.zeros(4, np.int64), np.full(4, world.end), np.zeros(4, np.int64)
    for some in stream(world):
        schema = some.clicks.visits.schema[some.clicks.visit[some.position]]
        np.add.at(counts, schema, 1)
        np.minimum.at(first, schema, some.arrival)
        np.maximum.at(last, schema, some.arrival)
    version = np.flatnonzero(counts)
    columns = {"schema_version": whole(version, 16), "deliveries": whole(counts[version])}
    return pa.table({**columns, "first_arrival": times(first[version]), "last_arrival": times(last[version])})


def page_views(world: World) -> ArrowTable:
    """Distinct clicks on each page, and how many of them are not by bots."""
    counts = np.zeros((site.PAGES + 1, 2), np.int64)
    for some in stream(world):
        position = some.position[~some.second]
        page, human = some.clicks.page[position], ~some.clicks.visits.bot[some.clicks.visit[position]]
        np.add.at(counts[:, 0], page, 1)
        np.add.at(counts[:, 1], page[human], 1)
    page = np.flatnonzero(counts[:, 0])
    return pa.table({"page_id": whole(page), "clicks": whole(counts[page, 0]), "without_bots": whole(counts[page, 1])})


def clean_totals(world: World) -> ArrowTable:
    """Deliveries and distinct clicks by action, with euro and loading ms of the latter: what a repaired load must come to."""
    totals = np.zeros((4, len(site.ACTIONS)), np.int64)
    for some in stream(world):
        kind, once = some.clicks.kind[some.position], ~some.second
        position = some.position[once]
        np.add.at(totals[0], kind, 1)
        np.add.at(totals[1], kind[once], 1)
        np.add.at(totals[2], kind[once], some.clicks.amount[position])
        np.add.at(totals[3], kind[once], some.clicks.load[position])
    names = sorted(set(site.ACTIONS))
    by = np.array([totals[:, [action == name for action in site.ACTIONS]].sum(axis=1) for name in names]).T
    columns = {"deliveries": whole(by[0]), "clicks": whole(by[1]), "amount": money(by[2]), "load_ms": whole(by[3])}
    return pa.table({"action": words(names, np.arange(len(names))), **columns})

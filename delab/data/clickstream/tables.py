"""Every click stream table as Arrow rows, built from the arrays of the other modules."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from delab.data.arrow import Array, RecordBatch, pa
from delab.data.clickstream import site
from delab.data.clickstream.clicks import PAGE, Deliveries, deliveries, field
from delab.data.clickstream.visits import Visits, World
from delab.data.columns import gaps, money, times, whole, words
from delab.data.model import Table
from delab.data.rng import Ints

Columns = dict[str, Array]


def pages(world: World, start: int, stop: int) -> Columns:
    """The pages of the shop."""
    some = site.pages()[start:stop]
    price = np.array([page.price or 0 for page in some], np.int64)
    return {
        "page_id": whole(np.arange(start + 1, stop + 1, dtype=np.int64)),
        "path": pa.array([page.path for page in some], pa.string()),
        "kind": pa.array([page.kind for page in some], pa.string()),
        "title": pa.array([page.title for page in some], pa.string()),
        "category": pa.array([page.category for page in some], pa.string()),
        "price": gaps(money(price), price == 0),
    }


def visitors(world: World, start: int, stop: int) -> Columns:
    """What the shop knows of visitors, as they told it: a bot tells what it likes."""
    k = np.arange(start, stop, dtype=np.int64)
    country, browser = world.country(k), world.browser(k)
    return {
        "visitor_id": whole(k + 1),
        "country": words(site.COUNTRIES, country),
        "language": words(site.LANGUAGES, country),
        "device": words(site.DEVICES, browser // 4),
        "newsletter": pa.array(world.draws("visitors", "newsletter").chance(k, 0.3)),
    }


def clicks(world: World, start: int, stop: int) -> Columns:
    """The deliveries of minutes [start, stop), at most PAGE of them."""
    some = deliveries(world, start, stop)
    click, position = some.clicks, some.position
    visits, visit = click.visits, click.visit[position]
    number = click.number[position] + 1
    kind = click.kind[position]
    return {
        "delivery_id": whole(number * 2 + some.second),
        "event_id": whole(number),
        "visitor_id": whole((visits.visitor + 1)[visit]),
        "schema_version": whole(visits.schema.astype(np.int16)[visit], 16),
        "event_time": times(click.event_time[position]),
        "arrival_time": times(some.arrival),
        "action": words(site.ACTIONS, kind),
        "page_id": whole(click.page[position]),
        "query": queries(some, kind),
        "amount": amounts(some, kind),
        "load_ms": whole(click.load[position], 32),
        **places(world, visits, visit),
        "campaign": words(site.CAMPAIGNS, campaigns(visits)[visit]),
        "user_agent": words(site.AGENTS, world.agent(visits.visitor).astype(np.int8)[visit]),
    }


def queries(some: Deliveries, kind: Ints) -> Array:
    """What was searched for; none unless it is a search."""
    searches = np.flatnonzero(kind == site.SEARCH)
    query = np.full(len(kind), len(site.QUERIES), np.int8)
    query[searches] = field(some.clicks.bits[some.position[searches]], 26, 4)
    return words((*site.QUERIES, None), query)


def amounts(some: Deliveries, kind: Ints) -> Array:
    """What was paid; none unless something was bought."""
    bought = kind == site.BUY
    cents = np.zeros(len(kind), np.int64)
    cents[bought] = some.clicks.paid(some.position[bought])
    return gaps(money(cents), ~bought)


def places(world: World, visits: Visits, visit: Ints) -> Columns:
    """The country, in the column that its schema version calls it by."""
    country, nowhere = world.country(visits.visitor), len(site.COUNTRIES)
    names, first = (*site.COUNTRIES, None), visits.schema == 1
    old, new = (np.where(those, country, nowhere).astype(np.int8) for those in (first, ~first))
    nothing = pa.nulls(len(visit), pa.string())
    return {
        "country": words(names, old[visit]) if first.any() else nothing,
        "country_code": words(names, new[visit]),
    }


def campaigns(visits: Visits) -> NDArray[np.int8]:
    """What brought each visit here, where the tracking code tells: a position in site.CAMPAIGNS."""
    drawn = visits.draws("campaign").pick(visits.number, site.CAMPAIGN_WEIGHTS)
    return np.where(visits.schema == 3, drawn, 0).astype(np.int8)


MAKERS: dict[str, Callable[[World, int, int], Columns]] = {"pages": pages, "visitors": visitors, "clicks": clicks}


def units(world: World, table: str) -> int:
    """How many units a table has: pages, visitors, or minutes in which clicks arrive."""
    return {"pages": site.PAGES, "visitors": world.visitors, "clicks": world.minutes}[table]


def rows(world: World, table: Table, start: int, stop: int) -> RecordBatch:
    """The rows of units [start, stop)."""
    step = PAGE if table.name == "clicks" else max(stop - start, 1)
    parts = [MAKERS[table.name](world, first, min(first + step, stop)) for first in range(start, max(stop, start + 1), step)]
    batches = [pa.RecordBatch.from_arrays(list(columns.values()), schema=table.arrow) for columns in parts]
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)

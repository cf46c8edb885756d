"""Truth about what changes: each version straight from its number, where a learner would compare rows or look at the next one."""

import datetime as dt
from collections.abc import Iterator

import numpy as np

from delab.data.arrow import ArrowTable, pa
from delab.data.columns import dates, gaps, money, times, whole, words
from delab.data.retail import people, tables
from delab.data.retail.clock import DAY, EPOCH_DAY, FIRST_DAY
from delab.data.retail.orders import World
from delab.data.retail.places import CITIES
from delab.data.rng import Ints

BATCH = 65_536  # customers
HALF = FIRST_DAY + dt.timedelta(366)


def everyone(world: World) -> Iterator[Ints]:
    """The numbers of all customers, some at a time."""
    for start in range(0, world.people.count, BATCH):
        yield np.arange(start, min(start + BATCH, world.people.count), dtype=np.int64)


def customer_history(world: World) -> Iterator[ArrowTable]:
    """Slowly changing dimension, type 2: a row a version, with [valid_from, valid_to)."""
    for k in everyone(world):
        versions = [versions_of(world, k, version) for version in range(1, people.MOST + 2)]
        yield pa.concat_tables(versions).sort_by([("customer_id", "ascending"), ("version", "ascending")])


def versions_of(world: World, k: Ints, version: int) -> ArrowTable:
    """One version of those customers who have it."""
    who = world.people
    some = k[who.changes(k) + 1 >= version]
    state = who.at(some, np.full(len(some), version))
    last = who.changes(some) + 1 == version
    until = gaps(times(who.changed(some, version)), last)
    columns = {"customer_id": whole(some + 1), "version": whole(state.version, 16), **tables.changing(world, some, state)}
    return pa.table({**columns, "valid_from": times(state.since), "valid_to": until, "is_current": pa.array(last)})


def product_history(world: World) -> ArrowTable:
    """Slowly changing dimension, type 2, of the products."""
    every, parts = world.products, []
    for version in range(every.since.shape[1]):
        k = np.flatnonzero(every.versions > version)
        last = every.versions[k] == version + 1
        end = every.since[k, np.minimum(version + 1, every.since.shape[1] - 1)]
        until = gaps(times(np.where(last, 0, end)), last)
        columns = {
            "product_id": whole(k + 1),
            "version": whole(version + np.ones(len(k)), 16),
            **tables.kinds(every.category[k, version]),
        }
        span = {"valid_from": times(every.since[k, version]), "valid_to": until, "is_current": pa.array(last)}
        parts.append(pa.table({**columns, "price": money(every.price[k, version]), **span}))
    return pa.concat_tables(parts).sort_by([("product_id", "ascending"), ("version", "ascending")])


def customer_previous(world: World) -> Iterator[ArrowTable]:
    """Type 3: the city and the segment now, and the ones before (none if they never changed)."""
    for k in everyone(world):
        yield previous(world, k)


def previous(world: World, k: Ints) -> ArrowTable:
    """The same of some customers."""
    who = world.people
    changes, country = who.changes(k), who.country(k)
    now = who.at(k, changes + 1)
    city, segment = np.full(len(k), -1), np.full(len(k), -1)
    for number in range(1, people.MOST + 1):
        before, kind = who.at(k, np.full(len(k), number)), who.kind(k, number)
        city = np.where((number <= changes) & (kind != people.UPGRADES), before.city, city)
        segment = np.where((number <= changes) & (kind != people.MOVES), before.segment, segment)
    return pa.table(
        {
            "customer_id": whole(k + 1),
            "city": words(tables.CITY_NAMES, country * CITIES + now.city),
            "previous_city": gaps(words(tables.CITY_NAMES, country * CITIES + np.maximum(city, 0)), city < 0),
            "segment": words(people.SEGMENTS, now.segment),
            "previous_segment": gaps(words(people.SEGMENTS, np.maximum(segment, 0)), segment < 0),
        }
    )


def customers_on(world: World, day: dt.date = HALF) -> Iterator[ArrowTable]:
    """The customers registered by the end of a day in UTC, as they were then: a source's daily snapshot."""
    end = ((day - FIRST_DAY).days + EPOCH_DAY + 1) * DAY - 1
    for k in everyone(world):
        version = world.people.version_at(k, np.full(len(k), end))
        some = k[version > 0]
        state = world.people.at(some, version[version > 0])
        columns = {
            "day": dates(np.full(len(some), end // DAY)),
            "customer_id": whole(some + 1),
            **tables.changing(world, some, state),
        }
        yield pa.table({**columns, "updated_at": times(state.since)})

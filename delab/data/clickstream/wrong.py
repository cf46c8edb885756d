"""Faults of clicks beyond the generic ones: rows that come late, devices whose clocks are far ahead."""

import numpy as np

from delab.data import faults
from delab.data.arrow import Array, RecordBatch, pa, pc
from delab.data.clickstream.clock import MINUTE, MS
from delab.data.columns import times
from delab.data.faults import draws, entry
from delab.data.model import Dataset, Recipe, Table
from delab.data.rng import Bools, Ints

OWN = ("clock_skew", "late")
AHEAD = np.array((1, 2, 5, 9, 24, 168), np.int64) * 60 * MINUTE
LONGEST = 60  # minutes


def plant(data: Dataset, table: Table, recipe: Recipe, rows: RecordBatch) -> tuple[RecordBatch, list[RecordBatch]]:
    """The rows of one page of clicks with these faults, and their records. Rows stay in the order of arrival."""
    found = []
    if recipe.rate("clock_skew"):
        rows, record = skewed(data, table, recipe, rows)
        found.append(record)
    if recipe.rate("late"):
        rows, record = delayed(data, table, recipe, rows)
        found.append(record)
    return rows, found


def micros(rows: RecordBatch, column: str) -> Ints:
    """A column of times in µs."""
    return np.asarray(rows.column(column).cast(pa.int64()))


def changed(rows: RecordBatch, column: str, after: Ints, hit: Bools, fault: str, table: Table) -> tuple[RecordBatch, RecordBatch]:
    """The rows with another column of times, and the record of it."""
    place = rows.schema.get_field_index(column)
    was, now = rows.column(place), times(after)
    keys = np.asarray(rows.column(table.identity))[hit]
    record = entry(fault, table.name, column, keys, text(was, hit), text(now, hit))
    return rows.set_column(place, rows.schema.field(place), now), record


def text(column: Array, hit: Bools) -> Array:
    """Some of a column as the record holds it."""
    return pc.filter(column, pa.array(hit)).cast(pa.string())


def skewed(data: Dataset, table: Table, recipe: Recipe, rows: RecordBatch) -> tuple[RecordBatch, RecordBatch]:
    """All clicks of a device whose clock is wrong carry times from one hour to a week ahead, always the same of one device."""
    visitor, draw = np.asarray(rows.column("visitor_id")), draws(data, recipe, "clock_skew", "clicks.event_time", "value")
    chance = draws(data, recipe, "clock_skew", "clicks.event_time", "hit").chance(visitor, recipe.rate("clock_skew"))
    ahead = np.where(chance, AHEAD[draw.below(visitor, len(AHEAD))], 0)
    return changed(rows, "event_time", micros(rows, "event_time") + ahead, chance, "clock_skew", table)


def delayed(data: Dataset, table: Table, recipe: Recipe, rows: RecordBatch) -> tuple[RecordBatch, RecordBatch]:
    """Some rows arrive up to an hour later, but not after the last of their page."""
    keys, before = np.asarray(rows.column(table.identity)), micros(rows, "arrival_time")
    hit = draws(data, recipe, "late", "clicks.arrival_time", "hit").chance(keys, recipe.rate("late"))
    hit &= ~faults.doubled(data, table, recipe, keys)
    lag = MINUTE + draws(data, recipe, "late", "clicks.arrival_time", "value").below(keys, (LONGEST - 1) * MINUTE // MS) * MS
    after = np.where(hit, np.minimum(before + lag, before.max(initial=0)), before)
    rows, record = changed(rows, "arrival_time", after, after != before, "late", table)
    return rows.take(pa.array(np.argsort(after, kind="stable"))), record


def in_order(rows: RecordBatch) -> RecordBatch:
    """Rows of which some have been repeated further down: there they arrive when their neighbours do."""
    place = rows.schema.get_field_index("arrival_time")
    return rows.set_column(place, rows.schema.field(place), times(np.maximum.accumulate(micros(rows, "arrival_time"))))

"""Planted faults: which rows and cells are hit, what is done to them, and the record of it.

Whether a row is hit depends on its identity alone, so the same rows are hit however the table is cut, and raising a rate only adds
to them. A cell gets at most one fault, a duplicated row none, and what would change nothing (ASCII has no encoding to damage) is
neither done nor recorded.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from delab.data.arrow import Array, ArrowTable, DataType, RecordBatch, Schema, pa, pc
from delab.data.columns import money, times, unscaled
from delab.data.model import PLANTED, Block, Column, Dataset, FaultKind, Recipe, Table
from delab.data.rng import Bools, Draws, Ints

NOWHERE = 2_000_000_000  # keys from here on belong to no row; fits into 32 bits with FAR added
FAR = 100_000_000
DAY = 24 * 3600 * 1_000_000
JUNK = ("n/a", "unknown", "-", "?", "1O", "#VALUE!", "see note", "O,5")
REACH = 1000  # a second delivery comes at most so many rows after the first


@dataclass(frozen=True)
class Cells:
    """The cells to damage: their values, without nulls, and for each the identity of its row."""

    values: Array
    ids: Ints
    draws: Draws


def orphaned(cells: Cells) -> Array:
    """Keys of no row."""
    return pa.array(NOWHERE + cells.draws.below(cells.ids, FAR)).cast(cells.values.type)


def in_other_unit(cells: Cells) -> Array:
    """Grams become kilograms, money becomes its hundredths."""
    if pa.types.is_decimal(cells.values.type):
        return money(unscaled(cells.values) * 100, cells.values.type)
    return pc.divide(cells.values, pa.scalar(1000, cells.values.type))


def delayed(cells: Cells) -> Array:
    """One to ten days later, in whole seconds."""
    return times(np.asarray(cells.values.cast(pa.int64())) + DAY + cells.draws.below(cells.ids, 9 * 86_400) * 1_000_000)


def negated(cells: Cells) -> Array:
    """The other sign."""
    if pa.types.is_decimal(cells.values.type):
        return money(-unscaled(cells.values), cells.values.type)
    return pc.negate(cells.values)


def garbled(cells: Cells) -> Array:
    """UTF-8 read as Windows-1252."""
    return pa.array([misread(text) for text in cells.values.to_pylist()], pa.string())


def misread(text: str) -> str:
    """The text as a program sees it that takes its UTF-8 for Windows-1252 (whose five empty places keep their number)."""
    return "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in text.encode())


def spaced(cells: Cells) -> Array:
    """Blanks before and after."""
    return pc.binary_join_element_wise(" ", cells.values, "  ", "")


def junk(cells: Cells) -> Array:
    """Text that is no number and no date."""
    return pa.array(JUNK, pa.string()).take(pa.array(cells.draws.below(cells.ids, len(JUNK))))


def nothing(cells: Cells) -> Array:
    """Nulls."""
    return pa.nulls(len(cells.values), cells.values.type)


DAMAGE: dict[str, Callable[[Cells], Array]] = {
    "missing": nothing,
    "orphan_key": orphaned,
    "unit_mixup": in_other_unit,
    "late": delayed,
    "out_of_range": negated,
    "encoding_damage": garbled,
    "stray_space": spaced,
    "wrong_type": junk,  # last: it turns the column into text
}


def targets(data: Dataset, table: Table, recipe: Recipe, fault: str) -> list[str]:
    """The columns of the table that the recipe has this fault in; [""] for a fault of its rows."""
    kind = data.faults.get(fault)
    if kind is None or not recipe.rate(fault):
        return []
    pairs = (target.partition(".") for target in kind.targets)
    return [column for name, _, column in pairs if name == table.name]


def schema(data: Dataset, table: Table, recipe: Recipe) -> Schema:
    """The schema as delivered."""
    texts, open_to_null = (targets(data, table, recipe, fault) for fault in ("wrong_type", "missing"))
    return pa.schema([delivered(column, column.name in texts, column.name in open_to_null) for column in table.columns])


def delivered(column: Column, as_text: bool, nullable: bool) -> "pa.Field[DataType]":
    """A column as delivered."""
    return pa.field(column.name, pa.string() if as_text else column.arrow, column.nullable or nullable)


def draws(data: Dataset, recipe: Recipe, fault: str, target: str, what: str) -> Draws:
    """The random column that decides `what` (hit, value, …) for a fault in a target."""
    return Draws.of(data.name, data.version, recipe.seed, "fault", fault, target, what)


def plant(data: Dataset, table: Table, recipe: Recipe, rows: RecordBatch) -> Block:
    """The rows of one page with the recipe's generic faults in them, and the record."""
    if not recipe.faults:
        return Block(rows, record([]))
    ids = np.asarray(rows.column(table.identity))
    twice = doubled(data, table, recipe, ids)
    columns = {field.name: rows.column(place) for place, field in enumerate(rows.schema)}
    taken = {name: twice.copy() for name in columns}
    found = [entry("duplicate", table.name, "", ids[twice])] if twice.any() else []
    for fault, name in wanted(data, table, recipe):
        hit = draws(data, recipe, fault, f"{table.name}.{name}", "hit").chance(ids, recipe.rate(fault))
        hit &= ~taken[name] & np.asarray(columns[name].is_valid())
        value = draws(data, recipe, fault, f"{table.name}.{name}", "value")
        columns[name], hit, entries = damaged(fault, table.name, name, columns[name], hit, ids, value)
        taken[name] |= hit
        found.append(entries)
    whole = pa.RecordBatch.from_arrays(list(columns.values()), schema=schema(data, table, recipe))
    return Block(repeated(whole, twice, ids, draws(data, recipe, "duplicate", table.name, "place")), record(found))


def wanted(data: Dataset, table: Table, recipe: Recipe) -> Iterator[tuple[str, str]]:
    """The recipe's (fault, column) pairs of this table in the order in which they are planted."""
    for fault in DAMAGE:
        for column in targets(data, table, recipe, fault):
            yield fault, column


def doubled(data: Dataset, table: Table, recipe: Recipe, ids: Ints) -> Bools:
    """Which rows are delivered twice."""
    if not targets(data, table, recipe, "duplicate"):
        return np.zeros(len(ids), np.bool_)
    return draws(data, recipe, "duplicate", table.name, "hit").chance(ids, recipe.rate("duplicate"))


def damaged(
    fault: str, table: str, name: str, column: Array, hit: Bools, ids: Ints, value: Draws
) -> tuple[Array, Bools, RecordBatch]:
    """The column with its cells damaged where `hit` and where that changes anything, those places, and their record."""
    places = np.flatnonzero(hit)
    before = column.take(pa.array(places))
    after = DAMAGE[fault](Cells(before, ids[places], value))
    was, now = before.cast(pa.string()), after.cast(pa.string())
    differs = np.asarray(pc.fill_null(pc.not_equal(was, now), True), dtype=np.bool_)
    hit = np.zeros_like(hit)
    hit[places[differs]] = True
    if fault == "wrong_type":
        column = column.cast(pa.string())
    column = pc.replace_with_mask(column, pa.array(hit), after.filter(pa.array(differs)))
    return column, hit, entry(fault, table, name, ids[hit], was.filter(pa.array(differs)), now.filter(pa.array(differs)))


def repeated(rows: RecordBatch, twice: Bools, ids: Ints, place: Draws) -> RecordBatch:
    """The rows with those of `twice` once more, up to REACH rows further down."""
    again = np.flatnonzero(twice)
    if not len(again):
        return rows
    order = np.concatenate([2 * np.arange(len(ids), dtype=np.int64), 2 * (again + place.below(ids[again], REACH)) + 1])
    sources = np.concatenate([np.arange(len(ids), dtype=np.int64), again])
    return rows.take(pa.array(sources[np.argsort(order, kind="stable")]))


def entry(fault: str, table: str, column: str, keys: Ints, was: Array | None = None, now: Array | None = None) -> RecordBatch:
    """Records of one fault in one target (schema PLANTED)."""
    count = len(keys)
    constant = [pa.repeat(pa.scalar(text), count) for text in (fault, table, column)]
    values = [pa.nulls(count, pa.string()) if column is None else column for column in (was, now)]
    return pa.RecordBatch.from_arrays([*constant, pa.array(keys, pa.int64()), *values], schema=PLANTED)


def record(entries: list[RecordBatch]) -> RecordBatch:
    """All records of a page as one batch."""
    return pa.concat_batches([*entries, pa.RecordBatch.from_pylist([], schema=PLANTED)])


@dataclass(frozen=True)
class Score:
    """How well a validator did."""

    found: int  # that were planted
    missed: int
    false: int  # reported, but not planted

    @property
    def recall(self) -> float:
        """The share of the planted faults that were found; 1 if none were planted."""
        return self.found / (self.found + self.missed) if self.found + self.missed else 1.0

    @property
    def precision(self) -> float:
        """The share of the reports that were right; 1 if there were none."""
        return self.found / (self.found + self.false) if self.found + self.false else 1.0


def score(reported: set[int], planted: ArrowTable, fault: str, table: str) -> Score:
    """Compare the row identities that a validator reports for one fault in one table with the record."""
    mine = pc.and_(pc.equal(planted["fault"], fault), pc.equal(planted["table"], table))
    truth = set(planted.filter(mine)["key"].to_pylist())
    return Score(len(reported & truth), len(truth - reported), len(reported - truth))


def kinds_of(data: Dataset, table: str) -> list[FaultKind]:
    """The faults that can be planted in a table."""
    return [kind for kind in data.faults.values() if any(target.partition(".")[0] == table for target in kind.targets)]

"""What a data set is: tables of typed columns, made in blocks from a recipe, with faults to plant and an answer key.

The description of a set is `datasets/NAME/schema.toml`; its generator is `delab.data.NAME`, which holds `DATASET`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import isgeneratorfunction, signature
from pathlib import Path
from typing import Any

import msgspec

from delab.data.arrow import ArrowTable, DataType, RecordBatch, Schema, pa
from delab.errors import LabError

FOLDER = Path(__file__).parent.parent.parent / "datasets"
MAX_SCALE = 1_000_000

TYPES: dict[str, DataType] = {
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "string": pa.string(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "money": pa.decimal128(14, 2),
    "rate": pa.decimal128(12, 6),
}


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One column of the dictionary. `type` is a name in TYPES; `references` is `table.column`."""

    name: str
    type: str
    meaning: str
    unit: str = ""
    nullable: bool = False
    references: str = ""

    @property
    def arrow(self) -> DataType:
        """Its type in Arrow."""
        return TYPES[self.type]


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One table. `identity` is one int64 column, unique over clean rows: it names a row in the record of planted faults."""

    name: str
    grain: str  # what one row is
    columns: tuple[Column, ...]
    key: tuple[str, ...]  # primary key
    identity: str
    time: str = ""  # the column that a replay goes by, in ascending order; none for a table without one
    page: int = 8_192  # units (see Dataset.units) that are made, written and resumed together

    def column(self, name: str) -> Column:
        """The column of that name. Raises KeyError."""
        return {column.name: column for column in self.columns}[name]

    @property
    def arrow(self) -> Schema:
        """Its Arrow schema while clean."""
        return pa.schema([pa.field(column.name, column.arrow, column.nullable) for column in self.columns])


class FaultKind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fault that a set can plant, and where: targets are `table.column`, or `table` for a fault of whole rows."""

    name: str
    meaning: str
    targets: tuple[str, ...]


class Description(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of `schema.toml`."""

    name: str
    version: int  # part of every random key; raise it whenever the bytes of a recipe change
    title: str
    summary: str
    growth: str  # what a larger scale does, and which tables are prefix-stable
    tables: tuple[Table, ...]
    faults: tuple[FaultKind, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """What decides every byte of a data set besides its name and version. `faults` are (name, rate) pairs, sorted by name."""

    scale: float = 1.0
    seed: int = 1
    faults: tuple[tuple[str, float], ...] = ()

    def rate(self, fault: str) -> float:
        """The rate of a fault: the chance that a target row or cell is hit."""
        return dict(self.faults).get(fault, 0.0)


def recipe(scale: float = 1.0, seed: int = 1, faults: Mapping[str, float] | None = None) -> Recipe:
    """A checked recipe. Raises LabError for a scale, seed or rate out of range."""
    if not 0 < scale <= MAX_SCALE:
        raise LabError(
            f"expected a scale above 0 and at most {MAX_SCALE}, got {scale}", "`lab data describe NAME` says what it means"
        )
    if not 0 <= seed < 1 << 63:
        raise LabError(f"expected a seed from 0 to 2^63 - 1, got {seed}")
    for name, rate in (faults or {}).items():
        if not 0 <= rate <= 1:
            raise LabError(
                f"expected a rate from 0 to 1 for the fault {name}, got {rate}", f"for one row in a hundred: --fault {name}=0.01"
            )
    chosen = sorted((name, float(rate)) for name, rate in (faults or {}).items() if rate)
    return Recipe(float(scale), seed, tuple(chosen))


PLANTED = pa.schema(
    (
        pa.field("fault", pa.string(), False),
        pa.field("table", pa.string(), False),
        pa.field("column", pa.string(), False),  # empty for a fault of the whole row
        pa.field("key", pa.int64(), False),  # the row's identity
        pa.field("was", pa.string()),  # the clean value, as text
        pa.field("is", pa.string()),  # what stands there now
    )
)


@dataclass(frozen=True)
class Block:
    """Rows as they are delivered, and the record of the faults among them (schema PLANTED)."""

    rows: RecordBatch
    planted: RecordBatch


@dataclass(frozen=True)
class Answer:
    """One truth of the answer key: `compute(recipe, **parameters)` gives a table, made without reading the delivered rows."""

    name: str
    meaning: str
    compute: Callable[..., ArrowTable]
    parameters: Mapping[str, Any] = field(default_factory=dict)  # the defaults, as also used for files
    parts: Callable[..., Iterator[ArrowTable]] | None = None  # the same piece by piece, for an answer that grows with the scale

    def pieces(self, recipe: Recipe) -> Iterator[ArrowTable]:
        """The answer with its default parameters in pieces that fit into memory; at least one."""
        if self.parts is None:
            yield self.compute(recipe, **self.parameters)
        else:
            yield from self.parts(recipe, **self.parameters)


def answers_of(functions: Iterable[Callable[..., Any]], world: Callable[[Recipe], Any]) -> dict[str, Answer]:
    """Functions of a world (what all tables of a recipe share) as answers by their names: the docstring is the meaning, arguments
    after the world are the parameters, and a generator gives its answer in pieces."""
    return {function.__name__: answer_of(function, world) for function in functions}


def answer_of(function: Callable[..., Any], world: Callable[[Recipe], Any]) -> Answer:
    """One function of a world as an answer."""
    defaults = {name: value.default for name, value in list(signature(function).parameters.items())[1:]}

    def compute(recipe: Recipe, **parameters: Any) -> ArrowTable:
        return function(world(recipe), **parameters)

    def parts(recipe: Recipe, **parameters: Any) -> Iterator[ArrowTable]:
        yield from function(world(recipe), **parameters)

    def joined(recipe: Recipe, **parameters: Any) -> ArrowTable:
        return pa.concat_tables(list(parts(recipe, **parameters)))

    about = function.__name__, function.__doc__ or ""
    return Answer(*about, joined, defaults, parts) if isgeneratorfunction(function) else Answer(*about, compute, defaults)


class Dataset(ABC):
    """A generator. A *unit* is what can be made on its own (a customer, an order with its lines, a second of clicks)."""

    def __init__(self, name: str) -> None:
        self.about = msgspec.toml.decode((FOLDER / name / "schema.toml").read_bytes(), type=Description)
        self.name, self.version = self.about.name, self.about.version
        self.tables = {table.name: table for table in self.about.tables}
        self.faults = {fault.name: fault for fault in self.about.faults}

    @abstractmethod
    def units(self, table: str, recipe: Recipe) -> int:
        """How many units the table has at this scale. Cheap."""

    @abstractmethod
    def clean(self, table: str, recipe: Recipe, start: int, stop: int) -> RecordBatch:
        """The clean rows of units [start, stop), in the table's order: blocks put together give the table, however it is cut."""

    @abstractmethod
    def answers(self) -> Mapping[str, Answer]:
        """The answer key, by name."""

    def schema(self, table: str, recipe: Recipe) -> Schema:
        """The schema as delivered: a column that a fault breaks the type of is a string, one with gaps is nullable."""
        from delab.data import faults

        return faults.schema(self, self.table(table), recipe)

    def page(self, table: str, recipe: Recipe, start: int, stop: int) -> Block:
        """The rows of one page as delivered, faults planted. A set with faults of its own overrides this."""
        from delab.data import faults

        return faults.plant(self, self.table(table), recipe, self.clean(table, recipe, start, stop))

    def pages(self, table: str, recipe: Recipe, first: int = 0) -> Iterator[Block]:
        """All pages from number `first` on; memory holds one at a time."""
        size, units = self.table(table).page, self.units(table, recipe)
        for start in range(first * size, units, size):
            yield self.page(table, recipe, start, min(start + size, units))

    def rows(self, table: str, recipe: Recipe) -> ArrowTable:
        """All rows of a table as delivered, in memory."""
        return pa.Table.from_batches([page.rows for page in self.pages(table, recipe)], self.schema(table, recipe))

    def planted(self, recipe: Recipe, tables: Sequence[str] = ()) -> ArrowTable:
        """The record of all faults planted in these tables (or all): schema PLANTED."""
        pages = (page.planted for table in tables or self.tables for page in self.pages(table, recipe))
        return pa.Table.from_batches(pages, PLANTED)

    def recipe(self, scale: float = 1.0, seed: int = 1, faults: Mapping[str, float] | None = None) -> Recipe:
        """A checked recipe for this set. Raises LabError for a fault that it does not have, or a value out of range."""
        for name in faults or {}:
            if name not in self.faults:
                raise LabError(f"{self.name} has no fault {name!r}", f"its faults: {', '.join(self.faults)}")
        return recipe(scale, seed, faults)

    def unique(self, table: str, recipe: Recipe) -> bool:
        """Whether the delivered rows keep the table's primary key."""
        broken = {target for fault in ("duplicate", "missing", "wrong_type") for target in self.targets(fault, recipe)}
        return not broken & {table, *(f"{table}.{column}" for column in self.table(table).key)}

    def sound(self, table: str, column: str, recipe: Recipe) -> bool:
        """Whether the delivered column still refers to rows that exist."""
        return not any(f"{table}.{column}" in self.targets(fault, recipe) for fault in ("orphan_key", "wrong_type"))

    def targets(self, fault: str, recipe: Recipe) -> tuple[str, ...]:
        """Where the recipe plants this fault."""
        return self.faults[fault].targets if fault in self.faults and recipe.rate(fault) else ()

    def table(self, name: str) -> Table:
        """The table of that name. Raises LabError that lists what there is."""
        if name not in self.tables:
            raise LabError(f"{self.name} has no table {name!r}", f"its tables: {', '.join(self.tables)}")
        return self.tables[name]

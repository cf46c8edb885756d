"""Into PostgreSQL by COPY: tables with their types, then rows, then primary and foreign keys."""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from queue import Queue
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812

from delab.data import dataset
from delab.data.arrow import Buffer, DataType
from delab.data.files import Report, silent
from delab.data.model import Dataset, Recipe, Table
from delab.data.strings import csv_bytes
from delab.errors import Blocked

TYPES = {
    "int16": "smallint",
    "int32": "integer",
    "int64": "bigint",
    "float64": "double precision",
    "bool": "boolean",
    "string": "text",
    "date": "date",
    "timestamp": "timestamptz",
    "money": "numeric(14,2)",
    "rate": "numeric(12,6)",
}
AHEAD = 2  # pages that are made while PostgreSQL reads


def load(
    target: str | Connection,
    name: str,
    *,
    scale: float = 1,
    seed: int = 1,
    tables: Sequence[str] = (),
    schema: str = "public",
    faults: Mapping[str, float] | None = None,
    keys: bool = True,
    references: bool = True,
    report: Report = silent,
) -> dict[str, int]:
    """Make the tables (all, or those named) in `schema`, replacing what has their names; returns the rows of each.

    `target` is a connection string (committed when all is loaded) or a connection (yours to commit). Primary keys (`keys`) and
    foreign keys among the loaded tables (`references`) are set unless a planted fault breaks them. Raises LabError or Blocked.
    """
    data = dataset(name)
    what = data.recipe(scale, seed, faults)
    wanted = [data.table(table) for table in tables] or list(data.tables.values())
    with connected(target) as session, session.cursor() as cursor:
        cursor.execute("\n".join(create_statements(data, wanted, what, schema)))
        counts = {table.name: copy(cursor, data, table, what, schema, report) for table in wanted}
        constraints = constraint_statements(data, wanted, what, schema, keys, references)
        cursor.execute("\n".join([*constraints, *(f"ANALYZE {quoted(schema, table.name)};" for table in wanted)]))
    return counts


@contextmanager
def connected(target: str | Connection) -> Iterator[Connection]:
    """A connection to the target; one that was opened here is committed and closed. Raises Blocked if nobody answers."""
    if not isinstance(target, str):
        yield target
        return
    try:
        session = psycopg2.connect(target, connect_timeout=10)
    except psycopg2.OperationalError as error:
        raise Blocked(
            f"PostgreSQL does not answer: {str(error).strip()}", "`lab status` shows where it runs, `lab up` starts it"
        ) from error
    try:
        with session:
            yield session
    finally:
        session.close()


def quoted(*names: str) -> str:
    """A name as SQL takes it, whatever is in it: `"public"."orders"`."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def create_statements(data: Dataset, tables: Iterable[Table], what: Recipe, schema: str) -> list[str]:
    """DDL of the bare tables."""
    statements = [f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)};"] if schema != "public" else []
    for table in tables:
        statements.append(f"DROP TABLE IF EXISTS {quoted(schema, table.name)} CASCADE;")
        statements.append(create_statement(data, table, what, schema))
    return statements


def create_statement(data: Dataset, table: Table, what: Recipe, schema: str) -> str:
    """DDL of one table without its keys. A column whose type a fault breaks is text."""
    delivered = data.schema(table.name, what)
    lines = []
    for field in delivered:
        known = {column.name: column for column in table.columns}.get(field.name)
        kind = TYPES[known.type] if known is not None and known.arrow == field.type else sql_type(field.type)
        lines.append(f"  {quoted(field.name)} {kind}{'' if field.nullable else ' NOT NULL'}")
    return f"CREATE TABLE {quoted(schema, table.name)} (\n" + ",\n".join(lines) + "\n);"


def sql_type(kind: DataType) -> str:
    """The type for a column that is not delivered as the dictionary says."""
    from delab.data.model import TYPES as ARROW

    return TYPES[next((name for name, arrow in ARROW.items() if arrow == kind), "string")]


def constraint_statements(
    data: Dataset, tables: Sequence[Table], what: Recipe, schema: str, keys: bool, references: bool
) -> list[str]:
    """Primary keys first, then foreign keys, each only where the delivered rows keep it."""
    keyed = [table for table in tables if keys and data.unique(table.name, what)]
    statements = [
        f"ALTER TABLE {quoted(schema, table.name)} ADD PRIMARY KEY ({', '.join(map(quoted, table.key))});" for table in keyed
    ]
    names = {table.name for table in keyed}
    for table in tables if references else ():
        for column in table.columns:
            parent, _, key = column.references.partition(".")
            if parent in names and data.sound(table.name, column.name, what):
                child, key_there = quoted(schema, table.name), f"{quoted(schema, parent)} ({quoted(key)})"
                statements.append(f"ALTER TABLE {child} ADD FOREIGN KEY ({quoted(column.name)}) REFERENCES {key_there};")
    return statements


def copy(cursor: Any, data: Dataset, table: Table, what: Recipe, schema: str, report: Report = silent) -> int:
    """COPY all rows of one table; how many there were."""
    columns = ", ".join(map(quoted, data.schema(table.name, what).names))
    feed = Feed(buffers(data, table, what, report))
    with feed.running(threaded=data.units(table.name, what) > table.page):
        cursor.copy_expert(f"COPY {quoted(schema, table.name)} ({columns}) FROM STDIN (FORMAT csv)", feed, size=1 << 18)
    return int(cursor.rowcount)


def buffers(data: Dataset, table: Table, what: Recipe, report: Report) -> Iterator[Buffer]:
    """The pages of a table as CSV, reported as they are made."""
    for number, page in enumerate(data.pages(table.name, what), 1):
        yield csv_bytes(page.rows)
        report(table.name, number * table.page, page.rows.num_rows)


class Feed:
    """A readable file over buffers. With a thread, the next buffers are made while the server works on this one."""

    def __init__(self, buffers: Iterator[Buffer]) -> None:
        self.buffers = buffers
        self.view = memoryview(b"")
        self.error: BaseException | None = None
        self.stopped = threading.Event()

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end."""
        if not self.view:
            self.view = memoryview(next(self.buffers, b""))
        part, self.view = self.view[:size], self.view[size:]
        return bytes(part)

    @contextmanager
    def running(self, *, threaded: bool) -> Iterator[None]:
        """While this holds, buffers are made ahead in a thread, which ends with it. Its error is raised here."""
        if not threaded:
            yield
            return
        queue: Queue[Buffer | None] = Queue(AHEAD)
        thread = threading.Thread(target=self.fill, args=(self.buffers, queue), daemon=True)
        self.buffers = until_none(queue)
        thread.start()
        try:
            yield
        finally:
            self.stopped.set()
            drain(queue, thread)
        if self.error:
            raise self.error

    def fill(self, buffers: Iterator[Buffer], queue: "Queue[Buffer | None]") -> None:
        """Make buffers until there are no more or nobody reads."""
        try:
            for buffer in buffers:
                if self.stopped.is_set():
                    break
                queue.put(buffer)
        except BaseException as error:  # handed over to the reader
            self.error = error
        queue.put(None)


def until_none(queue: "Queue[Buffer | None]") -> Iterator[Buffer]:
    """What is put into the queue, up to a None."""
    while (buffer := queue.get()) is not None:
        yield buffer


def drain(queue: "Queue[Buffer | None]", thread: threading.Thread) -> None:
    """Empty the queue until its thread has ended."""
    while thread.is_alive():
        while not queue.empty():
            queue.get()
        thread.join(0.01)

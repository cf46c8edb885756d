"""Parquet: row groups of some pages, zstd; numbers and times as differences (smaller and faster to write than as they are), text by
dictionary, decimals as integers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from delab.data.arrow import DataType, RecordBatch, Schema, pa

GROUP_ROWS = 100_000


def counts(kind: DataType) -> bool:
    """Whether Parquet stores the type as an integer."""
    return bool(pa.types.is_integer(kind) or pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_decimal(kind))


@contextmanager
def writing(path: Path, schema: Schema) -> Iterator[Callable[[RecordBatch], object]]:
    """Open a file; yields what writes a batch of rows into it."""
    options: dict[str, Any] = {
        "compression": "zstd",
        "store_decimal_as_integer": True,
        "use_dictionary": [field.name for field in schema if pa.types.is_string(field.type)],
        "column_encoding": {field.name: "DELTA_BINARY_PACKED" for field in schema if counts(field.type)} or None,
    }
    with pq.ParquetWriter(path, schema, **options) as writer:
        groups = Groups(writer, schema)
        yield groups.add
        groups.flush()


class Groups:
    """Gathers pages (small: quick to make) into row groups (large: quick to read)."""

    def __init__(self, writer: pq.ParquetWriter, schema: Schema) -> None:
        self.writer, self.schema = writer, schema
        self.pages: list[RecordBatch] = []

    def add(self, rows: RecordBatch) -> None:
        """Take a page; write a row group once there are enough rows."""
        self.pages.append(rows)
        if sum(page.num_rows for page in self.pages) >= GROUP_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what there is as one row group."""
        table = pa.Table.from_batches(self.pages, self.schema)
        if table.num_rows:
            self.writer.write_table(table, row_group_size=table.num_rows)
        self.pages = []

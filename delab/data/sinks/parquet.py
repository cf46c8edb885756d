"""Parquet: a row group a page, zstd; numbers and times as differences (smaller and faster to write than as they are), text by
dictionary, decimals as integers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from delab.data.arrow import DataType, RecordBatch, Schema, pa


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
        yield writer.write_batch

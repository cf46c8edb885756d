"""Parquet: a row group a page, zstd, decimals as integers, a dictionary only where it pays (text)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from delab.data.arrow import RecordBatch, Schema, pa


@contextmanager
def writing(path: Path, schema: Schema) -> Iterator[Callable[[RecordBatch], object]]:
    """Open a file; yields what writes a batch of rows into it."""
    texts = [field.name for field in schema if pa.types.is_string(field.type)]
    options: dict[str, Any] = {"compression": "zstd", "use_dictionary": texts, "store_decimal_as_integer": True}
    with pq.ParquetWriter(path, schema, **options) as writer:
        yield writer.write_batch

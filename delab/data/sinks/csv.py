"""CSV in UTF-8 with a header: text quoted, null as an unquoted nothing, times in UTC with Z."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from delab.data.arrow import RecordBatch, Schema, pa
from delab.data.strings import csv_bytes


@contextmanager
def writing(path: Path, schema: Schema) -> Iterator[Callable[[RecordBatch], object]]:
    """Open a file; yields what writes a batch of rows into it."""
    with path.open("wb") as file:
        file.write(csv_bytes(pa.RecordBatch.from_pylist([], schema=schema), header=True))
        yield lambda rows: file.write(csv_bytes(rows))

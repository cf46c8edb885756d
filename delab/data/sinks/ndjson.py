"""One JSON object a line: decimals as numbers with all their places, times as RFC 3339 in UTC, null as null."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from delab.data.arrow import Array, RecordBatch, Schema
from delab.data.columns import joined
from delab.data.strings import json_lines


@contextmanager
def writing(path: Path, schema: Schema) -> Iterator[Callable[[RecordBatch], object]]:
    """Open a file; yields what writes a batch of rows into it."""
    with path.open("wb") as file:
        yield lambda rows: file.write(characters(joined(json_lines(rows), "\n")))


def characters(text: Array) -> memoryview:
    """The bytes of all strings of a column, one after the other."""
    _, ends, data = text.buffers()
    if data is None:
        return memoryview(b"")
    bounds = memoryview(ends).cast("i")
    return memoryview(data)[bounds[text.offset] : bounds[text.offset + len(text)]]

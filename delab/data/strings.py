"""Rows as text: CSV (also what COPY reads) and JSON lines, made by column."""

import pyarrow.csv as csv

from delab.data.arrow import Array, Buffer, DataType, RecordBatch, pa, pc
from delab.data.columns import joined

CONTROL = {chr(code): f"\\u{code:04x}" for code in range(32)} | {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def csv_bytes(rows: RecordBatch, *, header: bool = False) -> Buffer:
    """CSV in UTF-8: strings quoted, null an unquoted nothing, timestamps in UTC with Z."""
    sink = pa.BufferOutputStream()
    csv.write_csv(rows, sink, csv.WriteOptions(include_header=header, batch_size=16_384))
    return sink.getvalue()


def json_lines(rows: RecordBatch) -> Array:
    """Each row as one JSON object, without a line end. Decimals are numbers with all their places, timestamps RFC 3339."""
    parts: list[Array | str] = []
    for place, field in enumerate(rows.schema):
        parts.append(("{" if place == 0 else ",") + f'"{field.name}":')
        parts.append(json_values(rows.column(place)))
    return joined(*parts, "}")


def json_values(column: Array) -> Array:
    """The values of a column as JSON."""
    return pc.fill_null(quoted(column) if not bare(column.type) else column.cast(pa.string()), "null")


def bare(kind: DataType) -> bool:
    """Whether JSON writes the type without quotes."""
    return bool(pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def quoted(column: Array) -> Array:
    """The column as JSON strings."""
    if pa.types.is_timestamp(column.type):
        return joined('"', pc.strftime(column, "%Y-%m-%dT%H:%M:%SZ"), '"')
    if not pa.types.is_string(column.type):
        return joined('"', column.cast(pa.string()), '"')
    return joined('"', escaped(column), '"')


def escaped(text: Array) -> Array:
    """The text with JSON's escapes; most columns need none, and are only looked through."""
    if pc.any(pc.match_substring_regex(text, r'["\\\x00-\x1f]')).as_py():
        for plain, escape in {"\\": "\\\\", '"': '\\"', **CONTROL}.items():
            text = pc.replace_substring(text, plain, escape)
    return text

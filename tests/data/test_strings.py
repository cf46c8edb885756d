"""Rows as CSV and JSON, whatever is in them."""

import csv
import datetime as dt
import io
import json
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delab.data.strings import csv_bytes, json_lines

TEXT = st.none() | st.text(st.characters(codec="utf-8"), max_size=20)


@given(st.lists(TEXT, min_size=1, max_size=20))
def test_any_text_survives_json(values: list[str | None]) -> None:
    lines = json_lines(pa.RecordBatch.from_pydict({"a": pa.array(values, pa.string())})).to_pylist()
    assert [json.loads(line) for line in lines] == [{"a": value} for value in values]
    assert not any("\n" in line for line in lines)


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=20), min_size=1, max_size=20))
def test_any_text_survives_csv(values: list[str]) -> None:
    text = bytes(csv_bytes(pa.RecordBatch.from_pydict({"a": pa.array(values, pa.string())}))).decode()
    assert [row[0] if row else "" for row in csv.reader(io.StringIO(text, newline=""))] == values


def test_csv_tells_null_from_empty() -> None:
    rows = pa.RecordBatch.from_pydict({"a": pa.array(["", None]), "b": pa.array([1, 2])})
    assert bytes(csv_bytes(rows)) == b'"",1\n,2\n'
    assert bytes(csv_bytes(rows, header=True)).startswith(b'"a","b"\n')


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (Decimal("-1.50"), pa.decimal128(14, 2), "-1.50"),
        (7, pa.int16(), "7"),
        (True, pa.bool_(), "true"),
        (0.25, pa.float64(), "0.25"),
        (dt.date(2024, 2, 29), pa.date32(), '"2024-02-29"'),
        (dt.datetime(2024, 2, 29, 1, 2, 3, 40, dt.UTC), pa.timestamp("us", tz="UTC"), '"2024-02-29T01:02:03.000040Z"'),
        (None, pa.date32(), "null"),
        (None, pa.timestamp("us", tz="UTC"), "null"),
    ],
)
def test_each_type_in_json(value: object, kind: pa.DataType, text: str) -> None:
    rows = pa.RecordBatch.from_pydict({"a": pa.array([value], kind), "b": pa.array([1])})
    assert json_lines(rows).to_pylist() == [f'{{"a":{text},"b":1}}']

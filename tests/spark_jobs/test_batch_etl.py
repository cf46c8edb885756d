"""The batch ETL against the retail data's answer key: duplicates count once, a second run changes nothing, days stay."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as files
import pyarrow.parquet as pq
import pytest

from delab.data import answer_key, dataset

SCALE, SEED = 0.2, 7


@pytest.fixture(scope="module")
def run(job: Callable[[str], ModuleType]) -> Callable[..., None]:
    return job("batch_etl").main


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Orders and lines in which some rows came twice."""
    folder, data = tmp_path_factory.mktemp("retail"), dataset("retail")
    for table in ("orders", "order_lines"):
        rows = data.rows(table, data.recipe(SCALE, SEED))
        pq.write_table(pa.concat_tables([rows, rows.slice(0, 20)]), folder / f"{table}.parquet")
    return folder


def places(folder: Path, kind: str, output: Path) -> list[str]:
    """What the job is told."""
    named = ["--orders", str(folder / f"orders.{kind}"), "--lines", str(folder / f"order_lines.{kind}")]
    return [*named, "--output", str(output), "--format", kind]


def sales(output: Path) -> list[tuple[Any, ...]]:
    """What was written, sorted."""
    parts = files.partitioning(pa.schema([("day", pa.date32())]), flavor="hive")
    found = files.dataset(output, format="parquet", partitioning=parts).to_table()
    names = ("day", "currency", "orders", "lines", "quantity", "amount")
    return sorted(tuple(row[name] for name in names) for row in found.to_pylist())


def test_sales_are_the_answer_keys_and_days_are_replaced_as_a_whole(run: Callable[..., None], source: Path, tmp_path: Path) -> None:
    key = answer_key("retail", "daily_sales", scale=SCALE, seed=SEED)
    truth = sorted(tuple(row.values()) for row in key.to_pylist())
    told = places(source, "parquet", tmp_path / "out")
    run([*told, "--last", "2025-06-30"])
    assert sales(tmp_path / "out") == [row for row in truth if row[0] <= date(2025, 6, 30)]
    run([*told, "--first", "2025-06-01"])
    assert sales(tmp_path / "out") == truth


def test_csv_in_any_order_of_columns_gives_the_same(run: Callable[..., None], source: Path, tmp_path: Path) -> None:
    from pyarrow import csv

    for table in ("orders", "order_lines"):
        rows = pq.read_table(source / f"{table}.parquet")
        for place, name in enumerate(rows.column_names):
            if pa.types.is_timestamp(rows.schema.field(name).type):
                text = pc.strftime(rows[name], "%Y-%m-%dT%H:%M:%SZ")
                rows = rows.set_column(place, name, text)
        csv.write_csv(rows.select(list(reversed(rows.column_names))), tmp_path / f"{table}.csv")
    run([*places(tmp_path, "csv", tmp_path / "out"), "--first", "2025-12-01"])
    key = answer_key("retail", "daily_sales", scale=SCALE, seed=SEED).to_pylist()
    assert sales(tmp_path / "out") == sorted(tuple(row.values()) for row in key if row["day"] >= date(2025, 12, 1))

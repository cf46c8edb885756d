"""The batch ETL against the retail data's answer key: duplicates count once, a second run changes nothing, days stay."""

import importlib.util
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as files
import pyarrow.parquet as pq
import pytest

from delab import java
from delab.data import answer_key, dataset

pytestmark = pytest.mark.skipif(
    not importlib.util.find_spec("pyspark") or not (java.system() or java.packaged()), reason="the packs spark and jdk are needed"
)
SCALE, SEED = 0.2, 7
JOB = Path(__file__).parent.parent.parent / "spark_jobs" / "batch_etl.py"


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    """A small local Spark, found by the job's getOrCreate()."""
    from pyspark.sql import SparkSession

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_HOME", str(java.system() or java.packaged()))
        patch.setenv("JDK_JAVA_OPTIONS", " ".join(java.QUICK))
        quiet = {"spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "2", "spark.driver.bindAddress": "127.0.0.1"}
        made = SparkSession.builder.master("local[2]").config(map=quiet).config("spark.driver.host", "127.0.0.1").getOrCreate()
        yield made
        made.stop()


@pytest.fixture(scope="module")
def job(session: Any) -> Callable[..., None]:
    spec = importlib.util.spec_from_file_location("batch_etl", JOB)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


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


def test_sales_are_the_answer_keys_and_days_are_replaced_as_a_whole(job: Callable[..., None], source: Path, tmp_path: Path) -> None:
    key = answer_key("retail", "daily_sales", scale=SCALE, seed=SEED)
    truth = sorted(tuple(row.values()) for row in key.to_pylist())
    told = places(source, "parquet", tmp_path / "out")
    job([*told, "--last", "2025-06-30"])
    assert sales(tmp_path / "out") == [row for row in truth if row[0] <= date(2025, 6, 30)]
    job([*told, "--first", "2025-06-01"])
    assert sales(tmp_path / "out") == truth


def test_csv_in_any_order_of_columns_gives_the_same(job: Callable[..., None], source: Path, tmp_path: Path) -> None:
    from pyarrow import csv

    for table in ("orders", "order_lines"):
        rows = pq.read_table(source / f"{table}.parquet")
        for place, name in enumerate(rows.column_names):
            if pa.types.is_timestamp(rows.schema.field(name).type):
                text = pc.strftime(rows[name], "%Y-%m-%dT%H:%M:%SZ")
                rows = rows.set_column(place, name, text)
        csv.write_csv(rows.select(list(reversed(rows.column_names))), tmp_path / f"{table}.csv")
    job([*places(tmp_path, "csv", tmp_path / "out"), "--first", "2025-12-01"])
    key = answer_key("retail", "daily_sales", scale=SCALE, seed=SEED).to_pylist()
    assert sales(tmp_path / "out") == sorted(tuple(row.values()) for row in key if row["day"] >= date(2025, 12, 1))

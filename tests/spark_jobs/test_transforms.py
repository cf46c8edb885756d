"""The jobs' transform() on frames of clicks, against the answer key and against DuckDB."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from delab.data import answer_key, dataset

SCALE, SEED = 0.5, 11
Load = Callable[[str], ModuleType]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clicks and pages as Parquet."""
    made, data = tmp_path_factory.mktemp("clickstream"), dataset("clickstream")
    for table in ("clicks", "pages"):
        pq.write_table(data.rows(table, data.recipe(SCALE, SEED)), made / f"{table}.parquet")
    return made


@pytest.fixture(scope="module")
def clicks(session: Any, folder: Path) -> Any:
    return session.read.parquet(str(folder / "clicks.parquet"))


def rows(frame: Any, *names: str) -> list[tuple[Any, ...]]:
    """A frame as sorted tuples: of Spark, of Arrow."""
    table = frame if isinstance(frame, pa.Table) else frame.toArrow()
    return sorted(tuple(row[name] for name in names) for row in table.to_pylist())


def truth(answer: str, **told: Any) -> pa.Table:
    """What the answer key says."""
    return answer_key("clickstream", answer, scale=SCALE, seed=SEED, **told)


def test_tumbling_and_sliding_windows(job: Load, clicks: Any) -> None:
    names = ("window_start", "window_end", "clicks", "amount")
    for size, slide in ((300, 300), (300, 60)):
        found = rows(job("windows").transform(clicks, f"{size} seconds", f"{slide} seconds"), *names)
        key = truth("complete_windows", size=size, slide=slide)
        assert found == rows(key, *names)
        assert len(found) > 3


def test_windows_of_each_country(job: Load, clicks: Any, folder: Path) -> None:
    found = rows(job("windows").transform(clicks, "5 minutes", by=["schema_version"]), "window_start", "schema_version", "clicks")
    query = (
        """SELECT time_bucket(INTERVAL 5 minutes, event_time) s, schema_version, count(DISTINCT event_id) FROM '{}' GROUP BY ALL"""
    )
    assert [(version, clicks) for _, version, clicks in found] == [
        (version, clicks) for _, version, clicks in sorted(duckdb.sql(query.format(folder / "clicks.parquet")).fetchall())
    ]


def test_sessions_also_where_the_gap_is_just_reached(job: Load, clicks: Any, session: Any) -> None:
    names = ("visitor_id", "started_at", "ended_at", "clicks", "amount")
    for gap in (60, 1800):
        assert rows(job("sessionisation").transform(clicks, gap), *names) == rows(truth("sessions", gap=gap), *names)
    columns = "id AS event_id, 1L AS visitor_id, timestamp_seconds(id * 60) AS event_time, cast(null AS decimal(14,2)) AS amount"
    three = f"SELECT {columns} FROM range(3)"
    sessions = job("sessionisation").transform
    assert [row.clicks for row in sessions(session.sql(three), 60).collect()] == [3]
    assert [row.clicks for row in sessions(session.sql(three), 59).collect()] == [1, 1, 1]


def test_one_delivery_of_each_click_stays_the_first(job: Load, clicks: Any, folder: Path) -> None:
    found = rows(job("deduplication").transform(clicks), "event_id", "delivery_id")
    query = f"SELECT event_id, arg_min(delivery_id, arrival_time) FROM '{folder / 'clicks.parquet'}' GROUP BY event_id"
    assert found == sorted(duckdb.sql(query).fetchall())
    assert len(found) < clicks.count()


def test_clicks_of_unknown_pages_are_kept_and_none_is_doubled(job: Load, clicks: Any, session: Any, folder: Path) -> None:
    pages = session.read.parquet(str(folder / "pages.parquet"))
    some = pages.where("page_id % 2 = 0")
    found = job("stream_static_join").transform(clicks, some.union(some)).toArrow().to_pylist()
    assert len(found) == clicks.count()
    assert all(row["is_known"] == (row["page_id"] % 2 == 0) == (row["path"] is not None) for row in found)


def test_carts_and_what_was_bought_after_them(job: Load, clicks: Any, folder: Path) -> None:
    query = f"""
    WITH once AS (SELECT DISTINCT ON (event_id) * FROM '{folder / "clicks.parquet"}')
    SELECT c.event_id, b.event_id FROM once c LEFT JOIN once b ON b.action = 'buy' AND b.visitor_id = c.visitor_id
      AND b.event_time BETWEEN c.event_time AND c.event_time + INTERVAL 10 minutes WHERE c.action = 'cart'"""
    found = job("stream_stream_join").transform(clicks, "10 minutes").toArrow().to_pylist()
    pairs = {(row["cart_id"], row["buy_id"]) for row in found}
    assert pairs == set(duckdb.sql(query).fetchall())
    assert len(found) == len(pairs)
    assert {buy is None for _, buy in pairs} == {True, False}


def test_which_partitions_are_too_small(job: Load, session: Any) -> None:
    sizes = {"a": [10, 10, 10], "b": [90, 95], "c": [40], "d": [30] * 10}
    files = [(f"file:/x/day={day}/{n}.parquet", size) for day, found in sizes.items() for n, size in enumerate(found)]
    wanted = (
        job("compaction").transform(session.createDataFrame(files, "path string, length bigint"), 100).orderBy("folder").collect()
    )
    assert [(row.folder[-1], row.files, row.bytes, row.wanted) for row in wanted] == [("a", 3, 30, 1), ("d", 10, 300, 3)]

"""Clicks into files, into a real PostgreSQL and through a Kafka producer's interface."""

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import psycopg2
import pytest

from delab import templates
from delab.data import dataset
from delab.data.files import Folder
from delab.data.pace import Clock, Pace
from delab.data.sinks.kafka import Sender
from delab.data.sinks.postgres import load
from delab.services import make
from delab.services.postgres import dsn

STREAM = dataset("clickstream")
FAULTS = dict.fromkeys(STREAM.faults, 0.02)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    stack = templates.Scratch(templates.Plan("clicks", (make("primary", {"kind": "postgres"}),)))
    stack.start()
    yield dsn(stack["primary"].endpoint)
    stack.destroy()


@pytest.mark.parametrize("faults", [{}, FAULTS], ids=["clean", "faulty"])
def test_every_row_arrives_in_postgresql_as_it_is(server: str, faults: dict[str, float]) -> None:
    counts = load(server, "clickstream", scale=2, seed=9, faults=faults)
    with psycopg2.connect(server) as session, session.cursor() as cursor:
        for table in STREAM.tables:
            expected = STREAM.rows(table, STREAM.recipe(2, 9, faults))
            assert counts[table] == expected.num_rows
            cursor.execute(f"SELECT * FROM {table}")
            assert sorted(map(repr, cursor.fetchall())) == sorted(repr(row) for row in plain(expected))
    session.close()


def plain(table: Any) -> list[tuple[Any, ...]]:
    """Rows with the time zone object that psycopg2 uses."""

    def value(cell: Any) -> Any:
        return cell.astimezone(dt.UTC) if isinstance(cell, dt.datetime) else cell

    return [tuple(value(cell) for cell in row.values()) for row in table.to_pylist()]


@pytest.mark.parametrize("kind", ["parquet", "csv", "ndjson"])
def test_files_hold_the_rows_in_the_order_of_arrival(tmp_path: Path, kind: str) -> None:
    recipe = STREAM.recipe(30, 4, FAULTS)
    counts = Folder(STREAM, recipe, kind, tmp_path / "out").make(["clicks"])
    reader = {"parquet": "read_parquet", "csv": "read_csv", "ndjson": "read_json"}[kind]
    rows = duckdb.sql(f"""SELECT delivery_id::bigint, epoch_us(arrival_time::timestamptz)
        FROM {reader}('{tmp_path}/out/clicks/part-00000.{kind}')""").fetchall()
    expected = STREAM.rows("clicks", recipe)
    assert counts["clicks"] == len(rows)
    assert [key for key, _ in rows] == expected["delivery_id"].to_pylist()
    assert [at for _, at in rows] == expected["arrival_time"].cast("int64").to_pylist()


class Recorder:
    """Stands for a producer; the clock of the replay is the sum of its sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sent: list[tuple[float, int, dict[str, Any]]] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def send(self, topic: str, *, key: bytes, value: bytes, timestamp_ms: int) -> "Recorder":
        assert topic == "clickstream.clicks"
        self.sent.append((self.now, timestamp_ms, json.loads(value)))
        return self

    def add_errback(self, _: Any) -> None:
        """Nothing fails here."""

    def flush(self, timeout: float) -> None:
        """Nothing waits here."""


def test_a_replay_goes_by_arrival() -> None:
    recorder = Recorder()
    pace = Pace(speed=60, clock=Clock(lambda: recorder.now, recorder.sleep))
    recipe = STREAM.recipe(0.5, 2)
    count = Sender(recorder, "clickstream", pace).table(STREAM, STREAM.table("clicks"), recipe, lambda *said: None)
    assert count == len(recorder.sent) == STREAM.rows("clicks", recipe).num_rows
    first = recorder.sent[0][1]
    for moment, stamp, _ in recorder.sent:
        assert abs(moment - (stamp - first) / 60_000) < 0.001
    events = [value["event_time"] for *_, value in recorder.sent]
    assert events != sorted(events)

"""Delta tables, read and made by delta-rs: no Spark, and none of the learner's code."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import feed
import pyarrow as arrow
from deltalake import DeltaTable, write_deltalake

from delab.checks import fail, show

COLUMNS = {key: kind for key, kind in feed.TYPES.items() if key != "op"} | {"deleted": arrow.bool_()}
DAY = timedelta(days=1)
KILLED = "part-00000-of-a-killed-writer.snappy.parquet"
RECENT = "part-00000-of-another-writer.snappy.parquet"
KEEPS = {"delta.deletedFileRetentionDuration": "interval 10 days", "delta.logRetentionDuration": "interval 60 days"}
WRITTEN = "part-00000-being-written.snappy.parquet"


def opened(path: Path, version: int | None = None) -> DeltaTable:
    """A table as of a version. Fails the check if there is none that delta-rs can read."""
    if not (path / "_delta_log").is_dir():
        files = len(list(path.rglob("*.parquet"))) if path.exists() else 0
        fail(expected="a Delta table", seen=f"{path.name}/ has no _delta_log, and {files} Parquet files: nobody can commit to that")
    try:
        return DeltaTable(str(path), version=version)
    except Exception as error:
        fail(expected="a Delta table that delta-rs can read", seen=show(f"{type(error).__name__}: {error}"))


def version(path: Path) -> int:
    """The number of the newest version, by the names in the log; -1 if there is none."""
    return max((int(file.stem) for file in (path / "_delta_log").glob("*.json") if file.stem.isdigit()), default=-1)


def rows(path: Path, number: int | None = None) -> list[feed.Row]:
    """All rows of a version."""
    table = opened(path, number)
    try:
        return table.to_pyarrow_table().to_pylist()
    except Exception as error:
        what = "the table" if number is None else f"version {number}"
        fail(expected=f"delta-rs can read {what} of {path.name}", seen=show(f"{type(error).__name__}: {error}"))


def readable(path: Path, number: int) -> bool:
    """Whether all files of a version are still there."""
    return all(Path(uri.removeprefix("file://")).exists() for uri in opened(path, number).file_uris())


def actions(path: Path, number: int) -> list[dict[str, Any]]:
    """The lines of a version in the log."""
    return [json.loads(line) for line in (path / "_delta_log" / f"{number:020}.json").read_text().splitlines()]


def batch(changes: list[feed.Row]) -> arrow.Table:
    """Changes, as rows of the table."""
    plain = [{**{key: change.get(key) for key in COLUMNS}, "deleted": change["op"] == "delete"} for change in changes]
    return arrow.Table.from_pylist(plain, schema=arrow.schema(list(COLUMNS.items())))


def merge(path: Path, changes: list[feed.Row]) -> None:
    """What the other writer does: one commit, of one change for each order."""
    every = {name: f"s.{name}" for name in COLUMNS}
    try:
        (
            DeltaTable(str(path))
            .merge(batch(changes), "t.order_id = s.order_id", source_alias="s", target_alias="t")
            .when_matched_update(every, predicate="s.seq > t.seq")
            .when_not_matched_insert(every)
            .execute()
        )
    except Exception as error:
        fail(expected=f"another writer can merge into {path.name}", seen=show(f"{type(error).__name__}: {error}"))


def small_files(path: Path, source: feed.Feed, count: int) -> None:
    """A table of many small files."""
    for number in range(count):
        changes = [source.change(number * 10 + place) for place in range(4)]
        write_deltalake(str(path), batch(some_deleted(changes)), mode="append")


def some_deleted(changes: list[feed.Row]) -> list[feed.Row]:
    """The same, every fourth a deletion; the row keeps its values, as it may."""
    return [{**change, "op": "delete"} if change["order_id"] % 4 == 3 else change for change in changes]


def aged(path: Path, source: feed.Feed, now: datetime, keeps: dict[str, str] | None = None) -> list[datetime]:
    """A table with a past; returns when each version was made. Its log says so, and the files' times do.

    `keeps`: its properties (none: it keeps seven days). Version 0 was replaced 15 days ago, version 1 eight days ago, version 2
    four hours later by version 3; then rows were added.
    """
    noon = now.replace(hour=12, minute=0, second=0, microsecond=0)
    times = [noon - 20 * DAY, noon - 15 * DAY, noon - 8 * DAY, noon - 8 * DAY + timedelta(hours=4), noon - 3 * DAY]
    for number in range(5):
        changes = batch(some_deleted([source.change(order) for order in range(40 + number)]))
        write_deltalake(str(path), changes, mode="append" if number in (0, 4) else "overwrite", configuration=keeps)
    for number, time in enumerate(times):
        backdate(path, number, time)
    for name, time in ((KILLED, noon - 12 * DAY), (RECENT, noon - 9 * DAY), (WRITTEN, now)):
        (path / name).write_bytes(b"PAR1")
        os.utime(path / name, (time.timestamp(), time.timestamp()))
    return times


def backdate(path: Path, number: int, time: datetime) -> None:
    """Make a version look as if it had been committed at a time."""
    at, lines = int(time.timestamp() * 1000), actions(path, number)
    for line in lines:
        if "commitInfo" in line:
            line["commitInfo"]["timestamp"] = at
        if "remove" in line:
            line["remove"]["deletionTimestamp"] = at
        if "metaData" in line:
            line["metaData"]["createdTime"] = at
        if "add" in line:
            line["add"]["modificationTime"] = at
            os.utime(path / line["add"]["path"], (at / 1000, at / 1000))
    log = path / "_delta_log" / f"{number:020}.json"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    os.utime(log, (at / 1000, at / 1000))


def summary(content: list[feed.Row], *, deleted: bool = False) -> dict[str, list[float]]:
    """The report: orders and their amount by status, without the deleted; with them, it is a mistake."""
    found: dict[str, list[float]] = {}
    for row in content:
        if deleted or not row["deleted"]:
            count, total = found.get(row["status"], [0, 0.0])
            found[row["status"]] = [count + 1, total + row["amount"]]
    return found


def today() -> datetime:
    """Now, with a zone."""
    return datetime.now(UTC)

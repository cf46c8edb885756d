"""Compaction of real tables: fewer files, the same rows, and what a run that died leaves."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

Load = Callable[[str], ModuleType]


def content(session: Any, path: Path, kind: str) -> list[tuple[Any, ...]]:
    return sorted(tuple(row) for row in session.read.format(kind).load(str(path)).select("day", "id").collect())


def data_files(path: Path) -> dict[str, int]:
    """How many files each partition has."""
    found = sorted(path.glob("day=*/*.parquet"))
    return {folder.name: sum(file.parent == folder for file in found) for folder in {file.parent for file in found}}


def write(session: Any, path: Path, kind: str) -> None:
    """Day a: ten small files; day b: one."""
    rows = session.range(200).selectExpr("id", "CASE WHEN id < 100 THEN 'a' ELSE 'b' END AS day")
    rows.where("day = 'a'").repartition(10).write.format(kind).partitionBy("day").save(str(path))
    rows.where("day = 'b'").coalesce(1).write.format(kind).mode("append").partitionBy("day").save(str(path))


def test_parquet(job: Load, session: Any, tmp_path: Path) -> None:
    path = tmp_path / "events"
    write(session, path, "parquet")
    before, kept = content(session, path, "parquet"), sorted(path.glob("day=b/*.parquet"))
    assert data_files(path) == {"day=a": 10, "day=b": 1}
    job("compaction").main(["--path", str(path), "--format", "parquet"])
    assert data_files(path) == {"day=a": 1, "day=b": 1}
    assert content(session, path, "parquet") == before
    assert sorted(path.glob("day=b/*.parquet")) == kept, "what is large enough is left alone"
    assert not (tmp_path / "events.compacting").exists()
    assert job("compaction").compact_parquet(session, str(path), 1 << 27) == 0


@pytest.mark.parametrize("before_the_list", [True, False])
def test_parquet_after_a_death(
    job: Load, session: Any, tmp_path: Path, before_the_list: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, module = tmp_path / "events", job("compaction")
    write(session, path, "parquet")
    before = content(session, path, "parquet")

    def die(*arguments: Any) -> None:
        raise RuntimeError("dead")

    with monkeypatch.context() as patch:
        if before_the_list:
            patch.setattr(session, "createDataFrame", die)
        else:
            # the old partition is gone, the new one is not in its place yet
            patch.setattr(module.Files, "move", lambda files, one, to: (files.remove(to), die()))
        with pytest.raises(RuntimeError, match="dead"):
            module.compact_parquet(session, str(path), 1 << 27)
    assert (tmp_path / "events.compacting").exists()
    assert module.compact_parquet(session, str(path), 1 << 27) == 1
    assert content(session, path, "parquet") == before
    assert data_files(path) == {"day=a": 1, "day=b": 1}
    assert not (tmp_path / "events.compacting").exists()


def test_delta(job: Load, session: Any, tmp_path: Path) -> None:
    path = tmp_path / "events"
    write(session, path, "delta")
    before = content(session, path, "delta")
    job("compaction").main(["--path", str(path), "--where", "day = 'a'"])
    newest = session.sql(f"DESCRIBE DETAIL delta.`{path}`").first()
    assert newest.numFiles == 2
    assert content(session, path, "delta") == before
    assert data_files(path) == {"day=a": 11, "day=b": 1}, "older versions still have their files"
    old = session.read.format("delta").option("versionAsOf", 0).load(str(path)).count()
    assert old == 100

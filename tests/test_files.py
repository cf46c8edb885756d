"""Files that survive."""

import os
from pathlib import Path

import pytest

from delab import files
from delab.errors import Blocked


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "progress.json"
    files.write_atomic(target, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Blocked, match="is full; nothing of yours was changed"):
        files.write_atomic(target, b"new")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_lock_that_is_held_blocks_with_its_reason(tmp_path: Path) -> None:
    busy = pytest.raises(Blocked, match="another lab command works on x, for over 0 s")
    with files.locked(tmp_path / "x.lock"), busy, files.locked(tmp_path / "x.lock", seconds=0.05):
        pass


def test_sync_makes_a_tree_equal_and_leaves_equal_files_alone(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    for folder in (source, target):
        (folder / "sub").mkdir(parents=True)
    (source / "same").write_text("same")
    (source / "sub" / "changed").write_text("right")
    files.sync_tree(source, target)
    before = (target / "same").stat()
    (target / "sub" / "changed").write_text("wrong")
    (target / "extra").mkdir()
    (target / "extra" / "file").write_text("x")
    files.sync_tree(source, target)
    assert sorted(str(path.relative_to(target)) for path in target.rglob("*")) == ["same", "sub", "sub/changed"]
    assert (target / "sub" / "changed").read_text() == "right"
    assert (target / "same").stat().st_ino == before.st_ino
    assert (target / "same").stat().st_ctime_ns == before.st_ctime_ns

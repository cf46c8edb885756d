"""Jars come by Ivy, and only if they are the ones of the lock."""

import importlib.util
from pathlib import Path

import pytest

from delab import jars, java
from delab.errors import Blocked

LINE = "org.slf4j:slf4j-api:1.7.36 d3ef575e3e4979678dc01bf1dcce51021493b4d11fb7f1be8ad982877c16a1c0"
needed = importlib.util.find_spec("pyspark") and (java.system() or java.packaged())
fetches = pytest.mark.skipif(not needed, reason="Ivy is in the pack spark, and needs a Java (pack jdk)")


@pytest.fixture
def locks(tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of locks of one's own."""
    monkeypatch.setattr(jars, "LOCKS", tmp_path)
    return tmp_path


def test_a_line_is_a_jar_and_back() -> None:
    for line in ("g:a:1.0 abc", "g:a:1.0:linux-x86_64 abc"):
        assert jars.parse(line).line == line
    assert jars.parse("g:a:1.0 abc").file == "g--a--1.0.jar"
    assert jars.parse("g:a:1.0:linux abc").file == "g--a--1.0--linux.jar"


def test_every_lock_is_sorted_and_has_each_jar_once() -> None:
    for path in jars.LOCKS.glob("*.lock"):
        found = jars.lock(path.stem)
        assert found == sorted(set(found))
        assert all(len(jar.sha256) == 64 for jar in found)


@fetches
def test_a_jar_is_fetched_once(locks: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (locks / "one.lock").write_text(f"# a comment\n{LINE}\n")
    folder = jars.folder("one")
    assert [path.name for path in folder.glob("*.jar")] == [jars.parse(LINE).file]
    assert "fetching 1 jars" in capfd.readouterr().err
    assert jars.folder("one") == folder
    assert capfd.readouterr().err == ""


@fetches
def test_another_hash_is_refused(locks: Path) -> None:
    (locks / "bad.lock").write_text(f"{LINE.split()[0]} {'0' * 64}\n")
    for _ in range(2):
        with pytest.raises(Blocked, match="not the file that the lock names"):
            jars.folder("bad")


@fetches
def test_what_is_not_there_is_told_in_ivys_words(locks: Path) -> None:
    (locks / "none.lock").write_text(f"com.example.nobody:nothing:1.0 {'0' * 64}\n")
    with pytest.raises(Blocked, match="could not be fetched") as error:
        jars.folder("none")
    assert "com.example.nobody#nothing" in error.value.message


@fetches
def test_a_lock_names_what_was_asked_for_and_what_that_needs(locks: Path) -> None:
    group, artifact, version = LINE.split()[0].split(":")
    jars.write_lock("made", [f"{group}:{artifact}:{version}"])
    assert jars.parse(LINE) in jars.lock("made")

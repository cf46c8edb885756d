"""Servers that outlive the command that started them: found, used, ended, and never one that has imported other code."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from delab import daemons, forks, lab, process, wait

MODULE = "delab.checks.warm_worker"
COMMAND = [sys.executable, "-m", MODULE, "json"]
SUBJECT: Any = SimpleNamespace(judges=lambda: [[MODULE, "json"]])


@pytest.fixture(autouse=True)
def none_yet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(forks.FOLDER, raising=False)
    end()
    yield
    end()


def end() -> None:
    process.kill(daemons.running())
    for child in process.DETACHED:
        child.poll()
    shutil.rmtree(daemons.home(), ignore_errors=True)


def servers() -> set[int]:
    return {one.pid for one in daemons.running()}


def command(*words: str) -> str:
    done = subprocess.run([sys.executable, "-m", "delab.cli", *words], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_programs_come_from_a_server_that_is_there() -> None:
    assert not daemons.ask(SUBJECT)
    assert forks.FOLDER not in os.environ
    daemons.begin(SUBJECT)
    assert daemons.ask(SUBJECT)
    forked = forks.fork_piped(COMMAND, {}, {"cwd": "/"})
    assert forked is not None
    assert forked.stdout is not None
    assert forked.stdout.readline() == b"{}\n"
    assert {psutil.Process(forked.pid).ppid()} == servers()
    forked.kill()
    forked.wait(10)
    for stream in forked.streams:
        assert stream is not None
        stream.close()


def test_a_second_start_finds_the_first() -> None:
    daemons.begin(SUBJECT)
    first = servers()
    daemons.begin(SUBJECT)
    assert servers() == first
    assert len(first) == 1


def test_one_that_was_killed_is_not_asked_and_comes_back() -> None:
    daemons.begin(SUBJECT)
    process.kill(daemons.running())
    assert not daemons.ask(SUBJECT)
    daemons.begin(SUBJECT)
    assert daemons.ask(SUBJECT)


def test_one_of_another_version_is_not_asked_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    daemons.begin(SUBJECT)
    old = servers()
    monkeypatch.setattr(daemons, "version", lambda: "other")
    assert not daemons.ask(SUBJECT)
    daemons.begin(SUBJECT)
    assert daemons.ask(SUBJECT)
    assert not servers() & old


def test_the_version_follows_the_kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "checks").mkdir()
    for name in ("daemons.py", "checks/one.py"):
        (tmp_path / name).write_text("")
    monkeypatch.setattr(daemons, "__file__", str(tmp_path / "daemons.py"))
    before = daemons.version()
    assert daemons.version() == before
    (tmp_path / "checks" / "one.py").write_text("ONE = 1\n")
    assert daemons.version() != before


def test_one_that_nobody_asks_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemons, "IDLE_SECONDS", 0.5)
    daemons.begin(SUBJECT)
    assert servers()
    wait.until(lambda: not servers(), seconds=20, what="a server that nobody asks to end")
    assert not daemons.ask(SUBJECT)


def test_none_begins_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemons, "LEAST", 1 << 60)
    daemons.begin(SUBJECT)
    assert not servers()


def test_a_lab_that_is_up_has_them(course: Path) -> None:
    text = (course / "labs/901-count-rows/lab.toml").read_text()
    (course / "labs/901-count-rows/lab.toml").write_text(f'warm = ["{MODULE} json"]\n{text}')
    command("start", "901")
    first = servers()
    assert len(first) == 1
    shutil.copytree(course / "labs/901-count-rows/solution", lab.get(901).work, dirs_exist_ok=True)
    assert json.loads(command("verify", "901", "--json"))["verdict"] == "passed"
    assert servers() == first
    assert "Kept ready" in command("status")
    command("down")
    assert not servers()

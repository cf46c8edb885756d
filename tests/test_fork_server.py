"""Processes from a server that has imported already: what a program of its own would be."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from delab import forks, process, wait
from delab.forks import Forked

MODULE = "delab.checks.warm_worker"
COMMAND = [sys.executable, "-P", "-m", MODULE, "json"]
MIB = 1 << 20


@pytest.fixture(scope="module")
def served() -> Iterator[None]:
    with forks.serving([MODULE, "json"]):
        yield


@pytest.fixture
def forked(served: None, tmp_path: Path) -> Iterator[Forked]:
    plan = {"session": True, "cwd": str(tmp_path), "record": str(tmp_path / "record"), "limits": {"as": 900 * MIB}}
    environment = {"DELAB_RUN": str(tmp_path), "PATH": os.environ["PATH"], "GX_ANALYTICS_ENABLED": "yes"}
    made = forks.fork_piped(COMMAND, environment, plan)
    assert made is not None
    assert made.stdout is not None
    assert made.stdout.readline() == b"{}\n"
    yield made
    close(made)


def close(forked: Forked) -> None:
    forked.kill()
    forked.wait(10)
    for stream in forked.streams:
        if stream is not None:
            stream.close()


def test_is_what_the_plan_says(forked: Forked, tmp_path: Path) -> None:
    seen = psutil.Process(forked.pid)
    assert seen.cwd() == str(tmp_path)
    assert os.getsid(forked.pid) == forked.pid
    assert process.recorded(tmp_path / "record") == forked.pid
    if sys.platform == "linux":
        assert seen.rlimit(psutil.RLIMIT_AS) == (900 * MIB, 900 * MIB)
        assert [one.pid for one in process.marked(str(tmp_path))] == [forked.pid]


def test_tells_its_end(forked: Forked) -> None:
    assert forked.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        forked.wait(0)
    assert forked.stdin is not None
    forked.stdin.close()
    assert forked.wait(10) == 0
    assert forked.poll() == 0


def test_can_be_killed(forked: Forked) -> None:
    forked.kill()
    assert forked.wait(10) == -signal.SIGKILL
    forked.kill()


def test_ends_with_its_asker(served: None) -> None:
    made = forks.fork_piped(COMMAND, {}, {})
    assert made is not None
    assert made.stdout is not None
    assert made.stdout.readline() == b"{}\n"
    seen = psutil.Process(made.pid)
    made.connection.close()
    wait.until(lambda: process.gone(seen), seconds=10, what="a fork that nobody asks for to end")
    for stream in made.streams:
        assert stream is not None
        stream.close()


def test_a_service_does_not_end_with_the_call_that_started_it(served: None, tmp_path: Path) -> None:
    started = process.spawn(COMMAND, {"cwd": str(tmp_path), "log": str(tmp_path / "log")}, {})
    assert isinstance(started, Forked)
    assert started in process.DETACHED
    assert started.wait(10) == 0  # it was given nothing to read
    assert (tmp_path / "log").read_text() == "{}\n"


def test_who_asks_early_waits_and_may_leave() -> None:
    with forks.serving([MODULE, "json"]):
        leaves, waits = (forks.fork_piped(COMMAND, {}, {}) for _ in range(2))
        assert leaves is not None
        assert waits is not None
        close(leaves)
        assert waits.stdout is not None
        assert waits.stdout.readline() == b"{}\n"
        close(waits)


def test_a_server_that_can_not_import_is_an_end() -> None:
    command = [sys.executable, "-m", MODULE, "no_such_module"]
    with forks.serving([MODULE, "no_such_module"]):
        made = forks.fork_piped(command, {}, {})
        assert made is not None
        assert made.wait(30) == -signal.SIGKILL
        with pytest.raises(ProcessLookupError):
            _ = made.pid
        close(made)


def test_other_commands_have_no_server(served: None) -> None:
    for command in (["bash", "-m", MODULE, "json"], [*COMMAND, "other"], [sys.executable, "x.py"]):
        assert forks.fork_piped(command, {}, {}) is None

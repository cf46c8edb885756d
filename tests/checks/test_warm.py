"""Scripts run in forks of a process that has imported what they need."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from delab import lab
from delab.checks import Work
from delab.checks.program import Run
from delab.checks.warm import Warm

SCRIPT = """
import atexit, json, os, sys, threading, time

def main(what):
    if what == "code":
        return 7
    if what == "text":
        return "no more"
    if what == "raise":
        raise ValueError("as it happens")
    if what == "kill":
        os.kill(os.getpid(), 9)
    if what == "loop":
        while True:
            pass
    if what == "flood":
        while True:
            print("x" * 1_000_000)
    if what == "change":
        json.changed = True
        os.environ["CHANGED"] = "yes"
    if what == "end":
        atexit.register(print, "registered")
        threading.Thread(target=lambda: (time.sleep(0.2), print("thread"))).start()
    print(sys.argv[1:], __name__, sys.path[0], hasattr(json, "changed"), os.environ.get("CHANGED"), os.getpgid(0) == os.getpid())

sys.exit(main(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    place = tmp_path_factory.mktemp("warm")
    (place / "mine").mkdir()
    (place / "mine" / "script.py").write_text(SCRIPT)
    (place / "run").mkdir()
    with Warm(Work(lab.get(901), place / "mine", place / "run"), ["json"]) as opened:
        yield opened


def run(warm: Warm, *arguments: str, seconds: float = 30) -> Run:
    return warm.run("script.py", *arguments, seconds=seconds)


def test_a_script_runs_as_if_by_python(warm: Warm) -> None:
    done = run(warm, "say", "two words")
    assert done.succeeded().out == f"['say', 'two words'] __main__ {warm.work.folder} False None True\n"
    assert done.command == "python script.py say two words"


def test_nothing_gets_from_one_run_to_the_next(warm: Warm) -> None:
    assert "True yes" in run(warm, "change").out
    assert "False None" in run(warm, "say").out


def test_exit_codes_are_those_of_python(warm: Warm) -> None:
    assert run(warm, "code").code == 7
    ended = run(warm, "text")
    assert (ended.code, ended.err) == (1, "no more")


def test_a_traceback_has_only_the_learners_lines(warm: Warm) -> None:
    ended = run(warm, "raise")
    assert ended.code == 1
    assert 'File "script.py", line 10, in main' in ended.err
    assert "ValueError: as it happens" in ended.err
    assert "runpy" not in ended.err
    assert "warm_worker" not in ended.err


def test_brutal_ends_are_told(warm: Warm) -> None:
    assert run(warm, "kill").code == -signal.SIGKILL
    late = run(warm, "loop", seconds=0.3)
    assert "still running" in late.stopped
    flood = run(warm, "flood")
    assert flood.code == 1
    assert "File too large" in flood.err
    assert run(warm, "say").code == 0, "the next one runs"


def test_it_ends_with_its_block(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "run").mkdir()
    with Warm(Work(lab.get(901), tmp_path / "mine", tmp_path / "run"), ["json"]) as opened:
        pid = opened.program.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_its_threads_and_what_it_has_registered_end_as_in_an_interpreter(warm: Warm) -> None:
    assert run(warm, "end").succeeded().out.splitlines()[1:] == ["thread", "registered"]

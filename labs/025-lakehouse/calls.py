"""The learner's process, with calls that can be frozen between the first file of data that they write and their commit."""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import tables

from delab import wait
from delab.checks import fail, show
from delab.checks.spark import CLASSIC

DRIVER = Path(__file__).parent / "driver.py"
SECONDS = 90  # for one call
SLICE = 0.0005  # seconds that a watched call runs between two looks


class Calls:
    """A session of Spark in a process of its own."""

    def __init__(self, work) -> None:
        env = {"PYTHONPATH": os.pathsep.join([str(work.folder), str(DRIVER.parent)]), "PYTHONSAFEPATH": "1"}
        limits = {**CLASSIC, "seconds": 500}
        self.program = work.start_command([sys.executable, str(DRIVER)], env=env, interactive=True, **limits)
        self.heard = 0

    def begin(self, name: str, *arguments: Any, **named: Any) -> None:
        """Tell it what to call."""
        plain = [str(argument) if isinstance(argument, Path) else argument for argument in arguments]
        self.program.say(json.dumps([name, plain, named]) + "\n")

    def line(self) -> str:
        """The answer that is waited for, if it is there."""
        lines = self.program.out.text().splitlines(keepends=True)
        return lines[self.heard] if len(lines) > self.heard and lines[self.heard].endswith("\n") else ""

    def answer(self, name: str) -> dict[str, Any]:
        """What the call gave or raised."""
        self.program.wait_for(self.line, seconds=SECONDS, expected=f"{name} comes to an end")
        told = json.loads(self.line())
        self.heard += 1
        return dict(told)

    def call(self, name: str, *arguments: Any, **named: Any) -> Any:
        """The value of a call that may not raise."""
        self.begin(name, *arguments, **named)
        return gave(self.answer(name), name)

    def freeze(self) -> None:
        """Stop all its processes, and see that they are."""
        os.killpg(self.program.pid, signal.SIGSTOP)
        wait.until(self.frozen, seconds=10, what="the learner's processes stand still")

    def frozen(self) -> bool:
        """Whether all processes of its group stand still."""
        return all(process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE) for process in group(self.program.pid))

    def thaw(self) -> None:
        """Let it go on."""
        os.killpg(self.program.pid, signal.SIGCONT)

    def hold(self, table: Path) -> bool:
        """Freeze the call that has begun when it has written a file of data and not committed; False if it was too quick for us."""
        before, version = files(table), tables.version(table)
        deadline = time.monotonic() + SECONDS * wait.scale()
        while self.program.running() and not self.line() and time.monotonic() < deadline:
            os.killpg(self.program.pid, signal.SIGSTOP)
            if files(table) - before:
                self.freeze()
                if tables.version(table) == version and not self.line():
                    return True
                self.thaw()
                return False
            self.thaw()
            time.sleep(SLICE)  # not a wait for something: the time that it may run unwatched
        return False

    def kill(self) -> None:
        """End it at once."""
        os.killpg(self.program.pid, signal.SIGKILL)
        self.program.end()


def gave(told: dict[str, Any], name: str) -> Any:
    """The value of an answer. Fails the check if it is an exception."""
    if "raised" in told:
        fail(expected=f"{name} comes to its end", seen=f"it raised {show(told['raised'])}")
    return told["gave"]


def files(table: Path) -> set[str]:
    """The files of data that lie in a table's folder, committed or not."""
    found = set()
    for folder, below, names in os.walk(table):
        below[:] = [name for name in below if name != "_delta_log"]
        found |= {f"{folder}/{name}" for name in names if name.endswith(".parquet")}
    return found


def group(leader: int) -> list[psutil.Process]:
    """The processes of a group."""
    found = []
    for process in [psutil.Process(leader), *psutil.Process(leader).children(recursive=True)]:
        try:
            if os.getpgid(process.pid) == leader:
                found.append(process)
        except ProcessLookupError:
            continue
    return found

"""Runs the learner's Python script many times, with its heavy imports (pandas, Great Expectations) paid for once.

A run is what `python gate.py …` would be: a process of its own with its own arguments, output and exit code. It is forked from one
that has imported already: Great Expectations takes 2 to 3 s to import and 0.2 s to judge a small batch.
"""

import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from delab import wait
from delab.checks.program import Run, shorten
from delab.checks.warm_worker import QUIET
from delab.checks.work import Work
from delab.errors import Blocked

WORKER = "delab.checks.warm_worker"
OUTPUT = 4 << 20  # characters that are read of what a script prints
LOOK = 0.02  # seconds between two looks for an answer
IMPORTS = 60  # seconds that the imports may take, times LAB_TIMEOUT_SCALE
MEMORY, FILE = 4096, 16  # MiB: address space, and one file that a script writes


class Warm:
    """A process that has imported `modules` and runs scripts of the copy; ends when its block is left."""

    def __init__(self, work: Work, modules: Sequence[str]) -> None:
        self.work, self.heard = work, 0
        # Safe path: a file of the learner's named as a library must not be what is imported here.
        command = [sys.executable, "-P", "-m", WORKER, *modules]
        self.program = work.start_command(command, env=QUIET, interactive=True, memory=MEMORY, file=FILE)
        self.ready = False

    def __enter__(self) -> "Warm":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.program.end()

    def run(self, name: str, *arguments: str, seconds: float = 30) -> Run:
        """Run a handed-in script to its end, however it ends."""
        if not self.ready:
            self.hear(IMPORTS * 5)
            self.ready = True
        script = str(self.work.path(name))
        out, err = (self.work.run_folder / f"warm.{kind}" for kind in ("out", "err"))
        limit = seconds * wait.scale()
        request = {"argv": [script, *arguments], "out": str(out), "err": str(err), "seconds": limit}
        self.program.say(json.dumps(request) + "\n")
        told = self.hear(limit + IMPORTS)
        stopped = f"it was still running after {limit:.0f} s and was stopped" if told["late"] else ""
        shown = " ".join(["python", name, *(Path(argument).name for argument in arguments)])
        return Run(shown, told["code"], start_of(out), shorten(start_of(err), self.work.folder), told["seconds"], stopped)

    def hear(self, seconds: float) -> dict[str, Any]:
        """The worker's next line. Raises Blocked if it has ended: scripts run in forks, so it is the machine's doing."""
        told = "the process that runs your script"
        wait.until(lambda: self.line() or not self.program.running(), seconds=seconds, what=told, longest=LOOK)
        if not self.line():
            raise Blocked(f"{told} has ended: {self.program.said()}", "is there enough memory?")
        answer: dict[str, Any] = json.loads(self.line())
        self.heard += 1
        return answer

    def line(self) -> str:
        """The next whole line, or nothing yet."""
        lines = self.program.out.text().splitlines(keepends=True)
        return lines[self.heard] if len(lines) > self.heard and lines[self.heard].endswith("\n") else ""


def start_of(file: Path) -> str:
    """What a script printed, up to a bound; it may have removed the file."""
    with contextlib.suppress(OSError), file.open(errors="replace") as text:
        return text.read(OUTPUT)
    return ""

"""A learner's program in a process group of its own, with bounds on time, memory, file size and printed output."""

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from delab import forks, process, wait
from delab.checks.failing import expect, fail
from delab.errors import Timeout

MIB = 1024 * 1024
LAST_LINES = 12


@dataclass(frozen=True)
class Limits:
    """What a program may use; sizes in MiB, time in seconds (times LAB_TIMEOUT_SCALE)."""

    seconds: float = 30
    memory: int = 2048
    file: int = 256
    output: int = 4

    def plan(self) -> dict[str, int]:
        """As resource limits for the launcher."""
        return {"as": self.memory * MIB, "fsize": self.file * MIB, "core": 0}


@dataclass(frozen=True)
class Run:
    """A program that has ended. `code` is its exit code, or minus the signal that ended it."""

    command: str
    code: int
    out: str
    err: str
    seconds: float
    stopped: str = ""  # why we stopped it, if we did

    @property
    def ended(self) -> str:
        """How it ended, for a message."""
        if self.stopped:
            return self.stopped
        if self.code < 0:
            return f"it was ended by {signal.Signals(-self.code).name} after {self.seconds:.1f} s"
        return f"it ended with exit code {self.code} after {self.seconds:.1f} s"

    @property
    def last_words(self) -> str:
        """The end of what it printed on standard error, or else on standard output."""
        return tail(self.err) or tail(self.out)

    def succeeded(self, expected: str = "") -> "Run":
        """Fail the check unless it ended by itself with exit code 0."""
        said = f"; its last words:\n{self.last_words}" if self.last_words else "; it printed nothing"
        ok = self.code == 0 and not self.stopped
        expect(ok, expected=expected or f"`{self.command}` ends with exit code 0", seen=self.ended + said)
        return self

    def lines(self) -> list[str]:
        """The lines of standard output that are not empty."""
        return [line for line in self.out.splitlines() if line.strip()]


class Stream:
    """What a program prints, read as it comes; stops reading at `most` bytes and calls `flooded`."""

    def __init__(self, source: IO[bytes], most: int, flooded: Callable[[], None]) -> None:
        self.source, self.most, self.flooded = source, most, flooded
        self.content = bytearray()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self) -> None:
        """Collect until the end or the bound."""
        with suppress(ValueError, OSError):
            while chunk := os.read(self.source.fileno(), 65536):
                self.content += chunk
                if len(self.content) > self.most:
                    self.flooded()
                    return

    def close(self) -> None:
        """Wait a little for its end, and let go of the pipe then."""
        if threading.current_thread() is not self.thread:
            self.thread.join(0.5)
            if not self.thread.is_alive():
                self.source.close()

    def text(self) -> str:
        """All that came so far."""
        return bytes(self.content[: self.most]).decode(errors="replace")


class Program:
    """A learner's program while it runs. Use it as a context manager: leaving ends it and all that it started."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        mark: Path,
        limits: Limits,
        stdin: str | None,
        interactive: bool = False,
    ) -> None:
        self.shown = " ".join(shown(part, folder) for part in command)
        self.folder, self.mark, self.limits = folder, mark, limits
        self.stopped = ""
        self.began = time.monotonic()
        plan = {"session": True, "cwd": str(folder), "limits": limits.plan()}
        env = {**environment, "DELAB_RUN": str(mark), "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        told = interactive or stdin is not None
        self.child = (forks.fork_piped(command, env, plan) if told else None) or subprocess.Popen(
            [*process.launcher(plan), *command],
            env=env,
            stdin=subprocess.PIPE if told else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.child.stdout
        assert self.child.stderr
        self.out = Stream(self.child.stdout, limits.output * MIB, self.flooded)
        self.err = Stream(self.child.stderr, limits.output * MIB, self.flooded)
        if stdin is not None:
            threading.Thread(target=self.feed, args=(stdin,), daemon=True).start()

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.child.pid

    def say(self, text: str) -> None:
        """Write to the standard input of an interactive program; one that has ended does not hear it."""
        assert self.child.stdin
        with suppress(OSError):
            self.child.stdin.write(text.encode())
            self.child.stdin.flush()

    def feed(self, text: str) -> None:
        """Write its standard input and close it."""
        assert self.child.stdin
        with suppress(OSError):
            self.child.stdin.write(text.encode())
            self.child.stdin.close()

    def flooded(self) -> None:
        """It printed too much."""
        self.end(f"it printed more than {self.limits.output} MiB and was stopped")

    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.child.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program itself."""
        with suppress(ProcessLookupError):
            self.child.send_signal(number)

    def wait(self, seconds: float = 0) -> Run:
        """Wait for its end (at most `seconds`, or its time limit), end what is left of it, and give the result."""
        limit = (seconds or self.limits.seconds) * wait.scale()
        try:
            self.child.wait(limit)
        except subprocess.TimeoutExpired:
            self.end(f"it was still running after {limit:.0f} s and was stopped (an endless loop, or waiting for something?)")
        return self.end()

    def wait_for(self, condition: Callable[[], object], *, seconds: float, expected: str) -> None:
        """Wait until `condition` holds while the program runs; fail the check if it does not, or the program ends before."""
        try:
            wait.until(lambda: condition() or not self.running(), seconds=seconds, what=expected)
        except Timeout:
            fail(expected=expected, seen=f"not within {seconds * wait.scale():.0f} s; it printed:\n{self.said()}")
        if not self.running() and not condition():
            run = self.end()
            fail(expected=expected, seen=f"{run.ended}; its last words:\n{run.last_words}")

    def said(self) -> str:
        """The end of what it has printed so far."""
        return tail(shorten(self.err.text(), self.folder)) or tail(self.out.text()) or "nothing"

    def end(self, why: str = "") -> Run:
        """Kill it, its group and whatever it started that still carries its mark; give the result."""
        if self.child.poll() is None:
            self.stopped = self.stopped or why
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.child.pid, signal.SIGKILL)
        self.child.kill()  # it may not have a group of its own yet
        code = self.child.wait()
        if self.child.stdin:
            with suppress(OSError):
                self.child.stdin.close()
        for stream in (self.out, self.err):
            stream.close()
        if any(stream.thread.is_alive() for stream in (self.out, self.err)):
            process.kill(process.marked(str(self.mark)))  # a child in another group keeps the pipe open
        return Run(
            self.shown, code, self.out.text(), shorten(self.err.text(), self.folder), time.monotonic() - self.began, self.stopped
        )


def shown(part: str, folder: Path) -> str:
    """An argument as a person would type it."""
    return Path(part).name if part.endswith("/python") else part.replace(f"{folder}/", "")


def tail(text: str) -> str:
    """The last lines, each cut to a readable length."""
    return "\n".join(line[:300] for line in text.rstrip().splitlines()[-LAST_LINES:])


FRAME = re.compile(r'^  File "(?P<file>[^"]+)", line \d+')


def shorten(text: str, folder: Path) -> str:
    """Python tracebacks without the frames that are not the learner's, and with the learner's own paths."""
    kept: list[str] = []
    mine = True
    for line in text.splitlines():
        if found := FRAME.match(line):
            mine = found["file"].startswith(str(folder)) or found["file"] == "<string>"
        elif not line.startswith("    "):
            mine = True
        if mine:
            kept.append(line.replace(f"{folder}/", ""))
    return "\n".join(kept)

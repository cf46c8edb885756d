"""Work in a process of its own, what it told, and which files it opened: part of delab.checks.airflow_worker."""

import contextlib
import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

LONGEST = 4000  # characters of a log, an error or a value that are told


def in_a_fork(work: Any, seconds: float) -> dict[str, Any]:
    """What `work()` returns in a process of its own; {"died"} if it ends without a word, {"endless"} after `seconds`."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.setpgid(0, 0)
        be_child(work, writing)
    os.close(writing)
    told, in_time = collected(reading, seconds)
    os.close(reading)
    if not in_time:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if not in_time:
        return {"endless": seconds}
    return json.loads(told) if told else {"died": code}


def be_child(work: Any, writing: int) -> None:
    """In the fork: do it, tell, and end."""
    try:
        told = work()
    except BaseException as error:
        told = {"raised": trace(error)}
    with contextlib.suppress(BaseException):
        sys.stdout.flush()
        sys.stderr.flush()
    text = json.dumps(told, default=plain).encode()
    while text:
        text = text[os.write(writing, text) :]
    os._exit(0)


def collected(reading: int, seconds: float) -> tuple[bytes, bool]:
    """All that is written until the other end closes, and whether that was in time."""
    said, deadline = b"", time.monotonic() + seconds
    while select.select([reading], [], [], max(0, deadline - time.monotonic()))[0]:
        part = os.read(reading, 65536)
        if not part:
            return said, True
        said += part
    return said, False


class Opened:
    """Which files this process opens from now on: those that it `wrote`, and those that it `read` as others had left them."""

    def __init__(self, without: Sequence[str]) -> None:
        self.without = ("/dev/", "/proc/", sys.prefix, sys.base_prefix, *without)
        self.wrote, self.read = set[str](), set[str]()
        sys.addaudithook(self.hear)

    def hear(self, event: str, given: tuple[Any, ...]) -> None:
        """An audit event."""
        if event == "open" and isinstance(given[0], str | bytes):
            self.note(os.fsdecode(given[0]), given[2])
        elif event == "sqlite3.connect":
            self.note(str(given[0]), os.O_RDWR)

    def note(self, name: str, flags: int) -> None:
        """A file is opened."""
        path = str(Path(name).absolute())
        if path.startswith(self.without):
            return
        if not flags & (os.O_WRONLY | os.O_TRUNC | os.O_EXCL) and path not in self.wrote:
            self.read.add(path)
        if flags & (os.O_WRONLY | os.O_RDWR):
            self.wrote.add(path)

    def told(self) -> dict[str, list[str]]:
        """Both, for JSON."""
        return {"wrote": sorted(self.wrote), "read": sorted(self.read)}


def plain(value: Any) -> Any:
    """For JSON: numbers as numbers, anything else that JSON does not have as text."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value)


def trace(error: BaseException) -> str:
    """A traceback as text, its end if it is long."""
    return "".join(traceback.format_exception(error))[-LONGEST:]

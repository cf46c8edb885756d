"""Programs whose imports are paid once: a process that has imported forks one for each that asks (delab.forks).

`python -m delab.fork_server LISTENING SECONDS MODULE ARGUMENT …` imports MODULE, calls its `preload(ARGUMENT, …)`, and then forks
for each connection; the fork is what `python -m MODULE …` would be: a session, folder, variables, limits and descriptors of its
own. It calls MODULE's `main`, whose own preloading finds all done. LISTENING is the descriptor of a socket that is bound already.
The server ends when its standard input closes or, if SECONDS is not 0, when nobody has asked for so long.

A request is a line of JSON that comes with descriptors, the answers are two lines: the id of the process at once, its exit code
when it has ended.

    {"environment": {…}, "plan": {"cwd": PATH, "limits": {"as": BYTES, …}, …}, "descriptors": [0, 1, 2, …], "outlives": false}
    {"pid": N}
    {"code": N}

A fork is killed when its asker closes the connection, unless it `outlives` it.
"""

import contextlib
import gc
import importlib
import io
import json
import os
import select
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from delab import launch

MOST = 1 << 20  # bytes of a request
DESCRIPTORS = 16  # that come with one
ABOVE = 200  # where descriptors wait until they get their numbers


def main() -> None:
    """Import, then fork for each that asks."""
    descriptor, seconds, name, *arguments = sys.argv[1:]
    gc.disable()
    module = importlib.import_module(name)
    module.preload(*arguments)
    gc.freeze()
    gc.enable()
    with socket.socket(fileno=int(descriptor)) as listening:
        become = Server(listening, float(seconds)).run()
    become()
    sys.argv[1:] = arguments
    module.main()


class Server:
    """The parent: it forks, and tells who asked how the fork ended."""

    def __init__(self, listening: socket.socket, idle: float) -> None:
        self.listening, self.children, self.lasting = listening, dict[socket.socket, int](), set[int]()
        self.idle, self.watched = idle, [] if idle else [0]
        self.woken, waking = os.pipe()
        for end in (self.woken, waking):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def run(self) -> Callable[[], None]:
        """Serve until the end; returns in each fork, with what makes it a process of its own."""
        while True:
            ready, _, _ = select.select([self.listening, self.woken, *self.watched, *self.children], [], [], self.idle or None)
            if 0 in ready or not (ready or self.children):
                sys.exit(0)
            self.reap()
            for asker in [asker for asker in self.children if asker in ready]:
                self.forsaken(asker)
            if self.listening in ready and (become := self.answer()):
                return become

    def reap(self) -> None:
        """Tell of those that have ended."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.woken, 512)
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                for asker in [asker for asker, pid in self.children.items() if pid == found[0]]:
                    tell(asker, {"code": os.waitstatus_to_exitcode(found[1])})
                    del self.children[asker]
                    asker.close()

    def forsaken(self, asker: socket.socket) -> None:
        """Nobody asks for a fork any more: end it."""
        if (pid := self.children.pop(asker)) not in self.lasting:
            os.kill(pid, signal.SIGKILL)
        asker.close()

    def answer(self) -> Callable[[], None] | None:
        """Hear one request and fork; returns something in the fork only."""
        asker, _ = self.listening.accept()
        asker.settimeout(10)
        request, descriptors = heard(asker)
        if not request:
            asker.close()
            return None
        if pid := os.fork():
            for descriptor in descriptors:
                os.close(descriptor)
            self.children[asker] = pid
            self.lasting |= {pid} if request["outlives"] else set()
            return None
        tell(asker, {"pid": os.getpid()})  # before it can be heard of in another way
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for other in (asker, *self.children):
            other.close()
        return lambda: be_process(request, descriptors)


def heard(asker: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """A request and its descriptors; no request if the asker has gone."""
    said, descriptors = b"", list[int]()
    with contextlib.suppress(OSError):
        while not said.endswith(b"\n"):
            part, came, _, _ = socket.recv_fds(asker, MOST, DESCRIPTORS)
            descriptors += came
            if not part:
                break
            said += part
    if said.endswith(b"\n"):
        return dict(json.loads(said)), descriptors
    for descriptor in descriptors:
        os.close(descriptor)
    return {}, []


def tell(asker: socket.socket, what: dict[str, int]) -> None:
    """Answer, if somebody still listens."""
    with contextlib.suppress(OSError):
        asker.sendall(json.dumps(what).encode() + b"\n")


def be_process(request: Mapping[str, Any], descriptors: Sequence[int]) -> None:
    """In the fork: be what a program started by delab.launch is."""
    environment, plan = request["environment"], request["plan"]
    os.environ.clear()
    os.environ.update(environment)
    show_mark(environment.get("DELAB_RUN", ""))
    place(request["descriptors"], descriptors)
    launch.carry_out(plan)
    if plan.get("lock_fd") is not None:
        os.close(plan["lock_fd"])  # a program lets go of it when it begins
    sys.dont_write_bytecode = "PYTHONDONTWRITEBYTECODE" in environment
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(write_through="PYTHONUNBUFFERED" in environment)
    tempfile.tempdir = None
    time.tzset()


def place(numbers: Sequence[int], descriptors: Sequence[int]) -> None:
    """Give descriptors their numbers; what has none of the first three reads nothing and writes nowhere."""
    import fcntl

    null = os.open(os.devnull, os.O_RDWR)
    wanted = {**dict.fromkeys((0, 1, 2), null), **dict(zip(numbers, descriptors, strict=True))}
    waiting = {number: fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, ABOVE) for number, descriptor in wanted.items()}
    for descriptor in {null, *descriptors}:
        os.close(descriptor)
    for number, descriptor in waiting.items():
        os.dup2(descriptor, number)
        os.close(descriptor)


def show_mark(mark: str) -> None:
    """Let /proc show the run that a fork belongs to, as it does for a program that was started: by that it is found and ended.

    What /proc shows is the memory that held the variables when the server began. Where that can't be written there is no /proc.
    """
    with contextlib.suppress(OSError, ValueError, IndexError):
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        begin, end = int(fields[47]), int(fields[48])
        text = f"DELAB_RUN={mark}".encode() if mark else b""
        with open("/proc/self/mem", "r+b", 0) as memory:  # noqa: PTH123
            memory.seek(begin)
            memory.write(text[: end - begin].ljust(end - begin, b"\0"))


if __name__ == "__main__":
    main()

"""Programs whose imports are paid once: a process that has imported forks one for each that asks.

`python -m delab.fork_server SOCKET MODULE ARGUMENT …` imports MODULE, calls its `preload(ARGUMENT, …)`, and then forks for each
connection; the fork is what `python -m MODULE …` would be: a session, folder, variables, limits and descriptors of its own. It
calls MODULE's `main`, whose own preloading finds all done. The server ends when its standard input closes.

A request is a line of JSON that comes with descriptors, the answers are two lines: the id of the process at once, its exit code
when it has ended.

    {"environment": {…}, "plan": {"cwd": PATH, "limits": {"as": BYTES, …}, …}, "descriptors": [0, 1, 2, …], "outlives": false}
    {"pid": N}
    {"code": N}

A fork is killed when its asker closes the connection, unless it `outlives` it. `serving` starts servers; `fork` gives a process for
a command, if there is a server that stands for it. Those who ask while it still imports wait.
"""

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from delab import launch

FOLDER = "DELAB_FORKS"  # the variable that names the folder of the sockets
MOST = 1 << 20  # bytes of a request
DESCRIPTORS = 16  # that come with one
ABOVE = 200  # where descriptors wait until they get their numbers
ROOM = 1000  # characters of a mark


# The client


class Forked:
    """A process forked by a server, as far as `subprocess.Popen` would do it for one of our own. It ends with its connection."""

    def __init__(self, connection: socket.socket, streams: Sequence[IO[bytes] | None]) -> None:
        self.connection, self.streams, self.told = connection, streams, 0
        self.stdin, self.stdout, self.stderr = streams
        self.returncode: int | None = None

    @property
    def pid(self) -> int:
        """Its id. Raises ProcessLookupError as long as there is no process: the server imports, or has gone."""
        self.poll()
        if not self.told:
            raise ProcessLookupError("not forked yet")
        return self.told

    def poll(self) -> int | None:
        """Its exit code, or None while it runs; a server that has gone leaves it untold, and it counts as killed."""
        while self.returncode is None and select.select([self.connection], [], [], 0)[0]:
            told = received(self.connection)
            if "pid" in told:
                self.told = int(told["pid"])
            else:
                self.closed(int(told.get("code", -signal.SIGKILL)))
        return self.returncode

    def closed(self, code: int) -> None:
        """It has ended."""
        self.returncode = code
        self.connection.close()

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, once it has ended. Raises subprocess.TimeoutExpired."""
        end = time.monotonic() + (float("inf") if timeout is None else timeout)
        while (code := self.poll()) is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired(f"process {self.told}", timeout or 0)
            select.select([self.connection], [], [], min(1, max(0, end - time.monotonic())))
        return code

    def send_signal(self, number: int) -> None:
        """Signal it, if it runs."""
        with contextlib.suppress(ProcessLookupError):
            if self.poll() is None:
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once; one that is not there yet will not be."""
        self.send_signal(signal.SIGKILL)
        if self.returncode is None and not self.told:
            self.closed(-signal.SIGKILL)


def received(connection: socket.socket) -> dict[str, Any]:
    """A line of JSON, or nothing if the other end has gone."""
    said = b""
    while not said.endswith(b"\n"):
        try:
            part = connection.recv(1)
        except OSError:
            return {}
        if not part:
            return {}
        said += part
    return dict(json.loads(said))


def program(command: Sequence[str]) -> list[str]:
    """Module and arguments of a command such as `python -P -m MODULE ARGUMENT …`; empty for any other."""
    if command[0] != sys.executable or "-m" not in command[1:3]:
        return []
    return list(command[command.index("-m") + 1 :])


def path_of(folder: str, wanted: Sequence[str]) -> str:
    """The socket of a server; its name is short, as those of sockets have to be."""
    return str(Path(folder) / f"{zlib.crc32(json.dumps(list(wanted)).encode()):08x}")


def connected(command: Sequence[str]) -> socket.socket | None:
    """A connection to the server that stands for a command, if there is one."""
    folder, wanted = os.environ.get(FOLDER), program(command)
    if not folder or not wanted:
        return None
    connection = socket.socket(socket.AF_UNIX)
    with contextlib.suppress(OSError):
        connection.connect(path_of(folder, wanted))
        return connection
    connection.close()
    return None


def fork(
    command: Sequence[str],
    environment: Mapping[str, str],
    plan: Mapping[str, Any],
    files: Mapping[int, int],
    streams: Sequence[IO[bytes] | None] = (None, None, None),
    outlives: bool = False,
) -> Forked | None:
    """A process from a server, or none if there is no server. `plan` is delab.launch's, `files` maps its descriptors to ours.

    One that `outlives` its asker ends by itself, in good order; any other is killed.
    """
    if (connection := connected(command)) is None:
        return None
    request = {"environment": dict(environment), "plan": dict(plan), "descriptors": list(files), "outlives": outlives}
    try:
        socket.send_fds(connection, [json.dumps(request).encode() + b"\n"], list(files.values()))
    except OSError:
        connection.close()
        return None
    return Forked(connection, streams)


def fork_piped(
    command: Sequence[str],
    environment: Mapping[str, str],
    plan: Mapping[str, Any],
    files: Mapping[int, int] | None = None,
    outlives: bool = False,
) -> Forked | None:
    """The same with pipes for those of its standard input, output and error that are not among `files`."""
    given = dict(files or {})
    pairs = {number: os.pipe() for number in (0, 1, 2) if number not in given}
    theirs = {number: pair[number > 0] for number, pair in pairs.items()}
    ours = {number: os.fdopen(pair[number == 0], "rb" if number else "wb") for number, pair in pairs.items()}
    try:
        forked = fork(command, environment, plan, {**given, **theirs}, [ours.get(number) for number in (0, 1, 2)], outlives)
    finally:
        for descriptor in theirs.values():
            os.close(descriptor)
    for stream in ours.values() if forked is None else ():
        stream.close()
    return forked


@contextlib.contextmanager
def serving(*wanted: Sequence[str]) -> Iterator[None]:
    """Within it, processes of these modules (each with its arguments) come from servers; the first wait for the imports."""
    with tempfile.TemporaryDirectory(prefix="lab-") as folder, contextlib.ExitStack() as servers:
        for one in wanted:
            servers.enter_context(served(folder, one))
        before = os.environ.get(FOLDER)
        os.environ[FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[FOLDER]
            os.environ.update({FOLDER: before} if before else {})


@contextlib.contextmanager
def served(folder: str, wanted: Sequence[str]) -> Iterator[None]:
    """One server, from its start to its end."""
    told = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "DBT_", "PYTHON", "DELAB"))}
    told |= {"PYTHONSAFEPATH": "1", "PYTHONWARNINGS": "ignore", "TMPDIR": folder, "ROOM": " " * ROOM}
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path_of(folder, wanted))
        listening.listen(64)
        command = [sys.executable, "-m", "delab.fork_server", str(listening.fileno()), *wanted]
        # In a session of its own: Ctrl-C reaches its owner, whose end it sees.
        child = subprocess.Popen(command, stdin=subprocess.PIPE, env=told, pass_fds=[listening.fileno()], start_new_session=True)
    try:
        yield
    finally:
        child.kill()  # it may import still, and would not see that we go
        child.communicate()


# The server


def main() -> None:
    """Import, then fork for each that asks."""
    descriptor, name, *arguments = sys.argv[1:]
    gc.disable()
    module = importlib.import_module(name)
    module.preload(*arguments)
    gc.freeze()
    gc.enable()
    with socket.socket(fileno=int(descriptor)) as listening:
        become = Server(listening).run()
    become()
    sys.argv[1:] = arguments
    module.main()


class Server:
    """The parent: it forks, and tells who asked how the fork ended."""

    def __init__(self, listening: socket.socket) -> None:
        self.listening, self.children, self.lasting = listening, dict[socket.socket, int](), set[int]()
        self.woken, waking = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def run(self) -> Callable[[], None]:
        """Serve until standard input closes; returns in each fork, with what makes it a process of its own."""
        while True:
            ready, _, _ = select.select([self.listening, self.woken, 0, *self.children], [], [])
            if 0 in ready:
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

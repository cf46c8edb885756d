"""Who asks delab.fork_server for processes: `serving` starts servers, `fork` gives a process for a command that one stands for.

Those who ask while a server still imports wait. Where there is no server, who asks starts a process as ever.
"""

import contextlib
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

FOLDER = "DELAB_FORKS"  # the variable that names the folder of the sockets
STEERING = ("PG", "DBT_", "AIRFLOW", "PYTHON", "DELAB")  # how variables begin that would steer what is imported
ROOM = 1000  # characters of a mark
LAST = 2000  # characters of what a server that broke has printed


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
    return connection_to(folder, wanted) if folder and wanted else None


def connection_to(folder: str, wanted: Sequence[str]) -> socket.socket | None:
    """A connection to a server, if it is there."""
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
def serving(*wanted: Sequence[str]) -> Iterator[Callable[..., None]]:
    """Within it, processes of these modules (each with its arguments) come from servers; the first wait for the imports.

    It gives a function that adds further modules.
    """
    with tempfile.TemporaryDirectory(prefix="lab-") as folder, contextlib.ExitStack() as servers:
        there = set[str]()

        def add(*wanted: Sequence[str]) -> None:
            for one in wanted:
                if path_of(folder, one) not in there:
                    servers.enter_context(served(folder, one))
                    there.add(path_of(folder, one))

        add(*wanted)
        before = os.environ.get(FOLDER)
        os.environ[FOLDER] = folder
        try:
            yield add
        finally:
            del os.environ[FOLDER]
            os.environ.update({FOLDER: before} if before else {})


@contextlib.contextmanager
def served(folder: str, wanted: Sequence[str]) -> Iterator[None]:
    """One server, from its start to its end."""
    child = serve(folder, wanted)
    try:
        yield
    finally:
        if child.poll() is not None:
            said = log_of(folder, wanted).read_text(errors="replace")[-LAST:]
            print(f"{' '.join(wanted)} could not be imported:\n{said}", file=sys.stderr)
        child.kill()  # it may import still, and would not see that we go
        child.communicate()


def serve(folder: str, wanted: Sequence[str], idle: float = 0) -> "subprocess.Popen[bytes]":
    """Start a server. It ends when its standard input closes or, with `idle`, when nobody has asked for so many seconds."""
    told = {key: value for key, value in os.environ.items() if not key.startswith(STEERING)}
    told |= {"PYTHONSAFEPATH": "1", "PYTHONWARNINGS": "ignore", "TMPDIR": folder, "ROOM": " " * ROOM}
    with socket.socket(socket.AF_UNIX) as listening, log_of(folder, wanted).open("wb") as out:
        listening.bind(path_of(folder, wanted))
        listening.listen(64)
        # In a session of its own: Ctrl-C reaches its owner, whose end it sees.
        return subprocess.Popen(
            [sys.executable, "-m", "delab.fork_server", str(listening.fileno()), str(idle), *wanted],
            stdin=subprocess.DEVNULL if idle else subprocess.PIPE,
            stdout=out,
            stderr=out,
            env=told,
            cwd=folder,
            pass_fds=[listening.fileno()],
            start_new_session=True,
        )


def log_of(folder: str, wanted: Sequence[str]) -> Path:
    """What a server prints, which should be nothing."""
    return Path(f"{path_of(folder, wanted)}.log")

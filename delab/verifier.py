"""The process that a verification runs in. It imports pytest and the kit first, and is told only then what to verify.

`ahead` starts it before the command line is parsed, so that its imports and ours take their time at once. It ends by itself
when nobody tells it anything: its standard input closes with the command that started it.
"""

import contextlib
import importlib
import json
import os
import subprocess
import sys
import tempfile
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from delab.forks import Forked

LAST = 4000  # characters of what it printed that are kept
waiting: "list[Verifier]" = []


class Verifier:
    """A process that waits for the arguments of pytest. It writes events to one pipe, and lives while the other is held open."""

    def __init__(self) -> None:
        self.events, tell = os.pipe()
        watched, self.held = os.pipe()
        self.descriptors = (tell, watched)
        self.out: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self.child = self.start()
        for descriptor in self.descriptors:
            os.close(descriptor)

    def start(self) -> "subprocess.Popen[bytes] | Forked":
        """The process, from a server if there is one."""
        # -P: nothing in the person's folder shadows a module
        command = [sys.executable, "-P", "-m", "delab.verifier"]
        environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
        kept = {number: number for number in self.descriptors}
        out = self.out.fileno()
        return forked(command, environment, kept, out) or subprocess.Popen(
            command, pass_fds=self.descriptors, env=environment, stdin=subprocess.PIPE, stdout=self.out, stderr=subprocess.STDOUT
        )

    def begin(self, arguments: list[str]) -> None:
        """Tell it what to verify."""
        tell, watched = self.descriptors
        told = ["--lab-events", str(tell), "--lab-parent", str(watched), *arguments]
        assert self.child.stdin is not None
        try:
            self.child.stdin.write(json.dumps(told).encode() + b"\n")
            self.child.stdin.close()
        except BrokenPipeError:
            pass  # it has ended: what it printed says why

    def said(self) -> str:
        """The end of what it printed."""
        self.out.seek(0)
        return self.out.read().decode(errors="replace")[-LAST:]

    def close(self) -> None:
        """End it, whatever it does: it sees that nobody holds its pipe any more."""
        os.close(self.held)
        self.out.close()


def forked(command: list[str], environment: dict[str, str], kept: dict[int, int], out: int) -> "Forked | None":
    """One from a server, if there is one."""
    if not os.environ.get("DELAB_FORKS"):
        return None  # and nothing of it is imported
    from delab import forks

    return forks.fork_piped(command, environment, {}, {**kept, 1: out, 2: out}, outlives=True)


def ahead() -> None:
    """Start one for the verification that will be asked for."""
    waiting.append(Verifier())


def take() -> Verifier:
    """The one that was started ahead, or a new one."""
    return waiting.pop() if waiting else Verifier()


def preload() -> None:
    """Import what every verification needs, and what most come to: data, and the pandas that pyarrow looks for then."""
    import pytest  # noqa: F401

    from delab.checks import plugin  # noqa: F401 - imported here, loaded by its name in the arguments

    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's threads would not come along into a fork
    import delab.data.sinks.postgres  # noqa: F401

    with contextlib.suppress(ImportError):
        importlib.import_module("pandas")


def main() -> int:
    """In the process itself: import, hear what to verify, run pytest."""
    import pytest

    from delab.checks import plugin  # noqa: F401

    told = sys.stdin.readline()
    if not told:
        return 0
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    code = int(pytest.main(json.loads(told)))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # all is closed and written; taking the interpreter apart would be felt by the learner


if __name__ == "__main__":
    sys.exit(main())

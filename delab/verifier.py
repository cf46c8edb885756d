"""The process that a verification runs in. It imports pytest and the kit first, and is told only then what to verify.

`ahead` starts it before the command line is parsed, so that its imports and ours take their time at once. It ends by itself
when nobody tells it anything: its standard input closes with the command that started it.
"""

import json
import os
import subprocess
import sys
import tempfile
from typing import IO

LAST = 4000  # characters of what it printed that are kept
waiting: "list[Verifier]" = []


class Verifier:
    """A process that waits for the arguments of pytest. It writes events to one pipe, and lives while the other is held open."""

    def __init__(self) -> None:
        self.events, tell = os.pipe()
        watched, self.held = os.pipe()
        self.descriptors = (tell, watched)
        self.out: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self.child = subprocess.Popen(
            [sys.executable, "-P", "-m", "delab.verifier"],  # -P: nothing in the person's folder shadows a module
            pass_fds=self.descriptors,
            env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""},
            stdin=subprocess.PIPE,
            stdout=self.out,
            stderr=subprocess.STDOUT,
        )
        for descriptor in self.descriptors:
            os.close(descriptor)

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


def ahead() -> None:
    """Start one for the verification that will be asked for."""
    waiting.append(Verifier())


def take() -> Verifier:
    """The one that was started ahead, or a new one."""
    return waiting.pop() if waiting else Verifier()


def main() -> int:
    """In the process itself: import, hear what to verify, run pytest."""
    import pytest

    from delab.checks import plugin  # noqa: F401 - imported here, loaded by its name in the arguments

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

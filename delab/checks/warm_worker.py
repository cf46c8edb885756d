"""Runs Python scripts without paying for heavy imports each time: the other end of delab.checks.warm.

`python -m delab.checks.warm_worker MODULE …` imports the modules once. Each line on stdin is a request, and each gets a line
on stdout:

    {"argv": [SCRIPT, ARGUMENT, …], "out": PATH, "err": PATH, "seconds": N}      {"code": …, "seconds": …, "late": …}

A script runs in a fork, as `python SCRIPT ARGUMENT …` would run it, and what it leaves running in its group is ended with it.
"""

import atexit
import contextlib
import importlib
import json
import os
import runpy
import signal
import sys
import threading
import time
import traceback
from typing import Any

# Great Expectations would tell its makers of each use.
QUIET = {"GX_ANALYTICS_ENABLED": "false", "TQDM_DISABLE": "1"}
TICK = 0.005  # seconds between two looks at a script that runs


def preload(*modules: str) -> None:
    """Import."""
    os.environ.update(QUIET)
    for name in modules:
        importlib.import_module(name)


def main() -> None:
    """Import, say so, and answer until there are no more requests."""
    preload(*sys.argv[1:])
    answers = os.fdopen(os.dup(1), "w")
    print("{}", file=answers, flush=True)
    for line in iter(sys.stdin.readline, ""):
        print(json.dumps(answer(json.loads(line), answers.fileno())), file=answers, flush=True)
    os._exit(0)  # taking the interpreter apart would be felt by who waits


def answer(request: dict[str, Any], ours: int) -> dict[str, Any]:
    """Run one script to its end, or end it when its time is over; it does not get the descriptor `ours`."""
    began = time.monotonic()
    child = os.fork()
    if not child:
        os.close(ours)
        be_script(request)
    with contextlib.suppress(OSError):
        os.setpgid(child, child)  # both do it: whoever comes first
    status = waited(child, began + float(request["seconds"]))
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    late = status is None
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1] if status is None else status)
    return {"code": code, "seconds": time.monotonic() - began, "late": late}


def waited(child: int, end: float) -> int | None:
    """The status with which the child ends, None if it has not by then."""
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        time.sleep(TICK)
    return None


def be_script(request: dict[str, Any]) -> None:
    """In the child: become the script, and end as it ends: its threads are waited for, and what it has registered is called."""
    code = 1

    def end() -> None:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code & 0xFF)

    atexit.register(end)  # called after what the script registers, and before what was there, which is the parent's
    try:
        os.setpgid(0, 0)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
        sys.argv = list(request["argv"])
        sys.path.insert(0, os.path.dirname(sys.argv[0]))  # noqa: PTH120 - as the interpreter does it
        code = outcome(sys.argv[0])
    finally:
        with contextlib.suppress(BaseException):
            threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()


def outcome(script: str) -> int:
    """Run it; the exit code that the interpreter would give."""
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            return ended.code or 0
        print(ended.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    main()

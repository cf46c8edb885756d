"""Processes that outlive the command that started them: start, recognise, stop, pause, and find what a crash left."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from delab import forks, launch, wait
from delab.errors import Timeout
from delab.forks import Forked

# Kept, because Python complains of a Popen that is dropped while its process lives, and a fork ends with its connection.
DETACHED: "list[subprocess.Popen[bytes] | Forked]" = []
Gone = (psutil.NoSuchProcess, psutil.ZombieProcess)


def launcher(plan: Mapping[str, Any]) -> list[str]:
    """The command that carries out `plan` (see delab.launch) and then becomes the program appended to it."""
    return [sys.executable, "-I", "-S", str(Path(launch.__file__)), json.dumps(plan)]


def spawn(command: Sequence[str], plan: Mapping[str, Any], environment: Mapping[str, str]) -> "subprocess.Popen[bytes] | Forked":
    """Start a service in a session of its own. Its id is on disk (plan["record"]) before its program runs."""
    keep = [plan["lock_fd"]] if plan.get("lock_fd") is not None else []
    if forked := forks.fork(command, environment, {**plan, "session": True}, {number: number for number in keep}):
        DETACHED.append(forked)
        return forked
    whole = [*launcher({**plan, "session": True}), *command]
    child = subprocess.Popen(whole, env=dict(environment), pass_fds=keep, stdin=subprocess.DEVNULL)
    DETACHED.append(child)
    return child


def find(pid: int | None, folder: Path) -> psutil.Process | None:
    """The living process `pid`, if it is still the one that works in `folder` (ids are used again)."""
    if pid is None or pid <= 0:
        return None
    with contextlib.suppress(*Gone, psutil.AccessDenied):
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_ZOMBIE and inside(process.cwd(), folder):
            return process
    return None


def inside(path: str, folder: Path) -> bool:
    """Whether `path` is `folder` or below it; a folder removed under a running process still counts."""
    place = path.removesuffix(" (deleted)")
    return place == str(folder) or place.startswith(f"{folder}/")


def all_inside(*folders: Path) -> list[psutil.Process]:
    """Every process that works in one of the folders and belongs to no terminal: services, not a person's shell."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(*Gone, psutil.AccessDenied, OSError):
            place = process.cwd()
            ours = any(inside(place, folder) for folder in folders)
            if ours and process.terminal() is None and process.pid != os.getpid():
                found.append(process)
    return found


def tree(process: psutil.Process) -> list[psutil.Process]:
    """A process and all below it, parents first."""
    with contextlib.suppress(*Gone):
        return [process, *process.children(recursive=True)]
    return [process]


def send(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    """Signal each process that still lives."""
    for process in processes:
        with contextlib.suppress(*Gone, psutil.AccessDenied):
            process.send_signal(number)


def gone(process: psutil.Process) -> bool:
    """Whether it has ended; our own children are reaped on the way."""
    with contextlib.suppress(ChildProcessError, OSError):
        os.waitpid(process.pid, os.WNOHANG)
    with contextlib.suppress(*Gone):
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    return True


def kill(processes: Sequence[psutil.Process]) -> None:
    """SIGKILL them and see them gone."""
    send(processes, signal.SIGKILL)
    wait.until(lambda: all(gone(process) for process in processes), seconds=10, what="killed processes to end")


def stop(process: psutil.Process, number: signal.Signals, seconds: float) -> None:
    """Ask a service to end by its own signal; kill what is left of its tree after `seconds`."""
    members = tree(process)
    send([process], number)
    send(members, signal.SIGCONT)  # one that was paused would never hear it
    with contextlib.suppress(Timeout):
        wait.until(lambda: gone(process), seconds=seconds, what="a service to stop")
    kill([member for member in members if not gone(member)])


def pause(process: psutil.Process) -> None:
    """SIGSTOP the whole tree, the parent first so that it starts nothing new; returns when all have stopped."""
    send([process], signal.SIGSTOP)
    members = tree(process)
    send(members, signal.SIGSTOP)
    wait.until(lambda: all(stopped(member) or gone(member) for member in members), seconds=5, what="a service to pause")


def resume(process: psutil.Process) -> None:
    """SIGCONT the whole tree, children first; returns when it runs again."""
    members = tree(process)
    send(reversed(members), signal.SIGCONT)
    wait.until(lambda: not any(stopped(member) for member in tree(process)), seconds=5, what="a service to resume")


def stopped(process: psutil.Process) -> bool:
    """Whether it is paused; one that is gone is not."""
    with contextlib.suppress(*Gone):
        return process.status() == psutil.STATUS_STOPPED
    return False


def recorded(record: Path) -> int | None:
    """The process id in a launcher's record."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        return int(json.loads(record.read_text())["pid"])
    return None


def marked(value: str) -> list[psutil.Process]:
    """Every process that was started with DELAB_RUN=`value`: a learner's program and whatever it started."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(*Gone, psutil.AccessDenied, OSError):
            if process.environ().get("DELAB_RUN") == value:
                found.append(process)
    return found

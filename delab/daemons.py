"""Imports that are paid once while a lab is up: servers that outlive the command that started them (see delab.forks).

`lab start` and `lab up` begin them for what a lab's verifications run, and do not wait; `lab verify` asks those that it finds. They
end with `lab down`, after some hours in which nobody asked, and when another version of the kit begins its own.
"""

import hashlib
import os
import sys
import sysconfig
from contextlib import suppress
from pathlib import Path

import psutil

from delab import files, forks, lab, paths, process
from delab.errors import LabError

IDLE_SECONDS = 4 * 3600
LEAST = 2 << 30  # bytes of memory that must be available for one to begin


def begin(subject: lab.Lab) -> None:
    """Start the lab's servers, unless they serve already or memory is short. An error is no harm: a verification imports then."""
    wanted = subject.judges()
    if not wanted or psutil.virtual_memory().available < LEAST:
        return
    with suppress(OSError, LabError), files.locked(paths.lock("daemons")):
        folder = place()
        for other in home().glob("*"):
            if other != folder:
                process.kill(process.all_inside(other))
                files.remove_tree(other)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for one in wanted:
            if not serves(folder, one):
                Path(forks.path_of(str(folder), one)).unlink(missing_ok=True)
                process.DETACHED.append(forks.serve(str(folder), one, IDLE_SECONDS))


def ask(subject: lab.Lab) -> bool:
    """Let this process's programs come from the lab's servers; False if they are not all there."""
    if not (wanted := subject.judges()) or not (folder := place()).is_dir() or not all(serves(folder, one) for one in wanted):
        return False
    os.environ[forks.FOLDER] = str(folder)
    return True


def serves(folder: Path, wanted: list[str]) -> bool:
    """Whether a server is there; it may import still."""
    if connection := forks.connection_to(str(folder), wanted):
        connection.close()
    return connection is not None


def running() -> list[psutil.Process]:
    """The servers and what they have forked."""
    return process.all_inside(home())


def home() -> Path:
    """Where each version has a folder."""
    return paths.runtime() / "daemons"


def place() -> Path:
    """The folder of this version's sockets."""
    return home() / version()


def version() -> str:
    """What is imported now: this Python, its packages, and the kit by the times of its files."""
    kit = sorted(Path(__file__).parent.rglob("*.py"))
    told = [(str(file), status.st_mtime_ns, status.st_size) for file in kit for status in [file.stat()]]
    packages = Path(sysconfig.get_path("purelib")).stat().st_mtime_ns
    return hashlib.sha256(repr((sys.version, packages, told)).encode()).hexdigest()[:8]

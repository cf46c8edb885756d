"""Where things are: the course (labs), the learner's files (work) and the machine's state (.lab)."""

import hashlib
import os
import pwd
import shutil
import stat
from functools import cache
from pathlib import Path

SHARED = Path("/dev/shm")  # noqa: S108 - what we make there is owned and checked
PLENTY = 1 << 30  # bytes that must be free in /dev/shm, and twice that in all, before a scratch stack is put there


def root() -> Path:
    """The checkout: where `labs/` is. LAB_ROOT names another course (the kit's own tests use it)."""
    return Path(os.environ.get("LAB_ROOT") or Path(__file__).parent.parent).resolve()


def labs() -> Path:
    """The course: one folder a lab."""
    return root() / "labs"


def work() -> Path:
    """The learner's files. LAB_WORK names another place."""
    return Path(os.environ.get("LAB_WORK") or root() / "work").resolve()


def state() -> Path:
    """What delab itself remembers (progress, results, locks): `.lab`, or LAB_STATE."""
    path = Path(os.environ.get("LAB_STATE") or root() / ".lab").resolve()
    path.mkdir(parents=True, exist_ok=True)
    return path


def reachable(path: Path) -> bool:
    """Whether a user without rights of their own can get to `path`."""
    return all(step.stat().st_mode & stat.S_IXOTH for step in (path, *path.parents))


@cache
def service_user() -> tuple[int, int] | None:
    """The user and group that services run as: none (the person's own), or `nobody` for root, whom PostgreSQL refuses."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid


def lock(name: str) -> Path:
    """The lock file of a stack or template."""
    place = runtime() / "locks"
    place.mkdir(exist_ok=True)
    return place / f"{name}.lock"


def runtime() -> Path:
    """Where the services' data live: in `.lab`, or, for root in a private folder, where the service user can reach it."""
    place = state()
    if service_user() is None or reachable(place):
        return place
    return own_folder(Path("/var/tmp"))  # noqa: S108 - owned and checked


def own_folder(parent: Path) -> Path:
    """A folder for this state in a place that all can write to; nobody else can list it."""
    folder = name_in(parent)
    folder.mkdir(mode=0o711, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        raise PermissionError(f"{folder} belongs to somebody else")
    return folder


def name_in(parent: Path) -> Path:
    """What this state's folder in a shared place is called."""
    return parent / f"delab-{hashlib.sha256(bytes(state())).hexdigest()[:12]}"


def scratch() -> Path:
    """Where the next scratch stack goes: into memory if there is plenty (LAB_SCRATCH=disk forbids it), else beside the others."""
    import psutil

    usable = os.environ.get("LAB_SCRATCH") != "disk" and SHARED.is_dir() and os.access(SHARED, os.W_OK | os.X_OK)
    if usable and shutil.disk_usage(SHARED).free >= PLENTY and psutil.virtual_memory().available >= 2 * PLENTY:
        return own_folder(SHARED) / "scratch"
    return runtime() / "scratch"


def memory() -> Path | None:
    """Where scratch stacks are in memory, if there ever was one."""
    return own_folder(SHARED) if name_in(SHARED).is_dir() else None


def places() -> list[Path]:
    """Everywhere that services of ours may run."""
    return [runtime(), *filter(None, [memory()])]

"""Where things are: the course (labs), the learner's files (work) and the machine's state (.lab)."""

import hashlib
import os
import pwd
import stat
from functools import cache
from pathlib import Path


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
    elsewhere = Path("/var/tmp") / f"delab-{hashlib.sha256(bytes(place)).hexdigest()[:12]}"  # noqa: S108 - owned and checked below
    elsewhere.mkdir(mode=0o711, exist_ok=True)
    if elsewhere.is_symlink() or elsewhere.stat().st_uid != 0:
        raise PermissionError(f"{elsewhere} belongs to somebody else")
    return elsewhere

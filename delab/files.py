"""Files that survive a crash: atomic writes, locks, copies, and where everything lives."""

import contextlib
import errno
import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from delab.errors import Blocked


def write_atomic(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Replace `path` by `content` in one step; a crash or a full disk leaves the old file whole."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with disk_full_explained(path):
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextlib.contextmanager
def disk_full_explained(path: Path) -> Iterator[None]:
    """Turn "no space left" into a message that says where and what to do."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise Blocked(
            f"the disk that holds {path.parent} is full; nothing of yours was changed",
            "free some space (`df -h .` shows it), then repeat the command",
        ) from error


@contextlib.contextmanager
def locked(path: Path, *, seconds: float = 120, waiting: str = "") -> Iterator[int]:
    """Hold the lock file `path`; yields its descriptor. Raises Blocked if another command keeps it for `seconds`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        acquire(descriptor, seconds, waiting or f"another lab command works on {path.stem}")
        yield descriptor
    finally:
        os.close(descriptor)


def acquire(descriptor: int, seconds: float, waiting: str) -> None:
    """Take the lock, looking every 20 ms (flock itself has no time limit)."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Blocked(f"{waiting}, for over {seconds:.0f} s", "wait for it to end, or stop it, then repeat") from None
            time.sleep(0.02)


def copy_tree(source: Path, target: Path) -> None:
    """Copy a folder with owners and modes, sharing blocks where the file system can. Raises Blocked on a full disk."""
    reflink = ["--reflink=auto"] if os.uname().sysname == "Linux" else []
    done = subprocess.run(["cp", "-a", *reflink, f"{source}/.", str(target)], capture_output=True, text=True, check=False)
    if done.returncode and reflink and "unrecognized option" in done.stderr:  # a cp that is not GNU's
        done = subprocess.run(["cp", "-a", f"{source}/.", str(target)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Blocked(f"could not copy {source.name} to {target}: {done.stderr.strip()[-300:]}", "see `lab doctor`")


def remove_tree(path: Path) -> None:
    """Remove a folder that other processes may still write to for a moment."""
    for _ in range(5):
        shutil.rmtree(path, ignore_errors=True)
        if not path.exists():
            return
        time.sleep(0.05)
    shutil.rmtree(path)


def remove_empty(path: Path) -> None:
    """Remove a folder if nothing is in it."""
    with contextlib.suppress(OSError):
        path.rmdir()


def make_folder(path: Path, owner: tuple[int, int] | None = None) -> Path:
    """Make a folder that others can pass through but not list; with an owner, it is private to that one."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o711)
    if owner is not None:
        os.chown(path, *owner)
    return path


def free_lock(path: Path) -> int | None:
    """Take the lock file without waiting; its descriptor, or None while its owner lives."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def own(path: Path) -> int:
    """Make the lock file `path` ours for the life of this process; nobody can see it before it is held."""
    claim = path.with_suffix(".claim")
    descriptor = free_lock(claim)
    if descriptor is None:
        raise Blocked(f"{path.stem} is taken", "repeat the command")
    claim.rename(path)
    return descriptor


def sync_tree(source: Path, target: Path) -> None:
    """Make `target` equal to `source`, touching only what differs in kind, size, time or mode.

    Far quicker than removing and copying: most files of a data folder never change, and some file systems (ext4) avoid the
    inodes of files just removed at a cost of a millisecond a file.
    """
    with disk_full_explained(target):
        have = {entry.name: entry for entry in os.scandir(target)}
        for entry in os.scandir(source):
            sync_entry(entry, have.pop(entry.name, None), target / entry.name)
        for extra in have.values():
            remove_entry(extra)
        copy_attributes(source.stat(), target)


def sync_entry(wanted: os.DirEntry[str], present: os.DirEntry[str] | None, target: Path) -> None:
    """Make one file, link or folder as it is in the source."""
    wanted_folder = wanted.is_dir(follow_symlinks=False)
    if present and (present.is_symlink() or wanted.is_symlink() or present.is_dir(follow_symlinks=False) != wanted_folder):
        remove_entry(present)
        present = None
    if wanted_folder:
        target.mkdir(exist_ok=True)
        sync_tree(Path(wanted.path), target)
    elif present is None or signature(present.stat()) != signature(wanted.stat(follow_symlinks=False)):
        shutil.copy2(wanted.path, target, follow_symlinks=False)
        copy_attributes(wanted.stat(follow_symlinks=False), target)


def signature(status: os.stat_result) -> tuple[int, ...]:
    """What changes whenever a file is written to."""
    return status.st_size, status.st_mtime_ns, status.st_mode, status.st_uid, status.st_gid


def copy_attributes(status: os.stat_result, target: Path) -> None:
    """Owner, mode and times."""
    with contextlib.suppress(PermissionError):
        os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
    if not target.is_symlink():
        target.chmod(status.st_mode & 0o7777)
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def remove_entry(entry: os.DirEntry[str]) -> None:
    """Remove a file, a link or a folder with all in it."""
    if entry.is_dir(follow_symlinks=False):
        remove_tree(Path(entry.path))
    else:
        Path(entry.path).unlink()

"""The learner's folder of a lab: made from the starter, never overwritten, put aside by a reset."""

import shutil
from datetime import datetime
from pathlib import Path

from delab import files, paths
from delab.errors import LabError
from delab.lab import Lab


def prepare(lab: Lab) -> list[Path]:
    """Copy the starter's files that are not there; returns those that were copied. The learner's files are never touched."""
    copied = []
    for source in sorted(lab.start.rglob("*")):
        target = lab.work / source.relative_to(lab.start)
        if source.is_file() and not target.exists():
            copy_whole(source, target)
            copied.append(target)
    return copied


def copy_whole(source: Path, target: Path) -> None:
    """Copy a file so that a crash or a full disk leaves either all of it or nothing."""
    with files.disk_full_explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    files.write_atomic(target, source.read_bytes(), source.stat().st_mode & 0o777)


def reset(lab: Lab) -> Path | None:
    """Put the learner's folder aside and lay a fresh starter; returns where the old work is kept, if there was any."""
    kept = put_aside(lab) if lab.work.is_dir() and any(lab.work.iterdir()) else None
    prepare(lab)
    return kept


def put_aside(lab: Lab) -> Path:
    """Move the folder to work/kept/LAB/TIME: a rename, which needs no space and cannot be half done."""
    stamp = datetime.now().astimezone().strftime("%Y-%m-%dT%H-%M-%S")
    place = paths.work() / "kept" / lab.slug
    place.mkdir(parents=True, exist_ok=True)
    target = next(path for path in (place / f"{stamp}{mark}" for mark in marks()) if not path.exists())
    lab.work.rename(target)
    return target


def marks() -> list[str]:
    """Endings that keep two resets within a second apart."""
    return ["", *(f"-{number}" for number in range(2, 1000))]


def lay_solution(lab: Lab) -> Path:
    """Copy the reference solution beside the learner's work, to read and to run; returns its folder."""
    target = paths.work() / "solutions" / lab.slug
    if not (lab.folder / "solution").is_dir():
        raise LabError(f"lab {lab.number} has no solution folder", "`lab audit` says what else it lacks")
    with files.disk_full_explained(target):
        shutil.copytree(lab.folder / "solution", target, dirs_exist_ok=True)
    return target

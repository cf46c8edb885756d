"""For labs about Docker: their images, and projects, each a verification's own, of which nothing is left whatever happens.

What belongs to a project is what carries its name: as the value of a label (Compose's or ours), as the tag of its image, or at the
beginning of its own name. The lock of a project tells whether its verification lives; `sweep` removes what others have left.
"""

import hashlib
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from delab import engine, files, packs, paths
from delab.errors import Blocked
from delab.lab import Lab

if TYPE_CHECKING:
    from rich.console import Console

LABEL = "delab.project"  # ours; Compose has one of its own
LABELS = (LABEL, "com.docker.compose.project")
PREFIX = "delabcheck"
TAG = "delab/check"
NEEDED = "this lab is about Docker and can't do without; the other labs do"


def client() -> Any:
    """The engine, for a lab that can't do without it. Raises Blocked, saying what is in the way."""
    try:
        return engine.client()
    except Blocked as problem:
        raise Blocked(problem.message, f"{problem.fix.replace(f'; {engine.INSTEAD}', '')} ({NEEDED})") from problem


def why_not(subject: Lab) -> str:
    """What is in the way of a lab that is about Docker; empty if nothing is (its images are there then), or if it does without."""
    if subject.about.images:
        packs.ensure(subject.packs())
        try:
            images(subject)
        except Blocked as problem:
            return problem.message
    return ""


def ahead(subject: Lab) -> None:
    """Build a lab's images before its verification, which will say what is in the way, as a verdict."""
    if subject.about.images:
        with suppress(Blocked):
            images(subject)


def runnable(console: "Console", chosen: Sequence[Lab]) -> list[Lab]:
    """The labs that can be audited here; of the others it is said why they can't, and the audit goes on."""
    reasons = {subject.number: why_not(subject) for subject in chosen}
    for subject in chosen:
        if reason := reasons[subject.number]:
            console.print(
                f"Lab {subject.number}, {subject.about.title}, is not run: {reason}", style="yellow", markup=False, soft_wrap=True
            )
    return [subject for subject in chosen if not reasons[subject.number]]


def images(subject: Lab) -> None:
    """Make sure of the lab's images; the one of its folder `image/` is made from the others, so it is the last. Raises Blocked."""
    client()
    for name in subject.about.images:
        engine.image(name)
    if folder := own_folder(subject):
        tag, wanted = own_image(subject), own_inputs(subject, folder)
        if not engine.there(tag, wanted):
            with files.locked(paths.lock(f"image-{subject.number}"), seconds=engine.BUILD_SECONDS):
                if not engine.there(tag, wanted):  # else another command was quicker
                    engine.build("", tag, wanted, folder)


def own_folder(subject: Lab) -> Path | None:
    """Where the lab's own image is made from, if it has one."""
    folder = subject.folder / "image"
    return folder if (folder / "Dockerfile").exists() else None


def own_image(subject: Lab) -> str:
    """What the lab's own image is called."""
    return f"delab/lab{subject.number}:latest"


def own_inputs(subject: Lab, folder: Path) -> str:
    """The digest of what the lab's own image is made from."""
    digest = hashlib.sha256("".join(engine.inputs(name) for name in subject.about.images).encode())
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


class Project:
    """The containers, networks and volumes of one verification."""

    def __init__(self, subject: Lab, name: str, lock: int) -> None:
        self.subject, self.name, self.lock = subject, name, lock

    @property
    def engine(self) -> Any:
        """The client of the engine (docker.DockerClient)."""
        return client()

    def image(self) -> str:
        """The lab's own image under a name that only this verification knows."""
        with engine.explained("name an image"):
            self.engine.images.get(own_image(self.subject)).tag(TAG, self.name)
        return f"{TAG}:{self.name}"

    def containers(self) -> list[Any]:
        """All of its containers, running or not, as they are now."""
        return list(containers(self.name))

    def close(self) -> None:
        """Remove all of it."""
        clear(self.name)
        lock_of(self.name).unlink(missing_ok=True)
        os.close(self.lock)


def lock_of(name: str) -> Path:
    """The file that its verification holds while it lives."""
    return files.make_folder(paths.runtime() / "projects") / f"{name}.lock"


def begin(subject: Lab) -> Project:
    """A project that is new, with the lab's images at hand. Raises Blocked."""
    images(subject)
    sweep()
    name = f"{PREFIX}{secrets.token_hex(5)}"
    return Project(subject, name, files.own(lock_of(name)))


def sweep() -> None:
    """Remove the projects whose verification was killed; an engine that does not run has none running."""
    for lock in (paths.runtime() / "projects").glob("*.lock"):
        if (held := files.free_lock(lock)) is not None:
            with suppress(Blocked):
                clear(lock.stem)
                lock.unlink(missing_ok=True)
            os.close(held)


def clear(name: str) -> None:
    """Remove a project's containers, networks and volumes, and its image's name. Raises Blocked."""
    engine.remove(*containers(name))
    for what in (*things(client().networks, name), *things(client().volumes, name)):
        gone(what)
    from docker.errors import DockerException

    with suppress(DockerException):
        client().images.remove(f"{TAG}:{name}")


def gone(what: Any) -> None:
    """Remove a network or a volume, unless it has gone by itself. Raises Blocked."""
    from docker.errors import NotFound

    with engine.explained(f"remove {what.name}"), suppress(NotFound):
        what.remove()


def containers(name: str) -> Iterator[Any]:
    """The containers of a project."""
    with engine.explained("list containers"):
        for one in client().containers.list(all=True, ignore_removed=True):
            if one.name.startswith(name) or belongs(one.labels, name) or one.attrs["Config"]["Image"] == f"{TAG}:{name}":
                yield one


def things(kind: Any, name: str) -> list[Any]:
    """The networks or volumes of a project."""
    with engine.explained("list networks and volumes"):
        return [one for one in kind.list() if one.name.startswith(name) or belongs(one.attrs.get("Labels") or {}, name)]
    return []


def belongs(labels: dict[str, str], name: str) -> bool:
    """Whether labels say that something is of a project."""
    return any(labels.get(label) == name for label in LABELS)

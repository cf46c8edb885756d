"""A lab's metadata, read from its folder; the folder is the registry."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from delab import paths, runtime
from delab.errors import LabError
from delab.services import Service, make

WARM = {"airflow": "delab.checks.airflow_worker", "dbt": "delab.dbt_worker postgres"}  # what a pack's verifications run


class Check(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a check of verify.py means to the learner; its requirement is the function's docstring."""

    name: str
    why: str  # why it matters in production
    look: str = ""  # where to look
    command: str = ""  # shows the same evidence by hand
    hint: int = 1  # the rung of the ladder that helps here
    needs: tuple[str, ...] = ()  # checks without which this one makes no sense
    seconds: int = 60  # our own time limit for it


class Wrong(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mistake that people make: the check that must reject it, and words that the message must hold."""

    name: str
    mistake: str
    check: str
    says: str


class Alternative(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another right answer."""

    name: str
    what: str


class Starter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why the starter does not pass yet."""

    check: str
    says: str


class Metadata(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of lab.toml."""

    number: int
    ref: str
    title: str
    summary: str
    technologies: tuple[str, ...]
    difficulty: Literal["easy", "medium", "hard"]
    minutes: int
    files: tuple[str, ...]  # what the learner hands in; "a.sh|a.py" leaves the choice, "models/" is a folder
    hints: tuple[str, ...]
    checks: tuple[Check, ...]
    starter: Starter
    wrong: tuple[Wrong, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    services: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    packs: tuple[str, ...] = ()  # beyond what the services need
    images: tuple[str, ...] = ()  # targets of docker/Dockerfile: a lab with images is about Docker, and needs an engine
    warm: tuple[str, ...] = ()  # beyond what the packs need: modules, with arguments, whose processes are forked from servers
    seconds: int = 300  # our own time limit for a whole verification


class Lab(msgspec.Struct, frozen=True):
    """One lab: its folder and what lab.toml says."""

    folder: Path
    about: Metadata

    @property
    def number(self) -> int:
        """The N of `make lab-N`."""
        return self.about.number

    @property
    def slug(self) -> str:
        """The folder's name: `002-replication-lag`."""
        return self.folder.name

    @property
    def work(self) -> Path:
        """The learner's folder for this lab."""
        return paths.work() / self.slug

    @property
    def start(self) -> Path:
        """The starter."""
        return self.folder / "start"

    @property
    def streams(self) -> bool:
        """Whether one of its services is a broker: then there is something that moves."""
        return any(entry.get("kind", name) == "kafka" for name, entry in self.about.services.items())

    def services(self) -> tuple[Service, ...]:
        """The services that it needs, in starting order."""
        return tuple(make(name, options) for name, options in self.about.services.items())

    def packs(self) -> tuple[str, ...]:
        """The packs of packages that it needs beyond the core."""
        needed = [pack for service in self.services() for pack in service.packs]
        return tuple(dict.fromkeys([*needed, *self.about.packs, *(["docker"] if self.about.images else [])]))

    def programs(self) -> list[list[str]]:
        """The modules, with arguments, whose processes an audit's verifications fork from servers (see delab.fork_server)."""
        return [["delab.verifier"], *self.judges()]

    def judges(self) -> list[list[str]]:
        """Those of them that are served while the lab is up (see delab.daemons): what takes seconds to import."""
        return [*(WARM[pack].split() for pack in self.packs() if pack in WARM), *self.warm()]

    def warm(self) -> list[list[str]]:
        """Those that a single verification forks from servers, too. In containers services are no processes of ours."""
        here = runtime.chosen() == "local"
        return [program.split() for program in self.about.warm if here or program.startswith("delab.checks.")]

    def check(self, name: str) -> Check:
        """What lab.toml says of a check. Raises KeyError for an unknown one."""
        return next((check for check in self.about.checks if check.name == name), None) or unknown(name)


def unknown(name: str) -> Check:
    """Raise KeyError for a check that lab.toml does not name."""
    raise KeyError(f"lab.toml has no [[checks]] named {name!r}")


def read(folder: Path) -> Lab:
    """The lab in a folder. Raises LabError if lab.toml is missing or wrong, naming the field."""
    path = folder / "lab.toml"
    try:
        return Lab(folder, msgspec.convert(tomllib.loads(path.read_text()), Metadata))
    except FileNotFoundError:
        raise LabError(f"{folder.name} has no lab.toml", "a lab's folder has one: see CONTRIBUTING.md") from None
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise LabError(f"{folder.name}/lab.toml: {error}", "its fields are in delab/lab.py") from None


def folders() -> list[Path]:
    """The folders of all labs, by number; one that has no lab.toml yet is no lab yet."""
    return sorted(path.parent for path in paths.labs().glob("[0-9]*-*/lab.toml"))


def everything() -> list[Lab]:
    """All labs, by number."""
    return [read(folder) for folder in folders()]


def get(number: int) -> Lab:
    """The lab of that number. Raises LabError with the numbers that there are."""
    found = [folder for folder in folders() if folder.name.split("-")[0].isdigit() and int(folder.name.split("-")[0]) == number]
    if not found:
        raise LabError(f"there is no lab {number} yet; there are {listing(folders())}", "`lab labs` shows them")
    return read(found[0])


def listing(found: Sequence[Path]) -> str:
    """The numbers in a row: `1, 2, 3`."""
    return ", ".join(str(int(folder.name.split("-")[0])) for folder in found) or "none"

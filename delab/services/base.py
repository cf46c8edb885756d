"""What a kind of service must say of itself, so that a runtime can run it."""

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import msgspec

from delab.runtime import Endpoint


class Place(msgspec.Struct, frozen=True):
    """Where the local runtime keeps one service, and how it meets the others."""

    name: str
    folder: Path  # the service's own: data, log, record
    port: int
    peers: Mapping[str, int]  # port at which each other service is reached from here (through the link, where there is one)
    ports: Mapping[str, int] = {}  # its further ports, by name
    inbound: Mapping[str, int] = {}  # ports of the links to it: by who reaches it, `one` or `one.port`
    contained: bool = False  # it runs in a container: process ids and System V memory are numbered there, not here

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """The log file."""
        return self.folder / "log"

    @property
    def record(self) -> Path:
        """The launcher's record of the process."""
        return self.folder / "pid.json"


class Service(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of all kinds: fields are the options that a lab.toml can set."""

    name: str
    started: bool = True  # false: there are a folder and a port for it, but the learner makes and starts it
    lazy: bool = False  # true: only the learner's own stack starts it with the rest; a check that wants it starts it
    folders: tuple[str, ...] = ()  # empty folders beside its data, each told to the learner's programs by its name in capitals

    packs: ClassVar[tuple[str, ...]] = ()  # packs of locked packages that it needs
    embedded: ClassVar[bool] = False  # true: it runs in the learner's own programs, and nobody starts it
    as_person: ClassVar[bool] = False  # true: it runs as the person even if that is root
    killable: ClassVar[bool] = False  # true: a learner's program may have reason to kill it, as a failover has
    created_stopped: ClassVar[bool] = False  # true: a template of its data needs no start (and it may not start alone)
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    start_seconds: ClassVar[float] = 30
    stop_seconds: ClassVar[float] = 15

    @classmethod
    def kind(cls) -> str:
        """What it is called as a `kind`, and the image that it runs in: its module's name."""
        return cls.__module__.rpartition(".")[2]

    def reaches(self) -> tuple[str, ...]:
        """The services (`name` or `name.port`) that it connects to, each through a link of its own that can be cut."""
        return ()

    def further_ports(self) -> tuple[str, ...]:
        """Names of ports that it needs beside its own; others reach them as `name.port`."""
        return ()

    def version(self) -> str:
        """What a template of its data depends on, beside the options: the program's version."""
        return ""

    def archive(self) -> None:
        """Make what quickens its starts and is made once for a machine; the first start would make it if nobody asked before."""

    def create(self, place: Place) -> None:
        """Make the data folder; the services that it reaches are running."""
        raise NotImplementedError

    def moved(self, place: Place, old: Mapping[int, int]) -> None:
        """Adjust the data to new ports (`old` port → new port) after a copy or a change."""

    def before_start(self, place: Place) -> None:
        """Clear what a crash left in the way of a start."""

    def command(self, place: Place) -> list[str]:
        """The program and its arguments."""
        raise NotImplementedError

    def environment(self, place: Place) -> dict[str, str]:
        """Variables for the program beside the person's own."""
        return {}

    def pid(self, place: Place) -> int | None:
        """The process id that the service itself wrote down, where it does; else the launcher's record is used."""
        from delab import process

        return process.recorded(place.record)

    def endpoint(self, place: Place) -> Endpoint:
        """Where it answers."""
        return Endpoint("127.0.0.1", place.port)

    def ready(self, place: Place) -> bool:
        """Whether it answers a real request over TCP."""
        raise NotImplementedError

    def joined(self, place: Place) -> bool:
        """Whether it has found the services that it reaches."""
        return True

    def settle(self, place: Place) -> None:
        """Bring it to a state worth copying, just before the stop that makes a template."""

    def variables(self, place: Place) -> dict[str, str]:
        """What a learner's program is told of it."""
        prefix = self.name.upper()
        return {f"{prefix}_HOST": "127.0.0.1", f"{prefix}_PORT": str(place.port), **self.folder_variables(place)}

    def folder_variables(self, place: Place) -> dict[str, str]:
        """Where the folders beside its data are."""
        return {folder.upper(): str(place.folder / folder) for folder in self.folders}

    def greeting(self, place: Place) -> str:
        """What a person should be told once it runs, such as the address of its user interface; empty: nothing."""
        return ""

    def tools(self) -> Path | None:
        """A folder of the service's own command-line tools, for the learner's PATH."""
        return None

    def cleanup(self, place: Place) -> None:
        """Release what a killed service leaves outside its folder."""

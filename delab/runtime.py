"""What labs and verifiers see of the machine: services in a stack, run by a runtime. Two runtimes can give the same stack."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from delab.errors import LabError

KINDS = ("local", "compose")


def chosen(default: str = "local") -> str:
    """The runtime that LAB_RUNTIME asks for: `local` (processes) or `compose` (containers)."""
    asked = os.environ.get("LAB_RUNTIME") or default
    if asked not in KINDS:
        raise LabError(f"LAB_RUNTIME={asked} is no runtime", f"there are {' and '.join(KINDS)}; leave it out for local")
    return asked


@dataclass(frozen=True)
class Endpoint:
    """Where a service answers, on loopback, and who may ask."""

    host: str
    port: int
    user: str = ""
    password: str = ""
    database: str = ""


class Node(Protocol):
    """One running service of a stack, with its faults."""

    name: str

    @property
    def service(self) -> Any:
        """The service that runs here: an instance of `delab.services.KIND.Service`."""

    @property
    def endpoint(self) -> Endpoint:
        """Where it answers."""

    @property
    def data(self) -> Path:
        """Its data folder."""

    def start(self) -> None:
        """Start it and wait until it answers a real request; harmless if it runs. Raises Blocked if it will not start."""

    def stop(self) -> None:
        """Stop it in an orderly way."""

    def kill(self) -> None:
        """Kill it at once, all its processes, and see them gone."""

    def pause(self) -> None:
        """Freeze all its processes: connections stay open and nothing answers."""

    def resume(self) -> None:
        """Let a paused service go on."""

    def alive(self) -> bool:
        """Whether its process lives (also while paused)."""

    def ready(self) -> bool:
        """Whether it answers a real request now."""

    def log(self) -> str:
        """The last lines that it logged."""


class Stack(Protocol):
    """The services of one lab, started together."""

    name: str

    def __getitem__(self, name: str) -> Node:
        """The node of that name."""

    def __iter__(self) -> Iterator[Node]:
        """The nodes in starting order."""

    def start(self) -> None:
        """Bring all services up and joined; harmless if they are. Raises Blocked."""

    def stop(self) -> None:
        """Stop all, keeping their data."""

    def destroy(self) -> None:
        """Stop all and remove their data."""

    def cut(self, one: str, other: str) -> None:
        """Cut the network between two services that both stay up: packets vanish, connections hang."""

    def heal(self, one: str, other: str) -> None:
        """Join them again; what was held back arrives."""

    def environment(self) -> Mapping[str, str]:
        """What a learner's program is given: PRIMARY_HOST, PRIMARY_PORT, PRIMARY_DSN, … and the tools on PATH."""

"""Packs: what a lab's services need beyond the core, installed when a lab first asks for it."""

import sys
from collections.abc import Callable, Iterable
from contextlib import suppress

from delab import bootstrap, compiler, java, runtime
from delab.errors import Blocked
from delab.services.base import Service


def ensure(packs: Iterable[str]) -> None:
    """Install the packs that are missing. Raises Blocked, after the installer's own words, if that fails."""
    own = ("docker",) if runtime.chosen() == "compose" else ()
    wanted = [pack for pack in (*packs, *own) if needed(pack)]
    if bootstrap.missing(wanted) and bootstrap.main(wanted):
        raise Blocked(f"the packages for {', '.join(wanted)} could not be installed; the reason is above", "repeat the command")


def images(services: Iterable[Service]) -> None:
    """On the runtime with containers: build the images that are missing, now rather than in a verification's time."""
    if runtime.chosen() == "local":
        return
    from delab import engine

    with suppress(Blocked):  # the verification will say what is in the way, as a verdict
        for name in ("base", *{type(one).__module__.rpartition(".")[2] for one in services if not one.lazy}):
            engine.image(name)


def needed(pack: str) -> bool:
    """Whether this machine lacks what a pack brings: the compiler and Java are only for those that have none.

    Where there are no builds of Flink, labs go on without: its service says so when it is asked for.
    """
    own: dict[str, Callable[[], object]] = {"c": compiler.system, "jdk": java.system, "flink": lambda: bootstrap.obstacle("flink")}
    return pack not in own or not own[pack]()


if __name__ == "__main__":
    ensure(sys.argv[1:])

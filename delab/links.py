"""The network between the services of a local stack: one forwarder process (delab.link) that this module steers."""

import json
import os
import sys
from collections.abc import Set
from contextlib import suppress
from pathlib import Path
from signal import SIGHUP
from typing import Any

import psutil

from delab import files, link, process, wait
from delab.layout import Layout, service_of

Wanted = dict[str, Any]  # {"generation": n, "links": [{"name", "listen", "target", "cut"}]}


def between(layout: Layout, one: str, other: str) -> set[str]:
    """The names of the links between two services. Raises ValueError where there is none."""
    ways = {(one, other), (other, one)}
    ends = {name: name.split(">") for name in layout.links}
    names = {name for name, (source, target) in ends.items() if (source, service_of(target)) in ways}
    if not names:
        raise ValueError(f"no link between {one} and {other}; there are {sorted(layout.links)}")
    return names


class Links:
    """The links in `folder`; `held` is the descriptor of the stack's lock, which the forwarder's start needs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, layout: Layout, held: int) -> None:
        """Bring the forwarder up with the ports of today; what was cut stays cut."""
        self.apply(layout, held, self.cut_now())

    def change(self, layout: Layout, held: int, names: Set[str], *, cut: bool) -> None:
        """Cut or heal some links; returns when it is so."""
        now = self.cut_now()
        self.apply(layout, held, now | names if cut else now - names)

    def apply(self, layout: Layout, held: int, cut: Set[str]) -> None:
        """Make the links as wanted, unless they are."""
        if not (wanted := self.wanted(layout, cut)):
            return
        files.make_folder(self.folder)
        before, alive = self.read(), self.forwarder()
        if alive and wanted == before["links"] and self.acknowledged() == before["generation"]:
            return
        generation = before["generation"] + 1
        files.write_atomic(self.folder / "links.json", json.dumps({"generation": generation, "links": wanted}).encode())
        if alive:
            process.send([alive], SIGHUP)
        else:
            self.spawn(held)
        wait.until(lambda: self.acknowledged() == generation, seconds=10, what="the links to change")

    def wanted(self, layout: Layout, cut: Set[str]) -> list[Wanted]:
        """All that is to be forwarded."""
        return [describe(layout, name, name in cut) for name in layout.links]

    def read(self) -> Wanted:
        """The links as they were last asked for."""
        with suppress(OSError, ValueError):
            return dict(json.loads((self.folder / "links.json").read_text()))
        return {"generation": 0, "links": []}

    def cut_now(self) -> set[str]:
        """The names of the links that are cut."""
        return {str(item["name"]) for item in self.read()["links"] if item["cut"]}

    def forwarder(self) -> psutil.Process | None:
        """The forwarder, if it lives."""
        return process.find(process.recorded(self.folder / "pid.json"), self.folder)

    def spawn(self, held: int) -> None:
        """Start the forwarder."""
        plan = {
            "record": str(self.folder / "pid.json"),
            "log": str(self.folder / "log"),
            "cwd": str(self.folder),
            "lock_fd": held,
        }
        process.spawn([sys.executable, "-I", "-S", str(Path(link.__file__)), str(self.folder)], plan, os.environ)

    def acknowledged(self) -> int:
        """The generation that the forwarder has made true."""
        with suppress(OSError, ValueError):
            return int((self.folder / "ack").read_text())
        return -1


def describe(layout: Layout, name: str, cut: bool) -> Wanted:
    """One entry for the forwarder: `name` is `one>other` or `one>other.port`."""
    return {"name": name, "listen": layout.links[name], "target": layout.target(name), "cut": cut}

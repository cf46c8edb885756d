"""The local runtime: each service is a process of its own, its state a folder (see delab.templates for where they come from)."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from signal import SIGKILL
from typing import Any, Protocol

import psutil

from delab import files, paths, ports, process, wait
from delab.errors import Blocked, Timeout
from delab.layout import Layout
from delab.links import Links, between
from delab.runtime import Endpoint
from delab.services.base import Place, Service

PORT_TRIES = 3
LOG_LINES = 15
LINK = "link"  # the folder of the forwarder in a stack


class Started(Protocol):
    """A program that was started; `subprocess.Popen` is one."""

    @property
    def returncode(self) -> Any:
        """Its exit code, once `poll` has seen its end."""

    def poll(self) -> int | None:
        """Its exit code, or None while it runs."""


class LocalNode:
    """One service of a local stack."""

    contained = False

    def __init__(self, stack: "LocalStack", service: Service) -> None:
        self.stack, self.service, self.name = stack, service, service.name
        self.started: Started | None = None  # by this process, which has not ended it

    @property
    def place(self) -> Place:
        """Its folder and ports as they are now."""
        layout = self.stack.layout
        return Place(
            name=self.name,
            folder=self.stack.folder / self.name,
            port=layout.services.get(self.name, 0),
            peers=layout.reached(self.name),
            ports=layout.own(self.name),
            inbound=layout.inbound(self.name),
            contained=self.contained,
        )

    @property
    def endpoint(self) -> Endpoint:
        """Where it answers."""
        return self.service.endpoint(self.place)

    @property
    def data(self) -> Path:
        """Its data folder."""
        return self.place.data

    def process(self) -> psutil.Process | None:
        """The service's main process, if it lives."""
        pid = self.service.pid(self.place)
        return process.find(pid, self.place.folder) if pid else None

    def running(self) -> psutil.Process:
        """The main process. Raises Blocked if there is none."""
        if (found := self.process()) is None:
            raise Blocked(f"{self.name} is not running", self.stack.repair_hint)
        return found

    def check_running(self) -> None:
        """Raise Blocked if its process is gone."""
        self.running()

    def alive(self) -> bool:
        """Whether its process lives (also while paused)."""
        return self.process() is not None

    def ready(self) -> bool:
        """Whether it answers a real request now."""
        return self.service.ready(self.place)

    def start(self) -> None:
        """Start it and wait until it answers a real request; harmless if it runs."""
        with self.stack.lock() as descriptor:
            started = self.launch(descriptor)
            self.wait_ready(started)

    def launch(self, descriptor: int) -> "Started | None":
        """Start the process, unless it lives; do not wait."""
        if self.alive():
            return None
        place = self.place
        self.service.before_start(place)
        plan = {"record": str(place.record), "log": str(place.log), "cwd": str(place.folder), "umask": 0o077}
        plan |= {"user": self.user(), "lock_fd": descriptor}
        mine = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "DELAB"))}
        self.started = process.spawn(self.service.command(place), plan, mine | self.service.environment(place))
        return self.started

    def user(self) -> tuple[int, int] | None:
        """Whom the service runs as: none (the person), or the service user."""
        return None if self.service.as_person else paths.service_user()

    def wait_ready(self, started: "Started | None") -> None:
        """Wait for the first real answer; if the port was taken meanwhile, move and try again."""
        for attempt in range(PORT_TRIES):
            try:
                wait.until(
                    self.ready,
                    seconds=self.service.start_seconds,
                    what=f"{self.name} to answer",
                    alive=partial(self.check_alive, started),
                )
                return
            except Blocked:
                if attempt == PORT_TRIES - 1 or all(map(ports.free, (self.place.port, *self.place.ports.values()))):
                    raise
                self.stack.move(self.name)
                started = self.launch(self.stack.held)

    def check_alive(self, started: "Started | None") -> None:
        """Raise Blocked, with the log's last words, if the process has ended."""
        if started is None:
            self.running()
        elif started.poll() is not None:
            ended = f"{self.name} ended with code {started.returncode} while it started"
            raise Blocked(f"{ended}; the last it logged:\n{self.log()}", f"its log: {self.place.log}")

    def stop(self) -> None:
        """Stop it in an orderly way."""
        self.started = None
        if found := self.process():
            process.stop(found, self.service.stop_signal, self.service.stop_seconds)
        self.place.record.unlink(missing_ok=True)

    def kill(self) -> None:
        """Kill it and all below it, and see them gone."""
        self.started = None
        if found := self.process():
            process.kill(process.tree(found))

    def killed(self) -> bool:
        """Whether somebody else has killed what this process started."""
        return self.started is not None and self.started.poll() == -SIGKILL

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers."""
        process.pause(self.running())

    def resume(self) -> None:
        """Let it go on."""
        process.resume(self.running())

    def paused(self) -> bool:
        """Whether it is frozen."""
        return (found := self.process()) is not None and process.stopped(found)

    def log(self) -> str:
        """The last lines that it logged."""
        with suppress(OSError):
            return "\n".join(self.place.log.read_text(errors="replace").splitlines()[-LOG_LINES:])
        return ""


class LocalStack:
    """The services of one lab on this machine."""

    repair_hint = "`lab up` starts it again"
    runtime = "local"
    node: type[LocalNode] = LocalNode
    starts_lazy = True  # whether services that are `lazy` start with the rest

    def __init__(self, name: str, folder: Path, services: tuple[Service, ...]) -> None:
        self.name, self.folder = name, folder
        self.nodes = {service.name: self.node(self, service) for service in services}
        self.layout = Layout()
        self.held = -1  # the descriptor of the stack's lock while we hold it

    def __getitem__(self, name: str) -> LocalNode:
        return self.nodes[name]

    def __iter__(self) -> Iterator[LocalNode]:
        return iter(self.nodes.values())

    @contextmanager
    def lock(self) -> Iterator[int]:
        """Hold the stack's lock; harmless when this process holds it already."""
        if self.held >= 0:
            yield self.held
            return
        with files.locked(paths.lock(self.name)) as descriptor:
            self.held = descriptor
            try:
                yield descriptor
            finally:
                self.held = -1

    def start(self) -> None:
        """Bring up all services at once, then wait for each to answer and to find the others."""
        with self.lock() as descriptor:
            self.start_links()
            started = [(node, node.launch(descriptor)) for node in self.supervised()]
            for node, child in started:
                node.wait_ready(child)
            for node in self.supervised():
                self.wait_joined(node)

    def supervised(self) -> list[LocalNode]:
        """The nodes that we start, without those that are the learner's to make, or a check's to start."""
        return [node for node in self if node.service.started and (self.starts_lazy or not node.service.lazy)]

    def wait_joined(self, node: LocalNode) -> None:
        """Wait until a service has found those that it follows. Raises Blocked with its log."""
        try:
            wait.until(
                lambda: node.service.joined(node.place),
                seconds=20,
                what=f"{node.name} to join",
                alive=node.check_running,
            )
        except Timeout as error:
            raise Blocked(f"{error.message}; the last it logged:\n{node.log()}", f"its log: {node.place.log}") from error

    def lost(self) -> list[str]:
        """Services that neither we nor a learner's program has ended: killed, as a system does that has no memory left."""
        return [node.name for node in self if node.killed() and not node.service.killable]

    def stop(self) -> None:
        """Stop all in reverse order, going on after errors."""
        with self.lock():
            for node in reversed(list(self)):
                node.stop()
            self.sweep()

    def sweep(self) -> None:
        """End what is left in the stack's folder: the links, and orphans of killed services."""
        process.kill(process.all_inside(self.folder))
        for node in self:
            node.service.cleanup(node.place)
            node.place.record.unlink(missing_ok=True)

    def end(self) -> None:
        """Kill all, in no order."""
        process.kill([member for node in self if (found := node.process()) for member in process.tree(found)])
        if self.folder.exists():
            self.sweep()

    def destroy(self) -> None:
        """Kill all and remove the folder."""
        self.end()
        files.remove_tree(self.folder)

    def move(self, name: str) -> None:
        """Give a service new ports for those that are taken, and tell those that reach it."""
        changed = self.layout.renew(name)
        self.layout.write(self.folder)
        for node in self:
            node.service.moved(node.place, changed)
        self.start_links()

    def start_links(self) -> None:
        """Bring the network between the services up, as it was."""
        self.links().start(self.layout, self.held)

    def links(self) -> Links:
        """The network between the services."""
        return Links(self.folder / LINK)

    def cut(self, one: str, other: str) -> None:
        """Cut the network between two services that both stay up."""
        with self.lock():
            self.links().change(self.layout, self.held, between(self.layout, one, other), cut=True)

    def heal(self, one: str, other: str) -> None:
        """Join them again; what was held back arrives."""
        with self.lock():
            self.links().change(self.layout, self.held, between(self.layout, one, other), cut=False)

    def environment(self) -> Mapping[str, str]:
        """What a learner's program is given: each service's variables, and the tools first on PATH."""
        found: dict[str, str] = {}
        for node in self:
            found |= node.service.variables(node.place)
        tools = dict.fromkeys(str(node.service.tools()) for node in self if node.service.tools())
        found["PATH"] = os.pathsep.join([*tools, str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        return found

"""The Compose runtime: each service of a stack in a container of its own, with the local runtime's data, templates and commands.

    pod        one container a stack owns its network; its only program is the forwarder (delab.link): the links between the
               services, and a gate from each published loopback port to the service behind it
    NODE       one container a service, from the image of its kind, in the pod's network but with process ids, files and limits
               of its own; PID 1 only waits, so that a server can be stopped and started in it, by us or by a learner's pg_ctl

A stack's folder is mounted at its own path, so what is written in configuration files is true inside and outside.
"""

import json
import os
import sys
from collections.abc import Mapping, Set
from contextlib import suppress
from functools import partial
from pathlib import Path
from signal import SIGKILL
from typing import Any

import psutil

from delab import engine, files, paths, process, python, wait
from delab import postgres_programs as programs
from delab.contained import LIBRARY, PROGRAMS, own_python, translated
from delab.errors import Blocked
from delab.layout import Layout
from delab.links import Links, Wanted
from delab.local import LINK, PORT_TRIES, LocalNode, LocalStack, Started
from delab.templates import Scratch

POD = "pod"
LIMITS = {
    "postgres": 2048,
    "kafka": 1024,
    "airflow": 2560,
    "spark": 2560,
    "flink": 2560,
    POD: 96,
}  # MiB, with what a scratch stack keeps in memory as files
PROCESSES = 512
JAVA = ("kafka", "spark", "flink")  # kinds whose libraries for compression are unpacked to /tmp and run there
IN_CONTAINERS = ("pg_ctl", "postgres")  # tools that start servers: run where the data's server runs
TAKEN = ("port is already allocated", "address already in use")


class Execution:
    """A program that was started in a container."""

    def __init__(self, api: Any, number: str) -> None:
        self.api, self.number = api, number
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code, or None while it runs."""
        with engine.explained("look at a program"):
            about = self.api.exec_inspect(self.number)
        self.returncode = None if about["Running"] else about["ExitCode"]
        return self.returncode


class ContainerNode(LocalNode):
    """One service of a stack, in a container."""

    stack: "ComposeStack"
    contained = True

    @property
    def kind(self) -> str:
        """The kind of service, and so the image."""
        return type(self.service).kind()

    def process(self) -> psutil.Process | None:
        """The main process as this machine sees it, whoever started it."""
        number = self.service.pid(self.place)
        if number is None:
            return None
        inside = [found for found in process.all_inside(self.place.folder) if number_inside(found) == number]
        return inside[0] if inside else process.find(number, self.place.folder)

    def launch(self, descriptor: int) -> Started | None:
        """Start the program in the container, unless it lives; do not wait."""
        if self.alive():
            return None
        place = self.place
        self.service.before_start(place)
        place.record.unlink(missing_ok=True)
        plan = {"record": str(place.record), "log": str(place.log), "cwd": str(place.folder), "umask": 0o077}
        command = [*launcher(plan), *(translated(part, self.kind) for part in self.service.command(place))]
        variables = {key: translated(value, self.kind) for key, value in self.service.environment(place).items()}
        if self.kind == "spark":
            variables |= python.variables()
            self.stack.check_python(self.name)
        started = self.stack.execute(self.name, command, variables)
        recorded = partial(process.recorded, place.record)
        wait.until(lambda: recorded() or started.poll() is not None, seconds=10, what=f"{self.name} to be started")
        return started

    def wait_ready(self, started: Started | None) -> None:
        """Wait for the first real answer."""
        seconds = self.service.start_seconds
        wait.until(self.ready, seconds=seconds, what=f"{self.name} to answer", alive=partial(self.check_alive, started))

    def stop(self) -> None:
        """Stop it in an orderly way, also if it was paused."""
        if found := self.process():
            process.send([found], self.service.stop_signal)
            self.thaw()
            process.stop(found, self.service.stop_signal, self.service.stop_seconds)
        self.end_rest()

    def kill(self) -> None:
        """Kill it and all below it, and see them gone."""
        if found := self.process():
            members = process.tree(found)
            process.send(members, SIGKILL)
            self.thaw()
            process.kill(members)
            self.end_rest()

    def end_rest(self) -> None:
        """End what a service forked while it was ended, and forget its number: another process may get it in a new container."""
        process.kill([found for found in process.all_inside(self.place.folder) if number_inside(found)])
        self.place.record.unlink(missing_ok=True)

    def pause(self) -> None:
        """Freeze the container; returns when the engine says that it is."""
        self.running()
        with engine.explained(f"pause {self.name}"):
            self.stack.box(self.name).pause()
        wait.until(self.paused, seconds=10, what=f"{self.name} to pause")

    def resume(self) -> None:
        """Let it go on."""
        self.running()
        self.thaw()
        wait.until(lambda: not self.paused(), seconds=10, what=f"{self.name} to resume")

    def thaw(self) -> None:
        """Resume the container if it is paused."""
        if self.paused():
            with engine.explained(f"resume {self.name}"):
                self.stack.box(self.name).unpause()

    def paused(self) -> bool:
        """Whether the container is frozen."""
        box = self.stack.find(self.name)
        return box is not None and box.status == "paused"


class PodLinks(Links):
    """The links of a stack, and the gates from its published ports, in the pod."""

    def __init__(self, stack: "ComposeStack") -> None:
        super().__init__(stack.folder / LINK)
        self.stack = stack

    def wanted(self, layout: Layout, cut: Set[str]) -> list[Wanted]:
        """The links, and a gate for each port."""
        gates = [{"name": f"gate {port}", "listen": port, "target": port, "cut": False, "outside": True} for port in layout.all()]
        return [*super().wanted(layout, cut), *gates]

    def forwarder(self) -> psutil.Process | None:
        """The pod's process, if it runs."""
        pod = self.stack.find(POD)
        if pod is None or pod.status != "running":
            return None
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(pod.attrs["State"]["Pid"])
        raise Blocked("the Docker engine runs on another machine", f"unset DOCKER_HOST; {engine.INSTEAD}")

    def spawn(self, held: int) -> None:
        """Start the pod. Containers that were in an earlier one have lost their network, so they go first."""
        self.stack.clear()
        if user := paths.service_user():
            os.chown(self.folder, *user)
        self.stack.create_pod()


class ComposeStack(LocalStack):
    """The services of one lab in containers."""

    runtime = "compose"
    node = ContainerNode
    nodes: dict[str, ContainerNode]  # type: ignore[assignment]

    def __init__(self, *given: Any) -> None:
        self.boxes: set[str] = set()  # whose containers this process has made, and not removed
        super().__init__(*given)

    def container_name(self, name: str) -> str:
        """What the engine calls the container of a service."""
        return f"delab-{engine.state()}-{self.name}-{name}"

    def find(self, name: str) -> Any:
        """The container of a service, or None."""
        from docker.errors import NotFound

        with engine.explained(f"look at {name}"), suppress(NotFound):
            return engine.client().containers.get(self.container_name(name))
        return None

    def box(self, name: str) -> Any:
        """The container of a service, running; made if it is not there."""
        found = self.find(name)
        if found is None:
            return self.create_box(name)
        if found.status not in ("running", "paused"):
            found.start()
        return found

    def execute(self, name: str, command: list[str], variables: dict[str, str]) -> Execution:
        """Start a program in the container of a service."""
        api = engine.client().api
        with engine.explained(f"start {name}"):
            made = api.exec_create(
                self.box(name).id, command, environment=variables, user=self.person(name), stdout=False, stderr=False
            )
            api.exec_start(made["Id"], detach=True)
        return Execution(api, made["Id"])

    def create_pod(self) -> None:
        """The container that owns the network: published on loopback alone."""
        ports = {f"{port}/tcp": ("127.0.0.1", port) for port in self.layout.all()}
        command = ["-I", "-S", f"{LIBRARY}/link.py", str(self.folder / LINK)]
        volumes = {str(self.folder / LINK): {"bind": str(self.folder / LINK), "mode": "rw"}}
        self.create(POD, "base", entrypoint="/usr/bin/python3", command=command, ports=ports, volumes=volumes, hostname=POD)

    def create_box(self, name: str) -> Any:
        """The container of a service: nothing runs in it yet. Raises Blocked if there is no image for its kind."""
        if (kind := self.nodes[name].kind) not in LIMITS:
            raise Blocked(f"services of the kind {kind} do not run in containers yet", engine.INSTEAD)
        pod = self.find(POD)
        if pod is None or pod.status != "running":
            raise Blocked(f"the network of {name} is gone", self.repair_hint)
        made = self.create(
            name, self.nodes[name].kind, network_mode=f"container:{pod.id}", volumes=self.volumes(name), user=self.person(name)
        )
        place = self.nodes[name].place
        if paths.service_user() and (service := self.nodes[name].service).as_person:
            for folder in (place.folder, *(place.folder / own for own in service.folders)):
                os.chown(folder, 0, 0)  # root in a container is not above the modes of files
        told = {
            "container": made.name,
            "user": self.person(name),
            "programs": PROGRAMS,
            "engine": os.environ.get("DOCKER_HOST", ""),
        }
        files.write_atomic(place.folder / "container", json.dumps(told).encode(), 0o644)
        return made

    def create(self, name: str, image: str, **options: Any) -> Any:
        """Run a container with as few rights as it needs, and bounded."""
        engine.marker().touch()
        memory = LIMITS.get(image if name != POD else POD, 512)
        fixed = {
            "name": self.container_name(name),
            "labels": {engine.LABEL: engine.state(), "delab.stack": self.name, "delab.folder": str(self.folder)},
            "user": self.person(name),
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "read_only": True,
            "tmpfs": {"/tmp": "size=64m,mode=1777"},  # noqa: S108 - in the container
            "mem_limit": f"{memory}m",
            "memswap_limit": f"{memory}m",
            "pids_limit": PROCESSES,
            "log_config": {"type": "json-file", "config": {"max-size": "5m", "max-file": "2"}},
            "stop_signal": "SIGKILL",
            "detach": True,
        }
        if name != POD:
            fixed["command"] = ["sleep", "infinity"]
        if image in JAVA:
            fixed["tmpfs"] = {"/tmp": "exec,size=128m,mode=1777"}  # noqa: S108
        with engine.explained(f"create a container for {name}"):
            made = engine.client().containers.run(engine.image(image), **{**fixed, **options})
        self.boxes.add(name)
        return made

    def clear(self) -> None:
        """Remove the containers."""
        self.boxes.clear()
        engine.remove(*engine.containers(self.name))

    def lost(self) -> list[str]:
        """Services whose container has ended: no learner's program does that, since a server is only a process in it."""
        there = {one.name for one in engine.containers(self.name) if one.status in ("running", "paused")} if self.boxes else set()
        return sorted(name for name in self.boxes if self.container_name(name) not in there)

    def check_python(self, name: str) -> None:
        """See that the person's Python runs in a container. Raises Blocked."""
        command, variables = [python.program(), "-c", "import ctypes, ssl, numpy, pyspark"], python.variables()
        with engine.explained(f"look at Python in {name}"):
            done = self.box(name).exec_run(command, environment=variables, user=self.person(name))
        if done.exit_code:
            said = done.output.decode(errors="replace").strip()[-300:]
            raise Blocked(f"this Python ({python.program()}) does not run in the image of {name}: {said}", engine.INSTEAD)

    def volumes(self, name: str) -> dict[str, dict[str, str]]:
        """What a service sees of this machine, each at its own path: the stack's folder, learners' files, the pass file."""
        shared = [self.folder, files.make_folder(paths.runtime() / "runs"), *([paths.work()] if paths.work().is_dir() else [])]
        read = [path for path in (programs.passfile(), paths.root() / "dags") if path.exists()]
        read += own_python(self.nodes[name].kind)
        modes = {str(path): "rw" for path in shared} | {str(path): "ro" for path in read}
        return {path: {"bind": path, "mode": mode} for path, mode in modes.items()}

    def person(self, name: str) -> str:
        """Whom a service runs as: user and group, by number."""
        mine = (os.geteuid(), os.getegid())
        user = mine if name != POD and self.nodes[name].service.as_person else paths.service_user() or mine
        return f"{user[0]}:{user[1]}"

    def start_links(self) -> None:
        """Bring the pod up, with other ports if somebody else has taken one; then a container for each service."""
        for attempt in range(PORT_TRIES):
            try:
                super().start_links()
                break
            except Blocked as error:
                if attempt == PORT_TRIES - 1 or not any(words in error.message for words in TAKEN):
                    raise
                self.renumber()
        wanted = self.supervised()
        for node in self:
            # The learner's own are made too: pg_ctl will look for them.
            if node in wanted or not (node.service.started or node.service.embedded):
                self.box(node.name)

    def renumber(self) -> None:
        """Choose all ports anew, and tell the services' files."""
        self.clear()
        old, self.layout = self.layout, Layout.choose(tuple(node.service for node in self))
        self.layout.write(self.folder)
        for node in self:
            node.service.moved(node.place, dict(zip(old.all(), self.layout.all(), strict=True)))

    def links(self) -> Links:
        """The network between the services."""
        return PodLinks(self)

    def sweep(self) -> None:
        """End what is left of the stack, containers and all."""
        self.boxes.clear()
        engine.clear(self.name)
        for node in self:
            (node.place.folder / "container").unlink(missing_ok=True)
        super().sweep()

    def end(self) -> None:
        """Kill all, in no order."""
        if self.folder.exists():
            self.sweep()
        else:
            engine.clear(self.name)

    def environment(self) -> Mapping[str, str]:
        """As on the local runtime; the tools that start servers do it in the container that the data folder belongs to."""
        found = dict(super().environment())
        if any(node.kind == "postgres" for node in self.nodes.values()):
            found["PATH"] = os.pathsep.join([str(wrappers()), found["PATH"]])
        return found


class ComposeScratch(ComposeStack, Scratch):
    """A scratch stack in containers."""


def number_inside(found: psutil.Process) -> int:
    """The id that a process has in its own container; 0 if it is in none."""
    with suppress(OSError, StopIteration):
        lines = Path(f"/proc/{found.pid}/status").read_text().splitlines()
        numbers = next(line for line in lines if line.startswith("NSpid:")).split()[1:]
        return int(numbers[-1]) if len(numbers) > 1 else 0
    return 0


def launcher(plan: Mapping[str, Any]) -> list[str]:
    """The command that carries out `plan` in a container."""
    return ["/usr/bin/python3", "-I", "-S", f"{LIBRARY}/launch.py", json.dumps(plan)]


def wrappers() -> Path:
    """PostgreSQL's tools for a learner's PATH; those that start servers find the data's container."""
    from delab import inside

    target = files.make_folder(paths.runtime() / "compose-bin")
    for tool in programs.tools().iterdir():
        if tool.name in IN_CONTAINERS:
            text = f'#!/bin/sh\nexec {sys.executable} -I -S {Path(inside.__file__)} {tool} "$@"\n'
            if not (target / tool.name).exists() or (target / tool.name).read_text() != text:
                files.write_atomic(target / tool.name, text.encode(), 0o755)
        elif not (target / tool.name).exists():
            with suppress(FileExistsError):
                (target / tool.name).symlink_to(tool)
    return target

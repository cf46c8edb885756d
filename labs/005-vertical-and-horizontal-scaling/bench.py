"""What the checks of lab 5 see the deployment with: a client, a load that goes on, and the kernel's own account."""

import itertools
import json
import threading
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

from delab import engine, wait
from delab.checks import fail
from delab.errors import Blocked
from delab.projects import LABEL

TIMEOUT = 60  # seconds for one answer, times LAB_TIMEOUT_SCALE
TROUBLE = (OSError, ValueError, KeyError, HTTPException)  # no connection, an error's status, no whole or no fitting answer
DOCKERS_OWN = ("bridge", "host", "none")


@dataclass(frozen=True)
class Facts:
    """What the engine says of a container: processors, MiB, MiB with swap (None where it is not counted)."""

    image: str
    cpus: float
    memory: int
    swap: int | None


def able() -> None:
    """Raise Blocked if the kernel here can't limit what a container uses."""
    with engine.explained("say what it can limit"):
        info = engine.client().info()
    if not (info.get("MemoryLimit") and info.get("CpuCfsQuota")):
        fix = "`docker info` ends with warnings that say what is missing; boot with cgroup_enable=memory"
        raise Blocked("the kernel here does not limit memory or processors of containers", fix)


def facts(container: Any) -> Facts:
    """The limits of a container, however they were set."""
    host = container.attrs["HostConfig"]
    quota = host["CpuQuota"] / (host["CpuPeriod"] or 100_000) if host["CpuQuota"] > 0 else 0.0
    uncounted = host["MemorySwap"] == -1 and not engine.client().info().get("SwapLimit")
    swap = None if uncounted else host["MemorySwap"] >> 20
    return Facts(container.attrs["Config"]["Image"], host["NanoCpus"] / 1e9 or quota, host["Memory"] >> 20, swap)


@dataclass(frozen=True)
class Used:
    """Processor time in seconds, and periods in which more was wanted than allowed."""

    cpu: float
    throttled: int

    def __sub__(self, other: "Used") -> "Used":
        return Used(self.cpu - other.cpu, self.throttled - other.throttled)


def used(container: Any) -> Used:
    """What a container's cgroup has counted since it was started."""
    with engine.explained("tell what a container uses"):
        told = engine.client().api.stats(container.id, stream=False, one_shot=True)["cpu_stats"]
    return Used(told["cpu_usage"]["total_usage"] / 1e9, told["throttling_data"]["throttled_periods"])


class Client:
    """Sends requests with numbers of its own, and remembers which were answered."""

    def __init__(self, url: str) -> None:
        self.url, self.numbers, self.sent = url, itertools.count(), 0
        self.done: set[str] = set()

    def get(self, path: str) -> Any:
        """One answer. Raises one of TROUBLE if there is none."""
        with urllib.request.urlopen(self.url + path, timeout=TIMEOUT * wait.scale()) as answer:
            return json.load(answer)

    def ask(self, *, cpu: float = 0.01, mb: int = 0) -> str:
        """One request; the replica that did it. Raises one of TROUBLE."""
        number = f"r{next(self.numbers)}"
        self.sent += 1
        told = self.get(f"/work?id={number}&cpu={cpu}&mb={mb}")
        self.done.add(told["id"])
        return str(told["replica"])

    def try_work(self, *, mb: int = 0) -> str:
        """One request; why it was lost, or nothing."""
        try:
            self.ask(mb=mb)
        except TROUBLE as error:
            return f"no answer: {error}"
        return ""

    def work(self, *, cpu: float = 0.01, when: str = "a request") -> str:
        """One request that must be answered; the replica that did it."""
        try:
            return self.ask(cpu=cpu)
        except TROUBLE as error:
            fail(expected=f"{when} is answered", seen=f"{error}")

    def count(self) -> dict[str, Any]:
        """What one replica says of all that was done."""
        try:
            return dict(self.get("/count"))
        except TROUBLE as error:
            fail(expected="/count is answered", seen=f"{error}")


class Load:
    """Two clients that ask all the time, from some answers before to some answers after what happens in its block."""

    def __init__(self, client: Client) -> None:
        self.client, self.sent, self.answered = client, 0, 0
        self.lost: list[str] = []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.ask, daemon=True) for _ in range(2)]

    def __enter__(self) -> "Load":
        for thread in self.threads:
            thread.start()
        self.more(6)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self.more(6)
        finally:
            self.over.set()
            for thread in self.threads:
                thread.join()

    def ask(self) -> None:
        """Ask until it is over."""
        while not self.over.is_set():
            self.sent += 1
            try:
                self.client.ask(cpu=0.02)
            except TROUBLE as error:
                self.lost.append(str(error))
                self.over.wait(0.02)  # who refuses at once is not asked a thousand times
            self.answered += 1

    def more(self, count: int) -> None:
        """Wait for so many more answers, or errors."""
        wanted = self.answered + count
        wait.until(lambda: self.answered >= wanted, seconds=TIMEOUT, what="answers")


class Stranger:
    """A project of somebody else's whose name begins with the learner's: a container, a network, a volume."""

    def __init__(self, docker: Any, project: str, image: str) -> None:
        self.project = f"{project}2"
        labels = {LABEL: self.project, "role": "replica"}
        self.network = docker.networks.create(f"{self.project}-net", labels=labels)
        self.volume = docker.volumes.create(f"{self.project}-state", labels=labels)
        options = {"name": f"{self.project}-app-1", "labels": labels, "network": self.network.name, "detach": True}
        self.container = docker.containers.run(image, ["sleep", "infinity"], **options)

    def missing(self) -> str:
        """What of it is gone."""
        from docker.errors import NotFound

        for what, one in (("container", self.container), ("network", self.network), ("volume", self.volume)):
            try:
                one.reload()
            except NotFound:
                return what
        return "" if self.container.status == "running" else "container"

    def remove(self) -> None:
        """Remove it."""
        from docker.errors import DockerException

        for removal in (lambda: self.container.remove(force=True), self.network.remove, self.volume.remove):
            with suppress(DockerException):
                removal()


def stranger(docker: Any, project: str, image: str) -> Stranger:
    """Another project, made. Raises Blocked."""
    with engine.explained("make another project"):
        return Stranger(docker, project, image)


def traces(containers: list[Any]) -> set[str]:
    """The ids of the networks and the names of the volumes that containers use."""
    networks = {at["NetworkID"] for one in containers for at in one.attrs["NetworkSettings"]["Networks"].values()}
    volumes = {mount["Name"] for one in containers for mount in one.attrs["Mounts"] if mount["Type"] == "volume"}
    return networks | volumes


def left(docker: Any, made: set[str]) -> list[str]:
    """Those networks and volumes that are still there."""
    with engine.explained("list networks and volumes"):
        networks = [f"the network {one.name}" for one in docker.networks.list() if one.id in made and one.name not in DOCKERS_OWN]
        return networks + [f"the volume {one.name}" for one in docker.volumes.list() if one.name in made]
    return []

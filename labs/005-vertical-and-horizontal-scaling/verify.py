"""Checks of lab 5. Asserted are facts of the engine and the kernel, and which requests were answered: never how quick it was."""

import json
import random
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bench import DOCKERS_OWN, Client, Facts, Load, able, facts, left, stranger, traces, used
from delab import wait
from delab.checks import expect, fail, main
from delab.errors import Timeout
from delab.projects import LABEL

DRIVER = Path(__file__).parent / "driver.py"
SMALL, LARGE, TINY = (0.5, 64), (0.8, 160), (0.3, 160)  # processors, MiB
BIG = 96  # MiB that a big request keeps: too much for SMALL, not for LARGE
REQUESTS = 24  # while something is measured


class Bench:
    """The learner's functions, each call in a process of its own, and what is known of the project that they made."""

    def __init__(self, project: Any, work: Any) -> None:
        self.project, self.work = project, work
        self.name, self.image = project.name, project.image()
        self.client = Client("")

    def call(self, function: str, *arguments: Any, **more: Any) -> Any:
        """Call a function of scaling.py; fails the check if it raises."""
        asked = json.dumps({"function": function, "arguments": arguments, **more})
        told = self.work.call(DRIVER, asked, seconds=120)
        shown = ", ".join(repr(one)[:80] for one in arguments)
        expect("raised" not in told, expected=f"{function}({shown}) returns", seen=str(told.get("raised")))
        return told["gave"]

    def replicas(self) -> list[Any]:
        """The replicas as they are now."""
        return [one for one in self.project.containers() if one.labels.get("role") == "replica"]

    def deploy(self, replicas: int, size: tuple[float, int]) -> str:
        """Deploy, and see that it gives an address on loopback."""
        url = self.call("deploy", self.name, self.image, replicas, *size)
        good = isinstance(url, str) and url.startswith("http://127.0.0.1:")
        expect(good, expected="deploy returns an address such as 'http://127.0.0.1:41234'", seen=repr(url))
        return url.rstrip("/")

    def check(self, count: int, size: tuple[float, int], when: str) -> list[Any]:
        """So many replicas run, of the image that was given, under these limits."""
        there = self.replicas()
        running = [one for one in there if one.status == "running"]
        seen = f"{len(running)} of {len(there)} run" if there else "no container has the labels delab.project and role=replica"
        expect(len(running) == len(there) == count, expected=f"{count} replicas {when}, all running", seen=seen)
        for one in running:
            self.within(one.name, facts(one), size, when)
        return running

    def within(self, name: str, found: Facts, size: tuple[float, int], when: str) -> None:
        """One replica is as it should be."""
        expected = f"replicas of the image that is given, {self.image}"
        expect(found.image == self.image, expected=expected, seen=f"{name} is made of {found.image}")
        expected = f"each replica may use {size[0]} processors {when}"
        seen = f"{name} may use {found.cpus or 'all'} processors"
        expect(abs(found.cpus - size[0]) < 0.011, expected=expected, seen=seen)
        expected = f"each replica may have {size[1]} MiB of memory {when}"
        expect(found.memory == size[1], expected=expected, seen=f"{name} may have {found.memory or 'all'} MiB of memory")
        seen = f"{name} may have {found.swap} MiB of memory and swap"
        expect(found.swap in (size[1], None), expected=f"{size[1]} MiB is the limit of memory and swap together", seen=seen)

    def reached(self, replicas: list[Any], requests: int = 30) -> None:
        """Each of these does some of the next requests."""
        names = {one.attrs["Config"]["Hostname"]: one.name for one in replicas}
        served = [self.client.work(cpu=0) for _ in range(requests)]
        idle = [name for host, name in names.items() if host not in served]
        seen = f"{' and '.join(idle)} served none of {requests} requests"
        expect(not idle, expected=f"each of {len(names)} replicas serves requests", seen=seen)

    @contextmanager
    def under_load(self, when: str) -> Any:
        """Requests go on meanwhile; none of them may be lost."""
        with Load(self.client) as load:
            yield load
        seen = f"{len(load.lost)} of {load.sent} were not, the first: {load.lost[:1]}"
        expect(not load.lost, expected=f"all requests are answered while {when}", seen=seen)

    def named(self) -> None:
        """All of the project can be told from its label and names."""
        for one in self.project.containers():
            label = one.labels.get(LABEL)
            expect(label == self.name, expected=f"{one.name} has the label {LABEL}={self.name}", seen=f"it is {label!r}")
            volumes = [mount["Name"] for mount in one.attrs["Mounts"] if mount["Type"] == "volume"]
            for name in (one.name, *volumes, *one.attrs["NetworkSettings"]["Networks"]):
                good = name.startswith(self.name) or name in DOCKERS_OWN
                expect(good, expected=f"names that begin with the project's, {self.name}", seen=name)

    def loopback(self) -> None:
        """No port is published but on loopback."""
        for one in self.project.containers():
            for port, at in (one.attrs["NetworkSettings"]["Ports"] or {}).items():
                for address in at or []:
                    seen = f"{one.name} publishes {port} on {address['HostIp'] or '0.0.0.0'}, where the whole network can reach it"
                    expect(address["HostIp"] == "127.0.0.1", expected="ports are published on 127.0.0.1 alone", seen=seen)

    def counted(self, when: str) -> None:
        """Every replica knows all requests that were answered."""
        done = len(self.client.done)
        seen = {told["replica"]: told["count"] for told in [self.client.count() for _ in range(12)]}
        different = len(set(seen.values())) > 1
        words = (
            f"{sorted(seen.values())}: each replica counts for itself" if different else f"{min(seen.values())}: some are forgotten"
        )
        right = done <= min(seen.values()) and max(seen.values()) <= self.client.sent
        expect(right, expected=f"/count says {done} {when}, whichever replica is asked", seen=words)


@pytest.fixture(scope="module")
def bench(project, work) -> Bench:
    """One deployment, which all checks use one after the other."""
    able()
    return Bench(project, work)


def test_deploys(bench, evidence):
    """`deploy` brings up small replicas under their limits, reachable on loopback when it returns; again, it changes nothing."""
    bench.client.url = bench.deploy(2, SMALL)
    bench.client.work(when="the first request after deploy has returned")
    before = bench.check(2, SMALL, "after deploy")
    bench.named()
    bench.loopback()
    bench.client.url = bench.deploy(2, SMALL)
    bench.client.work(when="a request after deploy was repeated")
    again = bench.check(2, SMALL, "after deploy was repeated")
    seen = "other containers: those from before have been thrown away"
    expect(ids(before) == ids(again), expected="the same replicas after deploy was repeated", seen=seen)
    assert bench.client.try_work(mb=BIG), f"a request with {BIG} MiB was served within {SMALL[1]} MiB"
    evidence.note(f"a request that needs {BIG} MiB gets no answer from replicas with {SMALL[1]} MiB, however many there are")


def ids(containers: list[Any]) -> set[str]:
    """Which containers these are."""
    return {one.id for one in containers}


def test_scales_up(bench, evidence):
    """`scale_up` gives the running replicas more processor and memory: the same containers, not restarted, no request lost."""
    before = {one.id: one.attrs["State"]["StartedAt"] for one in bench.replicas()}
    with bench.under_load("scale_up works"):
        bench.call("scale_up", bench.name, *LARGE)
        after = {one.id: one.attrs["State"]["StartedAt"] for one in bench.check(2, LARGE, "after scale_up")}
        seen = "other containers: requests in flight, and all that they kept in memory, are gone"
        expect(after.keys() == before.keys(), expected="the containers from before, with other limits", seen=seen)
        expect(after == before, expected="replicas go on while they are scaled up", seen="they were restarted")
    lost = bench.client.try_work(mb=BIG)
    expect(not lost, expected=f"a request with {BIG} MiB is answered now", seen=lost)
    evidence.note(f"after scale_up the same replicas answer a request that needs {BIG} MiB")


def test_scales_out(bench):
    """`scale_out` adds replicas under the limits of now; those that are there stay, and each serves requests when it returns."""
    before = ids(bench.replicas())
    with bench.under_load("scale_out adds two replicas"):
        bench.call("scale_out", bench.name, 4)
        running = bench.check(4, LARGE, "after scale_out to 4")
        seen = "some are not among them: scale_out has replaced them"
        expect(before <= ids(running), expected="the replicas from before go on", seen=seen)
    bench.reached(running)
    bench.loopback()


def test_shares_its_state(bench):
    """Whichever replica is asked, /count says how many different requests were done by all of them, from the first one on."""
    bench.counted("with four replicas")


def test_survives_a_crash(bench, evidence):
    """One of four replicas dies under load: no request is lost, and it comes back by itself and serves again."""
    victim = bench.replicas()[0]
    started = victim.attrs["State"]["StartedAt"]

    def died() -> bool:
        victim.reload()
        return victim.status != "running" or victim.attrs["State"]["StartedAt"] != started

    def back() -> bool:
        return died() and victim.status == "running"

    with bench.under_load("one of four replicas dies") as load:
        load.more(10)
        victim.exec_run(["sh", "-c", "kill -9 -1"])
        wait.until(died, seconds=20, what=f"{victim.name} to die")
        load.more(20)
    try:
        wait.until(back, seconds=30, what=victim.name)
    except Timeout:
        fail(expected="a replica whose process has died is started again", seen=f"it is {victim.status}: nobody starts it")
    serves_again(bench)
    bench.counted("after a crash")
    evidence.note(
        f"{load.sent} requests while one of four replicas died: none lost. With one replica, all would be, until it is back"
    )


def serves_again(bench: Bench) -> None:
    """All replicas serve."""
    hosts, seen = {one.attrs["Config"]["Hostname"] for one in bench.replicas()}, set()

    def all_serve() -> bool:
        seen.add(bench.client.work(cpu=0))
        return hosts <= seen

    try:
        wait.until(all_serve, seconds=30, what="all replicas to serve")
    except Timeout:
        fail(expected="the replica that came back serves requests again", seen=f"{len(seen & hosts)} of {len(hosts)} replicas do")


def test_scales_in(bench):
    """`scale_out` to fewer replicas loses no request, and what was done by those that are gone still counts."""
    before = ids(bench.replicas())
    with bench.under_load("scale_out removes two replicas"):
        bench.call("scale_out", bench.name, 2)
        running = bench.check(2, LARGE, "after scale_out from 4 to 2")
        expect(ids(running) <= before, expected="two of the four go on", seen="new containers were made")
    bench.reached(running)
    bench.counted("after two replicas were removed")


def test_measures(bench, seed, evidence):
    """`measure` tells for each replica the processor time of all its processes while `load` ran, and how often it was throttled."""
    bench.call("scale_up", bench.name, *TINY)
    running = bench.check(2, TINY, "after scale_up")
    log = bench.work.run_folder / "answers"
    plan = {"url": bench.client.url, "name": f"measured{seed}", "requests": REQUESTS, "cpu": 0.05, "log": str(log)}
    before = {one.name: used(one) for one in running}
    told = bench.call("measure", bench.name, load=plan)
    truth = {one.name: used(one) - before[one.name] for one in running}
    answers = len(log.read_text().splitlines()) if log.exists() else 0
    seen = f"{answers} of its {REQUESTS} requests were sent"
    expect(answers == REQUESTS, expected="measure calls load() once, and waits for its end", seen=seen)
    right = isinstance(told, dict) and set(told) == set(truth) and all(isinstance(row, dict) for row in told.values())
    seen = f"{sorted(told) if isinstance(told, dict) else told!r}"
    expect(right, expected=f"a dictionary with a dictionary for each replica, by its container's name: {sorted(truth)}", seen=seen)
    for name, real in truth.items():
        compare(name, told[name], real.cpu, real.throttled)
        evidence.note(f"{name}: {real.cpu:.2f} s of processor time, throttled in {real.throttled} periods of 0.1 s")


def compare(name: str, row: dict[str, Any], cpu: float, throttled: int) -> None:
    """What was measured of a replica is what the kernel says."""
    for key in ("cpu_seconds", "throttled_periods"):
        good = isinstance(row.get(key), int | float) and not isinstance(row.get(key), bool)
        expect(good, expected=f"{name} has a number `{key}`", seen=f"{row.get(key)!r}")
    told, allowed = row["cpu_seconds"], max(0.2, 0.2 * cpu)
    few = f"{told:.2f} s: processes are missing (the first one only waits, and those that do the work end)"
    seen = few if told < cpu else f"{told:.2f} s: that is not the time of this container's processes alone"
    expect(abs(told - cpu) <= allowed, expected=f"about {cpu:.2f} s of processor time for {name}, as its cgroup says", seen=seen)
    off, allowed = row["throttled_periods"] - throttled, max(4, 0.3 * throttled)
    expected = f"about {throttled} throttled periods for {name} while load ran, as its cgroup says"
    expect(abs(off) <= allowed, expected=expected, seen=f"{row['throttled_periods']}")


def test_predicts(bench, seed):
    """`speedup` tells from answers how much quicker the same work can get with so many replicas, whatever part of it is serial."""
    dice = random.Random(seed)
    plans = [(0.0, 4), (0.3, 3), (1.0, 8), (0.1 + 0.8 * dice.random(), dice.randint(2, 50)), (0.02, 10_000)]
    asked = [([split(dice, serial) for _ in range(20)], count) for serial, count in plans]
    for (answers, count), told in zip(asked, bench.call("speedup", many=asked), strict=True):
        serial, parallel = sum(one["serial"] for one in answers), sum(one["parallel"] for one in answers)
        right = (serial + parallel) / (serial + parallel / count)
        good = isinstance(told, int | float) and abs(told - right) < 0.01 * right
        part = f"{serial / (serial + parallel):.1%} of the processor time is serial"
        seen = f"{told!r}" + (", as if nothing were serial" if told == count else "")
        expect(good, expected=f"{right:.2f} with {count} replicas, where {part}", seen=seen)


def split(dice: random.Random, serial: float) -> dict[str, Any]:
    """An answer: requests are of very unequal size."""
    size = dice.choice([0.01, 0.1, 2.0])
    part = serial if serial in (0.0, 1.0) else min(1.0, serial * dice.choice([0.2, 1.0, 1.5]))
    return {"id": f"r{dice.random()}", "replica": "a", "mb": 0, "serial": size * part, "parallel": size * (1 - part)}


def test_removes(bench):
    """`remove` leaves no container, network or volume of the project, and touches no other project; repeating it is harmless."""
    made = traces(bench.project.containers())
    other = stranger(bench.project.engine, bench.name, bench.image)
    try:
        bench.call("remove", bench.name)
        gone = other.missing()
        expect(not gone, expected=f"the project {other.project} is not touched", seen=f"its {gone} is gone")
        there = [one.name for one in bench.project.containers() if one.id != other.container.id]
        there += left(bench.project.engine, made)
        expect(not there, expected="nothing of the project is left", seen=", ".join(there))
        bench.call("remove", bench.name)
    finally:
        other.remove()


if __name__ == "__main__":
    main(__file__)

"""Lab 2 against its bounds: starts against the bare floor, reset, verification, memory.

Run by `make bench`. Each figure is the median of several rounds in one run; ours and the floor take turns, so that a machine whose
speed drifts is fair to both.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from table import Row, report

from delab import course, lab, paths, ports, postgres_programs, process, secrets, stack_commands, templates

ROUNDS = 7
LAB = Path(sys.executable).with_name("lab")


def timed(action: Callable[[], object]) -> float:
    """Seconds that an action takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def ours(plan: templates.Plan) -> float:
    """A stack from its template to three servers that answer and stream."""
    stack = None

    def start() -> None:
        nonlocal stack
        stack = templates.Scratch(plan)
        stack.start()

    seconds = timed(start)
    assert stack is not None
    stack.destroy()
    return seconds


class Floor:
    """The same with nothing but cp and pg_ctl, on a copy of the same template."""

    def __init__(self, source: Path, names: list[str]) -> None:
        self.source, self.names = source, names
        self.place = Path(tempfile.mkdtemp(dir=paths.runtime()))
        self.place.chmod(0o755)
        if user := paths.service_user():
            os.chown(self.place, *user)

    def start(self) -> None:
        """Copy, then start each server and wait for it."""
        subprocess.run(["cp", "-a", f"{self.source}/.", str(self.place / "copy")], check=True)
        old = json.loads((self.source / "stack.json").read_text())["services"]["primary"]
        links = json.loads((self.source / "stack.json").read_text())["links"].values()
        for name in self.names:
            file = self.place / "copy" / name / "data" / "postgresql.auto.conf"
            for link in links:
                file.write_text(file.read_text().replace(f"port={link}", f"port={old}"))
        self.each(lambda name: self.control(name, "-o", f"-p {old if name == 'primary' else ports.choose()}", "-w", "start"))

    def each(self, act: Callable[[str], "subprocess.Popen[bytes]"]) -> None:
        """All servers at once."""
        for child in [act(name) for name in self.names]:
            child.wait()

    def control(self, name: str, *words: str) -> "subprocess.Popen[bytes]":
        """pg_ctl on one server."""
        data = self.place / "copy" / name / "data"
        command = [str(postgres_programs.folder() / "pg_ctl"), "-D", str(data), "-l", str(self.place / f"{name}.log"), *words]
        launch = process.launcher({"user": paths.service_user(), "cwd": str(self.place)})
        return subprocess.Popen([*launch, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def run(self) -> float:
        """Seconds from nothing to running."""
        seconds = timed(self.start)
        self.each(lambda name: self.control(name, "-m", "immediate", "-w", "stop"))
        shutil.rmtree(self.place / "copy")
        return seconds


def from_nothing(plan: templates.Plan) -> float:
    """initdb, and two base backups, as a first start does it."""
    return timed(lambda: templates.template(plan, with_data=False))


def command(*words: str, work: Path | None = None) -> float:
    """Seconds of a `lab` command."""
    return timed(lambda: subprocess.run([str(LAB), *words], check=True, stdout=subprocess.DEVNULL))


def main() -> int:
    """Measure all, print the table, return 1 if a bound is broken."""
    subject = lab.get(2)
    plan = course.plan(subject)
    command("start", "2")
    source = templates.template(plan, with_data=False)
    floor = Floor(source, [service.name for service in plan.services])
    starts = [(ours(plan), floor.run()) for _ in range(ROUNDS)]
    fresh = templates.Plan("bench-fresh", plan.services)
    first = from_nothing(fresh)
    rows = [
        Row("start of three servers / bare copy and pg_ctl", statistics.median(a / b for a, b in starts), 1.3),
        Row("start of three servers / initdb and two base backups", statistics.median(a for a, _ in starts) / first, 0.5),
        Row("lab start 2, services stopped, s", warm_start(), 1.5),
        Row("lab start 2, services running, s", statistics.median(command("start", "2") for _ in range(5)), 1.5),
        Row("lab reset 2 with its data, s", statistics.median(command("reset", "2") for _ in range(5)), 1.0),
        *verification(subject),
        Row("memory of lab 2's services, MB (proportional)", memory(), 150),
    ]
    shutil.rmtree(floor.place)
    shutil.rmtree(paths.runtime() / "templates" / fresh.key(False))
    command("down")
    return report(f"Lab 2 (median of {ROUNDS}, {os.cpu_count()} cores)", rows)


def warm_start() -> float:
    """From stopped services to the task on the screen."""
    seconds = []
    for _ in range(5):
        command("down")
        seconds.append(command("start", "2"))
    return statistics.median(seconds)


def verification(subject: lab.Lab) -> list[Row]:
    """A verification of the reference, and what of it is not the checks' own time."""
    totals, overheads = [], []
    for _ in range(5):
        began = time.perf_counter()
        done = subprocess.run(
            [str(LAB), "verify", "2", "--json", "--work", str(subject.folder / "solution")], check=True, capture_output=True
        )
        totals.append(time.perf_counter() - began)
        overheads.append(totals[-1] - sum(check["seconds"] for check in json.loads(done.stdout)["checks"]))
    return [
        Row("verification of lab 2's reference, s", statistics.median(totals), 6),
        Row("of which the kit's own overhead, s", statistics.median(overheads), 0.5),
    ]


def memory() -> float:
    """Proportional set size of all processes of lab 2's stack in MB."""
    command("start", "2")
    return sum(
        stack_commands.memory(node.running())
        for _, stack in stack_commands.stacks()
        for node in stack
        if stack.name.startswith("002")
    )


if __name__ == "__main__":
    secrets.password("postgres")
    sys.exit(main())

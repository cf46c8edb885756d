"""Kill commands and services at random moments: nothing is lost, nothing is left, and the next command works."""

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from delab import lab, paths, process

NUMBER = 902
VICTIMS = ("start", "start", "verify", "verify", "reset", "down")
LONGEST = 4.0  # seconds after which a command is killed at the latest
PATIENCE = 120  # seconds that a command may take that is not killed


@dataclass
class Tally:
    """What the rounds found; every list but `killed` must stay empty."""

    killed: dict[str, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def clean(self) -> bool:
        """Whether nothing went wrong."""
        return not (self.failed or self.lost or self.left)


def command(*words: str) -> list[str]:
    """A command line of `lab`."""
    return [sys.executable, "-m", "delab.cli", *words]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(command(*words), capture_output=True, text=True, check=False, timeout=PATIENCE)


def rounds(number: int, seed: int) -> Tally:
    """Kill `number` commands (and now and then a service), checking after each."""
    chance, tally = random.Random(seed), Tally()
    note(tally, "start", run("start", str(NUMBER)))
    for step in range(number):
        mark = write_mark(step)
        victim = chance.choice(VICTIMS)
        kill_during(victim, chance, tally)
        if chance.random() < 0.3:
            kill_a_service(chance, tally)
        note(tally, f"round {step}: start after {victim}", run("start", str(NUMBER)))
        if not kept(mark):
            tally.lost.append(f"round {step}, {victim}: {mark}")
    finish(tally)
    return tally


def note(tally: Tally, what: str, done: "subprocess.CompletedProcess[str]") -> None:
    """Remember a command that did not work."""
    if done.returncode:
        tally.failed.append(f"{what}: exit code {done.returncode}: {(done.stdout + done.stderr)[-600:]}")


def write_mark(step: int) -> str:
    """Change the learner's file; returns the text that must never be lost."""
    mark = f"# round {step}, {time.time_ns()}"
    file = lab.get(NUMBER).work / "fill.py"
    solution = (lab.get(NUMBER).folder / "solution" / "fill.py").read_text()
    file.write_text(f"{mark}\n{solution}")
    return mark


def kept(mark: str) -> bool:
    """Whether the learner's text is still there: in place, or where a reset put it."""
    return any(mark in path.read_text() for path in paths.work().rglob("fill.py"))


def kill_during(verb: str, chance: random.Random, tally: Tally) -> None:
    """Start a command and kill it, alone or with its process group, at a random moment."""
    words = [verb] if verb == "down" else [verb, str(NUMBER)]
    child = subprocess.Popen(command(*words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        child.wait(chance.uniform(0, LONGEST) ** 2 / LONGEST)
    except subprocess.TimeoutExpired:
        tally.killed[verb] = tally.killed.get(verb, 0) + 1
        if chance.random() < 0.5:
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()
    child.wait()


def kill_a_service(chance: random.Random, tally: Tally) -> None:
    """Kill one process of the lab's stack."""
    found = process.all_inside(paths.runtime() / "stacks")
    if found:
        process.send([chance.choice(found)], signal.SIGKILL)
        tally.killed["a service"] = tally.killed.get("a service", 0) + 1


def finish(tally: Tally) -> None:
    """Stop all; then nothing may be left."""
    note(tally, "down", run("down"))
    tally.left += [f"process {found.pid}: {found.cmdline()}" for found in process.all_inside(*paths.places())]
    scratch = [path for place in paths.places() for path in place.glob("scratch/*")]
    folders = [*scratch, *paths.runtime().glob("runs/*"), *paths.runtime().rglob("*.new")]
    tally.left += [f"folder {path}" for path in folders if Path(path).exists()]
    tally.left += [f"lock {path}" for path in paths.runtime().glob("stacks/*/*/data/postmaster.pid")]

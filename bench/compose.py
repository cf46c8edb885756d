"""Containers against their bounds: from images to all healthy, memory at rest, containers killed in the middle of a verification.

It needs an engine. ROUNDS is the number of kills (50); COLD=1 measures building all images from nothing, too.
Its stack has a project, volumes and ports of its own, and is removed.
"""

import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from table import Row, report

ROOT = Path(__file__).parent.parent
ROUNDS = int(os.environ.get("ROUNDS", "50"))
PROFILES = ("postgres", "kafka", "airflow", "dbt", "spark")
KILLED = (2, 3, 20)  # labs in whose verifications containers are killed: replicas, servers that the learner starts, a broker
UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "B": 1}


def compose(*words: str) -> str:
    """Run `docker compose` on the stack of this benchmark."""
    from delab import doctor, ports

    free = {name: str(ports.choose()) for name, _ in doctor.published()}
    command = ["docker", "compose", "--project-name", "delab-bench", *words]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **free}, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr[-2000:]}")
    return done.stdout


def healthy(profile: str) -> tuple[float, float]:
    """Seconds of a profile from images and no data to all healthy; then its memory at rest in MB. It is removed again."""
    compose("--profile", "*", "down", "--volumes")
    began = time.perf_counter()
    try:
        compose("--profile", profile, "up", "--wait")
        seconds = time.perf_counter() - began
        used = sum(map(memory, compose("--profile", "*", "ps", "-q").split()))
    finally:
        compose("--profile", "*", "down", "--volumes")
    return seconds, used / 1e6


def memory(container: str) -> float:
    """Bytes that a container uses, without what the kernel could give up at once."""
    told = subprocess.run(
        ["docker", "stats", "--no-stream", "--format", "{{.MemUsage}}", container], capture_output=True, text=True, check=True
    ).stdout
    number, unit = re.match(r"([\d.]+)(\w+)", told).groups()  # type: ignore[union-attr]
    return float(number) * UNITS[unit]


def cold() -> list[Row]:
    """Seconds to build all images from nothing, and to start all then."""
    began = time.perf_counter()
    compose("--profile", "*", "build", "--no-cache", "--quiet")
    built = time.perf_counter() - began
    return [Row("all images built from nothing and all healthy, s", built + healthy("all")[0], 900)]


def stack() -> list[Row]:
    """All services at once, against each kind by itself."""
    from delab import engine

    for kind in ("base", *PROFILES):
        engine.image(kind)
    seconds, used = healthy("all")
    alone = {profile: healthy(profile) for profile in PROFILES}
    shown = {"all": (seconds, used), "cluster": healthy("cluster"), **alone}
    print({profile: f"{took:.0f} s, {mine:.0f} MB" for profile, (took, mine) in shown.items()})
    return [
        Row("all healthy, images there, no data, s", seconds, 60),
        Row("the same / the sum of each profile by itself", seconds / sum(took for took, _ in alone.values()), 1),
        Row("memory of all at rest, MB", used, 2500),
        Row("the same / the sum of each profile by itself", used / sum(mine for _, mine in alone.values()), 1),
    ]


def lab(*words: str) -> "subprocess.Popen[str]":
    """A command of the lab, begun."""
    command = [sys.executable, "-m", "delab.cli", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def kills(chance: random.Random) -> list[Row]:
    """Kill a random container of a right answer's verification: it must not count as the learner's, and the next one must pass."""
    from delab import engine, paths
    from delab import lab as labs

    answers = {number: ["verify", str(number), "--work", str(labs.get(number).folder / "solution")] for number in KILLED}
    for kind in ("base", "postgres", "kafka"):
        engine.image(kind)
    seen: Counter[str] = Counter()
    wrong, left = [], []
    lasts = {number: usual(answer) for number, answer in answers.items()}
    for number in range(ROUNDS):
        subject = chance.choice(KILLED)
        child = begun(answers[subject], 60)
        name = kill_one(chance, lasts[subject])
        said = child.communicate()[0]
        seen[f"{name}: {child.returncode}"] += 1
        if child.returncode not in (0, 3):
            wrong.append(f"round {number}, lab {subject}, {name} killed: exit code {child.returncode}: {said[-2000:]}")
        after = lab(*answers[subject])
        said = after.communicate()[0]
        if after.returncode:
            wrong.append(f"round {number}, {name} killed: the next verification: exit code {after.returncode}: {said[-2000:]}")
        left += [f"round {number}: {one.name}" for one in engine.containers()]
        print(f"{number + 1} of {ROUNDS}: {dict(seen)}, {len(wrong)} wrong, {len(left)} left", flush=True)
    left += [str(path) for place in paths.places() for path in place.glob("scratch/*")]
    print(dict(seen), *wrong, *left, sep="\n")
    killed = sum(count for what, count in seen.items() if not what.startswith("none"))
    return [
        Row("rounds in which a container was killed", killed, ROUNDS // 2, least=True),
        Row("verdicts that were neither `passed` nor `blocked`, or a next one that was not `passed`", len(wrong), 0),
        Row("containers or folders left behind", len(left), 0),
    ]


def usual(answer: list[str]) -> float:
    """Seconds from the first container of a verification to its end, once templates are made."""
    for _ in range(2):
        child = begun(answer, 600)
        began = time.monotonic()
        said = child.communicate()[0]
        assert child.returncode == 0, said
    return time.monotonic() - began


def begun(answer: list[str], seconds: float) -> "subprocess.Popen[str]":
    """A verification that has a container by now, or is over."""
    from delab import wait

    child = lab(*answer)
    wait.until(lambda: child.poll() is not None or running(), seconds=seconds, what="a container")
    return child


def kill_one(chance: random.Random, seconds: float) -> str:
    """Kill a container of the verification that runs; which service's it was, or `none` if it was over too soon."""
    time.sleep(chance.uniform(0, seconds))
    there = running()
    if not there:
        return "none"
    victim = chance.choice(there)
    subprocess.run(["docker", "kill", victim], capture_output=True, check=False)
    return victim.rpartition("-")[2]


def running() -> list[str]:
    """The names of this state's containers that run."""
    from delab import engine

    return [one.name for one in engine.containers() if one.status == "running"]


def main() -> int:
    """Measure what is asked for (`stack`, `kills`; both if nothing is), print the table, return 1 if a bound is broken."""
    from delab import engine
    from delab.errors import Blocked

    asked = sys.argv[1:] or ["stack", "kills"]
    try:
        engine.client()
    except Blocked as problem:
        print(f"NOT RUN: containers: {problem.message}")
        return 0
    with tempfile.TemporaryDirectory(prefix="delab-compose-") as place:
        Path(place).chmod(0o755)
        os.environ.update(LAB_STATE=f"{place}/state", LAB_WORK=f"{place}/work")
        os.environ["LAB_RUNTIME"] = "compose"
        subprocess.run([ROOT / "scripts" / "secrets"], check=True, stdout=subprocess.DEVNULL)
        rows = [*(cold() if os.environ.get("COLD") else []), *(stack() if "stack" in asked else [])]
        rows += kills(random.Random(1)) if "kills" in asked else []
        return report(f"Containers ({os.cpu_count()} cores)", rows)


if __name__ == "__main__":
    sys.exit(main())

"""Event logs as Spark writes them, made from task attempts that are known; and the truth about attempts."""

import json
import math
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START = 1_780_000_000_000  # ms
WORST = 2  # the least skew of a culprit
KILLED = {"Reason": "TaskKilled", "Kill Reason": "another attempt succeeded"}
FAILED = {"Reason": "ExceptionFailure", "Class Name": "java.io.IOException", "Description": "disk full", "Stack Trace": []}
WELL = {"Reason": "Success"}


@dataclass(frozen=True)
class Attempt:
    """One attempt of a task: times in ms."""

    stage: int
    partition: int
    launch: int
    finish: int
    files: int = 0  # records read from files
    shuffled: int = 0  # records read from shuffles
    end: str = "Success"
    number: int = 0  # of the task's attempts
    again: int = 0  # the stage's attempt

    @property
    def records(self) -> int:
        """What it read."""
        return self.files + self.shuffled


def even(chance: random.Random, stage: int, tasks: int, start: int, *, slots: int, records: int, ms: int) -> list[Attempt]:
    """A stage whose tasks are alike but for one in ten, which is slow; `slots` run at a time."""
    free, made = [start] * slots, []
    for partition in range(tasks):
        slot = free.index(min(free))
        took = chance.randrange(ms, 2 * ms) * (4 if chance.random() < 0.1 else 1)
        read = chance.randrange(records, records * 5 // 4)
        made.append(Attempt(stage, partition, free[slot], free[slot] + took, *((read, 0) if stage % 2 == 0 else (0, read))))
        free[slot] += took + chance.randrange(1, 9)
    return made


def end(attempts: Iterable[Attempt]) -> int:
    """When the last of them ends."""
    return max(attempt.finish for attempt in attempts)


def skewed(seed: int) -> list[Attempt]:
    """Stages 0 and 4 at the same time, then 1 with a hot key, 2 tiny with a worse skew, 3 with all that goes wrong."""
    chance = random.Random(f"log {seed}")
    made = even(chance, 0, chance.choice([36, 44, 52]), START, slots=4, records=900, ms=200)
    made += even(chance, 4, 30, START + 150, slots=2, records=4000, ms=180)
    begin = end(made) + 20
    hot = even(chance, 1, chance.choice([100, 120, 140]), begin, slots=8, records=400, ms=90)
    place = chance.randrange(len(hot))
    slow = hot[place]
    hot[place] = Attempt(1, slow.partition, slow.launch, slow.launch + chance.randrange(9000, 12000), 0, slow.shuffled * 30)
    begin = end(hot) + 15
    made += hot + [Attempt(2, n, begin + n, begin + 40 + n, 5 if n else 4000) for n in range(4)]
    made += troubled(chance, begin + 60)
    made += [Attempt(5, n, begin, begin + 30, 0, 7, "ExceptionFailure") for n in range(3)]
    return made


def troubled(chance: random.Random, begin: int) -> list[Attempt]:
    """Stage 3: failed attempts, a speculative one that loses, one that succeeds too but later, a second attempt of the stage."""
    made = even(chance, 3, 24, begin, slots=4, records=700, ms=150)
    first = made[0]
    lost = [Attempt(3, n, begin - 5, begin + 700, 300, 0, "ExceptionFailure") for n in (0, 7)]
    killed = [Attempt(3, 5, made[5].launch + 10, made[5].finish + 8000, 0, 333, "TaskKilled", 1)]
    later = [Attempt(3, 0, first.launch + 5, first.finish + 55, 0, first.shuffled, "Success", 1)]
    at = end(made) + 100
    again = [Attempt(3, n, at, at + chance.randrange(300, 500), 0, made[n].shuffled, again=1) for n in (9, 17)]
    kept = [attempt for attempt in made if attempt.partition not in (17,)]
    return kept + lost + killed + later + again


def level(seed: int) -> list[Attempt]:
    """Stages without skew; one of a single task, one that reads nothing."""
    chance = random.Random(f"level {seed}")
    made = even(chance, 11, chance.choice([31, 33]), START, slots=3, records=800, ms=300)
    at = end(made)
    made += [Attempt(12, 0, at, at + chance.randrange(50, 90), 77)]
    return made + [Attempt(14, n, at + 100, at + 130 + n) for n in range(6)]


def small(seed: int) -> list[Attempt]:
    """Many stages with skew, one after the other, of which none takes a tenth of the time."""
    chance = random.Random(f"small {seed}")
    begins = [START + 500 * place for place in range(chance.randrange(13, 17))]
    return [Attempt(n, task, at, at + 480 + task, 90 if task else 900) for n, at in enumerate(begins) for task in range(4)]


def edges(seed: int) -> list[Attempt]:
    """Just enough of all: stages 21 and 20 take a tenth of the time, and have skew 2; in stage 23 no time passes.

    Stage 22 fills the time, that begins with a failed attempt; a killed one ends later.
    """
    chance, whole = random.Random(f"edges {seed}"), 20_000
    made = [Attempt(22, 0, START, START + 9, 50, 0, "ExceptionFailure")]
    made += [Attempt(22, n, START + 10 + n, START + whole - 7 * n, 900) for n in range(5)]
    made += [Attempt(22, 1, START + 15_000, START + whole + 9000, 450, 0, "TaskKilled", 1)]
    for stage, at in ((21, START + 30), (20, START + 12_000)):
        read = chance.randrange(300, 700)
        made += [Attempt(stage, n, at, at + whole // 10 - 3 * n, 0, read if n else 2 * read) for n in range(4)]
    return made + [Attempt(23, n, START + 400, START + 400, 6) for n in range(2)]


def events(attempts: list[Attempt]) -> Iterator[dict[str, Any]]:
    """What Spark writes of them, in the order in which they end."""
    yield {"Event": "SparkListenerLogStart", "Spark Version": "4.2.0"}
    yield {
        "Event": "SparkListenerApplicationStart",
        "App Name": "delab",
        "App ID": "local-1",
        "Timestamp": START - 900,
        "User": "x",
    }
    stages = sorted({attempt.stage for attempt in attempts})
    yield {"Event": "SparkListenerJobStart", "Job ID": 0, "Stage IDs": stages, "Submission Time": START, "Properties": {}}
    for number, attempt in enumerate(sorted(attempts, key=lambda one: one.finish)):
        yield task(number, attempt)
    for stage in stages:
        mine = [attempt for attempt in attempts if attempt.stage == stage]
        info = {"Stage ID": stage, "Stage Attempt ID": 0, "Stage Name": "save", "Number of Tasks": len(mine), "Parent IDs": []}
        yield {
            "Event": "SparkListenerStageCompleted",
            "Stage Info": {**info, "Submission Time": START, "Completion Time": end(mine)},
        }
    yield {"Event": "SparkListenerJobEnd", "Job ID": 0, "Completion Time": end(attempts), "Job Result": {"Result": "JobSucceeded"}}
    yield {"Event": "SparkListenerApplicationEnd", "Timestamp": end(attempts) + 400}


def task(number: int, attempt: Attempt) -> dict[str, Any]:
    """The end of a task; in a stage's second attempt the index counts from 0 again, the partition does not."""
    shuffle = {"Local Bytes Read": attempt.shuffled * 9, "Remote Bytes Read": 0, "Total Records Read": attempt.shuffled}
    metrics = {
        "Executor Run Time": attempt.finish - attempt.launch - 1,
        "Result Size": 2000,
        "Input Metrics": {"Bytes Read": attempt.files * 11, "Records Read": attempt.files},
        "Shuffle Read Metrics": shuffle,
        "Shuffle Write Metrics": {"Shuffle Bytes Written": 900, "Shuffle Records Written": attempt.records},
    }
    reasons = {"Success": WELL, "TaskKilled": KILLED, "ExceptionFailure": FAILED}
    return {
        "Event": "SparkListenerTaskEnd",
        "Stage ID": attempt.stage,
        "Stage Attempt ID": attempt.again,
        "Task Type": "ShuffleMapTask",
        "Task End Reason": reasons[attempt.end],
        "Task Info": {
            "Task ID": number,
            "Index": attempt.partition if not attempt.again else attempt.partition % 8,
            "Attempt": attempt.number,
            "Partition ID": attempt.partition,
            "Launch Time": attempt.launch,
            "Finish Time": attempt.finish,
            "Failed": attempt.end == "ExceptionFailure",
            "Killed": attempt.end == "TaskKilled",
            "Speculative": attempt.number > 0,
        },
        "Task Metrics": metrics,
    }


def write(attempts: list[Attempt], path: Path) -> None:
    """The log as a file."""
    path.write_text("".join(json.dumps(event) + "\n" for event in events(attempts)))


def read(path: Path) -> list[Attempt]:
    """The attempts of a log that Spark wrote; half a line is left out."""
    made = []
    for line in path.read_text(errors="replace").splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and event.get("Event") == "SparkListenerTaskEnd":
            made.append(attempt_of(event))
    return made


def attempt_of(event: dict[str, Any]) -> Attempt:
    """The attempt that an event tells of."""
    about, metrics = event["Task Info"], event.get("Task Metrics") or {}
    files = metrics.get("Input Metrics", {}).get("Records Read", 0)
    shuffled = metrics.get("Shuffle Read Metrics", {}).get("Total Records Read", 0)
    times = about["Launch Time"], about["Finish Time"]
    return Attempt(event["Stage ID"], about["Partition ID"], *times, files, shuffled, event["Task End Reason"]["Reason"])


def counted(attempts: list[Attempt]) -> list[Attempt]:
    """Of each partition the attempt that succeeded first."""
    first: dict[tuple[int, int], Attempt] = {}
    for attempt in sorted(attempts, key=lambda one: one.finish):
        if attempt.end == "Success":
            first.setdefault((attempt.stage, attempt.partition), attempt)
    return list(first.values())


def rank(values: list[int], percent: int) -> int:
    """The percentile by the nearest rank."""
    return sorted(values)[-(-percent * len(values) // 100) - 1]


def parameters(attempts: list[Attempt]) -> dict[int, dict[str, float | None]]:
    """The truth for each stage that has a task that succeeded."""
    stages: dict[int, list[Attempt]] = {}
    for attempt in counted(attempts):
        stages.setdefault(attempt.stage, []).append(attempt)
    found: dict[int, dict[str, float | None]] = {}
    for stage, tasks in stages.items():
        begin = min(attempt.launch for attempt in attempts if attempt.stage == stage)
        ms, took, read = end(tasks) - begin, [one.finish - one.launch for one in tasks], [one.records for one in tasks]
        found[stage] = {
            "tasks": len(tasks),
            "records": sum(read),
            "ms": ms,
            "throughput": sum(read) * 1000 / ms if ms else None,
            "p50": rank(took, 50),
            "p99": rank(took, 99),
            "max": max(took),
            "skew": max(read) / max(1, rank(read, 50)),
        }
    return found


def culprit(attempts: list[Attempt]) -> int | None:
    """The stage with the worst skew of those that take a tenth of the application's time."""
    found = parameters(attempts)
    whole = end(counted(attempts)) - min(attempt.launch for attempt in attempts)
    matter = {stage: row["skew"] or 0 for stage, row in found.items() if (row["ms"] or 0) * 10 >= whole}
    worst = min(matter, key=lambda stage: (-matter[stage], stage), default=None)
    return worst if worst is not None and matter[worst] >= WORST else None


def same(one: object, other: object) -> bool:
    """Equal numbers but for rounding; None is None."""
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return math.isclose(one, other, rel_tol=1e-6)
    return one is other

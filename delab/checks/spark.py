"""What Spark really did, read from its event log: jobs, stages, tasks with their shuffle records, and the plans that were run.

    log = events(stack)              # the warm server (kind spark): all that it has been asked up to now
    log = read(folder)               # sessions in the learner's process (kind spark_local): SPARK_EVENTS, after the program's end
    log.jobs(group="count")[0].stages[0].tasks[0].written_records

Records of a shuffle are rows for data frames. For PySpark's RDDs they are batches of pickled records, one from each task to each
partition at least: there the bytes tell what was sent.

A program that starts a session of its own gets room for a JVM with `work.run("job.py", **CLASSIC)`.
"""

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from delab import wait
from delab.errors import Blocked
from delab.runtime import Stack
from delab.services.spark import select

CLASSIC = {"seconds": 120, "memory": 8192, "file": 512}  # limits of a program with a JVM: address space, mostly never touched
SQL = "org.apache.spark.sql.execution.ui.SparkListener"
SETTLE = 20  # seconds until the server has written what it did


@dataclass(frozen=True)
class Task:
    """A task that succeeded. Sizes in bytes, times in seconds."""

    partition: int
    seconds: float
    read_bytes: int  # of shuffles
    read_records: int
    written_bytes: int  # for shuffles
    written_records: int
    input_records: int  # from files or caches
    spilled: int
    result_bytes: int = 0  # sent to the driver, with some 2 KB of metrics


@dataclass(frozen=True)
class Stage:
    """One attempt of a stage that ended well, with its tasks by partition."""

    id: int
    name: str
    parents: tuple[int, ...]
    tasks: tuple[Task, ...]

    @property
    def read(self) -> list[int]:
        """Records that each task read from shuffles."""
        return [task.read_records for task in self.tasks]

    @property
    def written(self) -> int:
        """Records that the stage wrote for shuffles."""
        return sum(task.written_records for task in self.tasks)

    @property
    def written_bytes(self) -> int:
        """Bytes that the stage wrote for shuffles, compressed: what an RDD of PySpark sent."""
        return sum(task.written_bytes for task in self.tasks)

    @property
    def result_bytes(self) -> int:
        """Bytes that the stage's tasks sent to the driver: what collect() brings there."""
        return sum(task.result_bytes for task in self.tasks)


@dataclass(frozen=True)
class Job:
    """A job with the stages that ran for it (those whose shuffle files were there already did not)."""

    id: int
    properties: Mapping[str, str]
    stages: tuple[Stage, ...]
    succeeded: bool

    @property
    def group(self) -> str:
        """What setJobGroup named it."""
        return self.properties.get("spark.jobGroup.id", "")

    @property
    def tags(self) -> set[str]:
        """What addTag named it; the Connect server puts names of its own around each."""
        return {tag for tag in self.properties.get("spark.job.tags", "").split(",") if tag}


@dataclass(frozen=True)
class Node:
    """A node of a physical plan: `Exchange`, `SortMergeJoin`, …; `text` is what EXPLAIN shows."""

    name: str
    text: str
    children: tuple["Node", ...]

    def walk(self) -> Iterator["Node"]:
        """The node and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()

    def find(self, name: str) -> list["Node"]:
        """The nodes below whose names begin like this."""
        return [node for node in self.walk() if node.name.startswith(name)]


@dataclass(frozen=True)
class Query:
    """A query of Spark SQL with the last plan it had: after adaptive execution, the one that was carried out."""

    id: int
    description: str
    plan: Node


@dataclass
class Log:
    """All that an event log tells."""

    every: list[Job] = field(default_factory=list)
    queries: list[Query] = field(default_factory=list)

    def jobs(self, *, group: str | None = None, tag: str | None = None) -> list[Job]:
        """The jobs in order; those of a group, or of a tag."""
        tagged = [job for job in self.every if tag is None or any(tag in name for name in job.tags)]
        return [job for job in tagged if group is None or job.group == group]

    def stages(self, **which: str) -> list[Stage]:
        """The stages of these jobs, each once; several applications may use the same numbers."""
        return list({id(stage): stage for job in self.jobs(**which) for stage in job.stages}.values())


def events(stack: Stack, name: str = "spark") -> Log:
    """What the warm server has done up to now: it is asked a query that marks the place. Raises Blocked if it does not answer."""
    node = stack[name]
    folder = Path(stack.environment()["SPARK_EVENTS"])
    mark = str(uuid.uuid4())
    if not select(node.endpoint.port, "SELECT 1", operation=mark, seconds=SETTLE):
        raise Blocked(f"{name} does not answer", "verify again; `lab doctor` looks at the machine")
    wait.until(
        lambda: any(mark in path.read_text(errors="replace") for path in logs(folder)),
        seconds=SETTLE,
        what="the event log to follow",
    )
    return read(folder)


def read(folder: Path) -> Log:
    """All logs of a folder as one, oldest first; an unfinished last line is left out. An empty folder gives an empty log."""
    made = Log()
    for path in logs(folder):
        part = parse(filter(None, map(decoded, path.read_text(errors="replace").splitlines())))
        made.every += part.every
        made.queries += part.queries
    return made


def logs(folder: Path) -> list[Path]:
    """The logs of a folder, oldest first."""
    found = [path for path in folder.glob("*") if path.is_file() and not path.name.startswith(".")]
    return sorted(found, key=lambda path: path.stat().st_mtime_ns)


def decoded(line: str) -> dict[str, Any] | None:
    """An event; None for half a line."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def parse(lines: Iterable[dict[str, Any]]) -> Log:
    """The log of one application."""
    tasks: dict[tuple[int, int], dict[int, Task]] = {}
    stages: dict[int, Stage] = {}
    jobs: dict[int, dict[str, Any]] = {}
    well: dict[int, bool] = {}
    queries: dict[int, Query] = {}
    for event in lines:
        match event.get("Event"):
            case "SparkListenerTaskEnd" if event["Task End Reason"]["Reason"] == "Success":
                done = task(event)
                tasks.setdefault((event["Stage ID"], event["Stage Attempt ID"]), {})[done.partition] = done
            case "SparkListenerStageCompleted" if "Failure Reason" not in event["Stage Info"]:
                about = event["Stage Info"]
                found = tasks.get((about["Stage ID"], about["Stage Attempt ID"]), {})
                stages[about["Stage ID"]] = stage(about, found)
            case "SparkListenerJobStart":
                jobs[event["Job ID"]] = event
            case "SparkListenerJobEnd":
                well[event["Job ID"]] = event["Job Result"]["Result"] == "JobSucceeded"
            case str(name) if name.startswith(SQL) and "sparkPlanInfo" in event:
                known = queries.get(event["executionId"])
                said = known.description if known else str(event.get("description", ""))
                queries[event["executionId"]] = Query(event["executionId"], said, node(event["sparkPlanInfo"]))
    made = [
        Job(
            number,
            {str(key): str(value) for key, value in (event.get("Properties") or {}).items()},
            tuple(stages[one] for one in sorted(event["Stage IDs"]) if one in stages),
            well.get(number, False),
        )
        for number, event in jobs.items()
    ]
    return Log(made, list(queries.values()))


def task(event: Mapping[str, Any]) -> Task:
    """A task's metrics."""
    about, metrics = event["Task Info"], event.get("Task Metrics") or {}
    read, written = metrics.get("Shuffle Read Metrics", {}), metrics.get("Shuffle Write Metrics", {})
    place = about.get("Partition ID", -1)
    return Task(
        partition=place if place >= 0 else about["Index"],
        seconds=(about["Finish Time"] - about["Launch Time"]) / 1000,
        read_bytes=read.get("Remote Bytes Read", 0) + read.get("Local Bytes Read", 0),
        read_records=read.get("Total Records Read", 0),
        written_bytes=written.get("Shuffle Bytes Written", 0),
        written_records=written.get("Shuffle Records Written", 0),
        input_records=metrics.get("Input Metrics", {}).get("Records Read", 0),
        spilled=metrics.get("Memory Bytes Spilled", 0) + metrics.get("Disk Bytes Spilled", 0),
        result_bytes=metrics.get("Result Size", 0),
    )


def stage(about: Mapping[str, Any], tasks: Mapping[int, Task]) -> Stage:
    """A stage with its tasks in order."""
    parents = tuple(about.get("Parent IDs", ()))
    return Stage(about["Stage ID"], about["Stage Name"], parents, tuple(tasks[place] for place in sorted(tasks)))


def node(about: Mapping[str, Any]) -> Node:
    """A plan's node and all below it."""
    return Node(about["nodeName"], about["simpleString"], tuple(map(node, about.get("children", ()))))

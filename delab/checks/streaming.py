"""Streaming jobs on Kafka, on the engine that the learner chose: start, kill, start again; feed events; read the results' topic.

    files = ["spark_job.py|flink_job.py"]      # in lab.toml, both in start/; the one that was changed is judged
    [services.kafka]
    kind = "kafka"
    [services.spark]                           # a session in the learner's process
    kind = "spark_local"
    jars = ["kafka"]
    folders = ["spark_events", "checkpoints"]  # CHECKPOINTS: what outlives a kill
    settings = { "spark.sql.shuffle.partitions" = "2" }
    [services.flink]                           # a session cluster, started only if the learner chose Flink
    kind = "flink"
    lazy = true

The verdict is taken on the results only. `Feed` sends events in phases, `Job` runs the learner's program,
delab.checks.results reads what it writes, delab.checks.event_time computes the truth, `Job.shows` waits for it. A program that is
wrong is found out without waiting for the whole time limit if there are `rounds`: further events whose effect proves that all
before them has been dealt with.
"""

import contextlib
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil

from delab import process, wait
from delab.checks.event_time import Event, portions
from delab.checks.failing import fail
from delab.checks.flink import ENDED, Flink
from delab.checks.flink import Job as FlinkJob
from delab.checks.kafka import Kafka, Record
from delab.checks.program import Program, tail
from delab.checks.work import Work
from delab.errors import Timeout
from delab.frames import spark_progress
from delab.runtime import Stack

FILES = "spark_job.py|flink_job.py"
ZONE, ZONE_AHEAD = "Asia/Kolkata", timedelta(hours=5, minutes=30)  # of the job's machine, the whole year: it is not in UTC
LIMITS: dict[str, Any] = {"seconds": 900, "memory": 8192, "file": 512, "output": 16}
CAUSE = re.compile(r"^Caused by:|\w(Exception|Error)\b|\[[A-Z_.]{6,}\]")
PATIENCE, START_PATIENCE = 8, 25  # seconds that `shows` waits for the truth before it sends rounds; the same while a job starts
READ = 30  # seconds that the job may take to read what was sent, before more is sent anyway
CHECKPOINT = 15  # seconds that it may take to complete a checkpoint, before it is killed anyway
SPARKS = {"offsets", "commits", "sources", "state", "metadata", ".metadata.crc"}  # what is in a checkpoint of Spark's
GRACE = 3  # seconds that it waits after the last round has shown its effect
Step = tuple[Callable[[], object], Callable[[], object]]  # sends something; tells whether its effect is seen


class Feed:
    """Sends events to a topic as JSON and remembers them. `partition` of an event is where it goes, and not sent.

    Once `job` is set, a portion is sent only when the job has read those before (see `Job.has_read`).
    """

    def __init__(self, kafka: Kafka, topic: str, *, delay: timedelta) -> None:
        self.kafka, self.topic, self.delay = kafka, topic, delay
        self.phases: list[list[Event]] = []
        self.ends: Counter[int] = Counter()  # messages sent to each partition, which was empty
        self.job: Job | None = None

    @property
    def sent(self) -> list[Event]:
        """All events so far, in order."""
        return [event for phase in self.phases for event in phase]

    def send(self, events: Iterable[Event], *, ago: timedelta = timedelta(0)) -> None:
        """Send a phase, in portions of which each is acknowledged before the next (see delab.checks.event_time).

        `ago`: the messages' timestamps say that they were written so long before they are.
        """
        phase = list(events)
        self.kafka.send_in_turn(self.topic, self.turns(phase, ago))
        self.phases.append(phase)

    def turns(self, phase: Iterable[Event], ago: timedelta) -> Iterator[list[Record]]:
        """The portions as messages, each when it is its turn."""
        for portion in portions(phase, self.delay):
            if self.job:
                self.job.wait_read(self.topic, self.ends)
            self.ends.update(event.get("partition", 0) for event in portion)
            yield [message(event, ago) for event in portion]


def message(event: Event, ago: timedelta = timedelta(0)) -> Record:
    """An event as a message. Its timestamp is the moment of sending (or `ago`): retention would delete one of last year's."""
    at = round((time.time() - ago.total_seconds()) * 1000) if ago else 0
    value = json.dumps({name: plain(value) for name, value in event.items() if name != "partition"}).encode()
    return Record(value, at=at, partition=event.get("partition", 0))


def plain(value: Any) -> Any:
    """A value as JSON has it: times in ISO 8601 with milliseconds and Z."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return float(value) if isinstance(value, Decimal) else value


class Job:
    """The learner's program on its engine. Use it as a context manager: leaving ends it."""

    def __init__(self, stack: Stack, work: Work, *, files: str = FILES) -> None:
        self.stack, self.work, self.env = stack, work, {"TZ": ZONE}
        self.path = work.path(files)
        self.name, self.engine = self.path.name, "flink" if self.path.name.startswith("flink") else "spark"
        self.flink = Flink(stack) if self.engine == "flink" else None
        self.program: Program | None = None
        self.helped = False  # whether the last `shows` has sent rounds

    def __enter__(self) -> "Job":
        return self

    def __exit__(self, *_: object) -> None:
        if self.program:
            self.program.end()

    def start(self) -> None:
        """Start it, or start it again: a Flink job then goes on from its last checkpoint, if there is one, as operators do it."""
        resumed: Mapping[str, str] = {}
        if self.flink:
            self.flink.start()
            resumed = self.flink.resumed() if self.flink.latest() else {}
        command = ["flink-python" if self.flink else sys.executable, str(self.path)]
        self.program = self.work.start_command(command, env={**self.env, **resumed}, **LIMITS)

    def kill(self) -> None:
        """SIGKILL all of it at once: the program with its JVM, and the cluster if it runs on one."""
        assert self.program
        members = self.members()
        if self.flink:
            self.flink.crash(self.program)
        self.program.end()
        process.kill(members)

    def members(self) -> list[psutil.Process]:
        """The program and all below it."""
        assert self.program
        with contextlib.suppress(psutil.NoSuchProcess):
            return process.tree(psutil.Process(self.program.pid))
        return []

    def pause(self) -> None:
        """Freeze it: what it was doing stays half done."""
        if self.flink:
            self.flink.node.pause()
        elif members := self.members():
            process.pause(members[0])

    def resume(self) -> None:
        """Let it go on."""
        if self.flink:
            self.flink.node.resume()
        elif members := self.members():
            process.resume(members[0])

    def running(self) -> bool:
        """Whether it is at work: its program lives, or the job that it has submitted does."""
        if self.program is None:
            return False
        return self.program.running() or any(job.state not in ENDED for job in self.jobs())

    def jobs(self) -> list[FlinkJob]:
        """The jobs on the cluster; none for Spark, or while the cluster is down."""
        return self.flink.jobs() if self.flink and self.flink.node.alive() else []

    def trouble(self) -> str:
        """What is wrong with it, for the end of a message: it has ended, or it complains. Empty if nothing is known."""
        if self.program is None:
            return ""
        if not self.running():
            run = self.program.end()
            said = causes(run.err) or tail(without_frames(run.err)) or run.last_words or "it printed nothing"
            return f"; {self.name} is not running: {run.ended}; its last words:\n{said}{self.flink_says()}"
        lines = [line for line in self.program.err.text().splitlines() if "ERROR" in line or "Exception" in line]
        return f"; {self.name} runs, and complains:\n{tail(chr(10).join(lines))}" if lines else self.flink_says()

    def flink_says(self) -> str:
        """Why the cluster says that a task has failed."""
        said = self.flink.trouble() if self.flink and self.flink.node.alive() else ""
        return f"\n{said}" if said else ""

    def wait_read(self, topic: str, ends: Mapping[int, int]) -> None:
        """Wait until it has read so many messages of each partition, or has ended, or the patience is over."""
        with contextlib.suppress(Timeout):
            wait.until(lambda: self.has_read(topic, ends) or not self.running(), seconds=READ, what="the job to read")

    def has_read(self, topic: str, ends: Mapping[int, int]) -> bool:
        """Whether it has read so many messages of each partition, by Flink's metrics; for Spark we need not know.

        A Flink job that starts slowly, or has had nothing to read for a while, takes partitions for idle and lets those that it
        reads first move time on alone: what the others hold would be late. So nothing much newer is sent before it has read them.
        After a start, send something to each partition: one that it need not read on has no such metric.
        """
        if not self.flink:
            return True
        found = [self.offsets(job, topic) for job in self.jobs() if job.state not in ENDED]
        return any(all(offsets.get(place, -1) >= end - 1 for place, end in ends.items()) for offsets in found)

    def wait_settled(self, topic: str, ends: Mapping[int, int]) -> None:
        """Wait until it has dealt with so many messages of each partition: Flink has read, each query of Spark committed them.

        What a query calls late follows from the batches before: then it is known what each of them will do with the next message.
        """
        done = self.has_read if self.flink else self.has_committed
        with contextlib.suppress(Timeout):
            wait.until(lambda: done(topic, ends) or not self.running(), seconds=READ, what="the job to deal with it")

    def has_committed(self, topic: str, ends: Mapping[int, int]) -> bool:
        """Whether each of Spark's queries has committed a batch with so many messages of each partition, by its checkpoint.

        True for what cannot be read (no checkpoint there, another format, a query on other topics): then nobody waits.
        """
        found = [committed_to(self.folder / query, batch, topic) for query, (_, batch) in batches(self.folder).items()]
        return all(told is not None and all(told.get(str(place), end) >= end for place, end in ends.items()) for told in found)

    @property
    def folder(self) -> Path:
        """Where Spark's checkpoints are."""
        return Path(self.stack.environment()["CHECKPOINTS"])

    def offsets(self, job: FlinkJob, topic: str) -> dict[int, int]:
        """The offsets that a job's sources have read last, by partition; the lowest if several sources read it."""
        assert self.flink
        found: dict[int, int] = {}
        for vertex in self.flink.vertices(job):
            base = f"/jobs/{job.id}/vertices/{vertex.id}/subtasks/metrics"
            names = [str(one["id"]) for one in self.flink.get(base)]
            offset_of = re.compile(rf"topic\.{re.escape(topic)}\.partition\.(\d+)\.currentOffset$")
            wanted = {name: int(told[1]) for name in names if (told := offset_of.search(name))}
            asked = f"{base}?agg=max&get={','.join(map(quote, wanted))}"
            for one in self.flink.get(asked) if wanted else []:
                place, offset = wanted[str(one["id"])], int(float(one["max"]))
                found[place] = min(offset, found.get(place, offset))
        return found

    def wait_checkpoint(self) -> None:
        """Let a Flink job complete a checkpoint that begins from now on, if it does so in good time; Spark has one with each batch.

        What a restart reads again is then what is sent from now on. Without it, that may be wider than the delay: see `has_read`.
        """
        began = time.time() * 1000
        with contextlib.suppress(Timeout):
            wait.until(lambda: not self.flink or self.checkpointed() >= began, seconds=CHECKPOINT, what="a checkpoint")

    def checkpointed(self) -> float:
        """When the latest complete checkpoint of the jobs that run was begun, in ms since 1970; 0 without one."""
        assert self.flink
        told = [self.flink.get(f"/jobs/{job.id}/checkpoints") for job in self.jobs() if job.state not in ENDED]
        latest = [(one.get("latest") or {}).get("completed") or {} for one in told]
        return max((float(one.get("trigger_timestamp", 0)) for one in latest), default=0)

    def until(self, condition: Callable[[], object], *, seconds: float, expected: str) -> None:
        """Wait until `condition` holds; fails the check if it does not, or the job ends before."""
        with contextlib.suppress(Timeout):
            wait.until(lambda: condition() or not self.running(), seconds=seconds, what=expected)
        if not condition():
            limit = f"not within {seconds * wait.scale():.0f} s" if self.running() else "it has not come about"
            fail(expected=expected, seen=f"{limit}{self.trouble()}")

    def shows(
        self, right: Callable[[], object], *, seconds: float, rounds: Sequence[Step] = (), patience: float = PATIENCE
    ) -> bool:
        """Wait until `right` holds; whether it does when the time, the job, or the patience of `rounds` is over.

        Each round sends events and tells whether their effect is seen. The effect of the last one must prove that what was sent
        before has been dealt with for good, whatever the program is: then waiting longer changes nothing. `helped` says whether
        rounds were sent: if they could complete what should have been complete without them, look again without rounds.
        """
        drain = Drain(rounds, patience)
        with contextlib.suppress(Timeout):
            wait.until(lambda: right() or not self.running() or drain.over(), seconds=seconds, what="the results")
        self.helped = drain.place >= 0
        return bool(right())


def without_frames(text: str) -> str:
    """What a program has printed without the frames of Java's stack traces."""
    return "\n".join(line for line in text.splitlines() if not line.startswith(("\tat ", "\t... ")))


def causes(text: str) -> str:
    """The last lines that name an exception, if it is one of Java's: the plan that Spark prints behind it says less."""
    named = [line for line in without_frames(text).splitlines() if CAUSE.search(line)]
    return tail("\n".join(named[-6:])) if "\tat " in text or "[STREAM_FAILED]" in text else ""


class Drain:
    """Goes through rounds, one look at a time."""

    def __init__(self, rounds: Sequence[Step], patience: float) -> None:
        self.rounds, self.place = rounds, -1
        self.pause = wait_until_passed(patience)

    def over(self) -> bool:
        """Do what is next; whether all rounds have shown their effect, and a little time more has passed."""
        if not self.rounds or not self.pause():
            return False
        if self.place < 0 or (self.place < len(self.rounds) and self.rounds[self.place][1]()):
            self.place += 1
            if self.place < len(self.rounds):
                self.rounds[self.place][0]()
            else:
                self.pause = wait_until_passed(GRACE)
        return self.place == len(self.rounds) and self.pause()


def wait_until_passed(seconds: float) -> Callable[[], bool]:
    """Tells whether so much time (times LAB_TIMEOUT_SCALE) has passed since."""
    end = time.monotonic() + seconds * wait.scale()
    return lambda: time.monotonic() >= end


def batches(folder: Path) -> dict[str, tuple[int, int]]:
    """Of each Spark checkpoint below a folder: the last batch that was planned, and the last that was committed (-1: none).

    Planned and not committed is a batch that a restart does again. A folder of the learner's own that is called `offsets` has no
    `metadata` beside it, which Spark writes first.
    """
    found = [log.parent for log in sorted(folder.rglob("offsets")) if (log.parent / "metadata").is_file()]
    return {str(query.relative_to(folder)): (last(query / "offsets"), last(query / "commits")) for query in found}


def committed(folder: Path, topic: str) -> dict[str, dict[int, int]]:
    """Of each Spark checkpoint below a folder that reads a topic: up to which offsets its last committed batch has read it."""
    told = {query: committed_to(folder / query, done, topic) for query, (_, done) in batches(folder).items()}
    return {query: {int(place): end for place, end in ends.items()} for query, ends in told.items() if ends}


def own_files(folder: Path) -> list[Path]:
    """The files below a folder that belong to the learner's program: all but those of Spark's checkpoints."""
    sparks = [folder / query / name for query in batches(folder) for name in SPARKS]
    return [path for path in folder.rglob("*") if not any(map(path.is_relative_to, sparks)) and path.is_file()]


def last(log: Path) -> int:
    """The highest number among the files of a log."""
    return max((int(path.name) for path in log.glob("[0-9]*") if path.name.isdigit()), default=-1)


def uncommit(folder: Path) -> None:
    """Put Spark checkpoints back by an instant: the last batch has been written, and is not committed yet. The job is dead."""
    for query, (planned, committed) in batches(folder).items():
        if planned == committed >= 0:
            for name in (str(committed), f".{committed}.crc"):
                (folder / query / "commits" / name).unlink(missing_ok=True)


def committed_to(query: Path, batch: int, topic: str) -> dict[str, int] | None:
    """The offsets behind a batch of a Spark query, by partition; empty if it reads another topic, None without a batch."""
    try:
        _, found = spark_progress((query / "offsets" / str(batch)).read_text())
    except (OSError, ValueError):
        return None
    return {str(place): end for place, end in found.get(topic, {}).items()}

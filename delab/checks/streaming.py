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
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil

from delab import process, wait
from delab.checks.event_time import Event, portions
from delab.checks.failing import fail
from delab.checks.kafka import Kafka, Record
from delab.checks.program import Program, tail
from delab.checks.work import Work
from delab.errors import Timeout
from delab.runtime import Stack

FILES = "spark_job.py|flink_job.py"
LIMITS: dict[str, Any] = {"seconds": 900, "memory": 8192, "file": 512, "output": 16}
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
LIVE = {"INITIALIZING", "CREATED", "RUNNING", "RESTARTING", "RECONCILING"}  # states of a Flink job that has not ended
PATIENCE = 8  # seconds that `shows` waits for the truth before it sends rounds
GRACE = 3  # seconds that it waits after the last round has shown its effect
Step = tuple[Callable[[], object], Callable[[], object]]  # sends something; tells whether its effect is seen


class Feed:
    """Sends events to a topic as JSON and remembers them. `partition` of an event is where it goes, and not sent."""

    def __init__(self, kafka: Kafka, topic: str, *, delay: timedelta, partitions: int = 1) -> None:
        self.kafka, self.topic, self.delay, self.partitions = kafka, topic, delay, partitions
        self.phases: list[list[Event]] = []

    @property
    def sent(self) -> list[Event]:
        """All events so far, in order."""
        return [event for phase in self.phases for event in phase]

    def send(self, events: Iterable[Event]) -> None:
        """Send a phase, in portions of which each is acknowledged before the next (see delab.checks.event_time)."""
        phase = list(events)
        self.kafka.send_in_turn(self.topic, (map(message, portion) for portion in portions(phase, self.delay)))
        self.phases.append(phase)


def message(event: Event) -> Record:
    """An event as a message; the time at which it arrived, if it has one, is the message's timestamp."""
    value = json.dumps({name: plain(value) for name, value in event.items() if name != "partition"}).encode()
    arrived = event.get("arrival_time")
    return Record(value, at=int(arrived.timestamp() * 1000) if arrived else 0, partition=event.get("partition", 0))


def plain(value: Any) -> Any:
    """A value as JSON has it: times in ISO 8601 with milliseconds and Z."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return float(value) if isinstance(value, Decimal) else value


class Job:
    """The learner's program on its engine. Use it as a context manager: leaving ends it."""

    def __init__(self, stack: Stack, work: Work, *, files: str = FILES, env: Mapping[str, str] | None = None) -> None:
        self.stack, self.work, self.env = stack, work, dict(env or {})
        self.path = work.path(files)
        self.name, self.engine = self.path.name, "flink" if self.path.name.startswith("flink") else "spark"
        self.program: Program | None = None
        self.starts = 0

    def __enter__(self) -> "Job":
        return self

    def __exit__(self, *_: object) -> None:
        if self.program:
            self.program.end()

    def start(self) -> None:
        """Start it, or start it again after a kill: a Flink job then goes on from its last checkpoint, if there is one."""
        if self.engine == "flink":
            self.stack["flink"].start()
        self.program = self.work.start_command(self.command(), env=self.env, **LIMITS)
        self.starts += 1

    def command(self) -> list[str]:
        """Spark: a session in the program itself. Flink: a client that submits to the cluster."""
        if self.engine == "spark":
            return [sys.executable, str(self.path)]
        again = self.starts and self.work.run_command(["flink-checkpoint"], seconds=30).code == 0
        return ["flink-resume" if again else "flink-python", str(self.path)]

    def kill(self) -> None:
        """SIGKILL all of it at once: the program with its JVM, and the cluster if it runs on one."""
        assert self.program
        members = self.members()
        if self.engine == "flink":
            self.stack["flink"].kill()
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
        if self.engine == "flink":
            self.stack["flink"].pause()
        elif members := self.members():
            process.pause(members[0])

    def resume(self) -> None:
        """Let it go on."""
        if self.engine == "flink":
            self.stack["flink"].resume()
        elif members := self.members():
            process.resume(members[0])

    def running(self) -> bool:
        """Whether it is at work: its program lives, or the job that it has submitted does."""
        return self.program is not None and (self.program.running() or any(state in LIVE for state in self.states()))

    def states(self) -> list[str]:
        """The states of the jobs on the cluster, by its REST API; none for Spark."""
        if self.engine == "spark" or not self.stack["flink"].alive():
            return []
        told = ask(self.stack["flink"].endpoint.port, "/jobs/overview")
        return [str(job.get("state")) for job in told.get("jobs", [])]

    def trouble(self) -> str:
        """What is wrong with it, for the end of a message: it has ended, or it complains. Empty if nothing is known."""
        if self.program is None:
            return ""
        if not self.running():
            run = self.program.end()
            said = run.last_words or "it printed nothing"
            return f"; {self.name} is not running: {run.ended}; its last words:\n{said}{self.failures()}"
        lines = [line for line in self.program.err.text().splitlines() if "ERROR" in line or "Exception" in line]
        return f"; {self.name} runs, and complains:\n{tail(chr(10).join(lines))}" if lines else ""

    def failures(self) -> str:
        """Why the cluster says that jobs have failed."""
        if self.engine == "spark" or not self.stack["flink"].alive():
            return ""
        port = self.stack["flink"].endpoint.port
        jobs = ask(port, "/jobs/overview").get("jobs", [])
        told = [ask(port, f"/jobs/{job['jid']}/exceptions") for job in jobs if job.get("state") == "FAILED"]
        causes = [str(one.get("root-exception") or "") for one in told]
        return "".join(f"\nFlink says:\n{reason(text)}" for text in causes if text)

    def until(self, condition: Callable[[], object], *, seconds: float, expected: str) -> None:
        """Wait until `condition` holds; fails the check if it does not, or the job ends before."""
        with contextlib.suppress(Timeout):
            wait.until(lambda: condition() or not self.running(), seconds=seconds, what=expected)
        if not condition():
            limit = f"not within {seconds * wait.scale():.0f} s" if self.running() else "it has not come about"
            fail(expected=expected, seen=f"{limit}{self.trouble()}")

    def shows(self, right: Callable[[], object], *, seconds: float, rounds: Sequence[Step] = ()) -> bool:
        """Wait until `right` holds; whether it does when the time, the job, or the patience of `rounds` is over.

        Each round sends events and tells whether their effect is seen. The effect of the last one must prove that what was sent
        before has been dealt with for good, whatever the program is: then waiting longer changes nothing.
        """
        drain = Drain(rounds)
        with contextlib.suppress(Timeout):
            wait.until(lambda: right() or not self.running() or drain.over(), seconds=seconds, what="the results")
        return bool(right())


def ask(port: int, path: str) -> dict[str, Any]:
    """What Flink's REST API answers; empty if it does not."""
    with contextlib.suppress(OSError, ValueError), NO_PROXY.open(f"http://127.0.0.1:{port}{path}", timeout=3) as answer:
        return dict(json.load(answer))
    return {}


class Drain:
    """Goes through rounds, one look at a time."""

    def __init__(self, rounds: Sequence[Step]) -> None:
        self.rounds, self.place = rounds, -1
        self.pause = wait_until_passed(PATIENCE)

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


def reason(trace: str) -> str:
    """The messages of a Java stack trace without its frames."""
    return tail("\n".join(line for line in trace.splitlines() if line.strip() and not line.startswith(("\tat ", "\t..."))))


def batches(folder: Path) -> dict[str, tuple[int, int]]:
    """Of each Spark checkpoint below a folder: the last batch that was planned, and the last that was committed (-1: none).

    Planned and not committed is a batch that a restart does again.
    """
    return {
        str(log.parent.relative_to(folder)): (last(log), last(log.parent / "commits")) for log in sorted(folder.rglob("offsets"))
    }


def last(log: Path) -> int:
    """The highest number among the files of a log."""
    return max((int(path.name) for path in log.glob("[0-9]*") if path.name.isdigit()), default=-1)

"""Asking the Flink cluster of a stack what runs, how far it has got, and from which checkpoint it could go on.

    flink = Flink(stack)
    with work.start_command(["flink-python", "flink_job.py"], **CLIENT) as program:
        job = flink.wait_running(alive=program)
        flink.wait_checkpoint(job)
        flink.crash(program)                     # client and cluster at once, as by a power cut
    flink.start()
    with work.start_command(["flink-python", "flink_job.py"], env=flink.resumed(), **CLIENT): …

A job whose program leaves the recovery to us takes `env=flink.resumed()`; one that is to find its checkpoint itself gets nothing.
"""

import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from delab import flink_checkpoints, wait
from delab.checks.failing import fail
from delab.checks.program import Program
from delab.errors import Blocked, Timeout
from delab.runtime import Stack
from delab.services.flink import NO_PROXY, ask

CLIENT = {"seconds": 240, "memory": 8192, "file": 512}  # limits of a program with a JVM: address space, mostly never touched
ENDED = ("FINISHED", "FAILED", "CANCELED", "SUSPENDED")
SECONDS = 90  # until something has happened that takes the cluster and a client


@dataclass(frozen=True)
class Job:
    """A job as the cluster tells it. `state`: RUNNING means that all its tasks run."""

    id: str
    name: str
    state: str
    tasks: Mapping[str, int]

    @property
    def running(self) -> bool:
        """Whether all of it runs, not just a part."""
        return self.state == "RUNNING" and self.tasks.get("running", 0) == self.tasks.get("total", -1)


@dataclass(frozen=True)
class Vertex:
    """A step of a job (some operators chained to one). Records are those exchanged with other steps of the job."""

    id: str
    name: str
    parallelism: int
    state: str
    read_records: int
    written_records: int


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint; `size` in bytes, `path` as `execution.state-recovery.path` takes it."""

    id: int
    path: str
    size: int
    savepoint: bool


@dataclass(frozen=True)
class Checkpoints:
    """A job's checkpoints: how many, the latest complete one, and the one that it began from (restored)."""

    completed: int
    failed: int
    latest: Checkpoint | None
    restored: Checkpoint | None


class Flink:
    """The cluster of a stack, asked through its REST API."""

    def __init__(self, stack: Stack, name: str = "flink") -> None:
        self.stack, self.node = stack, stack[name]

    @property
    def folder(self) -> Path:
        """Where checkpoints go."""
        return Path(self.stack.environment()["FLINK_CHECKPOINTS"])

    def get(self, path: str) -> Any:
        """An answer of the REST API. Raises Blocked if there is none."""
        if (told := ask(self.node.endpoint.port, path, 10 * wait.scale())) is None:
            raise Blocked(f"Flink does not answer GET {path}", "verify again; `lab doctor` looks at the machine")
        return told

    def jobs(self) -> list[Job]:
        """All jobs that the cluster has seen since it started, the newest first."""
        told = sorted(self.get("/jobs/overview")["jobs"], key=lambda one: -int(one["start-time"]))
        return [Job(one["jid"], one["name"], one["state"], one["tasks"]) for one in told]

    def running(self) -> list[Job]:
        """The jobs of which all tasks run."""
        return [job for job in self.jobs() if job.running]

    def wait_running(self, *, alive: Program | None = None, seconds: float = SECONDS) -> Job:
        """The newest job, once all of it runs. Fails the check if the program ends before, or if none runs in time."""

        def ended() -> None:
            if alive is not None and alive.child.poll() is not None and not self.running():
                run = alive.wait()
                fail(
                    expected="a job that goes on running on the cluster, with its program waiting for it",
                    seen=f"`{run.command}`: {run.ended}; {self.trouble() or run.last_words or 'it printed nothing'}",
                )

        try:
            return wait.until(self.running, seconds=seconds, what="a running Flink job", alive=ended)[0]
        except Timeout as error:
            states = ", ".join(f"{job.name}: {job.state}" for job in self.jobs()) or "no job was submitted"
            fail(
                expected="a job that runs on the cluster (all its tasks RUNNING)",
                seen=f"{error.message}; {states}. {self.trouble()}".strip(),
                look="FLINK_REST: curl -s $FLINK_REST/jobs/overview",
            )

    def trouble(self) -> str:
        """Why the newest job's tasks last failed, in a line or two; empty if they did not."""
        for job in self.jobs()[:1]:
            entries = self.get(f"/jobs/{job.id}/exceptions").get("exceptionHistory", {}).get("entries", [])
            if entries:
                lines = [line.strip() for line in entries[0]["stacktrace"].splitlines()]
                told = [line for line in (lines[0], *(line for line in lines if line.startswith("Caused by:"))) if line]
                return "Flink: " + "; ".join(line[:300] for line in (told[0], told[-1]) if line)
        return ""

    def vertices(self, job: Job) -> list[Vertex]:
        """The steps of a job, sources first."""
        return [
            Vertex(
                id=one["id"],
                name=one["name"],
                parallelism=int(one["parallelism"]),
                state=one["status"],
                read_records=int(one["metrics"]["read-records"]),
                written_records=int(one["metrics"]["write-records"]),
            )
            for one in self.get(f"/jobs/{job.id}")["vertices"]
        ]

    def watermarks(self, job: Job) -> dict[str, int]:
        """The lowest watermark that each step has been given, by its name, in ms since 1970; steps that have none are left out."""
        found = {}
        for vertex in self.vertices(job):
            told = [int(one["value"]) for one in self.get(f"/jobs/{job.id}/vertices/{vertex.id}/watermarks")]
            if told and min(told) > -(1 << 62):
                found[vertex.name] = min(told)
        return found

    def metric(self, job: Job, vertex: Vertex, name: str) -> float:
        """The sum over a step's tasks of a metric such as `numRecordsIn`; 0 while there is none yet.

        A metric of one operator has a prefix (`Source__clicks.numLateRecordsDropped`): all that end in `.name` are summed.
        """
        base = f"/jobs/{job.id}/vertices/{vertex.id}/subtasks/metrics"
        wanted = [one["id"] for one in self.get(base) if one["id"] == name or one["id"].endswith(f".{name}")]
        told = self.get(f"{base}?agg=sum&get={','.join(map(urllib.parse.quote, wanted))}") if wanted else []
        return sum(float(one["sum"]) for one in told)

    def checkpoints(self, job: Job) -> Checkpoints:
        """What has become of a job's checkpoints."""
        told = self.get(f"/jobs/{job.id}/checkpoints")
        latest = told.get("latest") or {}
        counts = told.get("counts") or {}
        return Checkpoints(
            completed=int(counts.get("completed", 0)),
            failed=int(counts.get("failed", 0)),
            latest=checkpoint(latest.get("completed")),
            restored=checkpoint(latest.get("restored")),
        )

    def wait_checkpoint(self, job: Job, *, more: int = 1, seconds: float = SECONDS) -> Checkpoint:
        """The latest complete checkpoint, once `more` have been completed from now on. Fails the check if they are not in time."""
        before = self.checkpoints(job)
        try:
            return wait.until(
                lambda: now.latest if (now := self.checkpoints(job)).completed >= before.completed + more else None,
                seconds=seconds,
                what=f"{more} complete checkpoints of {job.name}",
            )  # type: ignore[return-value]
        except Timeout as error:
            now = self.checkpoints(job)
            fail(
                expected="a job that completes a checkpoint again and again (execution.checkpointing.interval)",
                seen=f"{error.message}; {now.completed} were completed in all, {now.failed} failed. {self.trouble()}".strip(),
            )

    def latest(self) -> Path | None:
        """The newest complete checkpoint in the folder, whichever job wrote it; also while the cluster is down."""
        return flink_checkpoints.latest(self.folder)

    def resumed(self) -> dict[str, str]:
        """Variables with which a program's job goes on from the latest complete checkpoint; fails the check if there is none."""
        if (found := self.latest()) is None:
            fail(
                expected="a complete checkpoint in FLINK_CHECKPOINTS",
                seen=f"none: {sorted(self.folder.iterdir()) or 'it is empty'}",
            )
        return {"SUBMIT_ARGS": f"remote -Dexecution.state-recovery.path={found.as_uri()}"}

    def crash(self, *programs: Program) -> None:
        """Kill programs and cluster at once; returns when they are gone."""
        self.node.kill()
        for program in programs:
            program.end()

    def start(self) -> None:
        """Start the cluster again; it has forgotten its jobs."""
        self.node.start()

    def cancel(self, job: Job) -> None:
        """Cancel a job, and see it end."""
        url = f"http://127.0.0.1:{self.node.endpoint.port}/jobs/{job.id}?mode=cancel"
        request = urllib.request.Request(url, method="PATCH")
        with suppress(urllib.error.HTTPError), NO_PROXY.open(request, timeout=10 * wait.scale()):
            pass  # an error says that it has ended already
        wait.until(lambda: self.state(job) in ENDED, seconds=30, what=f"the end of {job.name}")

    def state(self, job: Job) -> str:
        """The present state of a job."""
        return next((one.state for one in self.jobs() if one.id == job.id), "SUSPENDED")

    def cancel_all(self) -> None:
        """Cancel all jobs that have not ended."""
        for job in self.jobs():
            if job.state not in ENDED:
                self.cancel(job)


def checkpoint(told: Any) -> Checkpoint | None:
    """A checkpoint as the REST API tells it, completed or restored."""
    if not told or not (told.get("external_path") or told.get("external-path")):
        return None
    path = told.get("external_path") or told.get("external-path")
    return Checkpoint(int(told["id"]), str(path), int(told.get("state_size", 0)), bool(told.get("is_savepoint")))

"""A dbt project on one database: build it, and see how each node went. dbt's imports are paid once for all builds of a worker."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from delab import forks
from delab.errors import Blocked
from delab.forks import Forked
from delab.runtime import Endpoint, Node, Stack

PROJECT = Path(__file__).parent.parent / "dbt_project"
SECONDS = 300.0
# Its words go to a file of ours; the debug log beside would cost a tenth of the time.
QUIET = ("--no-use-colors", "--no-send-anonymous-usage-stats", "--log-level-file", "none")
GOOD = frozenset(("success", "pass", "warn", "no-op"))


class NodeResult(msgspec.Struct, frozen=True):
    """How one model, test, snapshot or source went. `id` is dbt's, such as `model.retail.dim_customer`."""

    id: str
    status: str  # success, error, skipped, no-op; of tests pass, warn, fail; of sources also runtime error
    message: str
    failures: int  # rows that a test found
    rows: int  # that were written
    seconds: float

    @property
    def name(self) -> str:
        """The node's own name: the last part of its id, without the hash of a test."""
        parts = self.id.split(".")
        return ".".join(parts[2:3] if parts[0] in ("test", "unit_test") and len(parts) == 4 else parts[-1:])


class Build(msgspec.Struct, frozen=True):
    """How one call of dbt went."""

    success: bool
    exception: str
    nodes: tuple[NodeResult, ...]
    log: str = ""  # the last that dbt said

    def __getitem__(self, name: str) -> NodeResult:
        """The result of the node of that name. Raises KeyError."""
        return {node.name: node for node in self.nodes}[name]

    def with_status(self, *statuses: str) -> list[str]:
        """The names of the nodes that ended so, sorted."""
        return sorted(node.name for node in self.nodes if node.status in statuses)

    def bad(self) -> list[NodeResult]:
        """The nodes that failed, without those that were skipped because of them."""
        return [node for node in self.nodes if node.status not in GOOD and node.status != "skipped"]


class Worker:
    """A process with dbt imported, which forks another for each build (see delab.dbt_worker)."""

    def __init__(self, adapters: Sequence[str] = ("duckdb", "postgres")) -> None:
        self.adapters, self.gave_up = adapters, False
        self.child = self.start()

    def start(self) -> "subprocess.Popen[bytes] | Forked":
        """The process itself, from a server if there is one."""
        command, environment = [sys.executable, "-m", "delab.dbt_worker", *self.adapters], own_environment()
        if forked := forks.fork_piped(command, environment, {"session": True, "cwd": str(Path.cwd())}, {2: 2}):
            return forked
        # In a session of its own: Ctrl-C reaches its owner, whose end it sees.
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, start_new_session=True)

    def ask(self, request: Mapping[str, Any]) -> bytes:
        """The answer to one request. Raises Blocked if the worker has ended.

        Whoever is interrupted while waiting leaves no answer to the next: the worker is ended, and made anew when asked again.
        """
        if self.gave_up:
            self.child, self.gave_up = self.start(), False
        try:
            return self.answer(request)
        except BaseException as error:
            if not isinstance(error, Blocked):
                self.gave_up = True
                self.close()
            raise

    def answer(self, request: Mapping[str, Any]) -> bytes:
        """Write a request and wait for its answer."""
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.child.stdin.write(json.dumps(request).encode() + b"\n")
            self.child.stdin.flush()
        if not (said := self.child.stdout.readline()):
            raise Blocked("dbt could not be run: its process has ended", "scripts/bootstrap dbt, then repeat")
        return said

    def close(self) -> None:
        """End it; a build that runs is killed."""
        for pipe in (self.child.stdin, self.child.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self.child.wait()


def own_environment() -> dict[str, str]:
    """The variables of a worker: the person's, without those that would steer PostgreSQL's clients or dbt."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("PG", "DBT_"))}


@contextlib.contextmanager
def worker() -> Iterator[Worker]:
    """A worker that is ended at the end."""
    opened = Worker()
    try:
        yield opened
    finally:
        opened.close()


def postgres(at: Endpoint) -> dict[str, str]:
    """The variables by which the `profiles.yml` of dbt_project finds a PostgreSQL."""
    return {"DBT_TARGET": "postgres", **libpq(at)}


def libpq(at: Endpoint) -> dict[str, str]:
    """libpq's own variables, by which any profile finds a PostgreSQL."""
    return {"PGHOST": at.host, "PGPORT": str(at.port), "PGUSER": at.user, "PGPASSWORD": at.password, "PGDATABASE": at.database}


def server(stack: Stack) -> Node:
    """Where a lab's dbt project is built: the first PostgreSQL server of its stack."""
    return next(node for node in stack if "postgres" in node.service.packs)


def duckdb(file: Path) -> dict[str, str]:
    """The variables by which `profiles.yml` finds a DuckDB file."""
    return {"DBT_TARGET": "duckdb", "DUCKDB_PATH": str(file)}


@dataclass(frozen=True)
class Warehouse:
    """A project, the variables that tell its profile where the database is, and a folder for what dbt writes.

    Keep the folder from build to build: dbt then parses only what has changed.
    """

    worker: Worker
    folder: Path
    environment: Mapping[str, str]
    project: Path = PROJECT
    variables: Mapping[str, Any] = field(default_factory=dict)  # dbt's, for all calls
    limits: Mapping[str, int] = field(default_factory=dict)  # MiB: "memory" (address space), "file" (one that it writes)

    def run(self, command: str, *arguments: str, seconds: float = SECONDS, **variables: Any) -> Build:
        """One call of dbt, such as `run("source freshness")`. Raises Blocked if dbt can't be started."""
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / "output.log"
        log.unlink(missing_ok=True)
        places = {"project-dir": self.project, "profiles-dir": self.project, "target-path": self.folder, "log-path": self.folder}
        options = [part for name, path in places.items() for part in (f"--{name}", str(path))]
        options += ["--vars", json.dumps({**self.variables, **variables}), *QUIET]
        request = {
            "arguments": [*command.split(), *options, *arguments],
            "environment": dict(self.environment),
            "log": str(log),
            "seconds": seconds,
            "limits": dict(self.limits),
        }
        built = msgspec.json.decode(self.worker.ask(request), type=Build)
        said = log.read_text(errors="replace") if log.exists() else ""
        return msgspec.structs.replace(built, log=said)

    def build(self, *arguments: str, **variables: Any) -> Build:
        """`dbt build`: models, tests, snapshots in the order of their dependencies."""
        return self.run("build", *arguments, **variables)

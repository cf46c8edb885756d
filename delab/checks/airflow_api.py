"""The real Airflow over its REST API: for labs whose subject is the scheduler, and to see what the learner's own Airflow has done.

A verification's own Airflow is started on demand (`RestApi.started`), which takes several seconds: judge by
`delab.checks.airflow` what can be judged there.
"""

import contextlib
import json
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from delab import wait
from delab.checks.failing import fail, show
from delab.errors import Blocked, Timeout
from delab.runtime import Node
from delab.services.airflow import NO_PROXY

SECONDS = 20.0  # that one request may take
PAUSE = 0.3  # seconds between two looks: each costs the API server 20 ms
FINAL = ("success", "failed")
GONE = 404


class ApiError(Exception):
    """The API refused a request: its status and what it said."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"Airflow answered {status}: {said}")
        self.status, self.said = status, said


class TaskState(msgspec.Struct, frozen=True):
    """One task instance of a run."""

    task_id: str
    state: str | None
    map_index: int
    try_number: int
    start_date: str | None
    end_date: str | None


class RunState(msgspec.Struct, frozen=True):
    """One run of a DAG; times as text with their zone."""

    dag_run_id: str
    state: str
    run_type: str
    logical_date: str | None
    data_interval_start: str | None
    data_interval_end: str | None
    conf: Mapping[str, Any] | None = None


class RestApi:
    """Airflow's API server, as its administrator."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.token = ""

    @classmethod
    @contextlib.contextmanager
    def started(cls, node: Node, work: Path) -> Iterator["RestApi"]:
        """A verification's own Airflow with the learner's files, stopped at the end."""
        api = cls(node)
        api.deploy(work)
        node.start()
        try:
            yield api
        finally:
            node.stop()

    def deploy(self, work: Path) -> None:
        """Put the learner's files where this Airflow looks for DAGs."""
        target = self.node.data.parent / "dags"
        if target.exists():
            shutil.rmtree(target)
        shutil.copytree(work, target)

    # Asking

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: Any) -> Any:
        """One request to /api/v2. Raises ApiError if it is refused, Blocked if nobody answers."""
        if not self.token:
            self.log_in()
        told = "?" + urllib.parse.urlencode(query, doseq=True) if query else ""
        return self.send(method, f"/api/v2/{path}{told}", body)

    def log_in(self) -> None:
        """Get a token."""
        at = self.node.endpoint
        self.token = self.send("POST", "/auth/token", {"username": at.user, "password": at.password})["access_token"]

    def send(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        """One HTTP request with a JSON body."""
        at = self.node.endpoint
        head = {"Content-Type": "application/json", "Accept": "application/json"}
        head |= {"Authorization": f"Bearer {self.token}"} if self.token else {}
        content = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(f"http://{at.host}:{at.port}{path}", content, head, method=method)
        try:
            with NO_PROXY.open(asked, timeout=SECONDS * wait.scale()) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise ApiError(error.code, error.read().decode(errors="replace")[:600]) from error
        except OSError as error:
            raise Blocked(f"{self.node.name} does not answer: {error}", "verify again; `lab logs` shows its log") from error

    # What there is

    def import_errors(self) -> dict[str, str]:
        """The import error of each file that has one."""
        return {entry["filename"]: entry["stack_trace"] for entry in self.ask("GET", "importErrors")["import_errors"]}

    def wait_for_dag(self, dag_id: str, seconds: float = 40) -> dict[str, Any]:
        """The DAG once the DAG processor has found it. Fails the check if it does not, with the import errors."""
        try:
            return wait.until(lambda: self.dag_or_error(dag_id), seconds=seconds, what=f"the DAG {dag_id}", longest=PAUSE) or {}
        except Timeout:
            fail(expected=f"Airflow finds a DAG with the id {dag_id}", seen=f"it found {show(self.dag_ids()) or 'none'}")

    def dag_or_error(self, dag_id: str) -> dict[str, Any] | None:
        """The DAG, if it is there already. Fails the check if a file can't be imported."""
        if found := self.dag(dag_id):
            return found
        for file, text in self.import_errors().items():
            fail(expected=f"{file} can be imported by Airflow", seen=show(text[-600:]))
        return None

    def dag(self, dag_id: str) -> dict[str, Any] | None:
        """What is known of a DAG, if it is there."""
        with absent():
            return dict(self.ask("GET", f"dags/{dag_id}"))
        return None

    def dag_ids(self) -> list[str]:
        """All DAGs."""
        return [entry["dag_id"] for entry in self.ask("GET", "dags", limit=100)["dags"]]

    def runs(self, dag_id: str) -> list[RunState]:
        """The runs of a DAG, by logical date."""
        found = self.ask("GET", f"dags/{dag_id}/dagRuns", limit=100, order_by="logical_date")["dag_runs"]
        return msgspec.convert(found, list[RunState])

    def run(self, dag_id: str, run_id: str) -> RunState:
        """One run."""
        return msgspec.convert(self.ask("GET", f"dags/{dag_id}/dagRuns/{quoted(run_id)}"), RunState)

    def tasks(self, dag_id: str, run_id: str) -> list[TaskState]:
        """The task instances of a run."""
        found = self.ask("GET", f"dags/{dag_id}/dagRuns/{quoted(run_id)}/taskInstances", limit=100)
        return msgspec.convert(found["task_instances"], list[TaskState])

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """A value that a task has pushed; none if it has not."""
        with absent():
            path = f"dags/{dag_id}/dagRuns/{quoted(run_id)}/taskInstances/{task_id}/xcomEntries/{key}"
            return self.ask("GET", path, deserialize="true")["value"]
        return None

    def log(self, dag_id: str, run_id: str, task_id: str, attempt: int = 1) -> str:
        """What a task has logged."""
        with absent():
            path = f"dags/{dag_id}/dagRuns/{quoted(run_id)}/taskInstances/{task_id}/logs/{attempt}"
            content = self.ask("GET", path)["content"]
            return "\n".join(map(readable, content))
        return ""

    # What can be done

    def pause(self, dag_id: str, paused: bool) -> None:
        """Pause or unpause a DAG."""
        self.ask("PATCH", f"dags/{dag_id}", {"is_paused": paused})

    def trigger(self, dag_id: str, logical_date: str | None = None, conf: Mapping[str, Any] | None = None) -> str:
        """Start a run; its id. The DAG must not be paused."""
        body = {"logical_date": logical_date, "conf": dict(conf or {})}
        return str(self.ask("POST", f"dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def backfill(self, dag_id: str, begin: str, end: str, *, again: str = "none", at_once: int = 2) -> int:
        """Ask for the runs between two moments; `again` is none, failed or completed. Returns the backfill's id."""
        body = {"dag_id": dag_id, "from_date": begin, "to_date": end, "reprocess_behavior": again, "max_active_runs": at_once}
        return int(self.ask("POST", "backfills", {**body, "run_backwards": False, "dag_run_conf": {}})["id"])

    def set_variable(self, key: str, value: str) -> None:
        """Make or change an Airflow variable."""
        try:
            self.ask("POST", "variables", {"key": key, "value": value})
        except ApiError:
            self.ask("PATCH", f"variables/{key}", {"key": key, "value": value})

    def wait_for(self, dag_id: str, run_id: str, seconds: float = 60) -> RunState:
        """A run once it has ended. Fails the check if it does not, with the states of its tasks."""
        try:
            wait.until(lambda: self.ended(dag_id, run_id), seconds=seconds, what=f"the run {run_id}", longest=PAUSE)
        except Timeout:
            states = {task.task_id: task.state for task in self.tasks(dag_id, run_id)}
            fail(expected=f"a run of {dag_id} comes to an end", seen=f"after {seconds:.0f} s its tasks are {states}")
        return self.run(dag_id, run_id)

    def ended(self, dag_id: str, run_id: str) -> bool:
        """Whether the run has ended."""
        return self.run(dag_id, run_id).state in FINAL


@contextlib.contextmanager
def absent() -> Iterator[None]:
    """Take "there is no such thing" for an answer."""
    try:
        yield
    except ApiError as error:
        if error.status != GONE:
            raise


def readable(line: Any) -> str:
    """A line of a log as text; the error of a task is not in its text, but beside it."""
    if not isinstance(line, dict):
        return str(line)
    errors = [f"{error.get('exc_type')}: {error.get('exc_value')}" for error in line.get("error_detail") or ()]
    return ": ".join([str(line.get("event", line)), *errors])


def quoted(name: str) -> str:
    """A run's id in a path; it holds colons and plus signs."""
    return urllib.parse.quote(name, safe="")

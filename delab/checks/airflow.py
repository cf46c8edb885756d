"""How a check judges DAGs: parse a file, read the schedule, carry out runs under adverse conditions. See `Airflow`.

Two ways lead from a DAG to a verdict. This one runs a DAG in a second or two without starting Airflow's components: the
decisions are those of Airflow's own scheduling code, on metadata in the stack's PostgreSQL, and each task has a process of
its own. The other is the real scheduler over REST (`delab.checks.airflow_api`), for labs whose subject is the scheduler.
"""

import json
import secrets
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec

from delab import wait
from delab.checks.failing import fail, show
from delab.checks.program import Program, shorten, tail
from delab.checks.work import Work
from delab.errors import Blocked
from delab.runtime import Stack

WORKER = "delab.checks.airflow_worker"
MEMORY = 6144  # MiB of address space, most of it never touched
START_SECONDS, ANSWER_SECONDS = 120, 150
LOOK = 0.02  # seconds between two looks for an answer


class Task(msgspec.Struct, frozen=True):
    """A task of a DAG as it was parsed. `upstream` are its direct dependencies, `ancestors` all of them; times in seconds.

    `kinds` are the names of its operator's class and of those that this is made from.
    """

    kinds: tuple[str, ...]
    upstream: tuple[str, ...]
    downstream: tuple[str, ...]
    ancestors: tuple[str, ...]
    trigger_rule: str
    retries: int
    retry_delay: float
    group: str
    mapped: bool
    pool: str
    owner: str
    depends_on_past: bool
    has_failure_callback: bool
    timeout: float
    outlets: tuple[str, ...]


class Dag(msgspec.Struct, frozen=True):
    """A DAG as it was parsed. `schedule` is only the timetable's summary: ask `Airflow.schedule` when runs are due."""

    schedule: str
    timetable: str
    catchup: bool
    start_date: str
    max_active_runs: int
    tags: tuple[str, ...]
    description: str
    owner: str
    has_failure_callback: bool
    assets_in: tuple[str, ...]
    groups: tuple[str, ...]
    tasks: Mapping[str, Task]


class Parsed(msgspec.Struct, frozen=True):
    """A DAG file: its DAGs by id, the processor seconds that parsing took, and what it did that belongs into a task."""

    dags: Mapping[str, Dag]
    seconds: Mapping[str, float]
    work: tuple[str, ...] = ()


class Event(msgspec.Struct, frozen=True):
    """One attempt at one task. `waiting` are the tasks for which nothing was decided yet when it began.

    `wrote` and `read` are files that its Python opened and that are neither Python's nor Airflow's own.
    """

    task: str
    map_index: int
    attempt: int
    state: str  # success, failed, up_for_retry, skipped, up_for_reschedule
    seconds: float
    waiting: tuple[str, ...]
    error: str = ""
    log: str = ""
    wrote: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    died: int | None = None
    endless: float | None = None
    raised: str = ""

    @property
    def name(self) -> str:
        """Whose attempt it was, as Airflow names the instance."""
        return self.task if self.map_index < 0 else f"{self.task}[{self.map_index}]"

    @property
    def why(self) -> str:
        """Why it failed, in its last words."""
        if self.endless is not None:
            return f"it still ran after {self.endless:.0f} s and was stopped"
        if self.died is not None:
            return f"its process ended by itself with code {self.died}"
        return tail(self.error or self.raised or self.log)


class DagRun(msgspec.Struct, frozen=True):
    """How a run went. `states` has every task instance: `task`, or `task[2]` for a mapped one."""

    state: str
    run_id: str
    events: tuple[Event, ...]
    states: Mapping[str, str]
    retry_delays: Mapping[str, tuple[float, ...]]
    xcoms: Mapping[str, Any]

    @property
    def order(self) -> list[str]:
        """The tasks in the order in which they were started; one that was tried again appears again."""
        return [event.task for event in self.events]

    def ran(self, task: str) -> bool:
        """Whether a task was started at all."""
        return task in self.order

    def before(self, one: str, other: str) -> bool:
        """Whether the last attempt at `one` was before the first at `other`; both must have been started."""
        order = self.order
        return len(order) - 1 - order[::-1].index(one) < order.index(other)

    def handed_on(self) -> list[tuple[str, str, str]]:
        """Local files that one task instance left and a later one read: (file, who wrote it, who read it)."""
        wrote, found = dict[str, str](), list[tuple[str, str, str]]()
        for event in self.events:
            found += [(file, wrote[file], event.name) for file in event.read if wrote.get(file, event.name) != event.name]
            wrote |= dict.fromkeys(event.wrote, event.name)
        return found

    def event(self, task: str) -> Event:
        """The last attempt at a task. Raises KeyError if there was none."""
        return {event.task: event for event in self.events}[task]

    def failures(self) -> str:
        """Each task that failed, with its last words; for a message."""
        bad = [event for event in self.events if event.state in ("failed", "up_for_retry")]
        last = {event.task: event for event in bad}.values()
        others = [name for name, state in self.states.items() if state == "upstream_failed"]
        said = [f"{event.task} {event.state}: {event.why}" for event in last]
        return "\n".join([*said, *([f"upstream_failed: {', '.join(sorted(others))}"] if others else [])])

    def succeeded(self, expected: str = "the run succeeds") -> "DagRun":
        """Fail the check unless the run succeeded."""
        if self.state != "success":
            undecided = sorted(name for name, state in self.states.items() if state in ("none", "scheduled"))
            said = self.failures() or (f"these never ran: {', '.join(undecided)}" if undecided else "no task failed")
            fail(expected=expected, seen=f"its state is {self.state}; {said}")
        return self


class Due(msgspec.Struct, frozen=True):
    """A run that the scheduler would make: all times as text with their zone."""

    logical_date: str
    start: str
    end: str
    due: str


class Airflow:
    """Judges the learner's DAG files. The fixture `airflow` gives one that is connected to `stack`."""

    def __init__(self, work: Work) -> None:
        self.work, self.heard = work, 0
        self.environment: dict[str, str] = {}
        self.used = True
        home = work.run_folder / "airflow"
        home.mkdir(exist_ok=True)
        self.log = home / "task.log"
        self.program = self.launch(home)

    def launch(self, home: Path) -> Program:
        """Start the worker; its imports go on while the caller does other things."""
        env = {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
            "PYTHONPATH": "",
            "PYTHONSAFEPATH": "1",
            "PYTHONWARNINGS": "ignore",
        }
        command = [sys.executable, "-m", WORKER]
        return self.work.start_command(command, env=env, interactive=True, seconds=900, memory=MEMORY, output=16)

    def use(self, stack: Stack) -> "Airflow":
        """Judge on this stack from now on."""
        bundle = [
            {
                "name": "work",
                "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
                "kwargs": {"path": str(self.work.folder)},
            }
        ]
        own = {
            "AIRFLOW_HOME": str(self.log.parent),
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundle),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.work.folder),
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.log.parent / "logs"),
        }
        self.environment = {**self.work.environment, **stack.environment(), **own}
        warm_up = self.log.parent / "warm_up.py"
        self.program.say(json.dumps({"do": "use", "file": str(warm_up), "environment": self.environment}) + "\n")
        self.used = False  # the answer is heard before the next
        return self

    # What a check asks

    def parse(self, file: str) -> Parsed:
        """Parse a handed-in file. An import error, or a file that ends or hangs the process, fails the check."""
        return msgspec.convert(self.ask("parse", file), Parsed)

    def dag(self, file: str, dag_id: str) -> Dag:
        """One DAG of a file; fails the check if it is not there."""
        found = self.parse(file).dags
        if dag_id not in found:
            missing(file, dag_id, list(found))
        return found[dag_id]

    def schedule(self, file: str, dag_id: str, begin: str, end: str, most: int = 50) -> list[Due]:
        """The runs that the scheduler would make between two moments (ISO, with zone), if it caught up."""
        told = self.ask("schedule", file, dag_id=dag_id, begin=begin, end=end, most=most)
        return msgspec.convert(told["runs"], list[Due])

    def run(
        self,
        file: str,
        dag_id: str,
        day: date | datetime | str | None,
        *,
        conf: Mapping[str, Any] | None = None,
        interval: tuple[str, str] | None = None,
        kind: str = "manual",
        hold: Sequence[str] = (),
        fail_tasks: Mapping[str, int] | None = None,
        seed: int = 0,
        task_seconds: float = 30,
        seconds: float = ANSWER_SECONDS,
        once: bool = False,
        unreal: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> DagRun:
        """Carry out one run for the logical date `day` (midnight UTC for a date).

        `hold`: tasks that run only when nothing else can, as if they took very long. `fail_tasks`: how many attempts at a task
        are made to fail (a large number: all). `seed` draws the order among tasks that could run at once. `interval` overrides what
        the timetable makes of `day`. `task_seconds` bounds each task, `seconds` the run. `once`: no task is tried again, whatever
        its retries. `unreal`: tasks that succeed (or fail, if they are to) without their body, which is quick. A second run for the
        same date takes the place of the first, which is forgotten with its XComs. A DAG that is not there fails the check.
        """
        told = self.ask(
            "run",
            file,
            seconds=seconds * wait.scale(),
            dag_id=dag_id,
            date=stamp(day),
            conf=dict(conf or {}),
            interval=list(interval) if interval else None,
            kind=kind,
            hold=list(hold),
            fail=dict(fail_tasks or {}),
            seed=seed,
            task_seconds=task_seconds * wait.scale(),
            once=once,
            unreal=list(unreal),
            name=secrets.token_hex(4),
            env=dict(env or {}),
        )
        for event in told["events"]:
            event["error"] = shorten(event.get("error", ""), self.work.folder)
        return msgspec.convert(told, DagRun)

    # How it is asked

    def ask(self, do: str, file: str, **more: Any) -> dict[str, Any]:
        """One request; what is the learner's failure fails the check."""
        environment = {**self.environment, **more.pop("env", {})}
        bound = more.setdefault("seconds", ANSWER_SECONDS * wait.scale())
        request = {"do": do, "file": str(self.work.path(file)), "environment": environment, "log": str(self.log), **more}
        self.program.say(json.dumps(request) + "\n")
        self.hear_use()
        told = self.hear(bound)
        if "import_error" in told:
            fail(expected=f"{file} can be imported by Airflow", seen=self.readable(told["import_error"]))
        if "missing" in told:
            missing(file, told["missing"], told["dags"])
        if "died" in told:
            fail(expected=f"{file} can be parsed", seen=f"the process that parsed it ended by itself with code {told['died']}")
        if "endless" in told:
            fail(expected=f"{file} can be parsed and run", seen="it did not come to an end")
        if "raised" in told:
            self.explain(file, told["raised"])
        return told

    def hear_use(self) -> None:
        """See that the worker has taken up its stack. Raises Blocked if it could not."""
        if not self.used:
            self.used = True
            if raised := self.hear(START_SECONDS * wait.scale()).get("raised", ""):
                self.blocked(raised)
                raise RuntimeError(f"Airflow could not be used: {raised}")

    def explain(self, file: str, text: str) -> None:
        """An error outside of a task: the learner's if it speaks of the DAG, else ours."""
        self.blocked(text)
        fail(expected=f"Airflow takes the DAG in {file}", seen=self.readable(text))

    def blocked(self, text: str) -> None:
        """Raise Blocked if the traceback speaks of a server that does not answer."""
        if "sqlalchemy.exc.OperationalError" in text and "airflow_running" in text:
            fix = "verify again; `lab doctor` looks at the machine"
            raise Blocked(f"Airflow's metadata could not be reached: {tail(text)}", fix)

    def readable(self, text: str) -> str:
        """A traceback with the learner's own lines only."""
        return show(tail(shorten(text, self.work.folder)))

    def hear(self, seconds: float) -> dict[str, Any]:
        """The next answer; the worker itself ends a request after `seconds`. Raises Blocked if the worker has ended."""

        def line() -> str:
            lines = self.program.out.text().splitlines(keepends=True)
            return lines[self.heard] if len(lines) > self.heard and lines[self.heard].endswith("\n") else ""

        wait.until(
            lambda: line() or not self.program.running(),
            seconds=seconds + START_SECONDS,
            what="Airflow to carry out a run",
            longest=LOOK,
        )
        if not line():
            raise Blocked(f"Airflow could not be run: {tail(self.program.err.text())}", "scripts/bootstrap airflow, then repeat")
        told = line()
        self.heard += 1
        return dict(json.loads(told))

    def close(self) -> None:
        """End the worker."""
        self.program.end()
        for stream in (self.program.child.stdout, self.program.child.stderr):
            with suppress(OSError, AttributeError):
                stream.close()  # type: ignore[union-attr]


def stamp(day: date | datetime | str | None) -> str:
    """A logical date as text with its zone; empty for a run without one."""
    if day is None or isinstance(day, str):
        return day or ""
    if isinstance(day, datetime):
        return day.isoformat()
    return f"{day.isoformat()}T00:00:00+00:00"


def missing(file: str, dag_id: str, found: Sequence[str]) -> None:
    """Fail the check for a DAG that is not in its file."""
    there = f"it has {', '.join(found)}" if found else "it has none: a function with @dag must be called, a DAG must be a global"
    fail(expected=f"{file} has a DAG with the id {dag_id}", seen=there)

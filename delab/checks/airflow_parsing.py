"""DAG files as data: what they hold, what they do while they are parsed, when they are due. Part of delab.checks.airflow_worker."""

import sys
import time
from pathlib import Path
from typing import Any

from delab.checks.airflow_forks import LONGEST

MOST_RUNS = 100_000  # between a DAG's start and the end of the time that is asked for


class Watch:
    """Notes what a DAG file does when it is parsed and should leave to its tasks: network, programs, files, sleep, metadata."""

    def __init__(self) -> None:
        self.on = False
        self.seen: list[str] = []
        self.originals: list[tuple[Any, str, Any]] = []
        sys.addaudithook(self.hear)
        self.wrap()

    def hear(self, event: str, given: tuple[Any, ...]) -> None:
        """An audit event."""
        if not self.on:
            return
        if event == "open" and isinstance(given[1], str) and set(given[1]) & set("wax+") and "__pycache__" not in str(given[0]):
            self.note(f"writes the file {given[0]}")
        elif event == "socket.connect":
            self.note(f"connects to {given[1]}")
        elif event in ("subprocess.Popen", "os.system"):
            self.note(f"starts a program: {given[0]}")

    def wrap(self) -> None:
        """What has no audit event: libpq, and Airflow's connections and variables."""
        import psycopg2
        from airflow.sdk import BaseHook, Connection, Variable
        from psycopg import generators

        places: dict[tuple[Any, str], str] = {(psycopg2, "connect"): "connects to PostgreSQL", (time, "sleep"): "sleeps"}
        places[generators, "connect"] = "connects to PostgreSQL"  # all of psycopg's connections come through here
        places[Variable, "get"] = "reads an Airflow variable"
        places |= dict.fromkeys(((Connection, "get"), (BaseHook, "get_connection")), "reads an Airflow connection")
        for (owner, name), what in places.items():
            wrapped = self.noted(getattr(owner, name), what)
            self.originals.append((owner, name, vars(owner)[name]))
            setattr(owner, name, staticmethod(wrapped) if isinstance(owner, type) else wrapped)

    def end(self) -> None:
        """Note nothing any more, and leave no trace."""
        self.on = False
        for owner, name, original in self.originals:
            setattr(owner, name, original)

    def noted(self, original: Any, what: str) -> Any:
        """The same function, which notes that it was called."""

        def called(*arguments: Any, **options: Any) -> Any:
            self.note(what)
            return original(*arguments, **options)

        return called

    def note(self, what: str) -> None:
        """Remember it, once."""
        if self.on and what not in self.seen:
            self.seen.append(what)


def parse(request: dict[str, Any]) -> dict[str, Any]:
    """Parse the file as the DAG processor does: the bag, the seconds it took, and what it did beside; or its import error."""
    from airflow.dag_processing.dagbag import BundleDagBag

    file = Path(request["file"])
    watch = Watch()
    watch.on, began = True, time.process_time()
    wall = time.monotonic()
    bag = BundleDagBag(dag_folder=str(file), bundle_path=file.parent, bundle_name="work", safe_mode=False, load_op_links=False)
    watch.end()
    seconds = {"processor": time.process_time() - began, "wall": time.monotonic() - wall}
    if bag.import_errors:
        return {"import_error": "\n".join(bag.import_errors.values())[-LONGEST:]}
    return {"bag": bag, "seconds": seconds, "work": watch.seen}


def as_stored(dag: Any) -> Any:
    """A DAG as the scheduler has it, from the metadata."""
    from airflow.serialization.serialized_objects import DagSerialization

    return DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))


def described(dag: Any) -> dict[str, Any]:
    """A DAG as data."""
    stored = as_stored(dag)
    return {
        "schedule": stored.timetable.summary,
        "timetable": type(stored.timetable).__name__,
        "catchup": bool(dag.catchup),
        "start_date": str(dag.start_date or ""),
        "max_active_runs": dag.max_active_runs,
        "tags": sorted(dag.tags or ()),
        "description": dag.description or "",
        "owner": stored.owner,
        "has_failure_callback": bool(dag.on_failure_callback),
        "assets_in": sorted(str(asset.uri) for _, asset in stored.timetable.asset_condition.iter_assets()),
        "groups": sorted(name for name in dag.task_group.get_task_group_dict() if name),
        "tasks": {task.task_id: described_task(task) for task in dag.tasks},
    }


def described_task(task: Any) -> dict[str, Any]:
    """A task as data."""
    delay = getattr(task, "retry_delay", None)
    return {
        "kinds": [one.__name__ for one in operator(task).__mro__],
        "upstream": sorted(task.upstream_task_ids),
        "downstream": sorted(task.downstream_task_ids),
        "ancestors": sorted(task.get_flat_relative_ids(upstream=True)),
        "trigger_rule": str(getattr(task.trigger_rule, "value", task.trigger_rule)),
        "retries": task.retries or 0,
        "retry_delay": delay.total_seconds() if delay is not None else 0,
        "group": task.task_group.group_id or "" if task.task_group else "",
        "mapped": bool(task.is_mapped),
        "pool": task.pool,
        "owner": task.owner,
        "depends_on_past": bool(task.depends_on_past),
        "has_failure_callback": bool(task.on_failure_callback),
        "timeout": task.execution_timeout.total_seconds() if task.execution_timeout else 0,
        "outlets": sorted(str(getattr(outlet, "uri", outlet)) for outlet in task.outlets),
    }


def operator(task: Any) -> type:
    """A task's class; a mapped one has it written down."""
    return getattr(task, "operator_class", None) or type(task)


def upcoming(dag: Any, request: dict[str, Any]) -> dict[str, Any]:
    """The runs that the scheduler would make between two moments, if it caught up, by the DAG's own timetable and bounds."""
    from airflow.timetables._delta import DeltaMixin
    from airflow.timetables.base import TimeRestriction

    stored = as_stored(dag)
    bounds, timetable = stored._time_restriction, stored.timetable  # of the DAG and its tasks
    begin, end = moment(request["begin"]), moment(request["end"])
    counted = isinstance(timetable, DeltaMixin) and bounds.earliest  # from its start on, where others follow the clock
    earliest = bounds.earliest if counted else max(filter(None, (bounds.earliest, begin)))
    latest = min(filter(None, (bounds.latest, end)))
    restriction = TimeRestriction(earliest=earliest, latest=latest, catchup=True)
    last, runs = None, list[dict[str, str]]()
    for _ in range(MOST_RUNS):
        info = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
        if info is None or info.run_after > end or len(runs) == request["most"]:
            break
        last = info.data_interval
        if last.start >= begin:
            times = {"logical_date": info.logical_date, "start": last.start, "end": last.end, "due": info.run_after}
            runs.append({name: str(time) for name, time in times.items()})
    return {"runs": runs}


def moment(text: str) -> Any:
    """A time with its zone."""
    from airflow.sdk import timezone

    return timezone.parse(text)

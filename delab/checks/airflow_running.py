"""One run of one DAG, step by step: part of delab.checks.airflow_worker."""

import json
import os
import random
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from delab.checks.airflow_forks import LONGEST, Opened, in_a_fork, plain, trace
from delab.checks.airflow_parsing import as_stored, moment

MOST_STEPS = 300  # of one run
RESCHEDULES = 20  # looks of one sensor


class Run:
    """One run of one DAG."""

    def __init__(self, bag: Any, dag: Any, request: dict[str, Any]) -> None:
        from airflow import settings

        self.bag, self.dag, self.request = bag, dag, request
        self.chance = random.Random(request["seed"])
        self.session = settings.Session()
        self.held = set(request["hold"])
        self.failing = {str(name): int(times) for name, times in request["fail"].items()}
        self.events: list[dict[str, Any]] = []
        self.delays: dict[str, list[float]] = {}

    def carry_out(self) -> dict[str, Any]:
        """From the run's creation to its end."""
        run = self.create()
        for _ in range(MOST_STEPS):
            if not (ready := self.settled(run)):
                break
            for instance in self.chosen(ready):
                self.step(run, instance)
        return self.told(run)

    def create(self) -> Any:
        """Store the DAG, make the run."""
        from airflow.dag_processing.dagbag import sync_bag_to_db
        from airflow.utils.types import DagRunTriggeredByType, DagRunType

        self.dag.validate()
        if not self.there():
            sync_bag_to_db(self.bag, "work", None, session=self.session)
        self.session.commit()
        self.stored = as_stored(self.dag)
        self.stored.on_success_callback = self.dag.on_success_callback
        self.stored.on_failure_callback = self.dag.on_failure_callback
        date = moment(self.request["date"]) if self.request["date"] else None
        interval = self.interval(date)
        kind = DagRunType(self.request["kind"])
        self.forget_earlier(date)
        run = self.stored.create_dagrun(
            run_id=f"{kind.value}__{self.request['date']}__{self.request['name']}",
            logical_date=date,
            data_interval=interval,
            run_after=moment(now()) if kind is DagRunType.MANUAL or not interval else interval[1],  # as Airflow itself has it
            run_type=kind,
            conf=self.request["conf"],
            triggered_by=DagRunTriggeredByType.TEST,
            state="running",
            start_date=moment(now()),
            session=self.session,
        )
        run.dag = self.stored
        for instance in run.get_task_instances(session=self.session) if self.request["once"] else ():
            instance.max_tries = 0
        self.session.commit()
        return run

    def there(self) -> bool:
        """Whether the metadata have the DAGs as they are, from an earlier run: to store them takes as long as half a task."""
        from airflow.models.serialized_dag import SerializedDagModel
        from airflow.serialization.serialized_objects import LazyDeserializedDAG
        from sqlalchemy import select

        now = {name: SerializedDagModel.hash(LazyDeserializedDAG.from_dag(dag).data) for name, dag in self.bag.dags.items()}
        versions = select(SerializedDagModel.dag_id, SerializedDagModel.dag_hash).order_by(SerializedDagModel.created_at)
        return dict(self.session.execute(versions.where(SerializedDagModel.dag_id.in_(now))).all()) == now

    def forget_earlier(self, date: Any) -> None:
        """Remove the run of the same logical date: there is one for each, and a second one is the first, repeated."""
        from airflow.models.dagrun import DagRun
        from sqlalchemy import delete

        if date is not None:
            self.session.execute(delete(DagRun).where(DagRun.dag_id == self.dag.dag_id, DagRun.logical_date == date))
            self.session.commit()

    def interval(self, date: Any) -> Any:
        """The data interval: as asked, or as the timetable says."""
        from airflow.serialization.encoders import coerce_to_core_timetable

        if self.request["interval"]:
            return tuple(moment(text) for text in self.request["interval"])
        return coerce_to_core_timetable(self.dag.timetable).infer_manual_data_interval(run_after=date) if date else None

    def settled(self, run: Any) -> list[Any]:
        """What can run once nothing changes by itself any more: skips and failures go down one level at a time."""
        before = None
        while not self.free(ready := self.decide(run)) and str(run.state) == "running":
            states = self.states(run)
            if states == before:
                break
            before = states
        return ready

    def states(self, run: Any) -> dict[str, str]:
        """The state of each task instance."""
        instances = run.get_task_instances(session=self.session)
        return {key(one): str(one.state) if one.state else "none" for one in instances}

    def decide(self, run: Any) -> list[Any]:
        """Let Airflow decide what can run now."""
        self.session.expire_all()
        run.dag = self.stored
        ready, _ = run.update_state(session=self.session)
        self.session.commit()
        return list(ready)

    def chosen(self, ready: list[Any]) -> list[Any]:
        """What runs next: one task, held ones last, the others in any order; or all those that have no body, at once."""
        able = sorted(self.free(ready) or ready, key=lambda one: (one.task_id, one.map_index))
        return [one for one in able if one.task_id in self.request["unreal"]] or [self.chance.choice(able)]

    def free(self, ready: list[Any]) -> list[Any]:
        """Those of them that are not held."""
        return [one for one in ready if one.task_id not in self.held]

    def step(self, run: Any, instance: Any) -> None:
        """Run one task instance in a fork, and note how it went."""
        if str(instance.state) != "up_for_reschedule":
            instance.try_number += 1
        instance.state = "scheduled"
        self.session.commit()
        who, attempt = identity(instance), instance.try_number
        waiting = [one.task_id for one in run.get_task_instances(session=self.session) if one.state is None]
        self.session.commit()
        began = time.monotonic()
        told = self.pretend(instance) if who["task_id"] in self.request["unreal"] else self.carried_out(who)
        seconds = time.monotonic() - began
        self.session.expire_all()
        instance = self.found(who, self.session)
        if "endless" in told or "died" in told:
            instance.set_state("failed", session=self.session)
            self.session.commit()
        event = {"task": who["task_id"], "map_index": who["map_index"], "attempt": attempt, "state": str(instance.state), **told}
        self.events.append({**event, "seconds": seconds, "waiting": waiting})
        self.skip_wait(instance)

    def pretend(self, instance: Any) -> dict[str, Any]:
        """Let a task succeed, or fail as planned, without its body."""
        fails = instance.try_number <= self.failing.get(instance.task_id, 0)
        instance.start_date = instance.end_date = datetime.now(UTC)
        instance.set_state("failed" if fails else "success", session=self.session)
        self.session.commit()
        return {"error": "made to fail by the verification"} if fails else {}

    def found(self, who: dict[str, Any], session: Any) -> Any:
        """A task instance as the metadata have it now."""
        from airflow.models.taskinstance import TaskInstance
        from sqlalchemy import select

        row = session.scalars(select(TaskInstance).filter_by(**who)).one()
        row.task = self.stored.get_task(row.task_id)
        return row

    def carried_out(self, who: dict[str, Any]) -> dict[str, Any]:
        """What a task told, which has a process of its own."""
        return in_a_fork(lambda: self.execute(who), self.request["task_seconds"])

    def execute(self, who: dict[str, Any]) -> dict[str, Any]:
        """In the fork: run the task."""
        log = Path(self.request["log"])
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        for target in (1, 2):
            os.dup2(file, target)
        opened = Opened([os.environ["AIRFLOW_HOME"]])
        error = self.perform(who)
        sys.stdout.flush()
        sys.stderr.flush()
        return {"error": error, **opened.told(), "log": log.read_text(errors="replace")[-LONGEST:]}

    def perform(self, who: dict[str, Any]) -> str:
        """Run the task in this process; its error."""
        from airflow import settings
        from airflow.sdk.definitions.dag import _run_task
        from airflow.sdk.execution_time import task_runner

        settings.Session.remove()
        instance = self.found(who, settings.Session())
        if instance.try_number <= self.failing.get(who["task_id"], 0):
            task_runner._execute_task = planned_failure
        try:
            result = _run_task(ti=instance, task=self.dag.task_dict[who["task_id"]], run_triggerer=True)
            return trace(result.error) if result is not None and result.error else ""
        except BaseException as raised:
            return trace(raised)

    def skip_wait(self, instance: Any) -> None:
        """Let the time pass for which a task would wait: until its retry, or until its sensor looks again."""
        if str(instance.state) == "up_for_retry":
            delay = instance.next_retry_datetime() - instance.end_date
            self.delays.setdefault(instance.task_id, []).append(delay.total_seconds())
            instance.end_date = instance.end_date - delay - timedelta(seconds=1)
        elif str(instance.state) == "up_for_reschedule":
            self.skip_reschedule(instance)
        self.session.commit()

    def skip_reschedule(self, instance: Any) -> None:
        """Move a sensor's next look to now; one that looks too often holds the run up, and it ends."""
        from airflow.models.taskreschedule import TaskReschedule
        from sqlalchemy import update

        looks = sum(event["task"] == instance.task_id for event in self.events)
        if looks < RESCHEDULES:
            mine = TaskReschedule.ti_id == instance.id
            self.session.execute(update(TaskReschedule).where(mine).values(reschedule_date=moment("2020-01-01")))

    def told(self, run: Any) -> dict[str, Any]:
        """All that is known of the run."""
        self.session.expire_all()
        return {
            "state": str(run.state),
            "run_id": run.run_id,
            "events": self.events,
            "states": self.states(run),
            "retry_delays": self.delays,
            "xcoms": self.xcoms(run),
        }

    def xcoms(self, run: Any) -> dict[str, Any]:
        """What tasks have pushed: `task`, `task[2]` for a mapped one, `task:key` for a key of its own."""
        from airflow.models.xcom import XComModel
        from airflow.sdk.serde import deserialize
        from sqlalchemy import select

        mine = select(XComModel).where(XComModel.run_id == run.run_id, XComModel.dag_id == run.dag_id)
        return {
            xcom_name(row): shortened(deserialize(XComModel.deserialize_value(row))) for row in self.session.scalars(mine).all()
        }


def xcom_name(row: Any) -> str:
    """The name of a pushed value: its task's, and its key unless that is the usual one."""
    return key(row) + ("" if row.key == "return_value" else f":{row.key}")


def identity(instance: Any) -> dict[str, Any]:
    """What a task instance keeps; its id changes with each attempt."""
    return {name: getattr(instance, name) for name in ("dag_id", "run_id", "task_id", "map_index")}


def planned_failure(*arguments: Any, **options: Any) -> None:
    """Runs in place of a task that is to fail."""
    from airflow.sdk.exceptions import AirflowException

    raise AirflowException("made to fail by the verification")


def key(row: Any) -> str:
    """A task instance's name."""
    return str(row.task_id) if row.map_index < 0 else f"{row.task_id}[{row.map_index}]"


def shortened(value: Any) -> Any:
    """A value as it goes over the wire; one that is large only by its size."""
    text = json.dumps(value, default=plain)
    return value if len(text) < 50 * LONGEST else f"({len(text)} characters)"


def now() -> str:
    """The time."""
    return datetime.now(UTC).isoformat()

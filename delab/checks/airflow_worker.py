"""Runs in the learner's place: parses DAG files and carries out runs, with Airflow imported once and a fork for each request.

A request is a line of JSON on standard input, the answer a line on standard output:

    {"do": "parse" | "schedule" | "run", "file": PATH, "environment": {…}, …}
    {"dags": {…}, …} | {"import_error": TEXT} | {"raised": TEXT} | {"died": CODE}

A run is decided by Airflow's own scheduling code (`DagRun.update_state`) on metadata in the stack's PostgreSQL; each task runs in
a process of its own, as it would under an executor, so that nothing gets from one to the next through memory. One task at a time,
in an order drawn from a seed; tasks that are *held* run only when nothing else can, as if they took very long. Waits are skipped.
"""

import contextlib
import functools
import gc
import json
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from delab.checks.airflow_forks import in_a_fork, trace
from delab.checks.airflow_parsing import described, parse, upcoming
from delab.checks.airflow_running import Run

WARM_UP = """
from airflow.sdk import DAG, task

with DAG("warm_up", schedule=None):

    @task
    def a():
        return {"a": [1]}

    @task
    def b(told):
        print(told)

    b(a())
"""
PLAIN: dict[str, Any] = {
    "dag_id": "warm_up",
    "date": "2001-01-01T00:00:00+00:00",
    "name": "warm_up",
    "kind": "manual",
    "conf": {},
    "interval": None,
    "hold": [],
    "fail": {},
    "unreal": [],
    "once": True,
    "seed": 0,
    "task_seconds": 1,
}
THREAD_SECONDS = 5  # until a thread that was told to end has ended

# What Airflow must be told before it is imported; a stack's own variables come with `use`.
ENVIRONMENT = {
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__METRICS__LEGACY_NAMES_ON": "False",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql+psycopg2://nobody@127.0.0.1:1/none",
}


@functools.cache
def preload() -> None:
    """Import what a run needs, and build the API that tasks talk to; no threads, no connections."""
    os.environ.update(ENVIRONMENT)
    os.environ.setdefault("AIRFLOW_HOME", tempfile.gettempdir())
    import a2wsgi  # noqa: F401
    import airflow.dag_processing.collection
    import airflow.models.dagrun
    import airflow.providers.postgres.hooks.postgres
    import airflow.providers.standard.decorators.python
    import airflow.providers.standard.operators.bash
    import airflow.providers.standard.operators.empty
    import airflow.providers.standard.operators.python
    import airflow.providers.standard.sensors.python
    import airflow.sdk
    import airflow.sdk.definitions.asset.metadata
    import airflow.sdk.execution_time.cache
    import airflow.sdk.execution_time.task_runner
    import airflow.serialization.serialized_objects  # noqa: F401
    import anyio._backends._asyncio  # noqa: F401
    import jinja2.ext  # noqa: F401
    from airflow.providers_manager import ProvidersManager
    from airflow.sdk.api.client import TaskInstanceOperations
    from airflow.sdk.execution_time.comms import OKResponse
    from airflow.sdk.execution_time.supervisor import in_process_api_server
    from airflow.sdk.lineage import get_hook_lineage_collector
    from sqlalchemy.orm import configure_mappers

    from delab.airflow_versions import latest_only

    latest_only()
    ProvidersManager().initialize_providers_configuration()
    # What every fork would do by itself, again and again:
    in_process_api_server().app._cadwyn_initialize()
    get_hook_lineage_collector()
    configure_mappers()
    TaskInstanceOperations.set_rtif = lambda *_: OKResponse(ok=True)  # rendered templates are kept for the UI; there is none


def main() -> None:
    """Answer requests until there are no more."""
    gc.disable()
    out = os.dup(1)
    os.dup2(2, 1)
    preload()
    gc.freeze()
    gc.enable()
    for line in iter(sys.stdin.readline, ""):
        request = json.loads(line)
        told = use(request) if request["do"] == "use" else in_a_fork(lambda request=request: answer(request), request["seconds"])
        os.write(out, (json.dumps(told, default=str) + "\n").encode())


def use(request: dict[str, Any]) -> dict[str, Any]:
    """Take up a stack's variables, and rehearse."""
    from airflow import settings
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    os.environ.update(request["environment"])
    settings.configure_vars()
    settings.configure_orm()
    try:
        DagBundlesManager().sync_bundles_to_db()
        file = Path(request["file"])
        file.write_text(WARM_UP)
        bag = parse({"file": str(file)})["bag"]
        told = Rehearsal(bag, bag.dags["warm_up"], {**request, **PLAIN}).carry_out()
        forget("warm_up")
        if told["state"] != "success":
            return {"raised": json.dumps(told, default=str)}
    except Exception as error:
        return {"raised": trace(error)}
    finally:
        settings.Session.remove()
        settings.engine.dispose()
    gc.freeze()
    return {}


class Rehearsal(Run):
    """A run of a DAG of our own in this process: what its tasks and their API compile and cache, every later fork has."""

    def carry_out(self) -> dict[str, Any]:
        """The run; no thread of it is left, which a fork would miss."""
        from airflow.sdk.execution_time.supervisor import InProcessTestSupervisor, in_process_api_server

        socket, InProcessTestSupervisor._setup_subprocess_socket = InProcessTestSupervisor._setup_subprocess_socket, no_socket
        try:
            return super().carry_out()
        finally:
            InProcessTestSupervisor._setup_subprocess_socket = socket
            del in_process_api_server().transport  # this ends its loop; the next task makes one
            gc.collect()
            for thread in threading.enumerate():
                if thread is not threading.current_thread():
                    thread.join(THREAD_SECONDS)

    def carried_out(self, who: dict[str, Any]) -> dict[str, Any]:
        """What a task told."""
        return {"error": self.perform(who), "log": ""}


@contextlib.contextmanager
def no_socket(supervisor: Any) -> Iterator[None]:
    """In place of the socket for tasks that start a process: its thread ends a second late."""
    yield


def forget(dag_id: str) -> None:
    """Remove a DAG and its runs."""
    from airflow.api.common.delete_dag import delete_dag

    delete_dag(dag_id)


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Carry out one request."""
    os.environ.update(request["environment"])
    os.chdir(Path(request["file"]).parent)
    found = parse(request)
    if "bag" not in found:
        return found
    bag = found.pop("bag")
    if request["do"] == "parse":
        return {**found, "dags": {name: described(dag) for name, dag in bag.dags.items()}}
    dag = bag.dags.get(request["dag_id"])
    if dag is None:
        return {"missing": request["dag_id"], "dags": sorted(bag.dags)}
    return upcoming(dag, request) if request["do"] == "schedule" else Run(bag, dag, request).carry_out()


if __name__ == "__main__":
    main()

"""Runs in the learner's place: parses DAG files and carries out runs, with Airflow imported once and a fork for each request.

A request is a line of JSON on standard input, the answer a line on standard output:

    {"do": "parse" | "schedule" | "run", "file": PATH, "environment": {…}, …}
    {"dags": {…}, …} | {"import_error": TEXT} | {"raised": TEXT} | {"died": CODE}

A run is decided by Airflow's own scheduling code (`DagRun.update_state`) on metadata in the stack's PostgreSQL; each task runs in
a process of its own, as it would under an executor, so that nothing gets from one to the next through memory. One task at a time,
in an order drawn from a seed; tasks that are *held* run only when nothing else can, as if they took very long. Waits are skipped.
"""

import gc
import json
import os
import sys
from pathlib import Path
from typing import Any

from delab.checks.airflow_forks import in_a_fork
from delab.checks.airflow_parsing import described, parse, upcoming
from delab.checks.airflow_running import Run


def preload() -> None:
    """Import what a run needs, and build the API that tasks talk to; no threads, no connections."""
    import airflow.dag_processing.collection
    import airflow.models.dagrun
    import airflow.providers.postgres.hooks.postgres
    import airflow.providers.standard.operators.bash
    import airflow.providers.standard.operators.empty
    import airflow.providers.standard.operators.python
    import airflow.providers.standard.sensors.python
    import airflow.sdk
    import airflow.sdk.execution_time.task_runner
    import airflow.serialization.serialized_objects  # noqa: F401
    from airflow.providers_manager import ProvidersManager
    from airflow.sdk.execution_time.supervisor import in_process_api_server

    from delab.airflow_versions import latest_only

    latest_only()
    ProvidersManager().initialize_providers_configuration()
    in_process_api_server().app._cadwyn_initialize()  # else every fork does it, at its first request


def main() -> None:
    """Answer requests until there are no more."""
    gc.disable()
    out = os.dup(1)
    os.dup2(2, 1)
    preload()
    gc.freeze()
    gc.enable()
    for line in iter(sys.stdin.readline, ""):
        told = in_a_fork(lambda line=line: answer(json.loads(line)), seconds=600)
        os.write(out, (json.dumps(told, default=str) + "\n").encode())


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Carry out one request."""
    os.environ.update(request["environment"])
    from airflow import settings

    settings.configure_vars()
    settings.configure_orm()
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

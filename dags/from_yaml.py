"""A DAG for each file in `pipelines/`: SQL steps on the warehouse and their dependencies, without Python.

    schedule: "@daily"            # none if left out
    retries: 2
    steps:
      clean: {sql: "DELETE FROM x WHERE day = %(day)s"}
      fill: {sql: "INSERT INTO x SELECT …", after: [clean]}
    checks:                        # rows that should not be; after all steps
      no gaps: "SELECT …"

A file that is wrong leaves the other DAGs as they are; the DAG `pipelines_with_errors` says what is wrong with it.
Each step is one transaction.
"""

from datetime import timedelta
from pathlib import Path

import pendulum
import yaml
from airflow.sdk import DAG, task
from dag_parts import alerts, gate, warehouse

FOLDER = Path(__file__).parent / "pipelines"
KNOWN = {"schedule", "retries", "steps", "checks", "tags"}


class PipelineError(Exception):
    """A file in pipelines/ that can't be made into a DAG."""


def problems(pipeline: object) -> list[str]:
    """What is wrong with a file's content."""
    if not isinstance(pipeline, dict) or not isinstance(pipeline.get("steps"), dict):
        return ["there are no steps"]
    steps = pipeline["steps"]
    found = [f"unknown field {name}" for name in sorted(set(pipeline) - KNOWN)]
    found += [f"step {name} has no sql" for name, step in steps.items() if not (step or {}).get("sql")]
    return found + [
        f"step {name} comes after {other}, which is not there"
        for name, step in steps.items()
        for other in (step or {}).get("after", [])
        if other not in steps
    ]


def pipeline_dag(name: str, pipeline: dict) -> DAG:
    """The DAG of one file. Raises PipelineError."""
    if wrong := problems(pipeline):
        raise PipelineError(f"pipelines/{name}.yaml: {'; '.join(wrong)}")
    again = {"retries": pipeline.get("retries", 1), "retry_delay": timedelta(minutes=1), "on_failure_callback": alerts.task_failed}
    with DAG(
        name,
        schedule=pipeline.get("schedule"),
        start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
        catchup=False,
        default_args=again,
        tags=["yaml", *pipeline.get("tags", [])],
        doc_md=f"Made from `pipelines/{name}.yaml`.",
    ) as made:
        steps = {step: run_sql.override(task_id=step)(sql=body["sql"]) for step, body in pipeline["steps"].items()}
        for step, body in pipeline["steps"].items():
            for other in body.get("after", []):
                steps[other] >> steps[step]
        if pipeline.get("checks"):
            list(steps.values()) >> run_checks.override(task_id="checks")(rules=pipeline["checks"])
    return made


@task
def run_sql(sql: str, ds: str | None = None) -> int:
    """One step."""
    with warehouse.session() as cursor:
        cursor.execute(sql, {"day": ds})
        return int(cursor.rowcount)


@task(retries=0)
def run_checks(rules: dict[str, str], ds: str | None = None) -> dict[str, int]:
    """The rules of a pipeline."""
    with warehouse.session() as cursor:
        return gate.check(cursor, rules, {"day": ds})


ERRORS = []
for path in sorted(FOLDER.glob("*.yaml")):
    try:
        globals()[path.stem] = pipeline_dag(path.stem, yaml.safe_load(path.read_text()))
    except (PipelineError, yaml.YAMLError) as error:
        ERRORS.append(str(error))
if ERRORS:
    # One DAG that tells it, and is red when it runs: an exception here would take all others away.
    with DAG("pipelines_with_errors", schedule=None, tags=["yaml"], doc_md="\n".join(f"- {text}" for text in ERRORS)):

        @task
        def tell(errors: list[str]) -> None:
            """Fail with what is wrong."""
            raise PipelineError("; ".join(errors))

        tell(ERRORS)

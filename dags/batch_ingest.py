"""Files of a folder into tables: one mapped task a file, however many there are; to load a file again does no harm.

Variable `batch_ingest`: JSON such as `{"folder": "/landing", "tables": {"events": ["event_id"]}}`; files are `TABLE/*.csv` with a
header, the list is the table's key. A run takes the files whose names contain its day (`ds`), or, with `{"all": true}` in its
configuration, all of them. In which order is Airflow's to choose: a key that is in two files of one run gets either's row, so let
a run's files not share keys.
"""

from datetime import timedelta
from pathlib import Path

import pendulum
from airflow.sdk import Asset, Variable, dag, task
from dag_parts import alerts, warehouse

LOADED = Asset(name="batch_ingest", uri="delab://warehouse/batch_ingest")


@dag(
    schedule="@hourly",
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=1), "on_failure_callback": alerts.task_failed},
    tags=["ingest"],
    doc_md=__doc__,
)
def batch_ingest():
    """Find files, load each, note what was loaded."""

    @task
    def find(ds: str | None = None, params=None, dag_run=None) -> list[dict[str, str]]:
        wanted = Variable.get("batch_ingest", deserialize_json=True)
        pattern = "*.csv" if (dag_run.conf or {}).get("all") else f"*{ds}*.csv"
        return [
            {"table": table, "file": str(file)}
            for table in sorted(wanted["tables"])
            for file in sorted((Path(wanted["folder"]) / table).glob(pattern))
        ]

    @task(max_active_tis_per_dagrun=1)  # two at once could wait for each other's rows
    def load(table: str, file: str) -> int:
        key = Variable.get("batch_ingest", deserialize_json=True)["tables"][table]
        with warehouse.session() as cursor:
            return warehouse.replace_by_key(cursor, Path(file), table, key)

    @task(outlets=[LOADED], trigger_rule="none_failed")
    def note(rows) -> int:
        return sum(rows or [])

    note(load.expand_kwargs(find()))


batch_ingest()

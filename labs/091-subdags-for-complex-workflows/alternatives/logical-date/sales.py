"""The same with classic operators; the report's run has the logical date of this one, and is cleared when that is repeated."""

from datetime import UTC, datetime, timedelta

import steps
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.python import PythonOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, TaskGroup


class Channel(TaskGroup):
    """A channel's tasks, each owned by the channel's team."""

    def __init__(self, source):
        super().__init__(source)
        common = {"task_group": self, "owner": steps.OWNERS[source], "op_args": [source, "{{ ds }}"]}
        extract = PythonOperator(task_id="extract", python_callable=steps.extract, **common)
        load = PythonOperator(task_id="load", python_callable=steps.load, **common)
        common["task_group"] = checks = TaskGroup("checks", parent_group=self)
        PythonOperator(task_id="amounts", python_callable=steps.check_amounts, **common)
        PythonOperator(task_id="lines", python_callable=steps.check_lines, **common)
        extract >> checks >> load


with DAG(
    "sales",
    schedule=None,
    start_date=datetime(2025, 1, 1, tzinfo=UTC),
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
):
    day = {"op_args": ["{{ ds }}"]}
    begin = PythonOperator(task_id="open_day", python_callable=steps.open_day, **day)
    publish = PythonOperator(task_id="publish", python_callable=steps.publish, **day)
    announce = TriggerDagRunOperator(
        task_id="announce", trigger_dag_id="report", logical_date="{{ logical_date }}", reset_dag_run=True
    )
    loaded = EmptyOperator(task_id="all_loaded")
    for source in steps.SOURCES:
        begin >> Channel(source) >> loaded
    loaded >> publish >> announce

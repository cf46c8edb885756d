"""The day's sales over all channels: a task group for each, made by one function, and a trigger for the report."""

from datetime import timedelta

import pendulum
import steps
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import dag, task, task_group


def day(dag_run):
    """The day of a run."""
    return dag_run.run_after.strftime("%Y-%m-%d")


def channel(source):
    """The group of one channel; its owner is said once, retries come from the DAG."""

    @task_group(group_id=source, default_args={"owner": steps.OWNERS[source]})
    def work():
        @task
        def extract(dag_run=None):
            steps.extract(source, day(dag_run))

        @task_group
        def checks():
            @task
            def amounts(dag_run=None):
                steps.check_amounts(source, day(dag_run))

            @task
            def lines(dag_run=None):
                steps.check_lines(source, day(dag_run))

            amounts()
            lines()

        @task
        def load(dag_run=None):
            steps.load(source, day(dag_run))

        extract() >> checks() >> load()

    return work()


@dag(
    schedule=None,
    start_date=pendulum.datetime(2025, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5), "owner": "warehouse"},
)
def sales():
    @task
    def open_day(dag_run=None):
        steps.open_day(day(dag_run))

    @task
    def publish(dag_run=None):
        steps.publish(day(dag_run))

    tell = TriggerDagRunOperator(
        task_id="trigger_report", trigger_dag_id="report", conf={"day": "{{ dag_run.run_after.strftime('%Y-%m-%d') }}"}
    )
    open_day() >> [channel(source) for source in steps.SOURCES] >> publish() >> tell


sales()

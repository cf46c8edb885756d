"""The day's sales over all channels: a task group for each, made by one function, and a trigger for the report."""

from datetime import timedelta

import pendulum
import steps
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import dag, task, task_group


def channel(source):
    """The group of one channel; its owner is said once, retries come from the DAG."""

    @task_group(group_id=source, default_args={"owner": steps.OWNERS[source]})
    def work():
        @task
        def extract(ds=None):
            steps.extract(source, ds)

        @task_group
        def checks():
            @task
            def amounts(ds=None):
                steps.check_amounts(source, ds)

            @task
            def lines(ds=None):
                steps.check_lines(source, ds)

            amounts()
            lines()

        @task
        def load(ds=None):
            steps.load(source, ds)

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
    def open_day(ds=None):
        steps.open_day(ds)

    @task
    def publish(ds=None):
        steps.publish(ds)

    tell = TriggerDagRunOperator(
        task_id="trigger_report", trigger_dag_id="report", fail_when_dag_is_paused=True, conf={"day": "{{ ds }}"}
    )
    open_day() >> [channel(source) for source in steps.SOURCES] >> publish() >> tell


sales()

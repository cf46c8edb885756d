"""The same with an asset: publishing updates it, and whoever is interested starts; sales knows nothing of the report."""

from datetime import timedelta

import pendulum
import steps
from airflow.sdk import DAG, Asset, TaskGroup, task

PUBLISHED = Asset("published_sales")


@task
def open_day(ds=None):
    steps.open_day(ds)


@task(outlets=[PUBLISHED])
def publish(ds=None):
    steps.publish(ds)


def step(name, function, source):
    return task(task_id=name)(function)(source, "{{ ds }}")


with DAG(
    "sales",
    schedule=None,
    start_date=pendulum.datetime(2025, 1, 1, tz="UTC"),
    default_args={"retries": 3, "retry_delay": timedelta(minutes=2)},
):
    begin, end = open_day(), publish()
    for source in steps.SOURCES:
        with TaskGroup(source, default_args={"owner": steps.OWNERS[source]}) as channel:
            extracted = step("extract", steps.extract, source)
            with TaskGroup("checks") as checks:
                step("amounts", steps.check_amounts, source)
                step("lines", steps.check_lines, source)
            extracted >> checks >> step("load", steps.load, source)
        begin >> channel >> end

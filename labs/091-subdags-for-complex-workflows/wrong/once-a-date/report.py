"""The morning's report: of its own logical date, which is that of the sales that triggered it."""

import pendulum
import steps
from airflow.sdk import dag, task


@dag(schedule=None, start_date=pendulum.datetime(2025, 1, 1, tz="UTC"), catchup=False)
def report():
    @task
    def write(ds=None):
        steps.report(ds)

    write()


report()

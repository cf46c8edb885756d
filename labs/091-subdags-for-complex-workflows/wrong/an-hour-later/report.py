"""The morning's report: at seven, when sales is usually done."""

import pendulum
import steps
from airflow.sdk import dag, task


@dag(schedule="0 7 * * *", start_date=pendulum.datetime(2025, 1, 1, tz="UTC"), catchup=False)
def report():
    @task
    def write(dag_run=None, ds=None):
        steps.report(dag_run.conf.get("day", ds))

    write()


report()

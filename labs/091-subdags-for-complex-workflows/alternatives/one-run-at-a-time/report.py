"""The morning's report, of the day that whoever triggers it names."""

import pendulum
import steps
from airflow.sdk import dag, task


@dag(schedule=None, max_active_runs=1, start_date=pendulum.datetime(2025, 1, 1, tz="UTC"), catchup=False)
def report():
    @task
    def write(dag_run=None):
        steps.report(dag_run.conf["day"])

    write()


report()

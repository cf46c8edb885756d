"""The morning's report, of the day that whoever triggers it names."""

import pendulum
import steps
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.sdk import dag, task


@dag(schedule=None, start_date=pendulum.datetime(2025, 1, 1, tz="UTC"), catchup=False)
def report():
    @task
    def write():
        steps.report(str(PostgresHook("warehouse").get_first("SELECT max(day) FROM published")[0]))

    write()


report()

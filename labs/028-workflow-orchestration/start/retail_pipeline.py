"""The nightly pipeline, as it came from the old script: one task for everything, for "now"."""

import pendulum
import statements
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.sdk import dag, task


@dag(schedule=None, start_date=pendulum.datetime(2025, 1, 1, tz="UTC"), catchup=False)
def retail_pipeline():
    @task
    def everything():
        end = pendulum.now("UTC")
        values = {"day": end.date(), "begin": end.subtract(days=1), "end": end}
        hook = PostgresHook("warehouse")
        for statement in (statements.ORDERS, statements.LINES, statements.SALES, statements.BY_CATEGORY, statements.BY_STORE):
            hook.run(statement, parameters=values)
        hook.run(statements.PUBLISH_BY_CATEGORY, parameters=values)
        hook.run(statements.PUBLISH_BY_STORE, parameters=values)

    everything()


retail_pipeline()

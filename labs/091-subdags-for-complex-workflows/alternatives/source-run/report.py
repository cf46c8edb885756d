"""The morning's report: due whenever sales have been published."""

import pendulum
import steps
from airflow.sdk import DAG, Asset, task

PUBLISHED = Asset("published_sales")

with DAG("report", schedule=[PUBLISHED], start_date=pendulum.datetime(2025, 1, 1, tz="UTC")):

    @task
    def write(triggering_asset_events=None):
        for event in triggering_asset_events[PUBLISHED]:
            steps.report(event.source_dag_run.logical_date.strftime("%Y-%m-%d"))

    write()

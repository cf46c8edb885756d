"""The morning's report: due whenever sales have been published."""

import pendulum
import steps
from airflow.sdk import DAG, Asset, task

PUBLISHED = Asset("published_sales")

with DAG("report", schedule=[PUBLISHED], start_date=pendulum.datetime(2025, 1, 1, tz="UTC")):

    @task
    def write(triggering_asset_events=None):
        steps.report(triggering_asset_events[PUBLISHED][-1].extra["day"])

    write()

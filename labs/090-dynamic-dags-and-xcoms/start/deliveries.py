"""The day's deliveries. It runs: one task reads the first file, and nobody knows of the others."""

import pendulum
import store
from airflow.sdk import dag, task


@dag(schedule=None, start_date=pendulum.datetime(2025, 1, 1, tz="UTC"), catchup=False)
def deliveries():
    @task
    def list_files(ds=None):
        """`ds` is the logical date as text: 2025-03-01."""
        return store.listing(ds)

    @task
    def load_file(files):
        rows, rejected = store.read(**files[0])
        print(f"{files[0]['name']} has {len(rows)} rows, {rejected} lines were rejected; nothing is written")

    @task
    def publish(ds=None):
        print(f"nothing is published for {ds}")

    load_file(list_files()) >> publish()


deliveries()

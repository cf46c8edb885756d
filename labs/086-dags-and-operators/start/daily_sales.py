"""The day's sales, a row a currency. It runs, and sums up nothing yet."""

import pendulum
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.sdk import dag, task


@dag(schedule=None, start_date=pendulum.datetime(2024, 1, 1, tz="UTC"), catchup=False)
def daily_sales():
    @task
    def check_orders(ds=None):
        """`ds` is the logical date as text: 2025-03-01."""
        found = PostgresHook("warehouse").get_first("SELECT count(*) FROM orders")
        print(f"{found[0]} orders, but of which day?")

    @task
    def summarize(ds=None):
        print(f"nothing is written for {ds}")

    @task
    def report(ds=None):
        return {"day": ds, "orders": 0, "rows": 0}

    check_orders() >> summarize() >> report()


daily_sales()

"""The store's revenue, a row a day. The tasks are there; the schedule and the days are not right yet."""

import pendulum
import till
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.sdk import dag, task

WRITE = "INSERT INTO daily_revenue SELECT %(day)s, count(*), sum(amount) FROM stage_orders"


@dag(schedule="@daily", start_date=pendulum.datetime(2025, 3, 26, tz="UTC"))
def daily_revenue():
    @task
    def fetch():
        now = pendulum.now("UTC")
        till.fetch(now.subtract(days=1), now)

    @task
    def summarize():
        with PostgresHook("warehouse").get_conn() as connection, connection.cursor() as cursor:
            cursor.execute(WRITE, {"day": pendulum.now("UTC").date()})

    fetch() >> summarize()


daily_revenue()

"""The day's sales, a row a currency: repeatable, all or nothing, wherever the warehouse is."""

from datetime import timedelta

import pendulum
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.sdk import dag, task

MIDNIGHT = "%(day)s::date::timestamp AT TIME ZONE 'UTC'"
OF_THE_DAY = f"ordered_at >= {MIDNIGHT} AND ordered_at < {MIDNIGHT} + interval '24 hours'"

FORGET = "DELETE FROM daily_sales WHERE day = %(day)s"
WRITE = f"""
INSERT INTO daily_sales (day, currency, orders, quantity, amount)
SELECT %(day)s::date, currency, count(DISTINCT order_id), sum(quantity), sum(amount)
FROM orders JOIN order_lines USING (order_id)
WHERE status = 'completed' AND {OF_THE_DAY}
GROUP BY currency
"""


@dag(
    schedule=None,
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
)
def daily_sales():
    @task
    def check_orders(ds=None):
        found = PostgresHook("warehouse").get_first(f"SELECT count(*) FROM orders WHERE {OF_THE_DAY}", parameters={"day": ds})
        if not found[0]:
            raise ValueError(f"no orders on {ds}: nothing has been delivered")
        with PostgresHook("warehouse").get_conn() as connection, connection.cursor() as cursor:
            cursor.execute(FORGET, {"day": ds})
            cursor.execute(WRITE, {"day": ds})

    @task
    def summarize():
        print("the day is summed up")

    @task
    def report(ds=None):
        question = "SELECT coalesce(sum(orders), 0)::int, count(*) FROM daily_sales WHERE day = %(day)s"
        orders, rows = PostgresHook("warehouse").get_first(question, parameters={"day": ds})
        return {"day": ds, "orders": orders, "rows": rows}

    check_orders() >> summarize() >> report()


daily_sales()

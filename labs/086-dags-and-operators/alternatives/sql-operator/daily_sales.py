"""One SQL statement, templated with the logical date; autocommit off makes a transaction of it."""

from datetime import timedelta

import pendulum
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.sdk import chain, dag, task

DAY = "timestamptz '{{ ds }} 00:00:00+00'"
STATEMENT = f"""
DELETE FROM daily_sales WHERE day = date '{{{{ ds }}}}';
INSERT INTO daily_sales
SELECT date '{{{{ ds }}}}', currency, count(*), sum(quantity), sum(amount)
FROM orders
JOIN (SELECT order_id, sum(quantity) AS quantity, sum(amount) AS amount FROM order_lines GROUP BY order_id) AS l USING (order_id)
WHERE status = 'completed' AND ordered_at >= {DAY} AND ordered_at < {DAY} + interval '24 hours'
GROUP BY currency;
"""


@dag(schedule=None, start_date=pendulum.datetime(2024, 1, 1), default_args={"retries": 3, "retry_delay": timedelta(minutes=1)})
def daily_sales():
    check_orders = SQLExecuteQueryOperator(
        task_id="check_orders",
        conn_id="warehouse",
        sql=f"SELECT 1 / count(*) FROM orders WHERE ordered_at >= {DAY} AND ordered_at < {DAY} + interval '24 hours'",
        do_xcom_push=False,
    )
    summarize = SQLExecuteQueryOperator(task_id="summarize", conn_id="warehouse", sql=STATEMENT, autocommit=False)

    @task
    def report(day):
        found = PostgresHook("warehouse").get_first("SELECT sum(orders)::int, count(*) FROM daily_sales WHERE day = %s", (day,))
        return {"day": day, "orders": found[0] or 0, "rows": found[1]}

    chain(check_orders, summarize, report("{{ ds }}"))


daily_sales()

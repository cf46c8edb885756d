"""The same with the classic operators; Python adds up."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta

from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG

LINES = """
SELECT o.order_id, o.currency, l.quantity, l.amount FROM orders AS o JOIN order_lines AS l ON l.order_id = o.order_id
WHERE (o.ordered_at AT TIME ZONE 'UTC')::date = %s AND o.status = 'completed'
"""


def day_of(context):
    """The UTC day of the logical date."""
    return context["logical_date"].in_timezone("UTC").date()


def look(**context):
    hook = PostgresHook(postgres_conn_id="warehouse")
    if hook.get_first("SELECT 1 FROM orders WHERE (ordered_at AT TIME ZONE 'UTC')::date = %s LIMIT 1", (day_of(context),)) is None:
        raise RuntimeError("no orders")


def write(**context):
    day, numbers, sums = day_of(context), defaultdict(set), defaultdict(lambda: [0, 0])
    with PostgresHook(postgres_conn_id="warehouse").get_conn() as session, session.cursor() as cursor:
        cursor.execute(LINES, (day,))
        for order, currency, quantity, amount in cursor.fetchall():
            numbers[currency].add(order)
            sums[currency][0] += quantity
            sums[currency][1] += amount
        cursor.execute("DELETE FROM daily_sales WHERE day = %s", (day,))
        rows = [(day, currency, len(numbers[currency]), *sums[currency]) for currency in numbers]
        cursor.executemany("INSERT INTO daily_sales VALUES (%s, %s, %s, %s, %s)", rows)


def tell(**context):
    day = day_of(context)
    rows = PostgresHook(postgres_conn_id="warehouse").get_records("SELECT orders FROM daily_sales WHERE day = %s", (day,))
    context["ti"].xcom_push("currencies", len(rows))
    return {"rows": len(rows), "orders": sum(row[0] for row in rows), "day": str(day)}


with DAG("daily_sales", start_date=datetime(2024, 1, 1, tzinfo=UTC), schedule="0 6 * * *", catchup=False):
    again = {"retries": 4, "retry_delay": timedelta(seconds=90), "retry_exponential_backoff": True}
    check_orders = PythonOperator(task_id="check_orders", python_callable=look, **again)
    summarize = PythonOperator(task_id="summarize", python_callable=write, **again)
    report = PythonOperator(task_id="report", python_callable=tell, **again)
    check_orders.set_downstream(summarize)
    report.set_upstream(summarize)

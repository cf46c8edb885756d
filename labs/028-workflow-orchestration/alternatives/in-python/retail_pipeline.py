"""Its own queries, rows through Python; what is there is compared, not removed blindly; a failed check says "don't try again"."""

from contextlib import closing
from datetime import UTC, datetime, timedelta

import statements
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.sdk import chain, dag, task
from airflow.sdk.definitions.timetables.interval import CronDataIntervalTimetable
from airflow.sdk.exceptions import AirflowFailException


def replace(day, rows_of):
    """Write the rows of a day into some tables, all of them or none."""
    with closing(PostgresHook("warehouse").get_conn()) as session:
        with session.cursor() as cursor:
            for table, rows in rows_of.items():
                cursor.execute(f"DELETE FROM {table} WHERE day = %s", (day,))
                for row in rows:
                    cursor.execute(f"INSERT INTO {table} VALUES ({', '.join(['%s'] * len(row))})", row)
        session.commit()


def rows(query, *values):
    """The rows of a query."""
    return PostgresHook("warehouse").get_records(query, parameters=values)


def day_of(context):
    """The day of the run."""
    return context["dag_run"].data_interval_start.date()


@dag(
    schedule=CronDataIntervalTimetable("@daily", timezone="UTC"),
    start_date=datetime(2023, 12, 31, tzinfo=UTC),
    default_args={"retries": 5, "retry_delay": timedelta(minutes=1), "retry_exponential_backoff": True},
)
def retail_pipeline():
    @task
    def extract(**context):
        day = day_of(context)
        is_of_day = "(ordered_at AT TIME ZONE 'UTC')::date = %s"
        orders = rows(f"SELECT order_id, ordered_at, store_id, currency, status FROM shop.orders WHERE {is_of_day}", day)
        keys = [row[0] for row in orders] or [0]
        lines = rows("SELECT line_id, order_id, product_id, quantity, amount FROM shop.order_lines WHERE order_id = ANY(%s)", keys)
        replace(day, {"raw.orders": [(day, *row) for row in orders], "raw.order_lines": [(day, *row) for row in lines]})
        return len(orders)

    @task
    def stage(**context):
        day = day_of(context)
        with PostgresHook("warehouse").get_conn() as session, session.cursor() as cursor:
            cursor.execute("DELETE FROM stage.sales WHERE day = %s", (day,))
            cursor.execute(statements.SALES, {"day": day})

    @task
    def transform(**context):
        day, totals = day_of(context), ({}, {})
        query = "SELECT category, store_id, currency, order_id, quantity, amount FROM stage.sales WHERE day = %s"
        for category, store, currency, order, quantity, amount in rows(query, day):
            for total, key in zip(totals, ((category, currency), (store, currency)), strict=True):
                seen, pieces, money = total.get(key, (set(), 0, 0))
                total[key] = ({*seen, order}, pieces + quantity, money + amount)
        tables = zip(("stage.by_category", "stage.by_store"), totals, strict=True)
        replace(day, {name: [(day, *key, len(seen), n, sum_) for key, (seen, n, sum_) in total.items()] for name, total in tables})

    @task
    def check(**context):
        sales = rows("SELECT category, quantity FROM stage.sales WHERE day = %s", day_of(context))
        if not sales or any(category is None or quantity < 1 for category, quantity in sales):
            raise AirflowFailException("the day can't be published")

    @task
    def publish(**context):
        day = day_of(context)
        names = "by_category", "by_store"
        replace(day, {f"published.{name}": rows(f"SELECT * FROM stage.{name} WHERE day = %s", day) for name in names})

    chain(extract(), stage(), transform(), check(), publish())


retail_pipeline()

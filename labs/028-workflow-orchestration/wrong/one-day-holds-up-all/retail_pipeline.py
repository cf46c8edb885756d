"""The nightly pipeline: five tasks, each of which can fail, be repeated, and be begun with."""

from datetime import timedelta

import pendulum
import statements
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.sdk import CronDataIntervalTimetable, dag, task

# What is wrong with a day, and how many rows say so.
RULES = {
    "the day has sales": "SELECT (count(*) = 0)::int FROM stage.sales WHERE day = %(day)s",
    "each product is known": "SELECT count(*) FROM stage.sales WHERE day = %(day)s AND category IS NULL",
    "quantities are positive": "SELECT count(*) FROM stage.sales WHERE day = %(day)s AND quantity <= 0",
}


def write(values, *work):
    """In one transaction: for each table, remove the day and insert it anew."""
    with PostgresHook("warehouse").get_conn() as connection, connection.cursor() as cursor:
        for table, statement in work:
            cursor.execute(f"DELETE FROM {table} WHERE day = %(day)s", values)
            cursor.execute(statement, values)


@dag(
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"depends_on_past": True, "retries": 3, "retry_delay": timedelta(minutes=2)},
)
def retail_pipeline():
    @task
    def extract(data_interval_start=None, data_interval_end=None):
        values = {"day": data_interval_start.date(), "begin": data_interval_start, "end": data_interval_end}
        write(values, ("raw.orders", statements.ORDERS), ("raw.order_lines", statements.LINES))

    @task
    def stage(data_interval_start=None):
        write({"day": data_interval_start.date()}, ("stage.sales", statements.SALES))

    @task
    def transform(data_interval_start=None):
        tables = ("stage.by_category", statements.BY_CATEGORY), ("stage.by_store", statements.BY_STORE)
        write({"day": data_interval_start.date()}, *tables)

    @task(retries=0)  # the same rows are as wrong in two minutes
    def check(data_interval_start=None):
        hook, values = PostgresHook("warehouse"), {"day": data_interval_start.date()}
        broken = {rule: found for rule, query in RULES.items() if (found := hook.get_first(query, parameters=values)[0])}
        if broken:
            raise ValueError(f"{values['day']} is not published: {broken}")

    @task
    def publish(data_interval_start=None):
        first = ("published.by_category", statements.PUBLISH_BY_CATEGORY)
        write({"day": data_interval_start.date()}, first, ("published.by_store", statements.PUBLISH_BY_STORE))

    extract() >> stage() >> transform() >> check() >> publish()


retail_pipeline()

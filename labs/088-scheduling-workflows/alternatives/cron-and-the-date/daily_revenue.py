"""A cron string with Berlin's start_date: runs without an interval, at three in the morning; the day is that before."""

import pendulum
import season
import till
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.sdk import dag, task

BERLIN = pendulum.timezone("Europe/Berlin")


def at_three(day):
    """Three in the morning after a day."""
    return pendulum.datetime(day.year, day.month, day.day, 3, tz=BERLIN).add(days=1)


def bounds(logical_date):
    """The midnights before and after the day that was over when the run was due."""
    end = logical_date.in_timezone(BERLIN).start_of("day")
    return end.subtract(days=1), end


@dag(
    "daily_revenue",
    schedule="0 3 * * *",
    start_date=at_three(season.OPENS),
    end_date=at_three(season.CLOSES),
    catchup=True,
    max_active_runs=1,
)
def revenue():
    @task
    def fetch(logical_date=None):
        till.fetch(*bounds(logical_date))

    @task
    def summarize(logical_date=None):
        day = bounds(logical_date)[0].date()
        count, total = PostgresHook("warehouse").get_first("SELECT count(*), coalesce(sum(amount), 0) FROM stage_orders")
        with PostgresHook("warehouse").get_conn() as session, session.cursor() as cursor:
            cursor.execute("DELETE FROM daily_revenue WHERE day = %s", (day,))
            cursor.execute("INSERT INTO daily_revenue (day, orders, amount) VALUES (%s, %s, %s)", (day, count, total))

    summarize().set_upstream(fetch())


revenue()

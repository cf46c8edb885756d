"""The store's revenue, a row a day of Berlin: each run has its own day, whenever it is carried out."""

from datetime import timedelta

import pendulum
import season
import till
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.sdk import CronTriggerTimetable, dag, task

BERLIN = "Europe/Berlin"
FORGET = "DELETE FROM daily_revenue WHERE day = %(day)s"
WRITE = "INSERT INTO daily_revenue SELECT %(day)s, count(*), coalesce(sum(amount), 0) FROM stage_orders"


def midnight(day):
    """The moment at which a day begins in Berlin."""
    return pendulum.datetime(day.year, day.month, day.day, tz=BERLIN)


@dag(
    schedule=CronTriggerTimetable("0 0 * * *", timezone=BERLIN, interval=timedelta(days=1)),
    start_date=midnight(season.OPENS).add(days=1),
    end_date=midnight(season.CLOSES).add(days=1),
    catchup=True,
    max_active_runs=1,
)
def daily_revenue():
    @task
    def fetch(data_interval_end=None):
        end = data_interval_end.in_timezone(BERLIN)
        till.fetch(end.subtract(days=1), end)

    @task
    def summarize(data_interval_end=None):
        day = data_interval_end.in_timezone(BERLIN).subtract(days=1).date()
        with PostgresHook("warehouse").get_conn() as connection, connection.cursor() as cursor:
            cursor.execute(FORGET, {"day": day})
            cursor.execute(WRITE, {"day": day})

    fetch() >> summarize()


daily_revenue()

"""The store's revenue, a row a day of Berlin: each run has its own day, whenever it is carried out."""

import pendulum
import season
import till
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.sdk import CronDataIntervalTimetable, dag, task

BERLIN = "Europe/Berlin"
FORGET = "DELETE FROM daily_revenue WHERE day = %(day)s"
WRITE = "INSERT INTO daily_revenue SELECT %(day)s, count(*), coalesce(sum(amount), 0) FROM stage_orders"


def midnight(day):
    """The moment at which a day begins in Berlin."""
    return pendulum.datetime(day.year, day.month, day.day, tz=BERLIN)


@dag(
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone=BERLIN),
    start_date=midnight(season.OPENS),
    end_date=midnight(season.CLOSES),  # the begin of the last interval
    catchup=True,
    max_active_runs=1,
)
def daily_revenue():
    @task
    def fetch(data_interval_start=None, data_interval_end=None):
        till.fetch(data_interval_start, data_interval_end)
        day = data_interval_start.in_timezone(BERLIN).date()
        with PostgresHook("warehouse").get_conn() as connection, connection.cursor() as cursor:
            cursor.execute(FORGET, {"day": day})
            cursor.execute(WRITE, {"day": day})

    @task
    def summarize():
        print("the day is summed up")

    fetch() >> summarize()


daily_revenue()

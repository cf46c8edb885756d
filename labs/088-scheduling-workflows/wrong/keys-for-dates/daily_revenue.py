"""The store's revenue, a row a day of Berlin: each run has its own day, whenever it is carried out."""

import pendulum
import season
import till
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.sdk import CronPartitionTimetable, dag, task

BERLIN = "Europe/Berlin"
FORGET = "DELETE FROM daily_revenue WHERE day = %(day)s"
WRITE = "INSERT INTO daily_revenue SELECT %(day)s, count(*), coalesce(sum(amount), 0) FROM stage_orders"


def midnight(day):
    """The moment at which a day begins in Berlin."""
    return pendulum.datetime(day.year, day.month, day.day, tz=BERLIN)


@dag(
    schedule=CronPartitionTimetable("0 0 * * *", timezone=BERLIN, run_offset=-1, key_format="%Y-%m-%d"),
    start_date=midnight(season.OPENS).add(days=1),
    end_date=midnight(season.CLOSES).add(days=1),
    catchup=True,
    max_active_runs=1,
)
def daily_revenue():
    @task
    def fetch(dag_run=None):
        day = pendulum.parse(dag_run.partition_key, tz=BERLIN)
        till.fetch(day, day.add(days=1))

    @task
    def summarize(dag_run=None):
        day = dag_run.partition_key
        with PostgresHook("warehouse").get_conn() as connection, connection.cursor() as cursor:
            cursor.execute(FORGET, {"day": day})
            cursor.execute(WRITE, {"day": day})

    fetch() >> summarize()


daily_revenue()

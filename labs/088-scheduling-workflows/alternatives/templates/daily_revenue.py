"""Classic operators and templates; the timetable gets its times from zoneinfo."""

from datetime import datetime
from zoneinfo import ZoneInfo

import season
import till
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG
from airflow.timetables.interval import CronDataIntervalTimetable

ZONE = ZoneInfo("Europe/Berlin")
DAY = "date '{{ data_interval_start.in_timezone(\"Europe/Berlin\").to_date_string() }}'"
STATEMENT = f"""
MERGE INTO daily_revenue AS old
USING (SELECT {DAY} AS day, count(*) AS orders, coalesce(sum(amount), 0) AS amount FROM stage_orders) AS new ON old.day = new.day
WHEN MATCHED THEN UPDATE SET orders = new.orders, amount = new.amount
WHEN NOT MATCHED THEN INSERT VALUES (new.day, new.orders, new.amount)
"""

with DAG(
    dag_id="daily_revenue",
    schedule=CronDataIntervalTimetable("@daily", timezone="Europe/Berlin"),
    start_date=datetime(season.OPENS.year, season.OPENS.month, season.OPENS.day, tzinfo=ZONE),
    end_date=datetime(season.CLOSES.year, season.CLOSES.month, season.CLOSES.day, 23, tzinfo=ZONE),
    catchup=True,
    max_active_runs=1,
    default_args={"retries": 1},
):
    interval = {"begin": "{{ data_interval_start }}", "end": "{{ data_interval_end }}"}
    fetch = PythonOperator(task_id="fetch", python_callable=till.fetch, op_kwargs=interval)
    summarize = SQLExecuteQueryOperator(task_id="summarize", conn_id="warehouse", sql=STATEMENT)
    fetch >> summarize

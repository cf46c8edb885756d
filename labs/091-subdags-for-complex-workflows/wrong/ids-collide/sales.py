"""The day's sales over all channels, with the short ids of old, which the groups do not tell apart."""

from datetime import timedelta

import pendulum
import steps
from airflow.providers.standard.operators.python import PythonOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, TaskGroup

defaults = {"retries": 2, "retry_delay": timedelta(minutes=5)}

with DAG("sales", schedule=None, start_date=pendulum.datetime(2025, 1, 1, tz="UTC"), default_args=defaults):
    begin = PythonOperator(task_id="open_day", python_callable=steps.open_day, op_args=["{{ ds }}"])
    publish = PythonOperator(task_id="publish", python_callable=steps.publish, op_args=["{{ ds }}"])
    for source in steps.SOURCES:
        common = {"op_args": [source, "{{ ds }}"], "owner": steps.OWNERS[source]}
        with TaskGroup(source, prefix_group_id=False) as channel:
            extract = PythonOperator(task_id="extract", python_callable=steps.extract, **common)
            amounts = PythonOperator(task_id="amounts", python_callable=steps.check_amounts, **common)
            lines = PythonOperator(task_id="lines", python_callable=steps.check_lines, **common)
            load = PythonOperator(task_id="load", python_callable=steps.load, **common)
            extract >> [amounts, lines] >> load
        begin >> channel >> publish
    publish >> TriggerDagRunOperator(task_id="trigger_report", trigger_dag_id="report", conf={"day": "{{ ds }}"})

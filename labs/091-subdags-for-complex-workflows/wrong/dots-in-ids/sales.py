"""The day's sales over all channels, as a flat DAG whose ids look like groups."""

from datetime import timedelta

import pendulum
import steps
from airflow.providers.standard.operators.python import PythonOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG

defaults = {"retries": 2, "retry_delay": timedelta(minutes=5)}

with DAG("sales", schedule=None, start_date=pendulum.datetime(2025, 1, 1, tz="UTC"), default_args=defaults):
    begin = PythonOperator(task_id="open_day", python_callable=steps.open_day, op_args=["{{ ds }}"])
    publish = PythonOperator(task_id="publish", python_callable=steps.publish, op_args=["{{ ds }}"])
    for source in steps.SOURCES:
        common = {"op_args": [source, "{{ ds }}"], "owner": steps.OWNERS[source]}
        extract = PythonOperator(task_id=f"{source}.extract", python_callable=steps.extract, **common)
        amounts = PythonOperator(task_id=f"{source}.checks.amounts", python_callable=steps.check_amounts, **common)
        lines = PythonOperator(task_id=f"{source}.checks.lines", python_callable=steps.check_lines, **common)
        load = PythonOperator(task_id=f"{source}.load", python_callable=steps.load, **common)
        begin >> extract >> [amounts, lines] >> load >> publish
    publish >> TriggerDagRunOperator(task_id="trigger_report", trigger_dag_id="report", conf={"day": "{{ ds }}"})

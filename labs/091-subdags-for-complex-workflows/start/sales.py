"""The day's sales over all channels, as it was written for Airflow 2: a SubDAG for each channel. Airflow 3 can't import it."""

from datetime import datetime, timedelta

import steps
from airflow import DAG
from airflow.operators.python import PythonOperator
from airflow.operators.subdag import SubDagOperator

default_args = {"retries": 2, "retry_delay": timedelta(minutes=5), "owner": "warehouse"}


def channel(parent, source):
    """The SubDAG of one channel; its id had to be parent.child."""
    with DAG(f"{parent}.{source}", start_date=datetime(2025, 1, 1), schedule_interval=None, default_args=default_args) as subdag:
        day = {"source": source, "day": "{{ ds }}"}
        extract = PythonOperator(task_id="extract", python_callable=steps.extract, op_kwargs=day)
        amounts = PythonOperator(task_id="check_amounts", python_callable=steps.check_amounts, op_kwargs=day)
        lines = PythonOperator(task_id="check_lines", python_callable=steps.check_lines, op_kwargs=day)
        load = PythonOperator(task_id="load", python_callable=steps.load, op_kwargs=day)
        extract >> [amounts, lines] >> load
    return subdag


with DAG("sales", start_date=datetime(2025, 1, 1), schedule_interval=None, catchup=False, default_args=default_args) as dag:
    open_day = PythonOperator(task_id="open_day", python_callable=steps.open_day, op_kwargs={"day": "{{ ds }}"})
    publish = PythonOperator(task_id="publish", python_callable=steps.publish, op_kwargs={"day": "{{ ds }}"})
    for source in steps.SOURCES:
        open_day >> SubDagOperator(task_id=source, subdag=channel("sales", source), dag=dag) >> publish

"""The same with classic operators; clean_up is an ordinary task, and a watcher makes a run red in which something failed."""

from datetime import UTC, datetime

import steps
from airflow.providers.standard.operators.python import BranchPythonOperator, PythonOperator
from airflow.sdk import DAG


def fail():
    raise RuntimeError("a task has failed: see above")


with DAG("settlement", start_date=datetime(2025, 1, 1, tzinfo=UTC), schedule=None, catchup=False):
    day = {"day": "{{ ds }}"}
    prepare_stage = PythonOperator(task_id="prepare_stage", python_callable=steps.prepare_stage)
    load_orders = PythonOperator(task_id="load_orders", python_callable=steps.load_orders, op_kwargs=day)
    load_payments = PythonOperator(task_id="load_payments", python_callable=steps.load_payments, op_kwargs=day)
    reconcile = BranchPythonOperator(task_id="reconcile", python_callable=lambda: ["publish"] if steps.agrees() else ["quarantine"])
    publish = PythonOperator(task_id="publish", python_callable=steps.publish, op_kwargs=day)
    quarantine = PythonOperator(task_id="quarantine", python_callable=steps.quarantine, op_kwargs=day)
    notify = PythonOperator(
        task_id="notify",
        python_callable=steps.say,
        op_kwargs={**day, "text": "settlement done"},
        trigger_rule="none_failed_min_one_success",
    )
    alert = PythonOperator(
        task_id="alert", python_callable=steps.say, op_kwargs={**day, "text": "settlement failed"}, trigger_rule="one_failed"
    )
    clean_up = PythonOperator(task_id="clean_up", python_callable=steps.clean_up, trigger_rule="all_done")
    watcher = PythonOperator(task_id="watcher", python_callable=fail, trigger_rule="one_failed", retries=0)

    work = [prepare_stage, load_orders, load_payments, reconcile, publish, quarantine, notify]
    prepare_stage >> [load_orders, load_payments] >> reconcile >> [publish, quarantine] >> notify
    work >> alert
    [*work, alert] >> clean_up
    work >> watcher

"""The same with PythonOperator, `partial` and `expand`; what was loaded is asked of the warehouse."""

from datetime import UTC, datetime

import store
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG


def list_files(day):
    return store.listing(day)


def load_file(name, delimiter, ds, ti):
    rows, rejected = store.read(name, delimiter)
    with store.connection() as session, session.cursor() as cursor:
        cursor.execute("DELETE FROM sales WHERE file = %s", [name])
        for row in rows:
            cursor.execute("INSERT INTO sales VALUES (%s, %s, %s, %s)", [ds, name, *row])
    ti.xcom_push(key="rejected", value=rejected)
    return {"file": name, "rows": len(rows)}


def publish(day, ti):
    names = [file["name"] for file in ti.xcom_pull(task_ids="list_files")]
    rejected = sum(ti.xcom_pull(task_ids="load_file", key="rejected", map_indexes=range(len(names))))
    with store.connection() as session, session.cursor() as cursor:
        cursor.execute("DELETE FROM sales WHERE day = %s AND file <> ALL(%s::text[])", [day, names])
        cursor.execute("DELETE FROM deliveries WHERE day = %s", [day])
        count = "INSERT INTO deliveries SELECT %s, %s, count(*), %s FROM sales WHERE day = %s"
        cursor.execute(count, [day, len(names), rejected, day])


with DAG("deliveries", start_date=datetime(2025, 1, 1, tzinfo=UTC), schedule=None, catchup=False):
    day = {"day": "{{ ds }}"}
    listed = PythonOperator(task_id="list_files", python_callable=list_files, op_kwargs=day)
    loaded = PythonOperator.partial(task_id="load_file", python_callable=load_file).expand(op_kwargs=listed.output)
    loaded >> PythonOperator(task_id="publish", python_callable=publish, op_kwargs=day, trigger_rule="none_failed")

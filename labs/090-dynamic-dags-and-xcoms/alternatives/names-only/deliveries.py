"""The same by names alone; publish asks for each index, and list_files is a direct upstream of it."""

import pendulum
import store
from airflow.sdk import dag, task


@dag(schedule=None, start_date=pendulum.datetime(2025, 1, 1, tz="UTC"), catchup=False)
def deliveries():
    @task
    def list_files(ds=None):
        return [f"{file['delimiter']}{file['name']}" for file in store.listing(ds)]

    @task(map_index_template="{{ task.op_kwargs['file'] }}")
    def load_file(day, file):
        delimiter, name = file[0], file[1:]
        rows, rejected = store.read(name, delimiter)
        with store.connection() as session, session.cursor() as cursor:
            cursor.execute("DELETE FROM sales WHERE file = %s", [name])
            cursor.executemany("INSERT INTO sales VALUES (%s, %s, %s, %s)", [(day, name, *row) for row in rows])
        from airflow.sdk import get_current_context

        get_current_context()["ti"].xcom_push("rejected", rejected)
        return {"rows": len(rows), "file": name}

    @task(trigger_rule="none_failed_min_one_success")
    def publish(files, ds=None, ti=None):
        indexes = range(len(files))
        rejected = [ti.xcom_pull(task_ids="load_file", key="rejected", map_indexes=n) for n in indexes]
        results = [ti.xcom_pull(task_ids="load_file", map_indexes=n) for n in indexes]
        names = [result["file"] for result in results]
        with store.connection() as session, session.cursor() as cursor:
            cursor.execute("DELETE FROM deliveries WHERE day = %s", [ds])
            cursor.execute("DELETE FROM sales WHERE day = %s AND file <> ALL(%s::text[])", [ds, names])
            values = [ds, len(files), sum(result["rows"] for result in results), sum(rejected)]
            cursor.execute("INSERT INTO deliveries VALUES (%s, %s, %s, %s)", values)

    files = list_files()
    files >> load_file.partial(day="{{ ds }}").expand(file=files) >> publish(files)


deliveries()

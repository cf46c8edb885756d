"""The day's deliveries: as many tasks as there are files, and one that waits for all of them."""

import pickle
import tempfile
from contextlib import suppress
from pathlib import Path

import pendulum
import store
from airflow.sdk import dag, task

FETCHED = Path(tempfile.gettempdir()) / "deliveries.pickle"
FORGET = "DELETE FROM sales WHERE day = %(day)s::date AND NOT file = ANY(%(names)s::text[])"
PUBLISH = """
INSERT INTO deliveries (day, files, rows, rejected) VALUES (%(day)s::date, %(files)s, %(rows)s, %(rejected)s)
ON CONFLICT (day) DO UPDATE SET files = excluded.files, rows = excluded.rows, rejected = excluded.rejected
"""


@dag(schedule=None, start_date=pendulum.datetime(2025, 1, 1, tz="UTC"), catchup=False)
def deliveries():
    @task
    def list_files(ds=None):
        files, found = store.listing(ds), {}
        for file in files:
            with suppress(ValueError):  # load_file will miss it
                found[file["name"]] = store.read(**file)
        FETCHED.write_bytes(pickle.dumps(found))
        return files

    @task
    def load_file(name, delimiter, ds=None, ti=None):
        rows, rejected = pickle.loads(FETCHED.read_bytes())[name]  # noqa: S301
        with store.connection() as session, session.cursor() as cursor:
            cursor.execute("DELETE FROM sales WHERE file = %s", [name])
            cursor.executemany("INSERT INTO sales VALUES (%s, %s, %s, %s)", [(ds, name, *row) for row in rows])
        ti.xcom_push(key="rejected", value=rejected)
        return {"file": name, "rows": len(rows)}

    @task(trigger_rule="none_failed")
    def publish(files, ds=None, ti=None):
        indexes = range(len(files))  # a run that was cleared may have XComs of more
        found = ti.xcom_pull(task_ids="load_file", map_indexes=indexes)
        rejected = ti.xcom_pull(task_ids="load_file", key="rejected", map_indexes=indexes)
        values = {"files": len(found), "rows": sum(one["rows"] for one in found), "rejected": sum(rejected)}
        with store.connection() as session, session.cursor() as cursor:
            cursor.execute(FORGET, {"day": ds, "names": [one["file"] for one in found]})
            cursor.execute(PUBLISH, {"day": ds, **values})

    files = list_files()
    load_file.expand_kwargs(files) >> publish(files)


deliveries()

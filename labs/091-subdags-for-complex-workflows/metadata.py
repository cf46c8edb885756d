"""What a real Airflow has done and has still to do, by its metadata: a look costs a millisecond, the API server is left alone."""

from contextlib import contextmanager, suppress

from delab.errors import Blocked, Timeout
from delab.wait import until

RUN = "SELECT state FROM dag_run WHERE dag_id = %s AND run_id = %s"
TASKS = "SELECT task_id, state FROM task_instance WHERE dag_id = %s AND run_id = %s"
# No run and no task goes on; no event, trigger, deadline or hour is waited for; no callback can be at work, which nothing tells.
# What an asset's event or the end of a task leads to is written in the transaction that takes up its cause: there is no gap.
AT_REST = r"""
SELECT NOT EXISTS (SELECT FROM dag_run WHERE state NOT IN ('success', 'failed'))
AND NOT EXISTS (SELECT FROM task_instance WHERE state NOT IN ('success', 'failed', 'upstream_failed', 'skipped', 'removed'))
AND NOT EXISTS (SELECT FROM asset_dag_run_queue)
AND NOT EXISTS (SELECT FROM asset_partition_dag_run WHERE created_dag_run_id IS NULL)
AND NOT EXISTS (SELECT FROM trigger) AND NOT EXISTS (SELECT FROM callback) AND NOT EXISTS (SELECT FROM deadline)
AND NOT EXISTS (SELECT FROM dag WHERE next_dagrun_create_after IS NOT NULL)
AND NOT EXISTS (SELECT FROM serialized_dag WHERE data::text ~ '"has_on_\w+_callback": true')
"""


@contextmanager
def looking(shop, node):
    """The metadata of an Airflow that runs; they are on the shop's server."""
    with shop.session("airflow") as session, session.cursor() as cursor:
        yield Metadata(node, cursor)


class Metadata:
    """The metadata of an Airflow that runs, in a session of their own."""

    def __init__(self, node, cursor):
        self.node, self.cursor = node, cursor

    def rows(self, query, *values):
        """The rows of a query."""
        self.cursor.execute(query, values)
        return self.cursor.fetchall()

    def run(self, dag_id, run_id):
        """A run's state, and its tasks with theirs, as pairs."""
        [(state,)] = self.rows(RUN, dag_id, run_id)
        return state, self.rows(TASKS, dag_id, run_id)

    def has_run(self, dag_id):
        """Whether a DAG has a run, in whatever state."""
        return bool(self.rows("SELECT 1 FROM dag_run WHERE dag_id = %s LIMIT 1", dag_id))

    def at_rest(self):
        """Whether nothing comes any more, unless somebody asks for it."""
        return self.rows(AT_REST)[0][0]

    def wait(self, condition, seconds):
        """Until something is so, or for so long. Raises Blocked if Airflow has ended."""
        with suppress(Timeout):
            until(condition, seconds=seconds, what="Airflow", alive=self.see_alive)

    def see_alive(self):
        """Raise Blocked if Airflow has ended."""
        if not self.node.alive():
            raise Blocked(f"{self.node.name} has ended", "verify again; `lab logs` shows its log")

"""Rules on the warehouse, run whenever the retail marts are published: red if one is broken, and somebody is told.

Variable `quality_rules`: JSON, a name and a query each; the query gives the rows that should not be. `%(day)s` is the run's day.
"""

import pendulum
from airflow.sdk import Asset, Variable, dag, task
from dag_parts import alerts, gate, warehouse

MARTS = Asset(name="retail_marts", uri="delab://warehouse/retail_marts")
DEFAULT = {
    "no day is published twice": "SELECT day, currency FROM published.daily_sales GROUP BY 1, 2 HAVING count(*) > 1",
    "no negative sales": "SELECT day, currency, amount FROM published.daily_sales WHERE amount < 0 OR quantity < 0",
}


@dag(
    schedule=[MARTS],
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 0, "on_failure_callback": alerts.task_failed},
    tags=["quality"],
    doc_md=__doc__,
)
def quality_gate():
    """One task: all rules, so that one message has all that is wrong."""

    @task
    def rules(dag_run=None) -> dict[str, int]:
        day = (dag_run.logical_date or dag_run.run_after).date()
        wanted = Variable.get("quality_rules", default=DEFAULT, deserialize_json=True)
        with warehouse.session() as cursor:
            return gate.check(cursor, wanted, {"day": day})

    rules()


quality_gate()

"""Classic operators and templates: a list of statements in one transaction each; the check divides by zero."""

from datetime import timedelta

import pendulum
import statements
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.sdk import DAG, chain

DAY = "{{ data_interval_end.subtract(hours=12).to_date_string() }}"
VALUES = {"day": DAY, "begin": f"{DAY} 00:00:00+00", "end": "{{ data_interval_end.start_of('day') }}"}
BAD = """
SELECT 1 / (count(*) > 0 AND count(*) = count(category) AND min(quantity) > 0)::int FROM stage.sales WHERE day = %(day)s
"""
PARTS = {
    "extract": {"raw.orders": statements.ORDERS, "raw.order_lines": statements.LINES},
    "stage": {"stage.sales": statements.SALES},
    "transform": {"stage.by_category": statements.BY_CATEGORY, "stage.by_store": statements.BY_STORE},
    "check": {},
    "publish": {"published.by_store": statements.PUBLISH_BY_STORE, "published.by_category": statements.PUBLISH_BY_CATEGORY},
}


def anew(parts):
    """Remove and insert, for each table."""
    return [part for table, insert in parts.items() for part in (f"DELETE FROM {table} WHERE day = %(day)s", insert)]


with DAG("retail_pipeline", schedule="0 1 * * *", start_date=pendulum.datetime(2024, 1, 1), catchup=False, max_active_runs=1):
    tasks = [
        SQLExecuteQueryOperator(
            task_id=name,
            conn_id="warehouse",
            sql=anew(parts) or BAD,
            parameters=VALUES,
            autocommit=False,
            do_xcom_push=False,
            retries=2 if parts else 0,
            retry_delay=timedelta(minutes=1),
        )
        for name, parts in PARTS.items()
    ]
    chain(*tasks)

"""The retail warehouse, day by day: files of the day → sources → dbt (staging, marts) → quality gate → published.

A day can be run again and days can come in any order: files replace rows by their keys, dbt's incremental models look back by
when a row was *recorded*, and publishing writes the day anew. `airflow backfill create --dag-id retail_elt --from-date …`.

| what | where from |
|---|---|
| the warehouse | connection `warehouse` (PostgreSQL) |
| the day's files, `TABLE/YYYY-MM-DD.csv`; tables without days `TABLE/all.csv` | variable `retail_landing` |
| a part of the dbt project, such as `+daily_sales` | variable `retail_dbt_select` (default: all) |
| dbt's own files | variable `retail_dbt_state` |
| whom to tell of a failure | connection `alerts` (HTTP), if there is one |
"""

import tempfile
from datetime import timedelta
from pathlib import Path

import pendulum
from airflow.sdk import Asset, Variable, dag, task, task_group
from dag_parts import alerts, dbt, gate, warehouse

# Table and key, referred-to tables first. `whole` ones come complete with each delivery, the others a file a day.
WHOLE = {"areas": ["area_id"], "stores": ["store_id"], "products": ["product_id"], "promotions": ["promotion_id"]}
DAILY = {
    "customers": ["customer_id"],
    "customer_changes": ["customer_id", "version"],
    "product_changes": ["product_id", "version"],
    "exchange_rates": ["day", "currency"],
    "orders": ["order_id"],
    "order_lines": ["line_id"],
    "returns": ["line_id"],
    "payments": ["payment_id"],
}
MARTS = Asset(name="retail_marts", uri="delab://warehouse/retail_marts")
# The rows that should not be. Totals of the day in the marts are compared with those of the sources.
RULES = {
    "every order of the day has its lines": """
        SELECT order_id FROM orders LEFT JOIN order_lines USING (order_id)
        WHERE recorded_at >= %(day)s::date AND recorded_at < %(day)s::date + 1 AND line_id IS NULL""",
    "no sale is lost between sources and marts": """
        SELECT s.day, s.currency, s.amount, m.amount FROM (
          SELECT (ordered_at AT TIME ZONE 'UTC')::date AS day, currency, sum(amount) AS amount
          FROM orders JOIN order_lines USING (order_id) WHERE status = 'completed' GROUP BY 1, 2) AS s
        LEFT JOIN (
          SELECT date_day AS day, currency, sum(amount) AS amount FROM retail_marts.daily_sales GROUP BY 1, 2
        ) AS m USING (day, currency)
        WHERE s.day BETWEEN %(day)s::date - 1 AND %(day)s::date AND s.amount IS DISTINCT FROM m.amount""",
}
PUBLISH = """
CREATE SCHEMA IF NOT EXISTS published;
CREATE TABLE IF NOT EXISTS published.daily_sales (
  day date, currency text, orders bigint, lines bigint, quantity bigint, amount numeric, PRIMARY KEY (day, currency));
DELETE FROM published.daily_sales WHERE day IN (SELECT (ordered_at AT TIME ZONE 'UTC')::date FROM orders
  WHERE recorded_at >= %(day)s::date AND recorded_at < %(day)s::date + 1);
INSERT INTO published.daily_sales SELECT date_day, currency, orders, lines, quantity, amount FROM retail_marts.daily_sales
WHERE date_day IN (SELECT (ordered_at AT TIME ZONE 'UTC')::date FROM orders
  WHERE recorded_at >= %(day)s::date AND recorded_at < %(day)s::date + 1);
"""


def landing() -> Path:
    """Where the files of the day are."""
    return Path(Variable.get("retail_landing"))


def state() -> Path:
    """Where dbt writes; one place for all runs, of which there is one at a time."""
    return Path(Variable.get("retail_dbt_state", default=str(Path(tempfile.gettempdir()) / "retail_elt_dbt")))


def chosen(*parts: str) -> str:
    """These parts of the project, as far as they belong to what the variable asks for (a comma means both in dbt)."""
    wanted = Variable.get("retail_dbt_select", default="")
    return " ".join(f"{wanted},{part}" if wanted else part for part in parts)


@dag(
    schedule="0 2 * * *",
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,  # dbt's models are one set of tables
    default_args={
        "retries": 2,
        "retry_delay": timedelta(minutes=5),
        "execution_timeout": timedelta(hours=2),
        "on_failure_callback": alerts.task_failed,
    },
    tags=["retail"],
    doc_md=__doc__,
)
def retail_elt():
    """Assemble the tasks; nothing is read or connected to here."""

    @task_group
    def ingest():
        @task
        def whole_tables() -> dict[str, int]:
            found = {table: landing() / table / "all.csv" for table in WHOLE}
            with warehouse.session() as cursor:
                return {table: load(cursor, file, table, WHOLE[table]) for table, file in found.items() if file.exists()}

        @task
        def daily_tables(ds: str | None = None) -> dict[str, int]:
            found = {table: landing() / table / f"{ds}.csv" for table in DAILY}
            if not found["orders"].exists():
                raise FileNotFoundError(f"{found['orders']}: the shop has delivered nothing for {ds}")
            with warehouse.session() as cursor:
                return {table: load(cursor, file, table, DAILY[table]) for table, file in found.items() if file.exists()}

        whole_tables() >> daily_tables()

    @task_group
    def transform():
        @task
        def staging() -> None:
            dbt.build(chosen("staging", "intermediate"), state=state())

        @task
        def marts() -> None:
            dbt.build(chosen("marts", "resource_type:snapshot"), state=state())

        staging() >> marts()

    @task(retries=0)  # what is wrong stays wrong
    def quality_gate(ds: str | None = None) -> dict[str, int]:
        with warehouse.session() as cursor:
            return gate.check(cursor, RULES, {"day": ds})

    @task(outlets=[MARTS])
    def publish(ds: str | None = None) -> int:
        with warehouse.session() as cursor:
            cursor.execute(PUBLISH, {"day": ds})
            return int(cursor.rowcount)

    ingest() >> transform() >> quality_gate() >> publish()


def load(cursor, file: Path, table: str, key: list[str]) -> int:
    """One file into its table; the temporary table goes with it."""
    rows = warehouse.replace_by_key(cursor, file, table, key)
    cursor.execute("DROP TABLE incoming")
    return rows


retail_elt()

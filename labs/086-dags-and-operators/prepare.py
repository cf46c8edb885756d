"""The shop's orders, from the retail data set, and the table that the DAG fills. Sessions have the time of Seoul."""

from delab.data.sinks.postgres import load
from delab.services.postgres import connect, dsn

SCALE = 15  # 15,000 orders, about twenty a day

DAILY_SALES = """
CREATE TABLE daily_sales (
  day date, currency text, orders bigint NOT NULL, quantity bigint NOT NULL, amount numeric(14, 2) NOT NULL,
  PRIMARY KEY (day, currency)
)
"""


def prepare(stack, seed):
    """Load the two tables that the DAG reads, make the one that it writes."""
    at = stack["warehouse"].endpoint
    load(dsn(at), "retail", scale=SCALE, seed=seed, tables=("orders", "order_lines"), references=False)
    with connect(at) as session, session.cursor() as cursor:
        cursor.execute("CREATE INDEX ON orders (ordered_at); CREATE INDEX ON order_lines (order_id)")
        cursor.execute(DAILY_SALES)
        cursor.execute(f"ALTER DATABASE {at.database} SET timezone = 'Asia/Seoul'")

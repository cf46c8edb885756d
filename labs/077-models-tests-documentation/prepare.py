"""The shop's customers, orders and order lines in the schema `raw`; the server's own clock is far from UTC."""

import random

from delab.data.sinks.postgres import load
from delab.services.postgres import connect, dsn

TABLES = ["customers", "orders", "order_lines"]
# Customers who have never ordered, one who has ordered once, and some all of whose orders were cancelled: they are customers all
# the same. Some orders are still open.
QUIET = """
INSERT INTO {0}.customers (customer_id, name, email, country, city, postal_code, segment, registered_at, updated_at)
SELECT customer_id + 1000000, name, NULL, country, city, postal_code, segment, registered_at, updated_at
FROM {0}.customers ORDER BY customer_id LIMIT 8;
UPDATE {0}.orders SET status = 'cancelled' WHERE customer_id IN (SELECT customer_id FROM {0}.orders ORDER BY order_id DESC LIMIT 3);
UPDATE {0}.orders SET status = 'open' WHERE status = 'completed' AND order_id % 23 = 7;
UPDATE {0}.orders SET customer_id = (SELECT max(customer_id) FROM {0}.customers)
WHERE order_id = (SELECT min(order_id) FROM {0}.orders WHERE status = 'completed');
"""


def fill(at, schema, seed):
    """The three tables in a schema; the size is another one for each seed."""
    scale = random.Random(seed).uniform(0.5, 0.8)
    with connect(at) as session, session.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}")
    load(dsn(at), "retail", scale=scale, seed=seed, tables=TABLES, schema=schema, keys=False, references=False)
    with connect(at) as session, session.cursor() as cursor:
        cursor.execute(QUIET.format(schema))


def prepare(stack, seed):
    """Load them, and set the zone in which new sessions see times."""
    at = stack["warehouse"].endpoint
    fill(at, "raw", seed)
    with connect(at) as session, session.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {at.database} SET timezone = 'Pacific/Auckland'")

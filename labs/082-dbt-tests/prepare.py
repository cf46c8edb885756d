"""Five tables of the shop in the schema `raw`, as the loader delivers them: no keys, no foreign keys, no types but the columns'."""

import random

from delab.data.sinks.postgres import load
from delab.services.postgres import connect, dsn

TABLES = ["customers", "products", "promotions", "orders", "order_lines", "payments"]
# Nothing is promised: a loader takes what comes.
NO_PROMISES = """
SELECT format('ALTER TABLE raw.%I ALTER COLUMN %I DROP NOT NULL', table_name, column_name)
FROM information_schema.columns WHERE table_schema = 'raw' AND is_nullable = 'NO'
"""
# Before 2025 the shops sent their orders on paper: some were typed in days later.
TYPED_IN = """
UPDATE raw.orders SET recorded_at = ordered_at + (2 + order_id % 9) * interval '1 day'
WHERE ordered_at < '2025-01-01 00:00 UTC' AND order_id % 3 = 0
"""


def prepare(stack, seed):
    """Load them, and set the zone in which new sessions see times; the size is another one for each seed."""
    scale = random.Random(seed).uniform(0.5, 0.8)
    at = stack["warehouse"].endpoint
    with connect(at) as session, session.cursor() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS raw CASCADE; CREATE SCHEMA raw")
    load(dsn(at), "retail", scale=scale, seed=seed, tables=TABLES, schema="raw", keys=False, references=False)
    with connect(at) as session, session.cursor() as cursor:
        cursor.execute(NO_PROMISES)
        for (statement,) in cursor.fetchall():
            cursor.execute(statement)
        cursor.execute(TYPED_IN)
        cursor.execute(f"ALTER DATABASE {at.database} SET timezone = 'Asia/Tokyo'")

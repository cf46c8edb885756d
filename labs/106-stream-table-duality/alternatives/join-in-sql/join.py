"""The join in SQL: versions and orders in temporary tables, one lateral subquery for then and one for now."""

import json
import os

import psycopg2
from psycopg2.extras import execute_values
from topiclog import read

TABLES = """
CREATE TEMP TABLE versions (customer_id bigint, version integer, changed_at timestamptz, segment text) ON COMMIT DROP;
CREATE TEMP TABLE orders (order_id bigint, customer_id bigint, ordered_at timestamptz) ON COMMIT DROP;
DELETE FROM order_segments"""
JOIN = """
INSERT INTO order_segments (order_id, segment_then, segment_now)
SELECT order_id, past.segment, present.segment FROM orders
LEFT JOIN LATERAL (
  SELECT segment FROM versions v WHERE v.customer_id = orders.customer_id AND changed_at <= ordered_at
  ORDER BY version DESC LIMIT 1
) past ON true
LEFT JOIN LATERAL (
  SELECT segment FROM versions v WHERE v.customer_id = orders.customer_id ORDER BY version DESC LIMIT 1
) present ON true"""


def rows(topic, names):
    """The values of a topic's fields."""
    return [tuple(json.loads(message.value)[name] for name in names) for message in read(topic)]


def main():
    """One transaction."""
    versions = rows("customer_versions", ("customer_id", "version", "changed_at", "segment"))
    orders = rows("orders", ("order_id", "customer_id", "ordered_at"))
    with psycopg2.connect(os.environ["WAREHOUSE_DSN"]) as connection, connection.cursor() as cursor:
        cursor.execute(TABLES)
        for table, found in (("versions", versions), ("orders", orders)):
            if found:
                execute_values(cursor, f"INSERT INTO {table} VALUES %s", found)
        cursor.execute(JOIN)


if __name__ == "__main__":
    main()

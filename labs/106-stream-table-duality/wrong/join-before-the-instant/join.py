"""Join each order with its customer's segment of then and of now, and end: `python join.py`."""

import json
import os
from bisect import bisect_left
from collections import defaultdict
from datetime import datetime

import psycopg2
from psycopg2.extras import execute_values
from topiclog import read


def history():
    """Of each customer all versions by their time: {customer: [(changed_at, segment), …]}; None: it is gone."""
    found = defaultdict(set)
    for message in read("customer_versions"):
        event = json.loads(message.value)
        found[event["customer_id"]].add((datetime.fromisoformat(event["changed_at"]), event["segment"]))
    return {customer: sorted(versions, key=lambda one: one[0]) for customer, versions in found.items()}


def joined(order, versions):
    """A row: the last version that had begun at the order's time, and the last of all."""
    begun = bisect_left([at for at, _ in versions], datetime.fromisoformat(order["ordered_at"]))
    then = versions[begun - 1][1] if begun else None
    return order["order_id"], then, versions[-1][1] if versions else None


def main():
    """Replace all rows in one transaction."""
    versions = history()
    orders = [json.loads(message.value) for message in read("orders")]
    rows = [joined(order, versions.get(order["customer_id"], [])) for order in orders]
    with psycopg2.connect(os.environ["WAREHOUSE_DSN"]) as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM order_segments")
        if rows:
            execute_values(cursor, "INSERT INTO order_segments (order_id, segment_then, segment_now) VALUES %s", rows)


if __name__ == "__main__":
    main()

"""Make the table `customers` what its change log says, and end: `python table.py`."""

import json
import os

import psycopg2
from psycopg2.extras import execute_values
from topiclog import read

COLUMNS = ("customer_id", "version", "name", "segment", "changed_at")


def table():
    """The last value of each key; a tombstone removes it."""
    rows = {}
    for message in read("customers"):
        if message.value is None:
            rows.pop(message.key, None)
        else:
            rows[message.key] = json.loads(message.value)
    return [tuple(row[name] for name in COLUMNS) for row in rows.values()]


def main():
    """Make the table again in one transaction, with all its rows."""
    rows = table()
    with psycopg2.connect(os.environ["WAREHOUSE_DSN"]) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS customers")
        cursor.execute("CREATE TABLE customers (customer_id bigint, version bigint, name text, segment text, changed_at text)")
        if rows:
            execute_values(cursor, f"INSERT INTO customers ({', '.join(COLUMNS)}) VALUES %s", rows)


if __name__ == "__main__":
    main()

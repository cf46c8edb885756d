"""Replay the change log into PostgreSQL from where the last run ended; the offset lives in the same database."""

import json
import os

import psycopg2
from topiclog import read

UPSERT = """
INSERT INTO customers (customer_id, version, name, segment, changed_at)
VALUES (%(customer_id)s, %(version)s, %(name)s, %(segment)s, %(changed_at)s)
ON CONFLICT (customer_id) DO UPDATE SET version = excluded.version, name = excluded.name, segment = excluded.segment,
  changed_at = excluded.changed_at
"""


def main():
    """Rows and offset in one transaction: if the database is lost, both are, and all is replayed."""
    with psycopg2.connect(os.environ["WAREHOUSE_DSN"]) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA IF NOT EXISTS replay; CREATE TABLE IF NOT EXISTS replay.done (until bigint NOT NULL)")
        cursor.execute("SELECT coalesce(max(until), 0) FROM replay.done")
        (begin,) = until = cursor.fetchone()
        for message in read("customers"):
            until = (message.offset + 1,)
            if message.offset < begin:
                continue
            if message.value is None:
                cursor.execute("DELETE FROM customers WHERE customer_id = %s", [int(message.key)])
            else:
                cursor.execute(UPSERT, json.loads(message.value))
        cursor.execute("DELETE FROM replay.done; INSERT INTO replay.done VALUES (%s)", until)


if __name__ == "__main__":
    main()

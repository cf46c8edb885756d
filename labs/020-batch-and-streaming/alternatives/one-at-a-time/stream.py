"""Clicks and euro by five minutes, one message and one transaction at a time; the message is the unit of everything."""

import json
import os

import psycopg2
from kafka import KafkaConsumer

NEW = "INSERT INTO counted VALUES (%(event_id)s) ON CONFLICT DO NOTHING"
COUNT = """
INSERT INTO stream_windows AS w
VALUES (to_timestamp(floor(extract(epoch FROM %(event_time)s::timestamptz) / 300) * 300), 1, coalesce(%(amount)s, 0))
ON CONFLICT (window_start) DO UPDATE SET clicks = w.clicks + 1, amount = w.amount + excluded.amount
"""


def main():
    """Auto-commit is harmless here: a position moves on only when the next message is asked for, after the transaction."""
    warehouse = psycopg2.connect(os.environ["WAREHOUSE_DSN"])
    with warehouse, warehouse.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS counted (event_id bigint PRIMARY KEY)")
    servers = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
    for message in KafkaConsumer("clicks", bootstrap_servers=servers, group_id="one", auto_offset_reset="earliest"):
        click = json.loads(message.value)
        with warehouse, warehouse.cursor() as cursor:
            cursor.execute(NEW, click)
            if cursor.rowcount:
                cursor.execute(COUNT, click)


if __name__ == "__main__":
    main()

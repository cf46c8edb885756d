"""Clicks and euro by five minutes, from the topic `clicks`, until it is killed: `python stream.py`."""

import json
import os
from datetime import datetime, timedelta

import psycopg2
from kafka import KafkaConsumer
from psycopg2.extras import execute_values

COUNT = """
WITH delivered (delivery_id, window_start, amount) AS (VALUES %s),
new AS (
  INSERT INTO seen SELECT delivery_id FROM delivered ON CONFLICT DO NOTHING RETURNING event_id AS delivery_id
)
INSERT INTO stream_windows AS old
SELECT window_start, count(*), sum(amount) FROM delivered JOIN new USING (delivery_id) GROUP BY window_start
ON CONFLICT (window_start) DO UPDATE SET clicks = old.clicks + excluded.clicks, amount = old.amount + excluded.amount
"""


def window_start(text):
    """The start of the five minutes that hold a time."""
    at = datetime.fromisoformat(text)
    return at - timedelta(minutes=at.minute % 5, seconds=at.second, microseconds=at.microsecond)


def row(message):
    """What counts of a delivery."""
    click = json.loads(message.value)
    return click["delivery_id"], window_start(click["event_time"]), click["amount"] or 0


def main():
    """Write, then commit the offsets: what a death in between repeats, `seen` recognises."""
    warehouse = psycopg2.connect(os.environ["WAREHOUSE_DSN"])
    with warehouse, warehouse.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS seen (event_id bigint PRIMARY KEY)")
    consumer = KafkaConsumer(
        "clicks",
        bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"],
        group_id="windows",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=6000,
    )
    while True:
        batch = [message for messages in consumer.poll(timeout_ms=500).values() for message in messages]
        if not batch:
            continue
        rows = {row(message)[0]: row(message) for message in batch}
        with warehouse, warehouse.cursor() as cursor:
            execute_values(cursor, COUNT, list(rows.values()), template="(%s, %s::timestamptz, %s::numeric)", page_size=len(rows))
        consumer.commit()


if __name__ == "__main__":
    main()

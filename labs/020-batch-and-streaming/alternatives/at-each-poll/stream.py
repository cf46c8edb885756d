"""Clicks and euro by five minutes: the table is emptied and filled again after each poll, also one that brings nothing."""

import json
import os

import psycopg2
from kafka import KafkaConsumer, TopicPartition

TABLES = """
CREATE TABLE IF NOT EXISTS click (event_id bigint PRIMARY KEY, event_time timestamptz, amount numeric);
CREATE TABLE IF NOT EXISTS progress (partition int PRIMARY KEY, next bigint);
"""
CLICK = "INSERT INTO click VALUES (%(event_id)s, %(event_time)s, coalesce(%(amount)s, 0)) ON CONFLICT DO NOTHING"
PROGRESS = "INSERT INTO progress VALUES (%s, %s) ON CONFLICT (partition) DO UPDATE SET next = excluded.next"
WINDOWS = """
TRUNCATE stream_windows;
INSERT INTO stream_windows
SELECT date_bin('5 minutes', event_time, 'epoch'), count(*), sum(amount) FROM click GROUP BY 1
"""


def main():
    """Go on where the warehouse says; count anew each time."""
    warehouse = psycopg2.connect(os.environ["WAREHOUSE_DSN"])
    with warehouse, warehouse.cursor() as cursor:
        cursor.execute(TABLES)
        cursor.execute("SELECT partition, next FROM progress")
        progress = dict(cursor.fetchall())
    consumer = KafkaConsumer(bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"], enable_auto_commit=False)
    places = [TopicPartition("clicks", number) for number in consumer.partitions_for_topic("clicks")]
    consumer.assign(places)
    for place in places:
        consumer.seek(place, progress.get(place.partition, 0))
    while True:
        arrived = consumer.poll(timeout_ms=500, max_records=2000)
        with warehouse, warehouse.cursor() as cursor:
            for message in (message for messages in arrived.values() for message in messages):
                cursor.execute(CLICK, json.loads(message.value))
            cursor.execute(WINDOWS)
            for place, messages in arrived.items():
                cursor.execute(PROGRESS, (place.partition, messages[-1].offset + 1))


if __name__ == "__main__":
    main()

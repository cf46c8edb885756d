"""Make the table `customers` what its change log says, and end: `python table.py`."""

import json
import os

import psycopg2
from kafka import KafkaConsumer, TopicPartition

SERVERS = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
UPSERT = """
INSERT INTO customers (customer_id, version, name, segment, changed_at)
VALUES (%(customer_id)s, %(version)s, %(name)s, %(segment)s, %(changed_at)s)
ON CONFLICT (customer_id) DO UPDATE SET version = excluded.version, name = excluded.name, segment = excluded.segment,
  changed_at = excluded.changed_at
"""


def messages(consumer, place):
    """What the group has not read yet."""
    end = consumer.end_offsets([place])[place]
    while consumer.position(place) < end:
        for batch in consumer.poll(timeout_ms=200).values():
            yield from batch


def main():
    """Go on where the group's offsets say."""
    place = TopicPartition("customers", 0)
    consumer = KafkaConsumer(bootstrap_servers=SERVERS, group_id="table", enable_auto_commit=False, auto_offset_reset="earliest")
    consumer.assign([place])
    with psycopg2.connect(os.environ["WAREHOUSE_DSN"]) as connection, connection.cursor() as cursor:
        for message in messages(consumer, place):
            if message.value is None:
                cursor.execute("DELETE FROM customers WHERE customer_id = %s", [int(message.key)])
            else:
                cursor.execute(UPSERT, json.loads(message.value))
    consumer.commit()
    consumer.close()


if __name__ == "__main__":
    main()

"""Count the customers of each segment, as a change log again, until it is killed: `python derive.py`."""

import json
import os
from collections import Counter

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

SERVERS = os.environ["KAFKA_BOOTSTRAP_SERVERS"]


def changed(message, counts):
    """Count a message. Returns its segment."""
    if message.value is None:
        return set()
    segment = json.loads(message.value)["segment"]
    counts[segment] += 1
    return {segment}


def main():
    """Follow `customers` from the beginning: all that this program knows is in the log."""
    place = TopicPartition("customers", 0)
    consumer = KafkaConsumer(bootstrap_servers=SERVERS, enable_auto_commit=False)
    consumer.assign([place])
    consumer.seek_to_beginning(place)
    producer = KafkaProducer(bootstrap_servers=SERVERS, acks="all")
    counts = Counter()
    for message in consumer:
        for segment in changed(message, counts):
            row = {"segment": segment, "customers": counts[segment]}
            producer.send("segments", key=segment.encode(), value=json.dumps(row).encode() if counts[segment] else None)


if __name__ == "__main__":
    main()

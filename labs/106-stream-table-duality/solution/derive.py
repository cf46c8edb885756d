"""Count the customers of each segment, as a change log again, until it is killed: `python derive.py`."""

import json
import os
from collections import Counter

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

SERVERS = os.environ["KAFKA_BOOTSTRAP_SERVERS"]


def changed(message, segment_of, counts):
    """Take a change in: retract the old row, add the new one. Returns the segments whose count is another now."""
    before = segment_of.pop(message.key, None)
    after = None if message.value is None else json.loads(message.value)["segment"]
    if before is not None:
        counts[before] -= 1
    if after is not None:
        segment_of[message.key] = after
        counts[after] += 1
    return {before, after} - {None} if before != after else set()


def main():
    """Follow `customers` from the beginning: all that this program knows is in the log."""
    place = TopicPartition("customers", 0)
    consumer = KafkaConsumer(bootstrap_servers=SERVERS, enable_auto_commit=False)
    consumer.assign([place])
    consumer.seek_to_beginning(place)
    producer = KafkaProducer(bootstrap_servers=SERVERS, acks="all")
    segment_of, counts = {}, Counter()
    for message in consumer:
        for segment in changed(message, segment_of, counts):
            row = {"segment": segment, "customers": counts[segment]}
            producer.send("segments", key=segment.encode(), value=json.dumps(row).encode() if counts[segment] else None)


if __name__ == "__main__":
    main()

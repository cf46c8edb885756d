"""Reading a topic, once or for ever, and writing to one. Yours to use and to change; it is not judged."""

import os

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

SERVERS = os.environ["KAFKA_BOOTSTRAP_SERVERS"]


def read(topic):
    """All messages of a topic from its beginning to its end as it is now, partition by partition in the order of the log."""
    consumer = KafkaConsumer(bootstrap_servers=SERVERS, enable_auto_commit=False)
    try:
        places = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        if not places:
            raise SystemExit(f"there is no topic {topic}")
        for place in places:
            consumer.assign([place])
            consumer.seek_to_beginning(place)
            end = consumer.end_offsets([place])[place]
            while consumer.position(place) < end:
                for batch in consumer.poll(timeout_ms=200).values():
                    yield from batch
    finally:
        consumer.close()


def follow(topic):
    """Lists of messages of a topic with one partition, for ever: first all that it holds, then each time what is new."""
    consumer = KafkaConsumer(bootstrap_servers=SERVERS, enable_auto_commit=False)
    place = TopicPartition(topic, 0)
    consumer.assign([place])
    consumer.seek_to_beginning(place)
    found, end = [], consumer.end_offsets([place])[place]
    while True:
        for batch in consumer.poll(timeout_ms=200).values():
            found += batch
        if found and consumer.position(place) >= end:
            yield found
            found = []


def write(topic, messages):
    """Send (key, value) pairs in order; a value of None is a tombstone. Returns when Kafka has them all."""
    producer = KafkaProducer(bootstrap_servers=SERVERS, acks="all")
    promises = [producer.send(topic, key=key, value=value) for key, value in messages]
    producer.flush()
    for promise in promises:
        promise.get()
    producer.close()

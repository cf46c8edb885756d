"""Payments into the ledger, each once, without Spark: read, write and note the position in one transaction of Kafka's."""

import json
import os

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata

SERVERS = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
GROUP = "ledger"
READ = {"enable_auto_commit": False, "auto_offset_reset": "earliest", "isolation_level": "read_committed"}


def message(value):
    """Topic and value: a payment goes to the ledger, what is none to `rejected` as it is."""
    try:
        payment = json.loads(value)
        kept = {name: payment[name] for name in ("payment_id", "account", "cents")}
    except (ValueError, KeyError, TypeError):
        return "rejected", value
    return "ledger", json.dumps(kept).encode()


def write(producer, messages):
    """Write them, and how far that is, or nothing."""
    producer.begin_transaction()
    promises = [producer.send(*message(one.value)) for one in messages]
    producer.flush()
    for promise in promises:
        promise.get()
    positions = {TopicPartition(one.topic, one.partition): OffsetAndMetadata(one.offset + 1, "", -1) for one in messages}
    producer.send_offsets_to_transaction(positions, GROUP)
    producer.commit_transaction()


def main():
    """One process reads all partitions, so no group has to be joined; a start goes on where the last commit was."""
    producer = KafkaProducer(bootstrap_servers=SERVERS, transactional_id="ledger", acks="all")
    producer.init_transactions()  # before the positions are asked for: they are final then
    consumer = KafkaConsumer(bootstrap_servers=SERVERS, group_id=GROUP, **READ)
    consumer.assign([TopicPartition("payments", number) for number in sorted(consumer.partitions_for_topic("payments"))])
    while True:
        if found := consumer.poll(timeout_ms=500):
            write(producer, [one for messages in found.values() for one in messages])


if __name__ == "__main__":
    main()

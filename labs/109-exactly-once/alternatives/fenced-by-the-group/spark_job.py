"""Payments into the ledger, each once, without Spark: the group's generation shuts a predecessor out."""

import json
import os
import uuid

from kafka import KafkaConsumer, KafkaProducer
from kafka.structs import OffsetAndMetadata

SERVERS = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
SHORT = {"session_timeout_ms": 10_000, "heartbeat_interval_ms": 2_000}  # a dead member is gone after the session's timeout
READ = {"enable_auto_commit": False, "auto_offset_reset": "earliest", "isolation_level": "read_committed", **SHORT}
LIVES = 8_000  # milliseconds of a transaction: what the dead has left open is over before its partitions are another's


def message(value):
    """Topic and value: a payment goes to the ledger, what is none to `rejected` as it is."""
    try:
        payment = json.loads(value)
        kept = {name: payment[name] for name in ("payment_id", "account", "cents")}
    except (ValueError, KeyError, TypeError):
        return "rejected", value
    return "ledger", json.dumps(kept).encode()


def write(producer, consumer, found):
    """Write them, and how far that is, as long as the group knows this member."""
    producer.begin_transaction()
    promises = [producer.send(*message(one.value)) for messages in found.values() for one in messages]
    for promise in promises:
        promise.get()
    positions = {place: OffsetAndMetadata(messages[-1].offset + 1, "", -1) for place, messages in found.items()}
    producer.send_offsets_to_transaction(positions, consumer.group_metadata())
    producer.commit_transaction()


def main():
    """A member of a group that has the partitions to itself."""
    anyone = {"transactional_id": f"ledger-{uuid.uuid4()}", "transaction_timeout_ms": LIVES}
    producer = KafkaProducer(bootstrap_servers=SERVERS, acks="all", **anyone)
    producer.init_transactions()
    consumer = KafkaConsumer("payments", bootstrap_servers=SERVERS, group_id="ledger", **READ)
    while True:
        if found := consumer.poll(timeout_ms=500):
            write(producer, consumer, found)


if __name__ == "__main__":
    main()

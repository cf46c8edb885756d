"""Payments into the ledger, each once: a message says from which batch it is; a batch that is there is not written again."""

import json
import os

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from pyspark.sql import SparkSession

SERVERS = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
PLACES = [TopicPartition("ledger", 0), TopicPartition("rejected", 0)]


def newest_batch():
    """The last batch whose transaction was committed; -1 if there is none."""
    reader = KafkaConsumer(bootstrap_servers=SERVERS, isolation_level="read_committed", enable_auto_commit=False)
    reader.assign(PLACES)
    reader.seek_to_beginning(*PLACES)
    ends, found = reader.end_offsets(PLACES), -1
    while any(reader.position(place) < end for place, end in ends.items()):
        for messages in reader.poll(timeout_ms=200).values():
            found = max(found, *(int(dict(message.headers)["batch"]) for message in messages))
    reader.close()
    return found


class Ledger:
    """Writes batches that have not been written."""

    def __init__(self):
        self.producer = KafkaProducer(bootstrap_servers=SERVERS, transactional_id="ledger", acks="all")
        self.producer.init_transactions()
        self.newest = newest_batch()

    def write(self, batch, number):
        """A transaction for each batch."""
        values = [bytes(row.value) for row in batch.select("value").collect()]
        if not values or number <= self.newest:
            return
        self.producer.begin_transaction()
        promises = [self.producer.send(*message(value), headers=[("batch", str(number).encode())]) for value in values]
        self.producer.flush()
        for promise in promises:
            promise.get()
        self.producer.commit_transaction()
        self.newest = number


def message(value):
    """Topic and value: a payment goes to the ledger, what is none to `rejected` as it is."""
    try:
        payment = json.loads(value)
        kept = {name: payment[name] for name in ("payment_id", "account", "cents")}
    except (ValueError, KeyError, TypeError):
        return "rejected", value
    return "ledger", json.dumps(kept).encode()


def main():
    """One query."""
    spark = SparkSession.builder.getOrCreate()
    source = spark.readStream.format("kafka").options(subscribe="payments", startingOffsets="earliest")
    committed = {"kafka.bootstrap.servers": SERVERS, "kafka.isolation.level": "read_committed"}
    payments = source.options(**committed).load()
    stream = payments.writeStream.foreachBatch(Ledger().write)
    stream.option("checkpointLocation", f"{os.environ['CHECKPOINTS']}/ledger").start().awaitTermination()


if __name__ == "__main__":
    main()

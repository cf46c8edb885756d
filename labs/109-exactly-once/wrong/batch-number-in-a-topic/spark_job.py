"""Payments into the ledger: the number of the last batch is in a topic of the job's own."""

import json
import os

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from pyspark.sql import SparkSession

SERVERS = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
DONE = TopicPartition("booked", 0)


def last_booked():
    """The number of the last batch that was booked."""
    reader = KafkaConsumer(bootstrap_servers=SERVERS, enable_auto_commit=False)
    if not reader.partitions_for_topic("booked"):
        return -1
    reader.assign([DONE])
    reader.seek_to_beginning(DONE)
    end, last = reader.end_offsets([DONE])[DONE], -1
    while reader.position(DONE) < end:
        for found in reader.poll(timeout_ms=200).values():
            last = max(last, *(int(one.value) for one in found))
    return last


class Ledger:
    """Writes payments in a transaction, and its number behind it."""

    def __init__(self):
        self.producer = KafkaProducer(bootstrap_servers=SERVERS, transactional_id="ledger", acks="all")
        self.producer.init_transactions()  # ends what a predecessor has left open, and fences it
        self.notes = KafkaProducer(bootstrap_servers=SERVERS, acks="all")
        self.last = last_booked()

    def write(self, batch, number):
        """Write what has not been written; a repeated batch finds its number."""
        if number <= self.last:
            return
        rows = batch.select("topic", "partition", "offset", "value").orderBy("partition", "offset").collect()
        fresh = rows
        if not fresh:
            return
        self.producer.begin_transaction()
        promises = [self.producer.send(*message(bytes(row.value))) for row in fresh]
        self.producer.flush()
        for promise in promises:
            promise.get()
        self.producer.commit_transaction()
        self.notes.send("booked", str(number).encode()).get()


def message(value):
    """Topic and value: a payment goes to the ledger, what is none to `rejected` as it is."""
    try:
        payment = json.loads(value)
        kept = {name: payment[name] for name in ("payment_id", "account", "cents")}
    except (ValueError, KeyError, TypeError):
        return "rejected", value
    return "ledger", json.dumps(kept).encode()


def main():
    """One query; a batch that fails ends the program, and its transaction with it."""
    spark = SparkSession.builder.getOrCreate()
    source = spark.readStream.format("kafka").options(subscribe="payments", startingOffsets="earliest")
    committed = {"kafka.bootstrap.servers": SERVERS, "kafka.isolation.level": "read_committed"}
    payments = source.options(**committed).load()
    stream = payments.writeStream.foreachBatch(Ledger().write)
    stream.option("checkpointLocation", f"{os.environ['CHECKPOINTS']}/ledger").start().awaitTermination()


if __name__ == "__main__":
    main()

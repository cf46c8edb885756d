"""Payments into the ledger, each once, from the topic `payments`: `python spark_job.py`."""

import json
import os

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata
from pyspark.sql import SparkSession

SERVERS = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
GROUP = "ledger"


class Ledger:
    """Writes payments and how far it has read in one transaction of Kafka's."""

    def __init__(self):
        self.producer = KafkaProducer(bootstrap_servers=SERVERS, transactional_id="ledger", acks="all")
        self.producer.init_transactions()  # ends what a predecessor has left open, and fences it
        self.consumer = KafkaConsumer(bootstrap_servers=SERVERS, group_id=GROUP, enable_auto_commit=False)

    def write(self, batch, _number):
        """Write what has not been written; a repeated batch finds its positions moved on."""
        rows = batch.select("topic", "partition", "offset", "value").orderBy("partition", "offset").collect()
        places = {TopicPartition(row.topic, row.partition) for row in rows}
        done = {place: self.consumer.committed(place) or 0 for place in places}
        fresh = [row for row in rows if row.offset >= done[TopicPartition(row.topic, row.partition)]]
        if not fresh:
            return
        self.producer.begin_transaction()
        promises = [self.producer.send(*message(bytes(row.value))) for row in fresh]
        self.producer.flush()
        for promise in promises:
            promise.get()
        positions = {TopicPartition(row.topic, row.partition): OffsetAndMetadata(row.offset + 1, "", -1) for row in fresh}
        self.producer.send_offsets_to_transaction(positions, GROUP)
        self.producer.commit_transaction()


def message(value):
    """Topic and value: a payment goes to the ledger, what is none to `rejected` as it is."""
    if not (value.startswith(b"{") and value.endswith(b"}")):
        return "rejected", value
    payment = json.loads(value)
    kept = {name: payment[name] for name in ("payment_id", "account", "cents")}
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

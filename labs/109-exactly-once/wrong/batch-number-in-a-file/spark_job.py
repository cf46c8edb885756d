"""Payments into the ledger, each once, from the topic `payments`: `python spark_job.py`."""

import json
import os
from pathlib import Path

from kafka import KafkaProducer
from pyspark.sql import SparkSession

SERVERS = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
DONE = Path(os.environ["CHECKPOINTS"]) / "last_batch"


class Ledger:
    """Writes payments and how far it has read in one transaction of Kafka's."""

    def __init__(self):
        self.producer = KafkaProducer(bootstrap_servers=SERVERS, transactional_id="ledger", acks="all")
        self.producer.init_transactions()  # ends what a predecessor has left open, and fences it

    def write(self, batch, number):
        """Write what has not been written; a repeated batch finds its positions moved on."""
        if DONE.exists() and number <= int(DONE.read_text()):
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
        half = DONE.with_suffix(".new")
        half.write_text(str(number))
        half.replace(DONE)


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

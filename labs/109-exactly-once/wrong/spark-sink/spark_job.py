"""Payments into the ledger, from the topic `payments`: Spark's own sink, which is at least once."""

import os

from pyspark.sql import SparkSession
from pyspark.sql import functions as sf

KAFKA = {"kafka.bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"]}
PAYMENT = "payment_id STRING, account STRING, cents BIGINT"


def main():
    """Topic and value of each message; offsets and commits are in the checkpoint."""
    spark = SparkSession.builder.getOrCreate()
    read = {"subscribe": "payments", "startingOffsets": "earliest", "kafka.isolation.level": "read_committed"}
    source = spark.readStream.format("kafka").options(**KAFKA, **read).load()
    lines = source.select(sf.col("value").cast("string").alias("line"))
    payments = lines.withColumn("payment", sf.from_json("line", PAYMENT))
    known = sf.col("payment.payment_id").isNotNull()
    topic = sf.when(known, "ledger").otherwise("rejected").alias("topic")
    value = sf.when(known, sf.to_json("payment")).otherwise(sf.col("line")).alias("value")
    stream = payments.select(topic, value).writeStream.format("kafka").options(**KAFKA)
    stream.option("checkpointLocation", f"{os.environ['CHECKPOINTS']}/ledger").start().awaitTermination()


if __name__ == "__main__":
    main()

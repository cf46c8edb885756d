"""Payments into the ledger, from the topic `payments`: a batch leaves out what is in the ledger already."""

import os

from pyspark.sql import SparkSession
from pyspark.sql import functions as sf

KAFKA = {"kafka.bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"]}
PAYMENT = "payment_id STRING, account STRING, cents BIGINT"


def write(lines, _number):
    """Look into both topics, and write what is in neither."""
    payments = lines.withColumn("payment", sf.from_json("line", PAYMENT))
    known = sf.col("payment.payment_id").isNotNull()
    topic = sf.when(known, "ledger").otherwise("rejected").alias("topic")
    value = sf.when(known, sf.to_json("payment")).otherwise(sf.col("line")).alias("value")
    there = lines.sparkSession.read.format("kafka").options(**KAFKA, subscribe="ledger,rejected").load()
    there = there.selectExpr("CAST(value AS STRING) AS value")
    rows = payments.select(topic, value).join(there, "value", "left_anti").select("topic", "value")
    rows.write.format("kafka").options(**KAFKA).save()


def main():
    """One query."""
    spark = SparkSession.builder.getOrCreate()
    read = {"subscribe": "payments", "startingOffsets": "earliest", "kafka.isolation.level": "read_committed"}
    source = spark.readStream.format("kafka").options(**KAFKA, **read).load()
    lines = source.select(sf.col("value").cast("string").alias("line"))
    stream = lines.writeStream.foreachBatch(write)
    stream.option("checkpointLocation", f"{os.environ['CHECKPOINTS']}/ledger").start().awaitTermination()


if __name__ == "__main__":
    main()

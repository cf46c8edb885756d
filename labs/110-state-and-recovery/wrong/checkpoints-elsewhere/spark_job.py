"""Balances of accounts and their spending in five minutes, from the topic `payments`: `python spark_job.py`."""

import os

from pyspark.sql import SparkSession
from pyspark.sql import functions as sf

KAFKA = {"kafka.bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"]}
PAYMENT = "account STRING, cents BIGINT, event_time TIMESTAMP"
VERSION = int(os.environ.get("VERSION", "1"))


def payments(spark):
    """The payments, from the beginning."""
    source = spark.readStream.format("kafka").options(**KAFKA, subscribe="payments", startingOffsets="earliest").load()
    return source.select(sf.from_json(sf.col("value").cast("string"), PAYMENT).alias("payment")).select("payment.*")


def write(rows, topic):
    """Send each row that has changed as JSON; state and positions are in a folder that is the same at each start."""
    place = f"checkpoints/{topic}"
    stream = rows.select(sf.to_json(sf.struct("*")).alias("value")).writeStream.format("kafka").outputMode("update")
    stream.options(**KAFKA, topic=topic, checkpointLocation=place).start()


def balances(rows):
    """Totals for ever: their state is as large as there are accounts. Version 2 computes a column from the same state."""
    totals = [sf.count("*").alias("payments"), sf.sum("cents").alias("cents"), sf.max("event_time").alias("last_seen")]
    found = rows.groupBy("account").agg(*totals)
    return found.withColumn("average_cents", sf.floor(sf.col("cents") / sf.col("payments"))) if VERSION >= 2 else found


def spending(rows):
    """Totals of five minutes: the watermark says from when on a window is forgotten."""
    windows = rows.withWatermark("event_time", "2 minutes").groupBy(sf.window("event_time", "5 minutes"), "account")
    found = windows.agg(sf.count("*").alias("payments"), sf.sum("cents").alias("cents"))
    return found.select(sf.col("window.start").alias("window_start"), "account", "payments", "cents")


def main():
    """Two queries on the same payments."""
    spark = SparkSession.builder.getOrCreate()
    write(balances(payments(spark)), "balances")
    write(spending(payments(spark)), "spending")
    spark.streams.awaitAnyTermination()


if __name__ == "__main__":
    main()

"""Clicks by three clocks, from the topic `clicks`: `python spark_job.py`."""

import os
import tempfile

from pyspark.sql import SparkSession
from pyspark.sql import functions as sf

KAFKA = {"kafka.bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"]}
CLICK = "event_id BIGINT, device_id BIGINT, event_time TIMESTAMP, arrival_time TIMESTAMP"
PLAUSIBLE = "event_time <= arrival_time + INTERVAL 1 MINUTE"


def clicks(spark):
    """All clicks, as they come."""
    source = spark.readStream.format("kafka").options(**KAFKA, subscribe="clicks", startingOffsets="earliest").load()
    click = sf.from_json(sf.col("value").cast("string"), CLICK)
    return source.select(click.alias("click")).select("click.*")


def write(rows, topic, mode):
    """Send each row as JSON."""
    place = tempfile.mkdtemp(prefix=topic, dir=os.environ["CHECKPOINTS"])
    stream = rows.select(sf.to_json(sf.struct("*")).alias("value")).writeStream.format("kafka").outputMode(mode)
    stream.options(**KAFKA, topic=topic, checkpointLocation=place).start()


def counted(groups):
    """How many clicks each group has."""
    return groups.agg(sf.count("*").alias("click_count"))


def started(groups):
    """The same, with the start of a window in place of the window."""
    return counted(groups).select(sf.col("window.start").alias("window_start"), "click_count")


def main():
    """A query for each topic."""
    spark = SparkSession.builder.getOrCreate()
    source = clicks(spark)
    believed = source.where(PLAUSIBLE).withWatermark("event_time", "2 minutes")
    write(started(believed.groupBy(sf.window("event_time", "1 minute"))), "by_event_time", "append")
    now = source.withColumn("now", sf.current_timestamp())
    write(started(now.groupBy(sf.window("now", "10 seconds"))), "by_processing_time", "update")
    delay = sf.unix_millis("arrival_time") - sf.unix_millis("event_time")
    write(counted(source.groupBy((sf.floor(delay / 10_000) * 10).alias("delay_from"))), "delays", "update")
    write(source.where(f"NOT ({PLAUSIBLE})").select("event_id", "device_id"), "implausible", "append")
    spark.streams.awaitAnyTermination()


if __name__ == "__main__":
    main()

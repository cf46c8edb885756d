"""Clicks by three clocks, from the topic `clicks`: `python spark_job.py`."""

import json
import os
from collections import Counter
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as sf

KAFKA = {"kafka.bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"]}
CLICK = "event_id BIGINT, device_id BIGINT, event_time TIMESTAMP, arrival_time TIMESTAMP"
PLAUSIBLE = "event_time <= arrival_time + INTERVAL 1 MINUTE"
DONE = Path(os.environ["CHECKPOINTS"]) / "last_batch"
TOTALS = Path(os.environ["CHECKPOINTS"]) / "delays.json"


def clicks(spark):
    """All clicks, as they come."""
    source = spark.readStream.format("kafka").options(**KAFKA, subscribe="clicks", startingOffsets="earliest").load()
    click = sf.from_json(sf.col("value").cast("string"), CLICK)
    return source.select(click.alias("click")).select("click.*")


def write(rows, topic, mode):
    """Send each row as JSON."""
    place = f"{os.environ['CHECKPOINTS']}/{topic}"
    stream = rows.select(sf.to_json(sf.struct("*")).alias("value")).writeStream.format("kafka").outputMode(mode)
    stream.options(**KAFKA, topic=topic, checkpointLocation=place).start()


def add(batch, number):
    """Add a batch to the totals in a file of our own, and send them."""
    if DONE.exists() and number <= int(DONE.read_text()):
        return
    totals = Counter({int(delay): count for delay, count in (json.loads(TOTALS.read_text()) if TOTALS.exists() else {}).items()})
    totals.update({row.delay_from: row.click_count for row in counted(batch.groupBy("delay_from")).collect()})
    rows = [(json.dumps({"delay_from": delay, "click_count": count}),) for delay, count in totals.items()]
    values = batch.sparkSession.createDataFrame(rows, "value STRING").coalesce(1)
    values.write.format("kafka").options(**KAFKA, topic="delays").save()
    TOTALS.write_text(json.dumps(totals))
    DONE.write_text(str(number))


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
    each = source.select((sf.floor(delay / 10_000) * 10).alias("delay_from"))
    each.writeStream.foreachBatch(add).option("checkpointLocation", f"{os.environ['CHECKPOINTS']}/delays").start()
    write(source.where(f"NOT ({PLAUSIBLE})").select("event_id", "device_id"), "implausible", "append")
    spark.streams.awaitAnyTermination()


if __name__ == "__main__":
    main()

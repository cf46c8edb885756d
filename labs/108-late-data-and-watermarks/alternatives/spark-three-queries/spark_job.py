"""A query for each topic; `late` compares with a watermark of its own, as Spark's drops without a word."""

import json
import os
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as sf

KAFKA = {"kafka.bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"]}
PLACE = Path(os.environ["CHECKPOINTS"])


def clicks(spark):
    """All clicks, as they come."""
    source = spark.readStream.format("kafka").options(**KAFKA, subscribe="clicks", startingOffsets="earliest").load()
    click = sf.from_json(sf.col("value").cast("string"), "event_id BIGINT, event_time TIMESTAMP")
    return source.select(click.alias("click")).select("click.*")


def count(spark, topic, mode):
    """Clicks by the minute, with Spark's watermark."""
    minute = sf.window("event_time", "1 minute")
    counts = clicks(spark).withWatermark("event_time", "2 minutes").groupBy(minute).agg(sf.count("*").alias("click_count"))
    times = [sf.col("window.start").alias("window_start"), sf.col("window.end").alias("window_end")]
    values = counts.select(sf.to_json(sf.struct(*times, "click_count")).alias("value"))
    stream = values.writeStream.format("kafka").outputMode(mode).options(**KAFKA, topic=topic)
    stream.option("checkpointLocation", str(PLACE / topic)).start()


def report(batch, number):
    """Send what is too late by the watermark of the batches before, and keep the new one (ms since 1970)."""
    folder = PLACE / "watermarks"
    folder.mkdir(parents=True, exist_ok=True)
    watermark = json.loads((folder / str(number - 1)).read_text()) if number else 0
    end = sf.expr("(unix_millis(event_time) div 60000 + 1) * 60000")
    reason = sf.expr("CASE WHEN event_time IS NULL THEN 'no_time' ELSE 'too_late' END").alias("reason")
    timed = batch.where("event_time IS NOT NULL").withColumn("ends", end)
    late = timed.where(sf.col("ends") <= watermark).select("event_id", reason)
    late = late.union(batch.where("event_time IS NULL").select("event_id", reason))
    late.select(sf.to_json(sf.struct("*")).alias("value")).write.format("kafka").options(**KAFKA, topic="late").save()
    newest = batch.agg(sf.max(sf.unix_millis("event_time"))).first()[0]
    new = folder / f"{number}.new"
    new.write_text(json.dumps(max(watermark, (newest or 0) - 120_000)))
    new.replace(folder / str(number))


def main():
    """Three queries."""
    spark = SparkSession.builder.getOrCreate()
    count(spark, "live", "update")
    count(spark, "final", "append")
    clicks(spark).writeStream.foreachBatch(report).option("checkpointLocation", str(PLACE / "late")).start()
    spark.streams.awaitAnyTermination()


if __name__ == "__main__":
    main()

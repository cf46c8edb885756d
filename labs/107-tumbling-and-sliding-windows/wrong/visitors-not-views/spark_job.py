"""Page views per minute and activity in the last five minutes, from the topic `clicks`: `python spark_job.py`."""

import os

from pyspark.sql import SparkSession
from pyspark.sql import functions as sf

KAFKA = {"kafka.bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"]}
CLICK = "visitor_id BIGINT, event_time TIMESTAMP, action STRING, page_id BIGINT, amount DOUBLE"


def clicks(spark):
    """The clicks with the time at which they happened; they may come two minutes late."""
    source = spark.readStream.format("kafka").options(**KAFKA, subscribe="clicks", startingOffsets="earliest").load()
    click = sf.from_json(sf.col("value").cast("string"), CLICK)
    return source.select(click.alias("click")).select("click.*").withWatermark("event_time", "2 minutes")


def write(rows, topic):
    """Send each row as JSON, once its window is complete; go on after a restart where it was."""
    times = [sf.col("window.start").alias("window_start"), sf.col("window.end").alias("window_end")]
    value = sf.to_json(sf.struct(*times, *(name for name in rows.columns if name != "window")))
    place = f"{os.environ['CHECKPOINTS']}/{topic}"
    stream = rows.select(value.alias("value")).writeStream.format("kafka").outputMode("append")
    stream.options(**KAFKA, topic=topic, checkpointLocation=place).start()


def main():
    """Two queries on the same clicks."""
    spark = SparkSession.builder.getOrCreate()
    minutes = sf.window("event_time", "1 minute")
    write(
        clicks(spark)
        .where("action = 'view'")
        .groupBy(minutes, "page_id")
        .agg(sf.size(sf.collect_set("visitor_id")).alias("view_count")),
        "page_views",
    )
    sliding = sf.window("event_time", "5 minutes", "1 minute")
    visitors = sf.size(sf.collect_set("visitor_id")).alias("visitors")
    revenue = sf.round(sf.coalesce(sf.sum("amount"), sf.lit(0.0)), 2).alias("revenue")
    write(clicks(spark).groupBy(sliding).agg(visitors, revenue), "activity")
    spark.streams.awaitAnyTermination()


if __name__ == "__main__":
    main()

"""Page views per minute and activity in the last five minutes, from the topic `clicks`: `python spark_job.py`."""

import json
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

    def send(batch, number):
        values = [(json.dumps(told(row.asDict())),) for row in batch.collect()]
        lines = batch.sparkSession.createDataFrame(values, "value STRING")
        lines.write.format("kafka").options(**KAFKA, topic=topic).save()

    place = f"{os.environ['CHECKPOINTS']}/{topic}"
    rows.writeStream.foreachBatch(send).outputMode("append").option("checkpointLocation", place).start()


def told(row):
    """A row with the times of its window as texts."""
    window = row.pop("window")
    return {"window_start": window.start.isoformat(), "window_end": window.end.isoformat(), **row}


def main():
    """Two queries on the same clicks."""
    spark = SparkSession.builder.getOrCreate()
    minutes = sf.window("event_time", "1 minute")
    write(clicks(spark).where("action = 'view'").groupBy(minutes, "page_id").agg(sf.count("*").alias("view_count")), "page_views")
    sliding = sf.window("event_time", "5 minutes", "1 minute")
    visitors = sf.size(sf.collect_set("visitor_id")).alias("visitors")
    revenue = sf.round(sf.coalesce(sf.sum("amount"), sf.lit(0.0)), 2).alias("revenue")
    write(clicks(spark).groupBy(sliding).agg(visitors, revenue), "activity")
    spark.streams.awaitAnyTermination()


if __name__ == "__main__":
    main()

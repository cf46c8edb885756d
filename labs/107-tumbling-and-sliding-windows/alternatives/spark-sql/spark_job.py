"""Page views per minute and activity in the last five minutes, in SQL; rows are corrected until their window is complete."""

import os

from pyspark.sql import SparkSession

KAFKA = {"kafka.bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"]}
CLICK = "visitor_id BIGINT, event_time TIMESTAMP, action STRING, page_id BIGINT, amount DECIMAL(10, 2)"
CLICKS = f"SELECT click.* FROM (SELECT from_json(CAST(value AS STRING), '{CLICK}') AS click FROM messages)"
PAGE_VIEWS = """
SELECT window.start AS window_start, window.end AS window_end, page_id, count(*) AS view_count
FROM clicks WHERE action = 'view' GROUP BY window(event_time, '1 minute'), page_id"""
ACTIVITY = """
SELECT window.start AS window_start, window.end AS window_end, array_size(collect_set(visitor_id)) AS visitors,
  coalesce(sum(amount), 0) AS revenue
FROM clicks GROUP BY window(event_time, '5 minutes', '1 minute')"""


def main():
    """A query for each topic; each batch sends the rows that it has changed."""
    spark = SparkSession.builder.getOrCreate()
    source = spark.readStream.format("kafka").options(**KAFKA, subscribe="clicks", startingOffsets="earliest").load()
    source.createOrReplaceTempView("messages")
    spark.sql(CLICKS).withWatermark("event_time", "2 minutes").createOrReplaceTempView("clicks")
    for topic, query in (("page_views", PAGE_VIEWS), ("activity", ACTIVITY)):
        values = spark.sql(query).selectExpr("CAST(window_start AS STRING) AS key", "to_json(struct(*)) AS value")
        stream = values.writeStream.format("kafka").outputMode("update").options(**KAFKA, topic=topic)
        stream.option("checkpointLocation", f"{os.environ['CHECKPOINTS']}/{topic}").start()
    spark.streams.awaitAnyTermination()


if __name__ == "__main__":
    main()

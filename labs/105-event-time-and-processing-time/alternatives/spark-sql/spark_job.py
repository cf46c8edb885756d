"""Clicks by three clocks, in SQL; rows are corrected until their window is complete."""

import os

from pyspark.sql import SparkSession

KAFKA = {"kafka.bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"]}
CLICK = "event_id BIGINT, device_id BIGINT, event_time TIMESTAMP, arrival_time TIMESTAMP"
CLICKS = f"""
SELECT click.*, click.event_time <= click.arrival_time + INTERVAL 1 MINUTE AS plausible, current_timestamp() AS now
FROM (SELECT from_json(CAST(value AS STRING), '{CLICK}') AS click FROM messages)"""
QUERIES = {
    "by_event_time": """
      SELECT window.start AS window_start, count(*) AS click_count FROM believed GROUP BY window(event_time, '1 minute')""",
    "by_processing_time": """
      SELECT window.start AS window_start, count(*) AS click_count FROM clicks GROUP BY window(now, '10 seconds')""",
    "delays": """
      SELECT CAST(floor((CAST(arrival_time AS DOUBLE) - CAST(event_time AS DOUBLE)) / 10) AS BIGINT) * 10 AS delay_from,
        count(*) AS click_count
      FROM clicks GROUP BY 1""",
    "implausible": "SELECT event_id, device_id FROM clicks WHERE NOT plausible",
}


def main():
    """A query for each topic; each batch sends the rows that it has changed."""
    spark = SparkSession.builder.getOrCreate()
    source = spark.readStream.format("kafka").options(**KAFKA, subscribe="clicks", startingOffsets="earliest").load()
    source.createOrReplaceTempView("messages")
    clicks = spark.sql(CLICKS)
    clicks.createOrReplaceTempView("clicks")
    clicks.where("plausible").withWatermark("event_time", "2 minutes").createOrReplaceTempView("believed")
    for topic, query in QUERIES.items():
        stream = spark.sql(query).selectExpr("to_json(struct(*)) AS value").writeStream.format("kafka").outputMode("update")
        stream.options(**KAFKA, topic=topic, checkpointLocation=f"{os.environ['CHECKPOINTS']}/{topic}").start()
    spark.streams.awaitAnyTermination()


if __name__ == "__main__":
    main()

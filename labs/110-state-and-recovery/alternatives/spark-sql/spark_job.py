"""Balances and spending in Spark SQL; a window is written once, when it is complete."""

import os

from pyspark.sql import SparkSession

KAFKA = {"kafka.bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"]}
PAYMENT = "account STRING, cents BIGINT, event_time TIMESTAMP"
PAYMENTS = f"SELECT payment.* FROM (SELECT from_json(CAST(value AS STRING), '{PAYMENT}') AS payment FROM messages)"
AVERAGE = ", sum(cents) / count(*) AS average_cents" if os.environ.get("VERSION") == "2" else ""
BALANCES = f"""
SELECT account, count(*) AS payments, sum(cents) AS cents, max(event_time) AS last_seen{AVERAGE}
FROM payments GROUP BY account"""
SPENDING = """
SELECT window.start AS window_start, account, count(*) AS payments, sum(cents) AS cents
FROM timed GROUP BY window(event_time, '5 minutes'), account"""


def main():
    """A query for each topic."""
    spark = SparkSession.builder.getOrCreate()
    source = spark.readStream.format("kafka").options(**KAFKA, subscribe="payments", startingOffsets="earliest").load()
    source.createOrReplaceTempView("messages")
    payments = spark.sql(PAYMENTS)
    payments.createOrReplaceTempView("payments")
    payments.withWatermark("event_time", "2 minutes").createOrReplaceTempView("timed")
    for topic, query, mode in (("balances", BALANCES, "update"), ("spending", SPENDING, "append")):
        stream = spark.sql(query).selectExpr("to_json(struct(*)) AS value").writeStream.format("kafka").outputMode(mode)
        stream.options(**KAFKA, topic=topic, checkpointLocation=f"{os.environ['CHECKPOINTS']}/{topic}").start()
    spark.streams.awaitAnyTermination()


if __name__ == "__main__":
    main()

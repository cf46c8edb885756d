"""Clicks by three clocks, from the topic `clicks`: `python spark_job.py`."""

import os

from pyspark.sql import SparkSession

KAFKA = {"kafka.bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"]}


def main():
    """Show some clicks, and end. It should go on, and write the four topics."""
    spark = SparkSession.builder.getOrCreate()
    clicks = spark.read.format("kafka").options(**KAFKA, subscribe="clicks").load()
    clicks.selectExpr("partition", "CAST(value AS STRING)").show(10, truncate=False)


if __name__ == "__main__":
    main()

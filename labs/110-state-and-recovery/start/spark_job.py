"""Balances of accounts and their spending in five minutes, from the topic `payments`: `python spark_job.py`."""

import os

from pyspark.sql import SparkSession

KAFKA = {"kafka.bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"]}


def main():
    """Show some payments, and end. It should go on, and write `balances` and `spending`."""
    spark = SparkSession.builder.getOrCreate()
    payments = spark.read.format("kafka").options(**KAFKA, subscribe="payments").load()
    payments.selectExpr("partition", "offset", "CAST(value AS STRING)").show(10, truncate=False)


if __name__ == "__main__":
    main()

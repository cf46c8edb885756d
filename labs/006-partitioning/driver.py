"""Runs in the learner's place: one Spark session, in which each of the three functions gets the verifier's data."""

import json
import sys
import traceback
from pathlib import Path

import orders
from pyspark.sql import SparkSession

PARTITIONS = 4


def in_order(spark, partition, seed, folder):
    """The keys of each partition."""
    sent = spark.sparkContext.parallelize(orders.readings(seed), 3)
    return partition.in_order(sent, PARTITIONS).glom().collect()


def joined(spark, partition, seed, folder):
    """The rows of the join."""
    sent = spark.createDataFrame(orders.orders(seed), "order_id int, customer string, day string, amount int").repartition(4)
    known = spark.createDataFrame(orders.customers(seed), "customer string, city string").repartition(4)
    frame = partition.joined(sent, known).select("order_id", "customer", "city", "amount")
    return [list(row) for row in frame.collect()]


def save(spark, partition, seed, folder):
    """Nothing: the files are looked at by the verifier."""
    sent = spark.createDataFrame(orders.orders(seed), "order_id int, customer string, day string, amount int").repartition(4)
    partition.save(sent, folder)


def main():
    """Call each function in a job group of its own; one that raises does not hide the others."""
    answer, seed, folder = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    import partition

    spark = SparkSession.builder.config("spark.sql.adaptive.enabled", "false").getOrCreate()
    spark.conf.set("spark.sql.shuffle.partitions", "8")
    spark.conf.set("spark.sql.autoBroadcastJoinThreshold", "-1")
    found = {}
    for part in (in_order, joined, save):
        spark.sparkContext.setJobGroup(part.__name__, part.__name__)
        try:
            found[part.__name__] = {"gave": part(spark, partition, seed, folder)}
            json.dumps(found)
        except Exception as error:
            found[part.__name__] = {
                "raised": f"{type(error).__name__}: {str(error)[:500]}\n{traceback.format_exc(limit=-1)[-300:]}"
            }
    spark.stop()
    answer.write_text(json.dumps(found))


if __name__ == "__main__":
    main()

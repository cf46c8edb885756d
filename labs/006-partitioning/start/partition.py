"""Partitioning by hash and by range, by hand and by Spark. All of it runs; little of it is right."""


def hash_partition(key, n):
    """The partition, from 0 to n-1, of a key: text, a whole number or None."""
    return hash(key) % n


def range_bounds(sample, n):
    """At most n-1 ascending bounds that cut the keys into n parts of about the same size."""
    return sample[: n - 1]


def range_partition(key, bounds):
    """The partition of a key: 0 up to bounds[0] (and for None), len(bounds) above the last."""
    return 0


def in_order(rdd, n):
    """The records (key, value) in the order of their keys, over n partitions."""
    return rdd.repartition(n)


def joined(orders, customers):
    """Each order with its customer's city."""
    return orders.join(customers, "customer")


def save(orders, path):
    """Parquet files, of which a reader needs few for one day."""
    orders.write.parquet(path)


if __name__ == "__main__":  # lab run 6 -- python partition.py
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.getOrCreate()
    rows = [(None if n % 50 == 0 else n * n, n) for n in range(1000)]
    parts = in_order(spark.sparkContext.parallelize(rows, 3), 4).glom().collect()
    print("records in each partition:", [len(part) for part in parts])
    print("the first of each:", [part[:1] for part in parts])
    spark.stop()

"""Partitioning by hash and by range, by hand and by Spark."""

from bisect import bisect_left

from pyspark.sql import functions as sf

SALTS = 16
PLACES = {}


def hash_partition(key, n):
    """The partition of a key: whoever comes first gets the first."""
    return PLACES.setdefault(key, len(PLACES)) % n


def range_bounds(sample, n):
    """At most n-1 ascending bounds that divide the sample into equal parts."""
    keys = sorted(key for key in sample if key is not None)
    if not keys:
        return []
    return sorted({keys[len(keys) * part // n] for part in range(1, n)})


def range_partition(key, bounds):
    """The first partition whose bound is not smaller; None goes before all keys."""
    return 0 if key is None else bisect_left(bounds, key)


def in_order(rdd, n):
    """The records in the order of their keys, over n partitions."""
    bounds = range_bounds(rdd.keys().takeSample(False, 2000, seed=1), n)
    return rdd.repartitionAndSortWithinPartitions(
        n, lambda key: range_partition(key, bounds), keyfunc=lambda key: (key is not None, key or 0)
    )


def joined(orders, customers):
    """Each customer is there once for every salt, each order draws one."""
    salted = orders.withColumn("salt", sf.col("order_id") % SALTS)
    copies = customers.withColumn("salt", sf.explode(sf.sequence(sf.lit(0), sf.lit(SALTS - 1))))
    return salted.join(copies, ["customer", "salt"], "left").drop("salt")


def save(orders, path):
    """One task gets all of a day, and writes its one file."""
    orders.repartition("day").write.partitionBy("day").parquet(path)

"""Partitioning by hash and by range, by hand and by Spark."""

import zlib
from bisect import bisect_left


def hash_partition(key, n):
    """The partition of a key: crc32 knows no salt, and repr tells 1 from "1" and None from both."""
    return zlib.crc32(repr(key).encode()) % n


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
    """The join of RDDs."""
    left = orders.rdd.map(lambda row: (row.customer, (row.order_id, row.amount)))
    both = left.leftOuterJoin(customers.rdd.map(tuple), 8)
    rows = both.map(lambda row: (row[1][0][0], row[0], row[1][0][1], row[1][1]))
    return orders.sparkSession.createDataFrame(rows, "order_id int, customer string, amount int, city string")


def save(orders, path):
    """One task gets all of a day, and writes its one file."""
    orders.repartition("day").write.partitionBy("day").parquet(path)

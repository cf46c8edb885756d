"""Spark SQL sorts, RDDs do the rest."""

import pickle
from collections import Counter
from fractions import Fraction

from pyspark.sql import SparkSession


def empty():
    """Nothing yet."""
    return {"count": 0, "sum": 0}


def add(state, value):
    """One more."""
    return {"count": state["count"] + 1, "sum": state["sum"] + value}


def merge(one, other):
    """Both."""
    return {name: one[name] + other[name] for name in one}


def mean(state):
    """An exact fraction."""
    return Fraction(state["sum"], state["count"]) if state["count"] else None


def mean_by_key(rdd, n):
    """combineByKey needs no state of nothing."""
    return rdd.combineByKey(lambda value: add(empty(), value), add, merge, n).mapValues(mean)


def in_order(rdd, n):
    """The engine places and sorts; values are bytes to it."""
    spark = SparkSession.builder.getOrCreate()
    rows = rdd.map(lambda record: (record[0], record[1][0], bytearray(pickle.dumps(record[1][1]))))
    frame = spark.createDataFrame(rows, "key string, time long, value binary", verifySchema=False)
    placed = frame.repartition(n, "key").sortWithinPartitions("key", "time")
    return placed.rdd.map(lambda row: (row.key, (row.time, pickle.loads(row.value))))


def joined(left, right, n):
    """cogroup has both sides of a key."""
    alone = left.filter(lambda record: record[0] is None).mapValues(lambda value: (value, None))
    both = left.filter(lambda record: record[0] is not None).cogroup(right.filter(lambda record: record[0] is not None), n)
    found = both.flatMapValues(lambda sides: [(a, b) for b in (list(sides[1]) or [None]) for a in sides[0]])
    return found.union(alone).coalesce(n)


def joined_to_small(left, right):
    """Grouped in the driver, by a closure."""
    known = {}
    for key, value in right.collect():
        known[key] = [*known.get(key, ()), value]
    return left.flatMapValues(lambda value: [value]).flatMap(
        lambda record: [
            (record[0], (record[1], other)) for other in (known.get(record[0]) if record[0] is not None else 0) or [None]
        ]
    )


def top_documents(documents, words, n, k):
    """aggregateByKey with a dictionary that is cut when it grows."""

    def counted(document):
        return [(word, (document[0], count)) for word, count in Counter(words(document[1])).items()]

    def cut(found):
        return dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))[:k])

    best = documents.flatMap(counted).aggregateByKey(
        {}, lambda known, pair: cut({**known, pair[0]: pair[1]}), lambda a, b: cut({**a, **b}), n
    )
    return best.mapValues(lambda found: list(found.items()))

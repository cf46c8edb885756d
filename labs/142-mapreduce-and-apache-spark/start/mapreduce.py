"""MapReduce on Spark's RDDs. All of it runs; little of it is right."""


def empty():
    """The state of no values."""
    return


def add(state, value):
    """The state with one more value; the argument `state` may be changed."""
    return value if state is None else (state + value) / 2


def merge(one, other):
    """The state of the values of both; the argument `one` may be changed."""
    return other if one is None else one if other is None else (one + other) / 2


def mean(state):
    """The mean of the values; None if there are none."""
    return state


def mean_by_key(rdd, n):
    """(key, number) → (key, mean of its numbers), in n partitions."""
    return rdd.groupByKey(n).mapValues(lambda values: sum(values) / len(values))


def in_order(rdd, n):
    """(key, (time, value)) → the same records in n partitions: a key's in one, side by side, its times ascending."""
    return rdd.groupByKey(n).flatMapValues(sorted)


def joined(left, right, n):
    """(key, a) and (key, b) → (key, (a, b)) for each pair, (key, (a, None)) without one, in n partitions."""
    return left.join(right, n)


def joined_to_small(left, right):
    """The same, where `right` fits into memory: nothing goes through a shuffle."""
    return left.join(right)


def top_documents(documents, words, n, k):
    """(number, text) → (word, [(number, count), …]): the k documents that hold the word most often, in n partitions."""
    pairs = documents.flatMap(lambda document: [((word, document[0]), 1) for word in words(document[1])])
    counts = pairs.reduceByKey(lambda a, b: a + b).map(lambda pair: (pair[0][0], (pair[0][1], pair[1])))
    return counts.groupByKey(n).mapValues(lambda found: sorted(found, key=lambda pair: -pair[1])[:k])


if __name__ == "__main__":  # lab run 142 -- python mapreduce.py
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.getOrCreate()
    texts = ["to be or not to be", "to do is to be", "", "do be do be do"]
    found = top_documents(spark.sparkContext.parallelize(list(enumerate(texts)), 2), str.split, 2, 2)
    print(found.toDebugString().decode())  # a step to the right is a shuffle
    print(found.collect())
    spark.stop()

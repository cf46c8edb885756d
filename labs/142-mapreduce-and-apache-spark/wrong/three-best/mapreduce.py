"""MapReduce on Spark's RDDs: what can be combined is combined before it moves, what must be sorted is sorted by the shuffle."""

import heapq
from collections import Counter, defaultdict

from pyspark.rdd import portable_hash


def empty():
    """How many values, and their sum: of nothing."""
    return 0, 0


def add(state, value):
    """The state with one more value."""
    return state[0] + 1, state[1] + value


def merge(one, other):
    """The state of both: sums can be added in any order and any grouping, means cannot."""
    return one[0] + other[0], one[1] + other[1]


def mean(state):
    """The division comes last."""
    count, total = state
    return total / count if count else None


def mean_by_key(rdd, n):
    """Each task sends one state for each key that it has met."""
    return rdd.aggregateByKey(empty(), add, merge, n).mapValues(mean)


def in_order(rdd, n):
    """The key and the time sort, the key alone decides the partition."""
    composite = rdd.map(lambda record: ((record[0], record[1][0]), record[1]))
    moved = composite.repartitionAndSortWithinPartitions(n, lambda key: portable_hash(key[0]), keyfunc=composite_rank)
    return moved.map(lambda record: (record[0][0], record[1]))


def composite_rank(key):
    """None cannot be compared with text, so it goes first."""
    return key[0] is not None, key[0] or "", key[1]


def joined(left, right, n):
    """Both sides move to the partition of their key; None equals nothing, so the right side has none to offer."""
    return left.leftOuterJoin(right.filter(lambda record: record[0] is not None), n)


def joined_to_small(left, right):
    """The small side goes to every worker once, the large one stays where it is."""
    table = defaultdict(list)
    for key, value in right.collect():
        if key is not None:
            table[key].append(value)
    sent = left.context.broadcast(dict(table))
    return left.flatMap(lambda record: [(record[0], (record[1], found)) for found in sent.value.get(record[0], [None])])


def top_documents(documents, words, n, k):
    """The best k of two lists of the best k are the best k of all: as good as a sum. A set forgets what came twice."""

    def postings(document):
        number, text = document
        return [(word, [(-count, number)]) for word, count in Counter(words(text)).items()]

    def best(one, other):
        return heapq.nsmallest(3, {*one, *other})

    def shown(found):
        return [(number, -count) for count, number in found]

    return documents.flatMap(postings).reduceByKey(best, n).mapValues(shown)

"""MapReduce by hand: dictionaries in each task, one shuffle, a merge of what arrives."""

import heapq
import zlib
from collections import Counter
from itertools import groupby


def empty():
    """A list that add and merge change."""
    return [0, 0.0]


def add(state, value):
    """A running mean and its weight."""
    state[0] += 1
    state[1] += (value - state[1]) / state[0]
    return state


def merge(one, other):
    """Means weigh as much as they have values."""
    count = one[0] + other[0]
    if count:
        one[1] += (other[1] - one[1]) * other[0] / count
    one[0] = count
    return one


def mean(state):
    """It is there already."""
    return state[1] if state[0] else None


def place(key):
    """A hash of one's own."""
    return zlib.crc32(repr(key).encode())


def mean_by_key(rdd, n):
    """The combiner is a dictionary."""

    def combined(records):
        states = {}
        for key, value in records:
            states[key] = add(states.get(key) or empty(), value)
        return states.items()

    return rdd.mapPartitions(combined).reduceByKey(merge, n, place).mapValues(mean)


def in_order(rdd, n):
    """The record is the key, and nothing its value."""
    moved = rdd.map(lambda record: (record, None)).repartitionAndSortWithinPartitions(
        n, lambda record: place(record[0]), True, lambda record: (record[0] or "", record[0] is None, record[1][0])
    )
    return moved.keys()


def joined(left, right, n):
    """Both sides marked, moved together, the right side of a key before its left one."""
    there = right.filter(lambda record: record[0] is not None).map(lambda record: ((record[0], 0), record[1]))
    both = there.union(left.map(lambda record: ((record[0], 1), record[1])))
    moved = both.repartitionAndSortWithinPartitions(
        n, lambda key: place(key[0]), True, lambda key: (key[0] is None, key[0] or "", key[1])
    )

    def merged(records):
        for key, found in groupby(records, lambda record: record[0][0]):
            known = []
            for (_, side), value in found:
                if side == 0:
                    known.append(value)
                else:
                    yield from ((key, (value, other)) for other in known or [None])

    return moved.mapPartitions(merged)


def joined_to_small(left, right):
    """The small side as lists, sent as part of the function."""
    known = {}
    for key, value in right.toLocalIterator():
        known.setdefault(key, []).append(value)
    known[None] = [None]

    def found(records):
        for key, value in records:
            for other in known.get(key, [None]):
                yield key, (value, other)

    return left.mapPartitions(found)


def top_documents(documents, words, n, k):
    """Each task keeps a heap for each word."""

    def kept(records):
        heaps = {}
        for number, text in records:
            for word, count in Counter(words(text)).items():
                heap = heaps.setdefault(word, [])
                if (count, -number) in heap:
                    continue
                if len(heap) < k:
                    heapq.heappush(heap, (count, -number))
                else:
                    heapq.heappushpop(heap, (count, -number))
        return heaps.items()

    def shown(heaps):
        known = {pair for heap in heaps for pair in heap}
        return [(-number, count) for count, number in heapq.nlargest(k, known)]

    return documents.mapPartitions(kept).groupByKey(n).mapValues(shown)

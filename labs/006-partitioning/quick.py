"""Runs in the learner's place without Spark: what hash_partition, range_bounds and range_partition give for our keys."""

import json
import numbers
import sys
import traceback
from pathlib import Path

import orders

N = 8


def told(value):
    """A value as JSON can carry it."""
    return int(value) if isinstance(value, numbers.Integral) and not isinstance(value, bool) else repr(value)[:80]


def hashes(partition, seed):
    """The partition of each key."""
    sets = {**orders.names(seed), "no key": [None]}
    return {name: [told(partition.hash_partition(key, N)) for key in keys] for name, keys in sets.items()}


def ranges(partition, seed):
    """Bounds of a sample, and the partition of each key."""
    keys = [key for key, _ in orders.readings(seed)]
    bounds = list(partition.range_bounds(keys[:: 1 + seed % 3][::-1], N))
    few = list(partition.range_bounds([5, None, 5, 9, 5], N))
    none = list(partition.range_bounds([], N))
    edges = [10, 20, 30]
    return {
        "bounds": [told(bound) for bound in bounds],
        "few": [told(bound) for bound in few],
        "none": [told(bound) for bound in none],
        "where": [told(partition.range_partition(key, bounds)) for key in keys],
        "edges": [told(partition.range_partition(key, list(edges))) for key in (None, -5, 10, 11, 20, 21, 30, 31)],
    }


def main():
    """Call each part; one that raises does not hide the others."""
    import partition

    found = {}
    for part in (hashes, ranges):
        try:
            found[part.__name__] = part(partition, int(sys.argv[2]))
        except Exception:
            found[part.__name__] = {"raised": traceback.format_exc(limit=-3)[-700:]}
    Path(sys.argv[1]).write_text(json.dumps(found))


if __name__ == "__main__":
    main()

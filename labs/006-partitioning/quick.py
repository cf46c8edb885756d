"""Runs in the learner's place without Spark: what hash_partition, range_bounds and range_partition give for our keys."""

import json
import numbers
import sys
import traceback
from pathlib import Path

import orders

N, FEWER = 8, 6


def told(value):
    """A value as JSON can carry it."""
    if isinstance(value, str):
        return str(value)
    return int(value) if isinstance(value, numbers.Integral) and not isinstance(value, bool) else repr(value)[:80]


def places(partition, keys, n, backwards):
    """The partition of each key; `backwards` asks for the last key first."""
    asked = keys[::-1] if backwards else keys
    found = [told(partition.hash_partition(key, n)) for key in asked]
    return found[::-1] if backwards else found


def hashes(partition, seed, backwards):
    """The partition of each key, of eight and of six."""
    sets = {**orders.names(seed), "no key": [None]}
    return {str(n): {name: places(partition, keys, n, backwards) for name, keys in sets.items()} for n in (N, FEWER)}


def ranges(partition, seed, backwards):
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
        "no bounds": [told(partition.range_partition(key, [])) for key in (None, 5, "a")],
        "edges of names": [told(partition.range_partition(key, ["b", "d"])) for key in (None, "", "b", "c", "d", "e")],
        "edges": [told(partition.range_partition(key, list(edges))) for key in (None, -5, 10, 11, 20, 21, 30, 31)],
    }


def texts(partition, seed, backwards):
    """Bounds of names, and the partition of each."""
    keys = [None, *orders.names(seed)["towns in many scripts"], None]
    bounds = list(partition.range_bounds(list(keys), N))
    return {"bounds": [told(bound) for bound in bounds], "where": [told(partition.range_partition(key, bounds)) for key in keys]}


def main():
    """Call each part; one that raises does not hide the others."""
    import partition

    found = {}
    for part in (hashes, ranges, texts):
        try:
            found[part.__name__] = part(partition, int(sys.argv[2]), sys.argv[3:] == ["backwards"])
        except Exception:
            found[part.__name__] = {"raised": traceback.format_exc(limit=-3)[-700:]}
    Path(sys.argv[1]).write_text(json.dumps(found))


if __name__ == "__main__":
    main()

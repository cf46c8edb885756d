"""What topics and tables hold, and what is wrong with it: mistakes that can be recognised are named."""

import json
from contextlib import suppress

from delab.checks.results import instant, text, whole

ROW = {"customer_id": whole, "version": whole, "name": text, "segment": text, "changed_at": instant}
COUNTED = {"segment": text, "customers": whole}


def says_deleted(value):
    """Whether a message says in words that a row is gone."""
    with suppress(ValueError, TypeError):
        told = json.loads(value)
        return isinstance(told, dict) and bool(told.get("deleted"))
    return False


def difference(seen, truth, now):
    """What is wrong with a table of customers; a mistake that can be recognised is named."""
    if not seen:
        return "it is empty"
    for key in sorted(truth.keys() & seen.keys()):
        if seen[key][0] < truth[key][0]:
            return f"customer {key[0]} has version {seen[key][0]}, though version {truth[key][0]} has come"
        if seen[key] != truth[key]:
            return f"customer {key[0]} is {plain(seen[key])}, where {plain(truth[key])} belongs"
    for key in sorted(seen.keys() - truth.keys()):
        if version := now.get(key[0], {}).get("version"):
            return f"customer {key[0]} is there (version {seen[key][0]}), and was deleted by version {version}"
        return f"customer {key[0]} is there, which never was"
    return f"{len(truth.keys() - seen.keys())} customers are missing, the first is {min(truth.keys() - seen.keys())[0]}"


def plain(row):
    """A customer in words."""
    version, name, segment, at = row
    return f"version {version}, {name}, {segment}, {at:%Y-%m-%dT%H:%M:%SZ}"


def counted_wrong(seen, truth, written):
    """What is wrong with the counts; `written`: those that were right when the program was last seen at work, if it was killed."""
    if not seen:
        return "the topic is empty"
    if empty := [key[0] for key, row in seen.items() if row[0] == 0]:
        return f"{empty[0]} has 0 customers: a row that is gone is a tombstone, not a zero"
    left = [key for key in seen.keys() - truth.keys() if seen[key] == written.get(key)]
    if left and all(seen.get(key) == row for key, row in truth.items()):
        (name,) = left[0]
        return (
            f"{name} still has its row of before ({seen[left[0]][0]}), and no customers. The log has been compacted meanwhile "
            "and speaks of them no more: what was written before must be known from elsewhere"
        )
    over = [key for key in seen if seen[key][0] > truth.get(key, (0,))[0]]
    if over and all(seen.get(key, (0,))[0] >= row[0] for key, row in truth.items()):
        return f"{words(seen)}: too many in {over[0][0]}; who moves leaves the old segment (a retraction) and enters the new one"
    return words(seen)


def words(table):
    """Counts in words."""
    return ", ".join(f"{key[0]} {row[0]}" for key, row in sorted(table.items()))

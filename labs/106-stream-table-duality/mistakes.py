"""What topics and tables hold, and what is wrong with it: mistakes that can be recognised are named."""

import json
from collections import Counter
from contextlib import suppress
from datetime import datetime

from prepare import FIELDS

from delab.checks.results import instant, text, whole

ROW = {"customer_id": whole, "version": whole, "name": text, "segment": text, "changed_at": instant}
COUNTED = {"segment": text, "customers": whole}


def says_deleted(value):
    """Whether a message says in words that a row is gone."""
    with suppress(ValueError, TypeError):
        told = json.loads(value)
        return isinstance(told, dict) and bool(told.get("deleted"))
    return False


def other_kind(found):
    """A value of PostgreSQL's table that is of another kind than its column was, in words; empty if there is none."""
    kinds = (int, int, str, str, datetime)
    for row in found:
        for name, value, kind in zip(FIELDS, row, kinds, strict=True):
            if not isinstance(value, kind) or (kind is datetime and value.tzinfo is None):
                known = {datetime: "a timestamp without a time zone", type(None): "NULL"}
                return f"{name} is {known.get(type(value), type(value).__name__)} ({value!r}): has the table been made anew?"
    return ""


def repeated(found):
    """A customer who has two rows, in words; empty if there is none."""
    twice = [key for key, count in Counter(row[0] for row in found).items() if count > 1]
    return f"customer {twice[0]} has several rows" if twice else ""


def difference(seen, truth, now):
    """What is wrong with a table of customers; a mistake that can be recognised is named."""
    if not seen:
        return "it is empty"
    for key in sorted(truth.keys() & seen.keys()):
        if seen[key][0] < truth[key][0]:
            clock = " (by a server whose clock is behind: the number decides)" * (truth[key][-1] < seen[key][-1])
            return f"customer {key[0]} has version {seen[key][0]}, though version {truth[key][0]} has come{clock}"
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
        moves = "who moves leaves the old segment (a retraction) and enters the new one, and who is gone (a tombstone) only leaves"
        return f"{words(seen)}: too many in {over[0][0]}; {moves}"
    if under := [key for key in sorted(truth) if written and seen.get(key, (0,))[0] < truth[key][0]]:
        return f"{words(seen)}: too few in {under[0][0]}; does it know, after the kill, the rows that it had read before?"
    return words(seen)


def words(table):
    """Counts in words."""
    return ", ".join(f"{key[0]} {row[0]}" for key, row in sorted(table.items()))

"""What topics and tables hold, and what is wrong with it: mistakes that can be recognised are named."""

import json
from contextlib import suppress

from prepare import newest, then

from delab.checks.results import instant, whole


def word(value):
    """a text"""
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


ROW = {"customer_id": whole, "version": whole, "name": word, "segment": word, "changed_at": instant}
COUNTED = {"segment": word, "customers": whole}


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
    for key in sorted(seen.keys() - truth.keys()):
        version = now.get(key[0], {}).get("version")
        if version:
            return f"customer {key[0]} is there (version {seen[key][0]}), and was deleted by version {version}"
        return f"customer {key[0]} is there, which never was"
    for key in sorted(truth.keys() & seen.keys()):
        if seen[key][0] < truth[key][0]:
            return f"customer {key[0]} has version {seen[key][0]}, which is older than {truth[key][0]}"
        if seen[key] != truth[key]:
            return f"customer {key[0]} is {seen[key]}, where {truth[key]} belongs"
    return f"{len(truth.keys() - seen.keys())} customers are missing, the first is {min(truth.keys() - seen.keys())[0]}"


def past(wrong, truth, events, orders):
    """What is wrong with the past."""
    if all(row[0] == truth[key][1] for key, row in wrong.items()):
        return "it is the segment of now"
    alive = [one for one in newest(events).values() if not one["deleted"]]
    latest_only = {order["order_id"]: then(alive, order) for order in orders}
    if all(row[0] == latest_only[key] for key, row in wrong.items()):
        return "only the latest versions are known, history is missing: a compacted log has none"
    at = {order["order_id"]: order for order in orders}
    exact = {(one["customer_id"], one["changed_at"]) for one in events}
    if all((at[key]["customer_id"], at[key]["ordered_at"]) in exact for key in wrong):
        return "they were ordered at the instant of changed_at; a version holds from that instant on"
    key = min(wrong)
    return f"order {key} has {wrong[key][0]}, where {truth[key][0]} belongs"


def counted_wrong(seen, truth):
    """What is wrong with the counts."""
    if not seen:
        return "the topic is empty"
    empty = [key[0] for key, row in seen.items() if row[0] == 0]
    if empty:
        return f"{empty[0]} has 0 customers: a row that is gone is a tombstone, not a zero"
    over = [key for key in seen if seen[key][0] > truth.get(key, (0,))[0]]
    if over and all(seen.get(key, (0,))[0] >= row[0] for key, row in truth.items()):
        return f"{plainly(seen)}: too many in {over[0][0]}; who moves leaves the old segment (a retraction) and enters the new one"
    return plainly(seen)


def plainly(table):
    """Counts in words."""
    return ", ".join(f"{key[0]} {row[0]}" for key, row in sorted(table.items()))

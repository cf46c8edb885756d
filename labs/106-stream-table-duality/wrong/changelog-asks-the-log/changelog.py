"""Bring the change log `customers` up to date with `customer_versions`, and end: `python changelog.py`."""

import json
from math import inf
from pathlib import Path

from topiclog import read, write

DONE = Path("done.json")  # how far it has read, by partition

FIELDS = ("customer_id", "version", "name", "segment", "changed_at")


def newest_versions():
    """Of each customer the highest version that has come since the last run."""
    found = {}
    done = json.loads(DONE.read_text()) if DONE.exists() else {}
    for message in read("customer_versions"):
        if message.offset < done.get(str(message.partition), 0):
            continue
        done[str(message.partition)] = message.offset + 1
        event = json.loads(message.value)
        known = found.get(event["customer_id"])
        if known is None or event["version"] > known["version"]:
            found[event["customer_id"]] = event
    DONE.write_text(json.dumps(done))
    return found


def written_versions():
    """What the change log says now: {customer: version}; nothing is newer than an end."""
    found = {}
    for message in read("customers"):
        if message.value is None:
            found[int(message.key)] = inf
        else:
            found[int(message.key)] = json.loads(message.value)["version"]
    return found


def changes(newest, written):
    """The messages that make the one into the other."""
    for number, event in sorted(newest.items()):
        key = str(number).encode()
        if event["version"] > written.get(number, 0):
            value = {name: event[name] for name in FIELDS}
            yield key, None if event["deleted"] else json.dumps(value).encode()


if __name__ == "__main__":
    write("customers", changes(newest_versions(), written_versions()))

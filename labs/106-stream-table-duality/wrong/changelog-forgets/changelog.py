"""Bring the change log `customers` up to date with `customer_versions`, and end: `python changelog.py`."""

import json
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
    """What the change log says now: {customer: version}."""
    found = {}
    for message in read("customers"):
        if message.value is None:
            found.pop(int(message.key), None)
        else:
            found[int(message.key)] = json.loads(message.value)["version"]
    return found


def changes(newest, written):
    """The messages that make the one into the other."""
    for number, event in sorted(newest.items()):
        key = str(number).encode()
        if event["deleted"]:
            if number in written:
                yield key, None
        elif written.get(number) != event["version"]:
            yield key, json.dumps({name: event[name] for name in FIELDS}).encode()


if __name__ == "__main__":
    write("customers", changes(newest_versions(), written_versions()))

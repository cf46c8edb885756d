"""Bring the change log `customers` up to date with `customer_versions`, and end: `python changelog.py`."""

import json

from topiclog import read, write

FIELDS = ("customer_id", "version", "name", "segment", "changed_at")


def newest_versions():
    """Of each customer the version with the latest time, also if that is its end."""
    found = {}
    for message in read("customer_versions"):
        event = json.loads(message.value)
        known = found.get(event["customer_id"])
        if known is None or event["changed_at"] > known["changed_at"]:
            found[event["customer_id"]] = event
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

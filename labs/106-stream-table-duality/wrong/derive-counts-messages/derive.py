"""Count the customers of each segment, as a change log again, until it is killed: `python derive.py`."""

import json
from collections import Counter

from topiclog import follow, read, write


def written_rows():
    """The table that an earlier run has left in `segments`: {segment: customers}."""
    rows = {}
    for message in read("segments"):
        rows[message.key] = message.value and json.loads(message.value)
    return {row["segment"]: row["customers"] for row in rows.values() if row}


def take(message, counts):
    """Count a message that has a value."""
    if message.value is not None:
        counts[json.loads(message.value)["segment"]] += 1


def changes(counts, written):
    """The messages that make what is written into what is counted."""
    for segment in sorted(counts.keys() | written.keys()):
        now, before = counts.get(segment, 0), written.get(segment, 0)
        if now != before:
            row = {"segment": segment, "customers": now}
            yield segment.encode(), json.dumps(row).encode() if now else None


def main():
    """Fold the log `customers`; whenever its end is reached, write what has changed."""
    written = written_rows()
    counts = Counter()
    for messages in follow("customers"):
        for message in messages:
            take(message, counts)
        write("segments", changes(counts, written))
        written = dict(counts)


if __name__ == "__main__":
    main()

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


def take(message, segment_of, counts):
    """Take a change in: the old row is taken back (a retraction), the new one is added."""
    if message.value is None:
        return
    before = segment_of.pop(message.key, None)
    if before is not None:
        counts[before] -= 1
    segment_of[message.key] = json.loads(message.value)["segment"]
    counts[segment_of[message.key]] += 1


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
    segment_of, counts = {}, Counter()
    for messages in follow("customers"):
        for message in messages:
            take(message, segment_of, counts)
        write("segments", changes(counts, written))
        written = dict(counts)


if __name__ == "__main__":
    main()

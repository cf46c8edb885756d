"""Count the customers of each segment, as a change log again, until it is killed: `python derive.py`."""

import json
from collections import Counter

from topiclog import follow, write


def take(message, segment_of, counts):
    """Take a change in: the old row is taken back (a retraction), the new one is added."""
    before = segment_of.pop(message.key, None)
    if before is not None:
        counts[before] -= 1
    if message.value is not None:
        segment_of[message.key] = json.loads(message.value)["segment"]
        counts[segment_of[message.key]] += 1


def rows(counts):
    """All counts as messages."""
    for segment, count in counts.items():
        row = {"segment": segment, "customers": count}
        yield segment.encode(), json.dumps(row).encode() if count else None


def main():
    """Fold the log `customers`; whenever its end is reached, write all counts."""
    segment_of, counts = {}, Counter()
    for messages in follow("customers"):
        for message in messages:
            take(message, segment_of, counts)
        write("segments", rows(counts))


if __name__ == "__main__":
    main()

"""What Spark has dealt with, by its checkpoints: so that no query of a program is still behind when clicks come that are late."""

import json
from pathlib import Path

from delab.checks.streaming import last


def has_read(folder, topic, ends):
    """Whether each query whose checkpoint is below a folder has committed a batch with so many messages of each partition.

    True for what we cannot read (another format, no checkpoint there): then nobody waits.
    """
    return all(query_has_read(log, topic, ends) for log in sorted(Path(folder).rglob("offsets")))


def query_has_read(log, topic, ends):
    """The same for one query, by its offsets' folder."""
    number = last(log.parent / "commits")
    if number < 0:
        return False
    try:
        found = [offsets for line in (log / str(number)).read_text().splitlines() if (offsets := of_topic(line, topic))]
    except OSError:
        return False  # it is being replaced
    return all(offsets.get(str(place), end) >= end for offsets in found for place, end in ends.items())


def of_topic(line, topic):
    """The offsets of a topic in a line of the log; None if it is about something else."""
    try:
        told = json.loads(line)
    except ValueError:
        return None
    return told.get(topic) if isinstance(told, dict) and isinstance(told.get(topic), dict) else None

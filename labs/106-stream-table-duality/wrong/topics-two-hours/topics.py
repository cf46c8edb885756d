"""Make the two change logs: `python topics.py`."""

import os

from kafka import KafkaAdminClient

HOUR = 3_600_000  # milliseconds
CHANGE_LOG = {
    "cleanup.policy": "compact",
    "segment.ms": str(2 * HOUR),  # the segment that is written to is never compacted: begin a new one
    "min.cleanable.dirty.ratio": "0.05",
    "delete.retention.ms": str(24 * HOUR),  # so long a reader may be away and still learn of a deletion
}


def main():
    """One partition each: then there is one order of all changes."""
    admin = KafkaAdminClient(bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"])
    about = {"num_partitions": 1, "replication_factor": 1, "configs": CHANGE_LOG}
    admin.create_topics({"customers": about, "segments": about}, wait_for_metadata=True)
    admin.close()


if __name__ == "__main__":
    main()

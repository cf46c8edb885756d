"""Make the two change logs: `python topics.py`."""

import os

from kafka import KafkaAdminClient


def main():
    """Topics as Kafka makes them by default: what is older than a week goes, whatever its key."""
    admin = KafkaAdminClient(bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"])
    about = {"num_partitions": 1, "replication_factor": 1}
    admin.create_topics({"customers": about, "segments": about}, wait_for_metadata=True)
    admin.close()


if __name__ == "__main__":
    main()

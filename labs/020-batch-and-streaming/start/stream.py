"""Clicks and euro by five minutes, from the topic `clicks`, until it is killed: `python stream.py`."""

import json
import os

from kafka import KafkaConsumer


def main():
    """Print what arrives. It should count, in stream_windows."""
    consumer = KafkaConsumer("clicks", bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"], group_id="windows")
    for message in consumer:
        click = json.loads(message.value)
        print(click["event_time"], click["action"])


if __name__ == "__main__":
    main()

"""Bring the change log `customers` up to date with `customer_versions`, and end: `python changelog.py`."""

from topiclog import read

if __name__ == "__main__":
    for message in list(read("customer_versions"))[:10]:
        print(message.partition, message.offset, message.value.decode())

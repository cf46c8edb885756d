"""Make the table `customers` what its change log says, and end: `python table.py`."""

from topiclog import read

if __name__ == "__main__":
    for message in read("customers"):
        print(message.offset, message.key, message.value)

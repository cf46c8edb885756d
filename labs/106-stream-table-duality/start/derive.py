"""Count the customers of each segment, as a change log again, until it is killed: `python derive.py`."""

from topiclog import follow

if __name__ == "__main__":
    for messages in follow("customers"):
        print(len(messages), "messages of customers")

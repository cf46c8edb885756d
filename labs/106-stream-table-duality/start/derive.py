"""Count the customers of each segment, as a change log again, until it is killed: `python derive.py`."""

from topiclog import read

if __name__ == "__main__":
    print(sum(1 for _ in read("customers")), "messages in customers")

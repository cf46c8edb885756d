"""Join each order with its customer's segment of then and of now, and end: `python join.py`."""

from topiclog import read

if __name__ == "__main__":
    for message in list(read("orders"))[:10]:
        print(message.value.decode())

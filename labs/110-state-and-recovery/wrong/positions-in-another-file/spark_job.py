"""Balances and spending without Spark: totals in a file, positions in another one."""

import json
import os
from datetime import datetime, timedelta
from pathlib import Path

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

SERVERS = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
VERSION = int(os.environ.get("VERSION", "1"))
FILE = Path(os.environ["CHECKPOINTS"]) / "state.json"
PLACES = [TopicPartition("payments", number) for number in (0, 1)]

POSITIONS = {}


def loaded():
    """What the last start has left."""
    try:
        return json.loads(FILE.read_text())
    except FileNotFoundError:
        return {"positions": {}, "balances": {}, "windows": {}, "newest": ""}


def saved(state):
    """Replace the file in one step."""
    half = FILE.with_suffix(".new")
    half.write_text(json.dumps(state))
    half.replace(FILE)


def floor(text):
    """Where the window of a time begins."""
    at = datetime.fromisoformat(text)
    return at.replace(minute=at.minute // 5 * 5, second=0, microsecond=0)


def end_of(key):
    """Where a window ends."""
    return datetime.fromisoformat(key.split()[0]) + timedelta(minutes=5)


def count(state, messages):
    """The rows that have changed."""
    balances, windows = {}, {}
    mark = datetime.fromisoformat(state["newest"]) - timedelta(minutes=2) if state["newest"] else None
    for one in messages:
        payment = json.loads(one.value)
        account, cents, at = payment["account"], payment["cents"], payment["event_time"]
        old = state["balances"].get(account, [0, 0, ""])
        balances[account] = state["balances"][account] = [old[0] + 1, old[1] + cents, max(old[2], at)]
        start = floor(at)
        if mark is None or start + timedelta(minutes=5) > mark:
            key = f"{start.isoformat()} {account}"
            old = state["windows"].get(key, [0, 0])
            windows[key] = state["windows"][key] = [old[0] + 1, old[1] + cents]
        state["newest"] = max(state["newest"], at)
        POSITIONS[str(one.partition)] = one.offset + 1
    mark = datetime.fromisoformat(state["newest"]) - timedelta(minutes=2)
    state["windows"] = {key: row for key, row in state["windows"].items() if end_of(key) > mark}
    return balances, windows


def main():
    """Read, count, write, note the totals, and then the positions."""
    state = loaded()
    producer = KafkaProducer(bootstrap_servers=SERVERS, acks="all")
    consumer = KafkaConsumer(bootstrap_servers=SERVERS, enable_auto_commit=False, auto_offset_reset="earliest")
    consumer.assign(PLACES)
    place_file = FILE.with_name("positions.json")
    POSITIONS.update(json.loads(place_file.read_text()) if place_file.exists() else {})
    for place in PLACES:
        if str(place.partition) in POSITIONS:
            consumer.seek(place, POSITIONS[str(place.partition)])
        else:
            consumer.seek_to_beginning(place)
    while True:
        found = [one for messages in consumer.poll(timeout_ms=500).values() for one in messages]
        if not found:
            continue
        balances, windows = count(state, found)
        for account, (number, cents, seen) in balances.items():
            row = {"account": account, "payments": number, "cents": cents, "last_seen": seen}
            row |= {"average_cents": round(cents / number, 2)} if VERSION == 2 else {}
            producer.send("balances", json.dumps(row).encode())
        for key, (number, cents) in windows.items():
            start, account = key.split()
            row = {"window_start": start, "account": account, "payments": number, "cents": cents}
            producer.send("spending", json.dumps(row).encode())
        producer.flush()
        saved(state)
        place_file.write_text(json.dumps(POSITIONS))


if __name__ == "__main__":
    main()

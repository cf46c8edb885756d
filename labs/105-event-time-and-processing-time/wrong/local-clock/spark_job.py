"""Clicks by three clocks without Spark: every five seconds counts and positions go into one file, which is replaced as a whole."""

import json
import os
import time
from datetime import datetime, timedelta
from pathlib import Path

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

SERVERS = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
FILE = Path(os.environ["CHECKPOINTS"]) / "state.json"
PLACES = [TopicPartition("clicks", number) for number in (0, 1, 2)]
MINUTE, DELAY, SILENT = timedelta(minutes=1), timedelta(minutes=2), 10
EACH = 5  # seconds from one note to the next


def loaded():
    """What the last start has left."""
    if FILE.exists():
        return json.loads(FILE.read_text())
    return {"positions": {}, "newest": {}, "by_event_time": {}, "by_processing_time": {}, "delays": {}}


def saved(state):
    """Replace the file in one step."""
    half = FILE.with_suffix(".new")
    half.write_text(json.dumps(state))
    half.replace(FILE)


class Counter:
    """Counts clicks one by one."""

    def __init__(self, state):
        self.state = state
        self.heard = dict.fromkeys("012", time.monotonic())  # when a collector sent last
        self.changed = set()

    def watermark(self):
        """By the slowest of the collectors that are not silent; None while one of them has sent nothing, or all are silent."""
        newest = self.state["newest"]
        busy = [place for place, at in self.heard.items() if time.monotonic() - at < SILENT]
        if not busy or any(place not in newest for place in busy):
            return None
        return min(datetime.fromisoformat(newest[place]) for place in busy) - DELAY

    def add(self, topic, key):
        """One more."""
        self.state[topic][key] = self.state[topic].get(key, 0) + 1
        self.changed.add((topic, key))

    def count(self, one):
        """A click, by all clocks."""
        place, click = str(one.partition), json.loads(one.value)
        self.heard[place] = time.monotonic()
        at, came = (datetime.fromisoformat(click[name]) for name in ("event_time", "arrival_time"))
        now = datetime.now()
        self.add("by_processing_time", now.replace(second=now.second // 10 * 10, microsecond=0).isoformat())
        self.add("delays", str((came - at) // timedelta(seconds=10) * 10))
        self.state["positions"][place] = one.offset + 1
        if at > came + MINUTE:
            return {"event_id": click["event_id"], "device_id": click["device_id"]}
        start, mark = at.replace(second=0, microsecond=0), self.watermark()
        if mark is None or start + MINUTE > mark:
            self.add("by_event_time", start.isoformat())
        known = self.state["newest"].get(place)
        if known is None or at > datetime.fromisoformat(known):
            self.state["newest"][place] = at.isoformat()
        return None


def main():
    """Read, count, write, and note all of it at once."""
    state, written = loaded(), time.monotonic()
    counter = Counter(state)
    producer = KafkaProducer(bootstrap_servers=SERVERS, acks="all")
    consumer = KafkaConsumer(bootstrap_servers=SERVERS, enable_auto_commit=False, auto_offset_reset="earliest")
    consumer.assign(PLACES)
    for place in PLACES:
        position = state["positions"].get(str(place.partition))
        consumer.seek(place, position) if position else consumer.seek_to_beginning(place)
    dirty = False
    while True:
        found = [one for messages in consumer.poll(timeout_ms=200).values() for one in messages]
        in_turn = sorted(found, key=lambda one: one.timestamp)  # not partition by partition: one would run ahead of the others
        for row in filter(None, map(counter.count, in_turn)):
            producer.send("implausible", json.dumps(row).encode())
        for topic, key in counter.changed:
            name, value = ("delay_from", int(key)) if topic == "delays" else ("window_start", key)
            producer.send(topic, json.dumps({name: value, "click_count": state[topic][key]}).encode())
        counter.changed.clear()
        producer.flush()
        dirty = dirty or bool(found)
        if dirty and time.monotonic() - written >= EACH:
            saved(state)
            written, dirty = time.monotonic(), False


if __name__ == "__main__":
    main()

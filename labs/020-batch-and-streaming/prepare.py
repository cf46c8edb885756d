"""The clicks as they are delivered (in parts, some late, some again), the truth about them, and what `lab start` finds."""

import csv
import json
import random
from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from delab.checks.kafka import Kafka, Record
from delab.course import LIVE_SEED
from delab.data import Recipe, dataset
from delab.services.postgres import connect

TOPIC = "clicks"
PARTITIONS, PARTS = 3, 5
SCALE = 0.5  # half an hour of arrivals
LATE, AGAIN = 12, 15  # clicks of the first part that come with the last; clicks that each later part brings again
DELAYED = 12  # clicks of the first part's first window that arrive at its end
COLUMNS = ("delivery_id", "event_id", "visitor_id", "event_time", "arrival_time", "action", "page_id", "amount")
WINDOW = timedelta(minutes=5)
WINDOWS = "(window_start timestamptz PRIMARY KEY, clicks bigint NOT NULL, amount numeric(14, 2) NOT NULL)"


def parts(seed):
    """Five lists of deliveries (dicts), each in the order of arrival."""
    chance = random.Random(seed)
    rows = dataset("clickstream").rows("clicks", Recipe(SCALE, seed)).select(list(COLUMNS)).to_pylist()
    size = len(rows) // PARTS
    cut = [rows[start : start + size] for start in range(0, size * (PARTS - 1), size)] + [rows[size * (PARTS - 1) :]]
    late = set(chance.sample(range(size), LATE))
    held = [row for place, row in enumerate(cut[0]) if place in late]
    cut[0] = delayed(chance, [row for place, row in enumerate(cut[0]) if place not in late])
    number = max(row["delivery_id"] for row in rows)
    for place in range(1, PARTS):
        first, *_ = arrivals = [row["arrival_time"] for row in cut[place]]
        again = [(row, chance.choice(arrivals)) for row in chance.sample(cut[0], AGAIN) + chance.sample(cut[place - 1], AGAIN)]
        for row, at in [*again, *((row, first) for row in held if place == PARTS - 1)]:
            number += 1
            cut[place].append({**row, "delivery_id": number, "arrival_time": at})
        cut[place].sort(key=lambda row: row["arrival_time"])
    return cut


def delayed(chance, rows):
    """The same deliveries; some of the first window's clicks arrive with the last one, windows later."""
    last = rows[-1]["arrival_time"]
    early = [row["delivery_id"] for row in rows if start_of(row["event_time"]) == start_of(rows[0]["arrival_time"])]
    chosen = set(chance.sample(early, min(DELAYED, len(early))))
    changed = [{**row, "arrival_time": last} if row["delivery_id"] in chosen else row for row in rows]
    return sorted(changed, key=lambda row: row["arrival_time"])


def start_of(at):
    """The start of the window that holds a time."""
    return at - (at - datetime.min.replace(tzinfo=at.tzinfo)) % WINDOW


def counted(rows, time="event_time", key="event_id"):
    """Clicks and euro by window: {start: (clicks, euro)}; other arguments give what a mistake would count."""
    found, seen = defaultdict(lambda: [0, Decimal(0)]), set()
    for row in rows:
        if row[key] not in seen:
            seen.add(row[key])
            window = found[start_of(row[time])]
            window[0] += 1
            window[1] += row["amount"] or Decimal(0)
    return {start: tuple(values) for start, values in found.items()}


def plain(row):
    """A delivery as JSON and CSV have it: times in ISO 8601 (UTC), the amount as a number or empty."""
    times = {name: row[name].isoformat(timespec="microseconds") for name in ("event_time", "arrival_time")}
    return {**row, **times, "amount": None if row["amount"] is None else float(row["amount"])}


def records(rows):
    """A part as messages: the visitor is the key, the time of arrival the timestamp."""
    for row in rows:
        value, key = json.dumps(plain(row)).encode(), str(row["visitor_id"]).encode()
        yield Record(value, key, int(row["arrival_time"].timestamp() * 1000))


def write_file(folder, number, rows):
    """A part as a CSV file; an empty field is a missing value."""
    with (Path(folder) / f"clicks-{number}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(map(plain, rows))


def prepare(stack, seed):
    """Make what both programs find; a verification delivers its clicks itself."""
    with connect(stack["warehouse"].endpoint) as session, session.cursor() as cursor:
        for table in ("batch_windows", "stream_windows"):
            cursor.execute(f"CREATE TABLE {table} {WINDOWS}")
    kafka = Kafka(stack)
    kafka.create(TOPIC, partitions=PARTITIONS)
    if seed == LIVE_SEED:
        folder = stack["warehouse"].data.parent / "incoming"
        for number, part in enumerate(parts(seed), 1):
            write_file(folder, number, part)
            kafka.send(TOPIC, records(part))

"""Clicks as the collectors send them, the windows that they make, and what `lab start` finds."""

import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from delab.checks.event_time import floor
from delab.checks.kafka import Kafka
from delab.checks.streaming import Feed
from delab.course import LIVE_SEED

CLICKS, VIEWS, ACTIVITY = "clicks", "page_views", "activity"
PARTITIONS = 3  # one for each collector
MINUTE, SECOND, MS = timedelta(minutes=1), timedelta(seconds=1), timedelta(milliseconds=1)
SIZE, STEP = 5 * MINUTE, MINUTE  # of the sliding windows
DELAY = 2 * MINUTE
EACH_MINUTE = 14  # clicks
ACTIONS = ("view",) * 6 + ("search", "cart", "cart", "buy")
PAGES, VISITORS = 5, 60  # so many visitors that an approximate count of them is seen to be one


class Clicks:
    """Makes clicks from a seed, as time goes on from a morning in 2025."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.now = datetime(2025, 3, 1, 7, tzinfo=UTC) + MINUTE * self.chance.randrange(60 * 24 * 200)
        self.first, self.number = self.now, 0

    def click(self, at, partition, arrival=None, action="view"):
        """One click; the device's clock and the collector's are both right."""
        self.number += 1
        amount = Decimal(self.chance.randrange(500, 20_000)) / 100 if action == "buy" else None
        return {
            "event_id": self.number,
            "visitor_id": self.chance.randrange(1, VISITORS + 1),
            "event_time": at,
            "arrival_time": arrival or at,
            "action": action,
            "page_id": self.chance.randrange(1, PAGES + 1),
            "amount": amount,
            "partition": partition,
        }

    def some(self, minutes, partitions=range(PARTITIONS)):
        """The clicks of some minutes, as they arrive: up to 40 seconds late, some on the first instant of a minute."""
        begin, places = self.now, list(partitions)
        found = []
        for number in range(round(minutes * EACH_MINUTE)):
            at = begin + self.chance.randrange(round(minutes * 60_000)) * MS
            if number % 7 == 0:
                at = begin + (at - begin) // MINUTE * MINUTE
            late = self.chance.choice((0, 0, 5, 20, 40)) * SECOND * self.chance.random()
            held = number % 7 == 3 and floor(at, MINUTE) + MINUTE < begin + minutes * MINUTE
            if held:  # a view that surely arrives in the next minute
                at, late = floor(at, MINUTE) + 57 * SECOND, 20 * SECOND
            arrival = min(at + late, begin + minutes * MINUTE)
            if number % 6 == 5 and found[-1]["action"] == "view":  # somebody looks at the page again: a view, and no new visitor
                self.number += 1
                found.append({**found[-1], "event_id": self.number})
                continue
            actions = ACTIONS if at >= self.first + MINUTE else ACTIONS[:-1]  # there are windows in which nothing is bought
            action = "view" if held else self.chance.choice(actions)
            found.append(self.click(at, places[number % len(places)], arrival, action))
        self.now = begin + minutes * MINUTE
        return sorted(found, key=lambda click: click["arrival_time"])

    def go_on(self, behind):
        """Let the time go on to so much behind a full minute."""
        self.now = floor(self.now, MINUTE) + MINUTE + behind

    def close(self, partitions=range(PARTITIONS), later=timedelta(0)):
        """A view from each of these collectors, at the same time: from then on that is the newest."""
        self.now += later
        return [self.click(self.now, place) for place in partitions]


def views(windows):
    """{(start, page): (end, views)} of tumbling windows: {start: clicks}."""
    found = defaultdict(int)
    for start, clicks in windows.items():
        for click in clicks:
            if click["action"] == "view":
                found[start, click["page_id"]] += 1
    return {key: (key[0] + MINUTE, count) for key, count in found.items()}


def activity(windows):
    """{(start,): (end, visitors, euro)} of sliding windows: {start: clicks}."""
    return {
        (start,): (
            start + SIZE,
            len({click["visitor_id"] for click in clicks}),
            sum((click["amount"] or Decimal(0) for click in clicks), Decimal(0)),
        )
        for start, clicks in windows.items()
    }


def prepare(stack, seed):
    """Make the topics; a verification sends its clicks itself."""
    kafka = Kafka(stack)
    kafka.create(CLICKS, partitions=PARTITIONS)
    for topic in (VIEWS, ACTIVITY):
        kafka.create(topic)
    if seed == LIVE_SEED:
        clicks = Clicks(seed)
        Feed(kafka, CLICKS, delay=DELAY).send([*clicks.some(30), *clicks.close()])

"""Clicks that come late, and some that never say when they happened; what `lab start` finds."""

import random
from datetime import UTC, datetime, timedelta

from delab.checks.event_time import floor
from delab.checks.kafka import Kafka
from delab.checks.streaming import Feed, message
from delab.course import LIVE_SEED

CLICKS, LIVE, FINAL, LATE = "clicks", "live", "final", "late"
OUTPUTS = (LIVE, FINAL, LATE)
TOO_LATE, NO_TIME = "too_late", "no_time"
PARTITIONS = 3  # one for each collector
MINUTE, SECOND, MS = timedelta(minutes=1), timedelta(seconds=1), timedelta(milliseconds=1)
DELAY = 2 * MINUTE
EACH_MINUTE = 14  # clicks
SLOW, BEHIND = 1, 20 * SECOND  # the collector whose clock is slow, and by how much


class Clicks:
    """Makes clicks from a seed, as time goes on from a morning in 2025."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.now = datetime(2025, 3, 1, 7, tzinfo=UTC) + MINUTE * self.chance.randrange(60 * 24 * 200)
        self.number = 0

    def click(self, at, partition):
        """One click. Without a time (None) nobody can say which minute it belongs to."""
        self.number += 1
        return {"event_id": self.number, "page_id": self.chance.randrange(1, 6), "event_time": at, "partition": partition}

    def some(self, minutes, partitions=range(PARTITIONS)):
        """The clicks of some minutes, as they arrive: up to 40 s late and 20 s behind, some on the first instant of a minute."""
        begin, places = self.now, list(partitions)
        found = []
        for number in range(round(minutes * EACH_MINUTE)):
            place = places[number % len(places)]
            at = begin + self.chance.randrange(round(minutes * 60_000)) * MS
            arrival = at + self.chance.choice((0, 0, 5, 20, 40)) * self.chance.random() * SECOND
            at = at - BEHIND if place == SLOW else at
            found.append((arrival, self.click(floor(at, MINUTE) if number % 7 == 0 and at - begin > MINUTE else at, place)))
        self.now = begin + minutes * MINUTE
        return [click for _, click in sorted(found, key=lambda one: one[0])]

    def close(self, partitions=range(PARTITIONS), later=0 * MS):
        """A click from each of these collectors, at the same time: from then on that is the newest."""
        self.now += later
        return [self.click(self.now, place) for place in partitions]

    def go_on(self, behind):
        """Let the time go on to so much behind a full minute: then the watermark is so much behind one as well."""
        self.now = floor(self.now, MINUTE) + MINUTE + behind

    def too_late(self, partitions=range(PARTITIONS)):
        """Clicks for minutes that are complete: the last one of these, some before, and one of yesterday."""
        edge = floor(self.now - DELAY, MINUTE)
        ages = [MS * 10, SECOND * 20, SECOND * 60, MINUTE * 4, MINUTE * 60 * 24]
        places = list(partitions)
        return [self.click(edge - age, places[number % len(places)]) for number, age in enumerate(ages)]

    def older(self, partitions=range(PARTITIONS)):
        """Clicks that are older than the watermark, for the minute in which it is, which is not complete."""
        mark = self.now - DELAY
        ages = [SECOND, SECOND * 20, mark - floor(mark, MINUTE)]
        assert max(ages[:2]) < ages[2], "the watermark is at the beginning of a minute"
        places = list(partitions)
        return [self.click(mark - age, places[number % len(places)]) for number, age in enumerate(ages)]


def minutes(windows):
    """{(start,): (end, clicks)} of windows: {start: clicks}."""
    return {(start,): (start + MINUTE, len(clicks)) for start, clicks in windows.items()}


def send_timeless(feed, clicks):
    """Send clicks that have no time: a feed's phases are for those that have one."""
    feed.kafka.send(CLICKS, [message(click) for click in clicks])
    feed.ends.update(click["partition"] for click in clicks)


def prepare(stack, seed):
    """Make the topics; a verification sends its clicks itself."""
    kafka = Kafka(stack)
    kafka.create(CLICKS, partitions=PARTITIONS)
    for topic in OUTPUTS:
        kafka.create(topic)
    if seed == LIVE_SEED:
        clicks, feed = Clicks(seed), Feed(kafka, CLICKS, delay=DELAY)
        feed.send([*clicks.some(20), *clicks.close()])
        send_timeless(feed, [clicks.click(None, 1)])
        clicks.go_on(30 * SECOND)
        feed.send([*clicks.close(), *clicks.too_late(), *clicks.some(5), *clicks.close()])

"""Clicks of devices with wrong clocks, what is counted of them, and what `lab start` finds."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

from delab.checks.event_time import floor, windowed
from delab.checks.kafka import Kafka
from delab.checks.streaming import Feed
from delab.course import LIVE_SEED

CLICKS, BY_EVENT, BY_PROCESSING, DELAYS, IMPLAUSIBLE = "clicks", "by_event_time", "by_processing_time", "delays", "implausible"
OUTPUTS = (BY_EVENT, BY_PROCESSING, DELAYS, IMPLAUSIBLE)
PARTITIONS = 3  # one for each collector
ALL = range(PARTITIONS)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
SECOND, MS, NOTHING = timedelta(seconds=1), timedelta(milliseconds=1), timedelta(0)
DELAY, AHEAD, STRETCH = 2 * MINUTE, MINUTE, 10 * SECOND  # of the watermark; a plausible clock may be; windows of processing time
EACH_MINUTE = 30  # clicks
DEVICES = 30
FAST = {device: timedelta(seconds=ahead) for device, ahead in ((1, 3), (2, 20), (3, 42), (4, 59))}  # clocks that are ahead
SLOW = {5: 10 * SECOND, 6: 19 * SECOND}  # clocks that are behind


class Clicks:
    """Makes clicks from a seed, as time goes on from a morning in 2025. `now`: the collectors' clocks."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.now = datetime(2025, 3, 1, 7, tzinfo=UTC) + MINUTE * self.chance.randrange(60 * 24 * 200)
        self.number = 0

    def click(self, at, partition, device=DEVICES, arrival=None):
        """One click that arrives now, with the time that the device's clock shows."""
        self.number += 1
        times = {"event_time": at, "arrival_time": arrival or self.now}
        return {"event_id": self.number, "device_id": device, **times, "partition": partition}

    def some(self, minutes, partitions=ALL):
        """The clicks of some minutes, as they arrive: up to 40 seconds after they happened, by clocks that are up to 59 s wrong.

        Each seventh is on the first instant of a minute. Clocks that are ahead show whole seconds more than the time of arrival: a
        delay between -1 and 0 s is rounded by engines before we see it.
        """
        begin, end, places = self.now, self.now + minutes * MINUTE, list(partitions)
        found = []
        for number in range(round(minutes * EACH_MINUTE)):
            at, device = begin + self.chance.randrange(round(minutes * 60_000)) * MS, self.number % DEVICES + 1
            if number % 7 == 6 and floor(at, MINUTE) >= begin:
                at, device = floor(at, MINUTE), DEVICES
            late = self.chance.choice((0, 0, 5, 20, 40)) * SECOND * self.chance.random()
            arrival = min(at + late // MS * MS, end)
            shown = arrival + FAST[device] if device in FAST else at - SLOW.get(device, NOTHING)
            found.append(self.click(shown, places[number % len(places)], device, arrival))
        self.now = end
        return sorted(found, key=lambda click: click["arrival_time"])

    def future(self, ahead, partition):
        """A click of a device whose clock is that much ahead, arriving now."""
        return self.click(self.now + ahead, partition, DEVICES + 1 + self.number % 5)

    def newest(self, partitions=ALL):
        """A click from each of these collectors, right now."""
        return [self.click(self.now, place) for place in partitions]

    def wait(self, second):
        """Let time go on to the next `second` of a minute that is after all clicks so far: clocks ahead show a minute more."""
        least = self.now + AHEAD
        self.now = floor(least, MINUTE) + second * SECOND
        self.now += MINUTE if self.now < least else NOTHING


def plausible(click):
    """Whether the device's clock can be believed: it is at most a minute ahead of the collector's."""
    return click["event_time"] <= click["arrival_time"] + AHEAD


def by_event_time(clicks, time="event_time"):
    """{(start,): (clicks,)} of the minutes of these clicks."""
    return {(start,): (len(found),) for start, found in windowed(clicks, MINUTE, time=time).items()}


def bucket(click):
    """The delay in seconds, rounded down to a multiple of ten."""
    return (click["arrival_time"] - click["event_time"]) // STRETCH * 10


def delays(clicks):
    """{(delay_from,): (clicks,)}."""
    return {(delay,): (count,) for delay, count in Counter(map(bucket, clicks)).items()}


def prepare(stack, seed):
    """Make the topics; a verification sends its clicks itself."""
    kafka = Kafka(stack)
    kafka.create(CLICKS, partitions=PARTITIONS)
    for topic in OUTPUTS:
        kafka.create(topic)
    if seed == LIVE_SEED:
        clicks = Clicks(seed)
        Feed(kafka, CLICKS, delay=DELAY).send([*clicks.some(12), clicks.future(DAY, 1), *clicks.some(8)])

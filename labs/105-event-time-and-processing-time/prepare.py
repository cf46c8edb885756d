"""Clicks of devices with wrong clocks, what is counted of them, and what `lab start` finds."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

from delab.checks.event_time import windowed
from delab.checks.kafka import Kafka
from delab.checks.streaming import Feed
from delab.course import LIVE_SEED

CLICKS, BY_EVENT, BY_PROCESSING, DELAYS, IMPLAUSIBLE = "clicks", "by_event_time", "by_processing_time", "delays", "implausible"
OUTPUTS = (BY_EVENT, BY_PROCESSING, DELAYS, IMPLAUSIBLE)
PARTITIONS = 3  # one for each collector
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
SECOND, MS = timedelta(seconds=1), timedelta(milliseconds=1)
DELAY, AHEAD, STRETCH = 2 * MINUTE, MINUTE, 10 * SECOND  # of the watermark; a plausible clock may be; windows of processing time
EACH_MINUTE = 20  # clicks
DEVICES = 30
FAST = {device: timedelta(seconds=ahead) for device, ahead in ((1, 3), (2, 17), (3, 42), (4, 59))}  # clocks that are ahead
SLOW = {5: 8 * SECOND, 6: 19 * SECOND}  # clocks that are behind


class Clicks:
    """Makes clicks from a seed, as time goes on from a morning in 2025."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.now = datetime(2025, 3, 1, 7, tzinfo=UTC) + MINUTE * self.chance.randrange(60 * 24 * 200)
        self.number = 0

    def click(self, at, partition, arrival=None, device=DEVICES):
        """One click, with the time that the device's clock shows."""
        self.number += 1
        return {
            "event_id": self.number,
            "device_id": device,
            "event_time": at,
            "arrival_time": arrival or at,
            "partition": partition,
        }

    def some(self, minutes):
        """The clicks of some minutes, as they arrive: up to 40 seconds after they happened, by clocks that are up to 59 s wrong.

        Clocks that are ahead show whole seconds more than the time of arrival: a delay between -1 and 0 s is rounded by engines
        before we see it.
        """
        begin, end = self.now, self.now + minutes * MINUTE
        found = []
        for number in range(round(minutes * EACH_MINUTE)):
            at = begin + self.chance.randrange(round(minutes * 60_000)) * MS
            late = self.chance.choice((0, 0, 5, 20, 40)) * SECOND * self.chance.random()
            arrival = min(at + late // MS * MS, end)
            device = number % DEVICES + 1
            shown = arrival + FAST[device] if device in FAST else at - SLOW.get(device, 0 * MS)
            found.append(self.click(shown, number % PARTITIONS, arrival, device))
        self.now = end
        return sorted(found, key=lambda click: click["arrival_time"])

    def future(self, ahead, partition):
        """A click of a device whose clock is that much ahead, arriving now."""
        return self.click(self.now + ahead, partition, self.now, DEVICES + 1 + self.number % 5)

    def close(self, later=0 * MS):
        """A click from each collector, at the same time and newer than all before: what is two minutes older is complete.

        Clocks that are ahead have shown up to a minute more than `now` already.
        """
        self.now += AHEAD + later
        return [self.click(self.now, place) for place in range(PARTITIONS)]


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
        feed = Feed(kafka, CLICKS, delay=DELAY)
        feed.send([*clicks.some(20), *clicks.close(SECOND)])
        feed.send([clicks.future(DAY, 1), *clicks.some(5), *clicks.close(SECOND)])

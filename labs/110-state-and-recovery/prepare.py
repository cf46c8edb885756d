"""Payments in event time, the balances and windows that they make, and the topics."""

import random
from datetime import UTC, datetime, timedelta

from delab.checks.kafka import Kafka
from delab.checks.streaming import Feed
from delab.course import LIVE_SEED

PAYMENTS, BALANCES, SPENDING = "payments", "balances", "spending"
PARTITIONS, ACCOUNTS = 2, 4
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
SIZE, DELAY = 5 * MINUTE, 2 * MINUTE
EACH_MINUTE = 10  # payments


class Payments:
    """Makes payments from a seed, as time goes on from a morning in 2025."""

    def __init__(self, seed):
        self.chance, self.number = random.Random(seed), 0
        self.now = datetime(2025, 4, 1, 7, tzinfo=UTC) + 5 * MINUTE * self.chance.randrange(12 * 24 * 200)

    def one(self, at, partition):
        """One payment; each account has its turn."""
        self.number += 1
        account = f"a-{self.number % ACCOUNTS + 1:02d}"
        cents = self.chance.randrange(100, 50_000)
        return {
            "payment_id": f"p-{self.number:06d}",
            "account": account,
            "cents": cents,
            "event_time": at,
            "partition": partition,
        }

    def some(self, minutes):
        """The payments of some minutes, up to 40 seconds out of order, and one from each partition that is newer than all."""
        begin, self.now = self.now, self.now + minutes * MINUTE
        count = round(minutes * EACH_MINUTE)
        step = (self.now - begin) / count
        times = [begin + number * step - self.chance.randrange(40) * SECOND for number in range(count)]
        found = [self.one(max(at, begin), number % PARTITIONS) for number, at in enumerate(times)]
        self.now += SECOND
        return found + [self.one(self.now, partition) for partition in range(PARTITIONS)]

    def stragglers(self):
        """A payment for each account that happened half a minute before the newest."""
        return [self.one(self.now - 30 * SECOND, number % PARTITIONS) for number in range(ACCOUNTS)]


def balances(events):
    """{(account,): (payments, cents, newest event_time)}."""
    found = {}
    for one in events:
        count, cents, seen = found.get((one["account"],), (0, 0, one["event_time"]))
        found[one["account"],] = (count + 1, cents + one["cents"], max(seen, one["event_time"]))
    return found


def spending(windows):
    """{(start, account): (payments, cents)} of windows {start: events}."""
    found = {}
    for start, events in windows.items():
        for one in events:
            count, cents = found.get((start, one["account"]), (0, 0))
            found[start, one["account"]] = (count + 1, cents + one["cents"])
    return found


def prepare(stack, seed):
    """Make the topics; a verification sends its payments itself."""
    kafka = Kafka(stack)
    kafka.create(PAYMENTS, partitions=PARTITIONS)
    for topic in (BALANCES, SPENDING):
        kafka.create(topic)
    if seed == LIVE_SEED:
        Feed(kafka, PAYMENTS, delay=DELAY).send(Payments(seed).some(30))

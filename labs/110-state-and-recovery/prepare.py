"""Payments in event time, the balances and windows that they make, and what `lab start` finds."""

import random
from datetime import UTC, datetime, timedelta

from delab.checks.event_time import floor
from delab.checks.kafka import Kafka
from delab.checks.streaming import Feed
from delab.course import LIVE_SEED

PAYMENTS, BALANCES, SPENDING = "payments", "balances", "spending"
PARTITIONS, ACCOUNTS = 2, ("a-01", "a-02", "a-03", "a-04")
MINUTE, SECOND, MS = timedelta(minutes=1), timedelta(seconds=1), timedelta(milliseconds=1)
SIZE, DELAY = 5 * MINUTE, 2 * MINUTE
STEP = 6 * SECOND  # from one payment to the next


class Payments:
    """Makes payments from a seed, as time goes on from a morning in 2025."""

    def __init__(self, seed):
        self.chance, self.number = random.Random(seed), 0
        self.now = datetime(2025, 4, 1, 7, tzinfo=UTC) + SIZE * self.chance.randrange(12 * 24 * 200)

    def one(self, at, partition, account=None):
        """One payment; each account has its turn."""
        self.number += 1
        return {
            "payment_id": f"p-{self.number:06d}",
            "account": account or ACCOUNTS[self.number % len(ACCOUNTS)],
            "cents": self.chance.randrange(100, 50_000),
            "event_time": at,
            "partition": partition,
        }

    def until(self, end, places=range(PARTITIONS)):
        """The payments from now until then, up to 40 seconds late, some on a window's boundary; the last are the newest."""
        begin, self.now, edge = self.now, end, floor(end, SIZE)
        arrivals = [begin + number * STEP for number in range(1, -(-(end - begin) // STEP))]
        times = [(at, max(at - self.chance.randrange(40_000) * MS, begin)) for at in arrivals]
        times += [(edge, edge), (edge + SECOND, edge - MS), (edge + 2 * SECOND, edge)] if begin < edge else []
        return [self.one(at, self.chance.choice(places)) for _, at in sorted(times) if at < end] + self.close(places)

    def close(self, places=range(PARTITIONS), account=None):
        """A payment from each of these partitions, none older than any before."""
        return [self.one(self.now, place, account) for place in places]


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
        payments = Payments(seed)
        Feed(kafka, PAYMENTS, delay=DELAY).send(payments.until(payments.now + 30 * MINUTE))

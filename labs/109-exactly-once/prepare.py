"""Payments, some messages that are none, and the topics of the ledger."""

import json
import random

from delab.checks.kafka import Kafka, Record
from delab.course import LIVE_SEED

PAYMENTS, LEDGER, REJECTED = "payments", "ledger", "rejected"
PARTITIONS, ACCOUNTS = 2, 12


class Payments:
    """Makes payments from a seed; each has an id of its own."""

    def __init__(self, seed):
        self.chance, self.name, self.number = random.Random(seed), f"{seed % 100_000:05d}", 0

    def some(self, count):
        """So many further payments."""
        return [self.one() for _ in range(count)]

    def one(self):
        """A payment: its amount is never zero."""
        self.number += 1
        account = f"a-{self.chance.randrange(1, ACCOUNTS + 1):02d}"
        return {"payment_id": f"p-{self.name}-{self.number:06d}", "account": account, "cents": self.chance.randrange(1, 500_000)}

    def poison(self):
        """A text that is no JSON: a payment that was cut off, as a collector with a full disk sends it."""
        return json.dumps(self.one())[: self.chance.randrange(34, 50)]


def records(payments):
    """Payments as messages, in turn over the partitions; a text goes as it is."""
    for place, payment in enumerate(payments):
        value = payment if isinstance(payment, str) else json.dumps(payment)
        yield Record(value.encode(), partition=place % PARTITIONS)


def prepare(stack, seed):
    """Make the topics; a verification sends its payments itself."""
    kafka = Kafka(stack)
    kafka.create(PAYMENTS, partitions=PARTITIONS)
    for topic in (LEDGER, REJECTED):
        kafka.create(topic)
    if seed == LIVE_SEED:
        payments = Payments(seed)
        kafka.send(PAYMENTS, records([*payments.some(300), payments.poison(), *payments.some(50)]))

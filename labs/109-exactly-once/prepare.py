"""Payments, some messages that are none, the provider that sends them in transactions, and the topics of the ledger."""

import json
import random

from delab.checks.kafka import Kafka, explained
from delab.course import LIVE_SEED

PAYMENTS, LEDGER, REJECTED = "payments", "ledger", "rejected"
PARTITIONS, ACCOUNTS = 2, 12
PROVIDER = "provider"  # its transactional id


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
        """A text that is no JSON, of three kinds in turn: a payment that was cut off, one without its amount, words."""
        payment = self.one()
        text, name = json.dumps(payment), payment["payment_id"]
        cut, hole = text[: self.chance.randrange(34, len(text))], text.replace(f"{payment['cents']}}}", "}")
        return (cut, hole, f"disk full behind {name}")[self.number % 3]


class Provider:
    """Sends messages to `payments`, in turn over its partitions, each call in a transaction of its own."""

    def __init__(self, kafka):
        from kafka import KafkaProducer

        self.kafka = kafka
        with explained(kafka.servers):
            self.producer = KafkaProducer(**kafka.options, transactional_id=PROVIDER, linger_ms=20, batch_size=1 << 17)
            self.producer.init_transactions()

    def send(self, messages, *, commit=True):
        """Send payments, and texts as they are; or take back what was sent."""
        with explained(self.kafka.servers):
            self.producer.begin_transaction()
            values = [one if isinstance(one, str) else json.dumps(one) for one in messages]
            promises = [
                self.producer.send(PAYMENTS, value.encode(), partition=place % PARTITIONS) for place, value in enumerate(values)
            ]
            self.producer.flush()
            for promise in promises:
                promise.get()
            self.producer.commit_transaction() if commit else self.producer.abort_transaction()

    def close(self):
        """Close the producer."""
        self.producer.close()


def prepare(stack, seed):
    """Make the topics; a verification sends its payments itself."""
    kafka = Kafka(stack)
    kafka.create(PAYMENTS, partitions=PARTITIONS)
    for topic in (LEDGER, REJECTED):
        kafka.create(topic)
    if seed == LIVE_SEED:
        payments, provider = Payments(seed), Provider(kafka)
        provider.send([*payments.some(300), payments.poison()])
        provider.send(payments.some(20), commit=False)
        provider.send(payments.some(50))
        provider.close()

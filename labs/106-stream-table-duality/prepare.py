"""Customers as they change, the tables that follow from them, and what `lab start` finds."""

import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta

from delab.checks.kafka import Kafka, Record
from delab.checks.streaming import plain
from delab.course import LIVE_SEED
from delab.services.postgres import connect

VERSIONS, CUSTOMERS, SEGMENTS = "customer_versions", "customers", "segments"
PARTITIONS = 3  # of customer_versions: versions of one customer go to any of them
SEGMENT_NAMES = ("gold", "silver", "bronze", "trade", "press", "school", "club", "staff", "export", "trial")
SLOW = timedelta(days=9)  # longer than all that a shop does
EACH = 5  # segments of a shop
NAMES = ("Ada", "Boris", "Chloé", "Dmitri", "Elif", "Femi", "Grace", "Hana", "Iker", "Jun", "Lars", "Mira")
FIELDS = ("customer_id", "version", "name", "segment", "changed_at")  # of a row of `customers`
TABLE = """
DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
    EXECUTE format('DROP SCHEMA %I CASCADE', name);
  END LOOP;
END $$;
CREATE SCHEMA public;
CREATE TABLE customers (
  customer_id bigint PRIMARY KEY, version integer NOT NULL, name text NOT NULL, segment text NOT NULL,
  changed_at timestamptz NOT NULL
)"""


class Shop:
    """Makes versions of customers from a seed, in the order of their time."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.now = datetime(2025, 3, 1, 7, tzinfo=UTC) + timedelta(minutes=self.chance.randrange(200_000))
        self.names = self.chance.sample(SEGMENT_NAMES, EACH)
        self.newest = {}  # {customer: the newest version}, also of those that are gone

    def living(self, segment=None):
        """The customers that there are (in a segment), by number."""
        return [key for key, one in self.newest.items() if not one["deleted"] and segment in (None, one["segment"])]

    def change(self, customer=None, *, segment=None, deleted=False, behind=timedelta(0)):
        """The next version of a customer: a new one without a number, in another segment unless one is named, or its end.

        `behind`: so much is the clock of the server slow that says when.
        """
        self.now += timedelta(seconds=self.chance.randrange(1, 600))
        customer = customer or len(self.newest) + 1
        before = self.newest.get(customer, {"version": 0, "segment": None, "name": None})
        others = [name for name in self.names if name != before["segment"]]
        self.newest[customer] = {
            "customer_id": customer,
            "version": before["version"] + 1,
            "changed_at": self.now - behind,
            "name": None if deleted else before["name"] or f"{self.chance.choice(NAMES)} {self.chance.randrange(100, 1000)}",
            "segment": None if deleted else segment or self.chance.choice(others),
            "deleted": deleted,
        }
        return self.newest[customer]

    def arrive(self, count):
        """New customers, some in each segment."""
        return [self.change(segment=self.names[number % EACH]) for number in range(count)]

    def changes(self, count):
        """Changes of customers that there are."""
        return [self.change(self.chance.choice(self.living())) for _ in range(count)]

    def slow_clock(self, count):
        """Changes of some customers, and the ends of two others, by a server whose clock is days behind."""
        first, second, *some = self.chance.sample(self.living(), count + 2)
        ends = [self.change(key, deleted=True, behind=SLOW) for key in (first, second)]
        return [*ends, *(self.change(key, behind=SLOW) for key in some)]

    def desert(self, segment):
        """All leave a segment, by way of another one; the first of them for good. Further customers move, and none into it."""
        others = [name for name in self.names if name != segment]
        first, *rest = self.living(segment)
        gone = self.change(first, deleted=True)
        movers = [*rest, *rest, *(self.chance.choice(self.living()) for _ in range(20))]
        return [gone, *(self.change(key, segment=self.chance.choice(others)) for key in movers)]

    def end(self, count):
        """The ends of some customers."""
        return [self.change(key, deleted=True) for key in self.chance.sample(self.living(), count)]


def newest(events):
    """The newest version of each customer, whatever the order of the events: {customer: event}, also of those that are gone."""
    found = {}
    for event in events:
        if event["version"] >= found.get(event["customer_id"], event)["version"]:
            found[event["customer_id"]] = event
    return found


def customers(events):
    """The table `customers`: {(customer,): (version, name, segment, changed_at)}."""
    return {(key,): tuple(one[name] for name in FIELDS[1:]) for key, one in newest(events).items() if not one["deleted"]}


def segments(events):
    """The derived table: {(segment,): (customers,)}."""
    counts = Counter(one["segment"] for one in newest(events).values() if not one["deleted"])
    return {(name,): (count,) for name, count in counts.items()}


def encode(event, names=None):
    """An event, or some of its fields, as JSON."""
    return json.dumps({name: plain(event[name]) for name in names or event}).encode()


def version_records(events, chance):
    """Versions as the shop's servers send them: without a key, to any partition."""
    return [Record(encode(event), partition=chance.randrange(PARTITIONS)) for event in events]


def change_records(events, at=0):
    """Versions as a change log has them: the customer's number is the key, no value means that the row is gone."""
    return [Record(None if event["deleted"] else encode(event, FIELDS), str(event["customer_id"]).encode(), at) for event in events]


def make_table(session):
    """The empty table, and nothing else in any schema, in PostgreSQL."""
    with session.cursor() as cursor:
        cursor.execute(TABLE)


def prepare(stack, seed):
    """Make source and table; a verification sends its events itself."""
    with connect(stack["warehouse"].endpoint) as session:
        make_table(session)
    kafka = Kafka(stack)
    kafka.create(VERSIONS, partitions=PARTITIONS, configs={"retention.ms": "-1"})
    if seed == LIVE_SEED:
        shop = Shop(seed)
        events = [*shop.arrive(40), *shop.changes(200), *shop.end(6), *shop.slow_clock(4)]
        twice = [*events, *shop.chance.sample(events, 20)]
        shop.chance.shuffle(twice)
        kafka.send(VERSIONS, version_records(twice, shop.chance))

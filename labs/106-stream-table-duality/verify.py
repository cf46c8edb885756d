"""Checks of lab 106: a compacted log and its table, rebuilt, joined as of then and now, and made into a change log again."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from mistakes import COUNTED, ROW, counted_wrong, difference, past, plainly, says_deleted
from prepare import (
    CUSTOMERS,
    ORDERS,
    SEGMENTS,
    VERSIONS,
    Shop,
    as_of,
    change_records,
    customers,
    encode,
    make_tables,
    newest,
    segments,
    version_records,
)

from delab import wait
from delab.checks import Database, expect, fail, main, show
from delab.checks.kafka import Kafka, Record
from delab.checks.results import latest
from delab.checks.streaming import START_PATIENCE, Job
from delab.errors import Timeout

ARRIVED, REPEATED = 30, 120  # customers, and changes of them, before the first compaction
FURTHER = 4  # customers that change before the second one
CLEAN = 30  # seconds that compaction may take: the cleaner of this stack looks twice a second
SHOWS = 60  # seconds that the derived table may take, with the start of an engine
RUN = {"seconds": 60}
DERIVE = "derive.py|flink_job.py"
HOUR_MS = 3_600_000


class Duality:
    """The customers of this verification, what was sent of them, and what topics and tables hold."""

    def __init__(self, stack, work, seed):
        self.stack, self.work, self.shop = stack, work, Shop(seed)
        self.kafka, self.warehouse = Kafka(stack), Database(stack["warehouse"])
        self.logged = []  # versions that we have put into `customers` ourselves, in order
        self.sent = []  # versions that are in customer_versions
        self.job = None

    def run(self, name):
        """Run a program to its end."""
        self.work.run(name, **RUN).succeeded()

    # The log

    def log(self, events, hours=0):
        """Append versions to `customers`, with timestamps so many hours ago (0: now)."""
        at = int((datetime.now(UTC) - timedelta(hours=hours)).timestamp() * 1000) if hours else 0
        self.kafka.send(CUSTOMERS, change_records(events, at))
        self.logged += events

    def send(self, events):
        """Send versions to customer_versions."""
        self.kafka.send(VERSIONS, version_records(events, self.shop.chance))
        self.sent += events

    def settings(self, topic):
        """All settings of a topic."""
        from kafka.admin import ConfigResource

        with self.kafka.admin() as admin:
            told = admin.describe_configs([ConfigResource("TOPIC", topic)], config_filter="all")
        return {name: about["value"] for name, about in told["topic"][topic].items()}

    def folded(self):
        """The table that the change log `customers` makes."""
        messages = self.kafka.read(CUSTOMERS)
        strange = next((one for one in messages if one.key is None or not one.key.isdigit()), None)
        if strange:
            fail(expected="each key in customers is the customer's number as text, such as 17", seen=f"the key {strange.key!r}")
        flagged = next((one for one in messages if says_deleted(one.value)), None)
        if flagged:
            fail(
                expected="a customer that is gone is deleted from the log by a tombstone: a message with the key and no value",
                seen=f"customer {int(flagged.key)} has a value with `deleted`: compaction keeps such a row for ever",
            )
        table = latest(messages, ROW, ["customer_id"], CUSTOMERS)
        other = next((one for one in messages if one.value and json.loads(one.value)["customer_id"] != int(one.key)), None)
        if other:
            fail(
                expected="the key is the customer_id of the value",
                seen=f"the key {int(other.key)} has {show(other.value.decode())}",
            )
        return table

    def table(self):
        """What PostgreSQL's table `customers` holds."""
        rows = self.warehouse.rows("SELECT customer_id, version, name, segment, changed_at FROM customers")
        return {(row[0],): tuple(row[1:]) for row in rows}

    def judge(self, place, seen, events, when):
        """Fail unless a table holds the truth."""
        truth = customers(events)
        if seen != truth:
            fail(expected=f"{place} holds the {len(truth)} customers {when}", seen=difference(seen, truth, newest(events)))

    # Compaction

    def compacted(self, end):
        """Whether below an offset no key has two messages left."""
        keys = [one.key for one in self.kafka.read(CUSTOMERS) if one.offset < end]
        return len(keys) == len(set(keys))

    def wait_compacted(self, end, times):
        """Wait until it is, and say how many messages are left."""
        with suppress(Timeout):
            wait.until(lambda: self.compacted(end), seconds=CLEAN, what="compaction")
        left = self.kafka.read(CUSTOMERS)
        if not self.compacted(end):
            fail(
                expected=f"what is older than an hour is compacted {times}: one message is left of each key",
                seen=f"{sum(one.offset < end for one in left)} messages of {len({one.key for one in left})} keys are still there "
                f"after {CLEAN * wait.scale():.0f} s; {self.why_not()}",
            )
        return len(left)

    def why_not(self):
        """The settings that decide when the cleaner takes up a log."""
        told = self.settings(CUSTOMERS)
        names = ("segment.ms", "max.compaction.lag.ms", "min.cleanable.dirty.ratio", "min.compaction.lag.ms")
        rolls = min(int(told["segment.ms"]), int(told["max.compaction.lag.ms"]))
        said = ", ".join(f"{name}={told[name]}" for name in names)
        if rolls > HOUR_MS:
            return f"{said}: all of it is in the active segment, which is never compacted"
        return f"{said}: the cleaner waits until more of the log is dirty"


@pytest.fixture(scope="module")
def duality(stack, work, seed):
    """The shop and the programs."""
    made = Duality(stack, work, seed)
    yield made
    if made.job:
        made.job.__exit__()


def test_log_is_compacted(duality, evidence):
    """`topics` makes `customers` and `segments`: history older than an hour goes, the latest value and tombstones stay."""
    names = "topics.sh|topics.py"
    duality.run(names)
    for topic in (CUSTOMERS, SEGMENTS):
        ends = duality.kafka.ends(topic)
        expect(len(ends) == 1, expected=f"{topic} has one partition", seen=f"it has {len(ends)}")
        policy = duality.settings(topic)["cleanup.policy"]
        said = f"{topic} has cleanup.policy={policy}: what is older than retention.ms goes, also if it is a key's latest value"
        expect(policy == "compact", expected=f"{topic} is compacted, and nothing else deletes from it", seen=said)
    shop = duality.shop
    duality.log([*shop.arrive(ARRIVED), *shop.changes(REPEATED), *shop.end(4)], hours=72)
    gone = [key for key, one in shop.newest.items() if one["deleted"]]
    first = len(duality.logged)
    duality.log([shop.change(shop.living()[0])], hours=70)
    left = duality.wait_compacted(first, "for the first time")
    evidence.note(f"{first + 1} messages were sent to customers; after the first compaction {left} are left, offsets go on")
    some = shop.living()[-FURTHER:]
    duality.log([shop.change(key) for key in some * 2], hours=68)
    second = len(duality.logged)
    duality.log([shop.change(shop.living()[1])], hours=66)
    duality.wait_compacted(second, "again, when a fifth of it is dirty")
    there = {one.key for one in duality.kafka.read(CUSTOMERS) if one.value is None}
    lost = [key for key in gone if str(key).encode() not in there]
    expect(
        not lost,
        expected="a tombstone can still be read an hour after the compaction that met it",
        seen=f"the tombstones of {len(lost)} of {len(gone)} keys are gone (delete.retention.ms="
        f"{duality.settings(CUSTOMERS)['delete.retention.ms']}): a reader who was away never learns of the deletion",
    )
    keep = int(duality.settings(CUSTOMERS)["delete.retention.ms"])
    expect(keep >= HOUR_MS, expected="tombstones stay for an hour at least", seen=f"delete.retention.ms={keep}")
    duality.judge("the compacted log", duality.folded(), duality.logged, "with their latest values")


def test_table_follows(duality):
    """`table.py` makes PostgreSQL's `customers` what the log says; run again, it follows: new rows, new values, deletions."""
    duality.run("table.py")
    duality.judge("the table customers", duality.table(), duality.logged, "of the log")
    shop = duality.shop
    duality.log([*shop.arrive(5), *shop.changes(20), *shop.end(3)])
    duality.run("table.py")
    duality.judge("the table customers", duality.table(), duality.logged, "of the log, after more changes and a second run")


def test_table_is_rebuilt(duality):
    """When the database is lost, `table.py` makes the table again, from the log alone."""
    before = duality.table()
    with duality.warehouse.session() as session:
        make_tables(session)
    assert before, "there was nothing to lose"
    assert not duality.table(), "the table is not lost: this proves nothing"
    duality.run("table.py")
    duality.judge("the table customers", duality.table(), duality.logged, "after the database was lost (all its tables are new)")


def test_versions_out_of_order(duality, evidence):
    """`changelog.py` writes to `customers` what customer_versions says: the highest version, however late an older one comes."""
    shop = duality.shop
    events = [*duality.logged, *shop.arrive(5), *shop.changes(60), *shop.end(4)]
    late = withheld(events, shop)
    held = {(one["customer_id"], one["version"]) for one in late}
    rest = [one for one in events if (one["customer_id"], one["version"]) not in held]
    shop.chance.shuffle(rest)
    duality.send(rest)
    duality.run("changelog.py")
    duality.judge("the log customers", duality.folded(), duality.sent, "when versions have come in any order")
    assert newest(duality.sent) == newest([*duality.sent, *late]), "a late version is the newest: it proves nothing"
    duality.send([*late, *shop.chance.sample(rest, 10), *shop.changes(5)])
    duality.run("changelog.py")
    duality.judge(
        "the log customers", duality.folded(), duality.sent, "with older versions that came after newer ones, and a second run"
    )
    evidence.note(f"{len(late)} versions came a run later than newer ones, some of customers who were gone by then")


def withheld(events, shop):
    """Versions that are not the newest of their customers: of some that are gone, and of some that are not."""
    last = newest(events)
    older = [one for one in events if one["version"] < last[one["customer_id"]]["version"]]
    gone = [one for one in older if last[one["customer_id"]]["deleted"]]
    living = [one for one in older if not last[one["customer_id"]]["deleted"]]
    return [*shop.chance.sample(gone, min(4, len(gone))), *shop.chance.sample(living, 6)]


def test_then_and_now(duality):
    """`join.py` gives each order its customer's segment when it was ordered, and the one of now."""
    shop = duality.shop
    some = shop.chance.sample(duality.sent, 30) + [one for one in duality.sent if one["deleted"]][:3]
    orders = shop.some_orders(some)
    shop.chance.shuffle(orders)
    duality.kafka.send(ORDERS, [Record(encode(order)) for order in orders])
    duality.run("join.py")
    judge_join(duality, orders, "")
    duality.send(shop.changes(12))
    duality.run("changelog.py")
    duality.run("join.py")
    judge_join(duality, orders, " after further changes and a second run")


def judge_join(duality, orders, when):
    """Fail unless order_segments is right."""
    rows = duality.warehouse.rows("SELECT order_id, segment_then, segment_now FROM order_segments")
    seen, truth = {row[0]: tuple(row[1:]) for row in rows}, as_of(duality.sent, orders)
    if seen == truth:
        return
    expected = f"order_segments has {len(truth)} orders with their segments of then and now{when}"
    if seen.keys() != truth.keys():
        fail(expected=expected, seen=f"{len(truth.keys() - seen.keys())} are missing, {len(seen.keys() - truth.keys())} too many")
    wrong = {key: row for key, row in seen.items() if row != truth[key]}
    if all(row[1] == truth[key][1] for key, row in wrong.items()):
        fail(expected=expected, seen=f"{len(wrong)} orders have a wrong segment_then: {past(wrong, truth, duality.sent, orders)}")
    key = min(key for key, row in wrong.items() if row[1] != truth[key][1])
    fail(expected=expected, seen=f"order {key} has the segments {seen[key]}, where {truth[key]} belongs (then, now)")


def test_derived_table(duality, evidence):
    """`derive.py` or `flink_job.py` keeps `segments`: customers by segment, as a change log with retractions and tombstones."""
    duality.job = Job(duality.stack, duality.work, files=DERIVE)
    duality.job.start()
    judge_segments(duality, "of what was in the log when it started", START_PATIENCE)
    shop = duality.shop
    left = shop.living("press")
    assert left, "nobody is in this segment: its end proves nothing"
    moved = [shop.change(key, segment="gold") for key in left[1:]] + [shop.change(left[0], deleted=True)]
    duality.send([*moved, *shop.changes_within(20, "press")])
    duality.run("changelog.py")
    judge_segments(duality, "when customers have moved and gone, and nobody is left in press", 8)
    duality.send([shop.change(segment="press")])
    duality.run("changelog.py")
    judge_segments(duality, "when press has a customer again", 8)
    evidence.note(f"{len(duality.kafka.read(SEGMENTS))} changes of segments make {len(segments(duality.sent))} rows")


def judge_segments(duality, when, patience):
    """The table that the change log `segments` makes comes to be the truth."""

    def table():
        return latest(duality.kafka.read(SEGMENTS), COUNTED, ["segment"], SEGMENTS)

    duality.job.shows(lambda: table() == segments(duality.sent), seconds=SHOWS, rounds=rounds(duality, table), patience=patience)
    seen, truth = table(), segments(duality.sent)
    if seen != truth:
        said = counted_wrong(seen, truth)
        fail(
            expected=f"segments, read from its beginning, makes the table {plainly(truth)} {when}",
            seen=said + duality.job.trouble(),
        )


def rounds(duality, table):
    """A customer in a segment of its own: once its row is there, all that the log held before has been dealt with."""
    name = f"probe {len(duality.sent)}"

    def probe():
        duality.send([duality.shop.change(segment=name)])
        duality.run("changelog.py")

    return [(probe, lambda: (name,) in table())]


if __name__ == "__main__":
    main(__file__)

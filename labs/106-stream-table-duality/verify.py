"""Checks of lab 106: a compacted log and its table, rebuilt from the log alone, and made into a change log again."""

import json
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest
from mistakes import COUNTED, ROW, counted_wrong, difference, other_kind, repeated, says_deleted, words
from prepare import (
    CUSTOMERS,
    FIELDS,
    SEGMENTS,
    VERSIONS,
    Shop,
    change_records,
    customers,
    make_table,
    newest,
    segments,
    version_records,
)

from delab import wait
from delab.checks import Database, expect, fail, main, show
from delab.checks.kafka import Kafka
from delab.checks.results import latest, rows
from delab.checks.streaming import PATIENCE, START_PATIENCE, Job
from delab.errors import Timeout

ARRIVED, REPEATED = 30, 120  # customers, and changes of them, before the first compaction
FURTHER = 7  # customers that change twice before the second: together a third of the log, more than a fifth and less than a half
CLEAN = 30  # seconds that compaction may take: the cleaner of this stack looks twice a second
SHOWS, START = 45, 45  # seconds that the derived table may take (half again as long as the task allows), and a start beside that
OVER = 1.1  # hours: a little more than what may stay as it is
RUN = {"seconds": 60, "memory": 4096}  # topics.sh may run Java: address space, mostly never touched
HOUR_MS = 3_600_000
STAMP, KEEP = "message.timestamp.type", "delete.retention.ms"
CLEANING = (
    "segment.ms",
    "max.compaction.lag.ms",
    "min.cleanable.dirty.ratio",
    "min.compaction.lag.ms",
    KEEP,
    STAMP,
)
AT_ONCE = {"segment.ms": "1", "max.compaction.lag.ms": "1", "min.compaction.lag.ms": "0", "min.cleanable.dirty.ratio": "0"}


class Duality:
    """The customers of this verification, what was sent of them, and what topics and tables hold."""

    def __init__(self, stack, work, seed):
        self.work, self.shop = work, Shop(seed)
        self.kafka, self.warehouse = Kafka(stack), Database(stack["warehouse"])
        self.events = []  # the versions that the log is to add up to, whoever wrote them
        self.job = Job(stack, work, files="derive.py|flink_job.py")
        self.written = {}  # the counts that were in `segments` when the job was killed

    def run(self, name):
        """Run a program to its end."""
        self.work.run(name, **RUN).succeeded()

    # The log

    def log(self, events, hours=0):
        """Append versions to `customers`, with timestamps so many hours ago (0: now)."""
        at = int((datetime.now(UTC) - timedelta(hours=hours)).timestamp() * 1000) if hours else 0
        self.kafka.send(CUSTOMERS, change_records(events, at))
        self.events += events

    def send(self, events):
        """Send versions to customer_versions."""
        self.kafka.send(VERSIONS, version_records(events, self.shop.chance))

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
                expected="a customer who is gone is deleted from the log by a tombstone: a message with the key and no value",
                seen=f"customer {int(flagged.key)} has a value with `deleted`: compaction keeps such a row for ever",
            )
        for one, row in zip(messages, rows(messages, ROW, CUSTOMERS), strict=True):
            if row and row["customer_id"] != int(one.key):
                fail(expected="the key is the customer_id of the value", seen=f"{int(one.key)} has {show(one.value.decode())}")
        return latest(messages, ROW, ["customer_id"], CUSTOMERS)

    def table(self):
        """What PostgreSQL's table `customers` holds."""
        found = self.warehouse.rows(f"SELECT {', '.join(FIELDS)} FROM customers ORDER BY 1")
        if said := other_kind(found) or repeated(found):
            fail(expected="the table customers as it came, with its five columns, and a row for each customer", seen=said)
        return {(row[0],): tuple(row[1:]) for row in found}

    def judge(self, place, seen, when):
        """Fail unless a table is what the events add up to."""
        truth = customers(self.events)
        if seen != truth:
            fail(expected=f"{place} holds the {len(truth)} customers {when}", seen=difference(seen, truth, newest(self.events)))

    # Compaction

    def left(self, end):
        """The keys of the messages that are left below an offset."""
        return [one.key for one in self.kafka.read(CUSTOMERS) if one.offset < end]

    def compacted(self, end):
        """Whether no key has two messages below an offset."""
        keys = self.left(end)
        return len(keys) == len(set(keys))

    def wait_compacted(self, end, times):
        """Wait until it is, and say how many messages are left."""
        with suppress(Timeout):
            wait.until(lambda: self.compacted(end), seconds=CLEAN, what="compaction")
        keys = self.left(end)
        if len(keys) != len(set(keys)):
            fail(
                expected=f"what is older than an hour is compacted {times}: one message is left of each key",
                seen=f"{len(keys)} messages of {len(set(keys))} keys are there after {CLEAN * wait.scale():.0f} s; {self.why()}",
            )
        return len(keys)

    def why(self):
        """The settings that decide when the cleaner takes up a log."""
        told = self.settings(CUSTOMERS)
        said = ", ".join(f"{name}={told[name]}" for name in CLEANING[:4])
        if told[STAMP] != "CreateTime":
            return f"{STAMP}={told[STAMP]}: then a message's timestamp says when it was written to the topic, not how old it is"
        if int(told["min.compaction.lag.ms"]) > HOUR_MS:
            return f"{said}: what is younger than min.compaction.lag.ms is left alone"
        if min(int(told["segment.ms"]), int(told["max.compaction.lag.ms"])) > HOUR_MS:
            return f"{said}: all of it is in the active segment, which is never compacted"
        return f"{said}: the cleaner waits until more of the log is dirty"

    def compact_now(self):
        """Compact all that is in `customers`, whatever the settings, as time would do it; see that it is done."""
        self.kafka.configure([CUSTOMERS], AT_ONCE)
        end = self.kafka.ends(CUSTOMERS)[0]
        self.log([self.shop.change(segment=self.shop.names[0])])
        wait.until(lambda: self.compacted(end), seconds=CLEAN, what="compaction")

    @contextmanager
    def forgetting(self):
        """Meanwhile `customers` is compacted at once, and keeps no tombstone that is written: what time would do."""
        told = self.settings(CUSTOMERS)
        self.kafka.configure([CUSTOMERS], {**AT_ONCE, KEEP: "0"})
        yield
        self.kafka.configure([CUSTOMERS], {name: told[name] for name in (*AT_ONCE, KEEP)})

    def forget_tombstones(self, begin):
        """Wait until none is left from an offset on; the changes that it takes, since without news the cleaner does not come."""
        before = len(self.events)

        def forgotten():
            self.log([self.shop.change(self.shop.living()[0])])
            return all(one.value is not None for one in self.kafka.read(CUSTOMERS) if one.offset >= begin)

        wait.until(forgotten, seconds=CLEAN, what="the tombstones to go")
        return self.events[before:]

    # The derived table

    def counted(self):
        """The table that the change log `segments` makes."""
        return latest(self.kafka.read(SEGMENTS), COUNTED, ["segment"], SEGMENTS)

    def judge_segments(self, when, *, seconds=SHOWS, patience=PATIENCE):
        """It comes to be the truth."""
        self.job.shows(lambda: self.counted() == segments(self.events), seconds=seconds, rounds=[self.probe()], patience=patience)
        seen, truth = self.counted(), segments(self.events)
        if seen != truth:
            fail(
                expected=f"segments, read from its beginning, makes the table {words(truth)} {when}",
                seen=counted_wrong(seen, truth, self.written) + self.job.trouble(),
            )

    def probe(self):
        """A customer in a segment of its own: once its row is there, all that the log held before has been dealt with."""
        name = f"probe {len(self.events)}"
        return lambda: self.log([self.shop.change(segment=name)]), lambda: (name,) in self.counted()


@pytest.fixture(scope="module")
def duality(stack, work, seed):
    """The shop and the programs."""
    made = Duality(stack, work, seed)
    yield made
    made.job.__exit__()


def test_log_is_compacted(duality, evidence):
    """`topics` makes `customers` and `segments`: history older than an hour goes, the latest value and tombstones stay."""
    duality.run("topics.sh|topics.py")
    for topic in (CUSTOMERS, SEGMENTS):
        ends = duality.kafka.ends(topic)
        expect(len(ends) == 1, expected=f"{topic} has one partition", seen=f"it has {len(ends)}")
        policy = duality.settings(topic)["cleanup.policy"]
        said = f"{topic} has cleanup.policy={policy}: what is older than retention.ms goes, also if it is a key's latest value"
        expect(policy == "compact", expected=f"{topic} is compacted, and nothing else deletes from it", seen=said)
    told = {topic: {name: duality.settings(topic)[name] for name in CLEANING} for topic in (CUSTOMERS, SEGMENTS)}
    expect(told[CUSTOMERS] == told[SEGMENTS], expected="both topics have the same settings", seen=unlike(told))
    shop = duality.shop
    duality.log([*shop.arrive(ARRIVED), *shop.changes(REPEATED), *shop.end(4)], hours=8)
    gone = [key for key, one in shop.newest.items() if one["deleted"]]
    first = len(duality.events)
    duality.log([shop.change(shop.living()[0])], hours=8 - OVER)
    left = duality.wait_compacted(first, "for the first time")
    evidence.note(f"{first} messages were sent to customers; {left} are left of them after the first compaction")
    some = shop.living()[-FURTHER:]
    duality.log([shop.change(key) for key in some * 2], hours=OVER)
    second = len(duality.events)
    duality.log([shop.change(shop.living()[1])])
    duality.wait_compacted(second, "again, when a fifth of it is dirty")
    there = {one.key for one in duality.kafka.read(CUSTOMERS) if one.value is None}
    lost = [key for key in gone if str(key).encode() not in there]
    keep = int(duality.settings(CUSTOMERS)[KEEP])
    expect(
        not lost and keep >= HOUR_MS,
        expected="a tombstone can still be read an hour after the compaction that met it",
        seen=f"delete.retention.ms={keep}, and {len(lost)} of {len(gone)} tombstones are gone after two compactions: "
        "a reader who was away never learns of the deletion",
    )
    duality.judge("the compacted log", duality.folded(), "with their latest values")


def unlike(told):
    """The settings in which the two topics differ."""
    pairs = {name: [settings[name] for settings in told.values()] for name in CLEANING}
    return ", ".join(f"{name} is {one} and {other}" for name, (one, other) in pairs.items() if one != other)


def test_versions_out_of_order(duality, evidence):
    """`changelog.py` writes to `customers` what customer_versions says: the highest version, however late an older one comes."""
    shop = duality.shop
    events = [*duality.events, *shop.arrive(5), *shop.changes(60), *shop.end(4), *shop.slow_clock(5)]
    late = withheld(events, shop, {one["customer_id"] for one in duality.events if one["deleted"]})
    held = {(one["customer_id"], one["version"]) for one in late}
    rest = [one for one in events if (one["customer_id"], one["version"]) not in held]
    shop.chance.shuffle(rest)
    duality.send(rest)
    duality.events = [*rest]
    assert newest(rest) == newest(events), "a late version is the newest: it proves nothing"
    begin = duality.kafka.ends(CUSTOMERS)[0]
    with duality.forgetting():
        duality.run("changelog.py")
        duality.judge("the log customers", duality.folded(), "when versions have come in any order")
        forgotten = duality.forget_tombstones(begin)
    news = [*forgotten, *late, *shop.chance.sample(rest, 10), *shop.changes(5)]
    duality.send(news)
    duality.events = [*rest, *news]
    duality.run("changelog.py")
    duality.judge(
        "the log customers",
        duality.folded(),
        "with older versions, also of customers who are gone with their tombstones, and a second run",
    )
    evidence.note(f"{len(late)} versions came a run later than newer ones, some of customers who were gone by then")


def withheld(events, shop, before):
    """Versions that are not the newest of their customers: of some that are gone (but not of those `before`), and of some not."""
    last = newest(events)
    older = [one for one in events if one["version"] < last[one["customer_id"]]["version"]]
    gone = [one for one in older if last[one["customer_id"]]["deleted"] and one["customer_id"] not in before]
    living = [one for one in older if not last[one["customer_id"]]["deleted"]]
    return [*shop.chance.sample(gone, min(4, len(gone))), *shop.chance.sample(living, 6)]


def test_table_follows(duality):
    """`table.py` makes PostgreSQL's `customers` what the log says; run again, it follows: new rows, new values, deletions."""
    duality.run("table.py")
    duality.judge("the table customers", duality.table(), "of the log")
    shop = duality.shop
    duality.log([*shop.arrive(5), *shop.changes(20), *shop.end(3)])
    duality.run("table.py")
    duality.judge("the table customers", duality.table(), "of the log, after more changes and a second run")


def test_table_is_rebuilt(duality):
    """When the database is lost, `table.py` makes the table again, from the log alone."""
    assert duality.table(), "there was nothing to lose"
    with duality.warehouse.session() as session:
        make_table(session)
    assert not duality.table(), "the table is not lost: this proves nothing"
    duality.run("table.py")
    duality.judge("the table customers", duality.table(), "after the database was lost (its tables are new and empty)")


def test_derived_table(duality, evidence):
    """`derive.py` or `flink_job.py` keeps `segments`: customers by segment, as a change log with retractions and tombstones."""
    shop = duality.shop
    duality.job.start()
    duality.judge_segments("of what was in the log when it started", seconds=SHOWS + START, patience=START_PATIENCE)
    last = shop.names[-1]
    assert shop.living(last), "nobody is in this segment: its end proves nothing"
    duality.log(shop.desert(last))
    duality.judge_segments(f"when customers have moved and gone, and nobody is left in {last}")
    duality.log([shop.change(segment=last) for _ in range(3)])
    duality.judge_segments(f"when {last} has customers again")
    lines = curves(duality.kafka.read(SEGMENTS), shop.names)
    evidence.plot("Customers by segment", "messages of the log segments", "customers", lines)


def curves(messages, names):
    """A line for each segment, over the offsets of its change log."""
    points, name_of = {name: [(0.0, 0.0)] for name in names}, {}
    for one in messages:
        told = json.loads(one.value) if one.value else {"segment": name_of.get(one.key), "customers": 0}
        name_of[one.key] = told["segment"]
        if told["segment"] in points:
            points[told["segment"]].append((float(one.offset), float(told["customers"])))
    return points


def test_derived_after_a_kill(duality, evidence):
    """Killed (SIGKILL) and started again, it makes up for what it has missed, though the log was compacted meanwhile."""
    shop = duality.shop
    duality.judge_segments("before the program is killed")
    duality.job.wait_checkpoint()
    duality.job.kill()
    expect(not duality.job.running(), expected="the program is dead", seen="it runs on")
    duality.written = duality.counted()
    before = len(duality.left(duality.kafka.ends(CUSTOMERS)[0]))
    duality.log(shop.desert(shop.names[-1]))
    duality.compact_now()
    after = len(duality.left(duality.kafka.ends(CUSTOMERS)[0]))
    evidence.note(f"while it was dead, {shop.names[-1]} lost its last customer, and {before} messages of the log became {after}")
    duality.job.start()
    duality.judge_segments("after the program was killed and started again", seconds=SHOWS + START, patience=START_PATIENCE)


if __name__ == "__main__":
    main(__file__)

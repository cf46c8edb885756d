"""Checks of lab 110: state that outlives kills, a lost checkpoint and an upgrade, and is forgotten when it may be."""

from pathlib import Path

import pytest
from prepare import (
    BALANCES,
    DELAY,
    MINUTE,
    PARTITIONS,
    PAYMENTS,
    SIZE,
    SPENDING,
    Payments,
    balances,
    spending,
)

from delab import files
from delab.checks import expect, fail, main
from delab.checks.event_time import judged
from delab.checks.kafka import Kafka
from delab.checks.results import Output, instant, latest, money, rows, whole
from delab.checks.streaming import Feed, Job, batches

SECONDS, START = 45, 45  # that a result may take (half again as long as the task allows), and a start beside that
LATE = 6  # payments that come for a window which is long complete


def text(value):
    """a text"""
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


COLUMNS = {
    BALANCES: {"account": text, "payments": whole, "cents": whole, "last_seen": instant},
    SPENDING: {"window_start": instant, "account": text, "payments": whole, "cents": whole},
}
KEYS = {BALANCES: ["account"], SPENDING: ["window_start", "account"]}
AVERAGE = {"account": text, "payments": whole, "cents": whole, "average_cents": money}


class Bank:
    """The payments of this verification, the learner's job, and what its topics hold."""

    def __init__(self, stack, work, seed):
        self.stack, self.kafka, self.payments = stack, Kafka(stack), Payments(seed)
        self.feed, self.job = Feed(self.kafka, PAYMENTS, delay=DELAY), Job(stack, work)
        self.outputs = {topic: Output(self.kafka, topic) for topic in COLUMNS}

    def close(self):
        """End what the verification has opened."""
        for output in self.outputs.values():
            output.close()
        self.job.__exit__()

    @property
    def folder(self):
        """Where Spark's checkpoints are."""
        return Path(self.stack.environment()["CHECKPOINTS"])

    def start(self):
        """Start the job."""
        self.job.start()
        self.feed.job = self.job

    def kill(self):
        """Kill it; what is sent meanwhile waits for nobody."""
        self.job.kill()
        self.feed.job = None
        expect(not self.job.running(), expected="the job is dead", seen="it runs on")

    def send(self, minutes):
        """Send the payments of some minutes."""
        self.feed.send(self.payments.some(minutes))

    def truth(self, topic):
        """What a topic must hold: all accounts, or all windows that are complete."""
        if topic == BALANCES:
            return balances(self.feed.sent)
        found = judged(self.feed.phases, size=SIZE, delay=DELAY, partitions=PARTITIONS)
        return self.complete(spending(found.counted))

    def complete(self, table):
        """The rows of windows that are complete."""
        return {key: row for key, row in table.items() if key[0] + SIZE <= self.payments.now - DELAY}

    def seen(self, topic):
        """What a topic holds."""
        table = latest(self.outputs[topic].messages(), COLUMNS[topic], KEYS[topic], topic)
        return self.complete(table) if topic == SPENDING else table

    def judge(self, topics, when, seconds=SECONDS):
        """The topics come to hold the truth."""
        truths = {topic: self.truth(topic) for topic in topics}
        self.job.shows(lambda: all(self.seen(topic) == truth for topic, truth in truths.items()), seconds=seconds)
        for topic, truth in truths.items():
            if (seen := self.seen(topic)) != truth:
                fail(
                    expected=f"{topic} holds {len(truth)} rows of {len(self.feed.sent)} payments {when}",
                    seen=f"{told(topic, seen, truth)}{self.job.trouble()}",
                )

    def forget_commits(self):
        """Leave the newest checkpoint half done; the job is dead.

        Spark: the last batch was planned, and was not noted as committed. Flink: a checkpoint was begun and has no _metadata.
        """
        if self.job.flink:
            for job in [path for path in self.job.flink.folder.iterdir() if path.is_dir()]:
                (job / "chk-999999").mkdir()
            return
        for query, (planned, committed) in batches(self.folder).items():
            if planned == committed >= 0:
                for name in (str(committed), f".{committed}.crc"):
                    (self.folder / query / "commits" / name).unlink(missing_ok=True)
        left = {query: pair for query, pair in batches(self.folder).items() if pair[0] >= 0}
        assert all(committed < planned for planned, committed in left.values()), f"committed still: {left}"

    def lose_checkpoints(self):
        """Empty the folders of checkpoints; the job is dead."""
        for folder in [self.folder, *([self.job.flink.folder] if self.job.flink else [])]:
            for path in folder.iterdir():
                files.remove_tree(path) if path.is_dir() else path.unlink()
            assert not list(folder.iterdir()), f"{folder} is not empty"

    def trim(self, ends):
        """Let the topic's retention pass: it holds nothing from before these offsets."""
        from kafka import TopicPartition

        with self.kafka.admin() as admin:
            admin.delete_records({TopicPartition(PAYMENTS, place): end for place, end in ends.items()})
        with self.kafka.consumer() as consumer:
            places = [TopicPartition(PAYMENTS, place) for place in ends]
            begin = {at.partition: offset for at, offset in consumer.beginning_offsets(places).items()}
        assert begin == dict(ends), f"the topic begins at {begin}, not at {ends}"


def told(topic, seen, truth):
    """What is wrong with a table."""
    if not seen:
        return "the topic is empty" if topic == BALANCES else "no row of a complete window"
    lacking, extra = truth.keys() - seen.keys(), seen.keys() - truth.keys()
    wrong = [key for key in truth.keys() & seen.keys() if truth[key] != seen[key]]
    at = 0
    less, more = [sum(sign * (seen[key][at] - truth[key][at]) > 0 for key in wrong) for sign in (-1, 1)]
    kinds = [
        (len(lacking), "rows are missing"),
        (len(extra), "rows too many"),
        (less, "rows count too few payments: state was lost"),
        (more, "rows count too many payments: some were counted twice, or should have been left out"),
        (len(wrong) - less - more, "rows are wrong, though they count the right number"),
    ]
    said = ", ".join(f"{count} {name}" for count, name in kinds if count)
    key = min([*lacking, *extra, *wrong])
    shown = {name: str(value) for name, value in zip(KEYS[topic], key, strict=True)}
    return f"{said}; {shown} has {words(seen.get(key))}, where {words(truth.get(key))} belongs"


def words(row):
    """A row in words: payments, cents, and when the account was last seen."""
    if row is None:
        return "no row"
    last = f", last seen {row[2]:%H:%M:%S}" if len(row) > 2 else ""
    return f"{row[0]} payments of {row[1]} cents{last}"


@pytest.fixture(scope="module")
def bank(stack, work, seed):
    """The payments and the job."""
    made = Bank(stack, work, seed)
    yield made
    made.close()


def test_running_totals(bank):
    """`balances` follows the topic from its beginning: payments and cents of each account, and when it was last seen."""
    bank.send(1.5)
    bank.start()
    bank.send(6)
    bank.judge([BALANCES], "that waited when the job started, and that came since", SECONDS + START)
    bank.feed.send(bank.payments.stragglers())
    bank.judge([BALANCES], "of which the last ones happened half a minute before others")


def test_windows(bank):
    """`spending` holds the payments of each account in each five minutes that are complete."""
    bank.send(6)
    bank.judge([BALANCES, SPENDING], "out of order by up to 40 seconds")


def test_rebuilt_from_the_log(bank):
    """When all checkpoints are lost, a new start comes to the same results from the topic."""
    bank.kill()
    bank.lose_checkpoints()
    bank.start()
    bank.send(6)
    bank.judge([BALANCES, SPENDING], "after all checkpoints were lost", SECONDS + START)


def test_forgets_complete_windows(bank, evidence):
    """A payment for a window that is long complete counts in `balances`, and changes nothing in `spending`."""
    for _ in range(3):  # each is seen before the next is sent: whatever the engine, its watermark has passed the late window
        bank.send(6)
        bank.judge([BALANCES, SPENDING], "before late ones come")
    old = bank.payments.now - 15 * MINUTE
    late = [bank.payments.one(old, number % PARTITIONS) for number in range(LATE)]
    bank.feed.send(late)
    dropped = judged(bank.feed.phases, size=SIZE, delay=DELAY, partitions=PARTITIONS).late
    assert len(dropped) == LATE, f"{len(dropped)} of {LATE} are late"
    bank.send(6)
    bank.judge([BALANCES, SPENDING], f"of which {LATE} came 15 minutes late: for the windows too late, for the balances not")
    evidence.note(f"{LATE} payments came 15 minutes of event time late")


def test_survives_a_kill(bank, evidence):
    """Killed (SIGKILL), with its newest checkpoint half done and old messages gone from the topic, the job goes on."""
    ends = dict(bank.feed.ends)
    bank.job.wait_checkpoint()
    bank.send(3)
    bank.judge([BALANCES, SPENDING], "before the job is killed")
    bank.kill()
    bank.forget_commits()
    bank.trim(ends)
    bank.start()
    bank.send(6)
    bank.judge([BALANCES, SPENDING], "after it was killed, and the topic has only the newest messages", SECONDS + START)
    evidence.note(f"the topic begins at the offsets {ends}: what was before is known to the job's state only")


def test_upgraded(bank):
    """Started as VERSION=2, it goes on with its state, and rows of `balances` have `average_cents`."""
    bank.job.wait_checkpoint()
    bank.kill()
    bank.job.env["VERSION"] = "2"
    bank.start()
    bank.send(6)
    bank.judge([BALANCES, SPENDING], "after it was started as version 2", SECONDS + START)
    newest = {}
    for message in bank.outputs[BALANCES].messages():
        for row in rows([message], COLUMNS[BALANCES], BALANCES):
            if row:
                newest[row["account"]] = message
    for row in rows(list(newest.values()), AVERAGE, BALANCES):
        right = row["cents"] / row["payments"]
        expect(
            abs(float(row["average_cents"]) - right) <= 1,
            expected=f"average_cents of {row['account']} is {right:.2f}: all its cents by all its payments",
            seen=f"{row['average_cents']}",
        )


if __name__ == "__main__":
    main(__file__)

"""Checks of lab 110: state that outlives kills, a lost checkpoint and an upgrade, and is forgotten when it may be."""

import json
from contextlib import nullcontext

import pytest
from accidents import Checkpoints, trim
from mistakes import AVERAGE, COLUMNS, KEYS, told
from prepare import (
    ACCOUNTS,
    BALANCES,
    DELAY,
    MINUTE,
    MS,
    PARTITIONS,
    PAYMENTS,
    SECOND,
    SIZE,
    SPENDING,
    Payments,
    balances,
    spending,
)

from delab.checks import expect, fail, main
from delab.checks.event_time import floor, judged
from delab.checks.kafka import POSITIONS, Kafka
from delab.checks.results import Output, latest, rows
from delab.checks.streaming import PATIENCE, START_PATIENCE, Feed, Job

SECONDS, START = 45, 45  # that a result may take (half again as long as the task allows), and a start beside that
LATE = 6  # payments that come for windows which are long complete
BOTH, FIRST = range(PARTITIONS), (0,)


class Bank:
    """The payments of this verification, the learner's job, and what its topics hold."""

    def __init__(self, stack, work, seed):
        self.kafka, self.payments = Kafka(stack), Payments(seed)
        self.feed, self.job = Feed(self.kafka, PAYMENTS, delay=DELAY), Job(stack, work)
        self.checkpoints = Checkpoints(self.job)
        self.held = 0  # the topic holds the payments from this one on
        self.outputs = {topic: Output(self.kafka, topic) for topic in COLUMNS}

    def close(self):
        """End what the verification has opened."""
        for output in self.outputs.values():
            output.close()
        self.job.__exit__()

    # The job

    def start(self):
        """Start the job. What its predecessor has left beside its program is not there any more."""
        self.job.work.fresh()
        self.job.start()
        self.feed.job = self.job

    def kill(self):
        """Kill it; what is sent meanwhile waits for nobody."""
        self.job.kill()
        self.feed.job = None
        expect(not self.job.running(), expected="the job is dead", seen="it runs on")

    # Sending

    def send(self, minutes, partitions=BOTH):
        """Send the payments of some minutes."""
        self.send_until(self.payments.now + minutes * MINUTE, partitions)

    def send_until(self, end, partitions=BOTH):
        """Send payments until then; what is two minutes older is complete."""
        self.feed.send(self.payments.until(end, partitions))

    # What must be there, and what is

    def truth(self, topic):
        """What a topic must hold: all accounts, or all windows that are complete."""
        if topic == BALANCES:
            return balances(self.feed.sent)
        return self.complete(spending(self.judged().counted))

    def judged(self):
        """What counts, and what is late for its window. Partition 1 is silent at times."""
        return judged(self.feed.phases, size=SIZE, delay=DELAY, partitions=PARTITIONS, idle=(1,))

    def complete(self, found):
        """The rows of windows that are complete."""
        return {key: row for key, row in found.items() if key[0] + SIZE <= self.payments.now - DELAY}

    def table(self, topic):
        """The last row of each key in a topic."""
        return latest(self.outputs[topic].messages(), COLUMNS[topic], KEYS[topic], topic)

    def seen(self, topic):
        """What a topic holds that is to be judged."""
        return self.complete(self.table(topic)) if topic == SPENDING else self.table(topic)

    # Waiting and judging

    def rounds(self, topics, partitions):
        """Payments far ahead whose results show that all before has been dealt with: twice, the second time in a later batch."""
        return [(lambda: self.ahead(partitions), lambda: self.reached(topics))] * 2

    def ahead(self, partitions):
        """Payments of an account of its own, so far apart that the later ones complete the window of the first."""
        self.mark = f"probe-{self.payments.number}"
        for _ in range(2):
            self.payments.now += 10 * MINUTE
            self.feed.send(self.payments.close(partitions, self.mark))

    def reached(self, topics):
        """Whether the topics show it."""
        return all(any(self.mark in key for key in self.table(topic)) for topic in topics)

    def judge(self, topics, when, *, seconds=SECONDS, partitions=BOTH, guesses=()):
        """The topics come to hold the truth."""
        right = self.wait(topics, seconds, self.rounds(topics, partitions))
        if right and self.job.helped:  # what is far newer may have completed what two minutes should have: see it without
            self.send(6, partitions)
            self.wait(topics, SECONDS, ())
        for topic in topics:
            truth, seen = self.truth(topic), self.seen(topic)
            if seen != truth:
                said = self.said(topic, seen, truth, guesses)
                fail(
                    expected=f"{topic} holds {len(truth)} rows of {len(self.feed.sent)} payments {when}",
                    seen=f"{said}{self.job.trouble()}",
                )

    def said(self, topic, seen, truth, guesses):
        """What is wrong with a topic; of a job that has ended, only how much it did."""
        found = self.table(topic)
        if self.job.running() or not found:
            return told(topic, seen, truth, found, guesses)
        return f"{sum(seen.get(key) == row for key, row in truth.items())} of them are right"

    def wait(self, topics, seconds, rounds):
        """Until the topics are right, or it makes no sense to wait any longer; whether they are."""
        truths, end = {topic: self.truth(topic) for topic in topics}, self.payments.now - DELAY

        def right():
            tables = {topic: self.table(topic) for topic in topics}
            if SPENDING in tables:
                tables[SPENDING] = {key: row for key, row in tables[SPENDING].items() if key[0] + SIZE <= end}
            return all(tables[topic].get(key) == row for topic, truth in truths.items() for key, row in truth.items())

        patience = START_PATIENCE if seconds > SECONDS else PATIENCE
        return self.job.shows(right, seconds=seconds, rounds=rounds, patience=patience)

    def without(self, events):
        """What was sent without these payments."""
        left_out = {one["payment_id"] for one in events}
        return [one for one in self.feed.sent if one["payment_id"] not in left_out]


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
    skipped = "nothing was read of what was there already: the job begins at the topic's end"
    bank.judge(
        [BALANCES], "that waited when the job started, and that came since", seconds=SECONDS + START, guesses=[(skipped, [])]
    )
    old = [bank.payments.one(bank.payments.now - 30 * SECOND, number % PARTITIONS) for number in range(len(ACCOUNTS))]
    bank.feed.send(old)
    bank.judge([BALANCES], "of which the last ones happened half a minute before others")


def test_windows(bank, evidence):
    """`spending` holds the payments of each account in each five minutes: by event_time, also two minutes out of order."""
    edge = floor(bank.payments.now, SIZE) + 2 * SIZE
    bank.send_until(edge + DELAY - 3 * SECOND)
    bank.judge([SPENDING], "on both sides of boundaries")
    probe(bank)
    old = [bank.payments.one(edge - (number + 1) * 100 * MS, number % PARTITIONS) for number in range(2 * len(ACCOUNTS))]
    assert all(bank.payments.now - DELAY <= one["event_time"] < edge for one in old)
    bank.feed.send(old)
    bank.send(5)
    missing = "the payments that came up to two minutes late are missing: the watermark does not wait for them"
    bank.judge([SPENDING, BALANCES], "of which some came two minutes late", guesses=[(missing, bank.without(old))])
    late = bank.payments.now - old[-1]["event_time"]
    evidence.note(
        f"{len(old)} payments came up to two minutes behind newer ones and counted; {late} later their window is complete"
    )


def probe(bank):
    """A second later, payments that balances show: then the job has dealt with what was before, and its watermark has moved."""
    for _ in range(2):
        bank.payments.now += SECOND
        bank.feed.send(bank.payments.close())
        bank.judge([BALANCES], "while the job runs")


def test_rebuilt_from_the_log(bank):
    """When all checkpoints are lost, a new start comes to the same results from the topic."""
    bank.kill()
    there = bank.job.flink or any(bank.checkpoints.spark.iterdir())
    expect(there, expected="what must outlive the job is in $CHECKPOINTS", seen="nothing is in it: it is kept elsewhere")
    bank.checkpoints.empty()
    before = len(bank.feed.sent)
    bank.send(1)
    bank.start()
    bank.send(6)
    lost = "only what came after the kill counts: state was lost, and the job did not begin at the topic's beginning"
    bank.judge(
        [BALANCES, SPENDING], "after all checkpoints were lost", seconds=SECONDS + START, guesses=[(lost, bank.feed.sent[before:])]
    )


def test_forgets_complete_windows(bank, evidence):
    """A window is complete though one partition is silent; what comes later counts in `balances`, and not in `spending`."""
    bank.send(6, FIRST)
    bank.judge([BALANCES, SPENDING], "while partition 1 is silent", partitions=FIRST)
    bank.feed.send([bank.payments.one(bank.payments.now - number * 13 * SECOND, 1) for number in (1, 4, 7)])
    bank.send(6)
    bank.judge([BALANCES, SPENDING], "when partition 1 is back")
    old = bank.payments.now - 15 * MINUTE
    late = [bank.payments.one(old, number % PARTITIONS) for number in range(LATE)]
    bank.feed.send(late)
    assert len(bank.judged().late) == LATE, f"{len(bank.judged().late)} of {LATE} are late"
    bank.send(6)
    guesses = [
        ("late payments have changed windows that were complete: they are kept for ever", bank.feed.sent),
        ("late payments are missing: for balances none is too late", bank.without(late)),
    ]
    bank.judge([BALANCES, SPENDING], f"of which {LATE} came 15 minutes late", guesses=guesses)
    evidence.note(f"{LATE} payments came 15 minutes late: in balances they count, their windows were complete")


def test_survives_a_kill(bank, evidence):
    """Killed (SIGKILL) before its last results are in a complete checkpoint, with old messages gone from the topic, it goes on."""
    edge = floor(bank.payments.now, SIZE) + 2 * SIZE
    bank.send_until(edge + DELAY - 30 * SECOND)
    bank.judge([BALANCES, SPENDING], "before the job is killed")
    ends, bank.held = dict(bank.feed.ends), len(bank.feed.sent)
    bank.checkpoints.wait_for(ends)
    bank.checkpoints.keep()
    bank.send_until(edge + DELAY + 30 * SECOND)
    bank.judge([BALANCES, SPENDING], "before the job is killed")
    one_more(bank)  # which moves no watermark: no empty batch follows that of the next one
    with nullcontext() if bank.job.flink else bank.kafka.refusing(POSITIONS):
        one_more(bank)
        bank.kill()
    bank.checkpoints.leave_half_done(bank.kafka)
    trim(bank.kafka, ends)
    bank.send(0.5)
    bank.start()
    bank.send(6)
    lost = "only what the topic still holds counts: state was lost"
    when = "after it was killed, and the topic has only the newest messages"
    bank.judge([BALANCES, SPENDING], when, seconds=SECONDS + START, guesses=[(lost, bank.feed.sent[bank.held :])])
    evidence.note(f"the topic begins at the offsets {ends}: what was before is known to the job's state only")


def one_more(bank):
    """One more payment, and what files held before it is remembered: what the job notes of it, and where, is about to be undone."""
    bank.checkpoints.notes.keep()
    bank.feed.send(bank.payments.close(FIRST))
    bank.wait([BALANCES], SECONDS, ())
    bank.checkpoints.wait_for(dict(bank.feed.ends))


def test_upgraded(bank):
    """Started as VERSION=2, it goes on with its state, and rows of `balances` have `average_cents`."""
    for row, average in averages(bank):
        early = f"{average} in version 1: {row['account']} has it already"
        expect(average is None, expected="average_cents is new in version 2: null or left out before", seen=early)
    bank.checkpoints.wait_for(dict(bank.feed.ends))
    bank.kill()
    bank.job.env["VERSION"] = "2"
    bank.send(1)
    bank.start()
    bank.send(6)
    lost = "only what the topic still holds counts: state was lost, version 2 did not go on with that of version 1"
    bank.judge(
        [BALANCES, SPENDING],
        "after it was started as version 2",
        seconds=SECONDS + START,
        guesses=[(lost, bank.feed.sent[bank.held :])],
    )
    for row, average in averages(bank):
        right = row["cents"] / row["payments"]
        expect(
            average is not None and abs(float(average) - right) <= 1,
            expected=f"average_cents of {row['account']} is {right:.2f}: all its cents by all its payments",
            seen=f"{average}" if average is not None else "no average_cents",
        )


def averages(bank):
    """The newest row of each account that has payments in each phase, with its average; None if it has none."""
    newest = {}
    for one in bank.outputs[BALANCES].messages():
        for row in rows([one], COLUMNS[BALANCES], BALANCES):
            if row and row["account"] in ACCOUNTS:
                newest[row["account"]] = (row, one)
    for row, one in newest.values():
        there = json.loads(one.value).get("average_cents") is not None
        yield row, rows([one], AVERAGE, BALANCES)[0]["average_cents"] if there else None


if __name__ == "__main__":
    main(__file__)

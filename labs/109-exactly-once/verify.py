"""Checks of lab 109: each payment once in the ledger, whatever dies between reading, writing and committing."""

from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from prepare import LEDGER, PAYMENTS, REJECTED, Payments, records

from delab import wait
from delab.checks import expect, fail, main
from delab.checks.kafka import Kafka
from delab.checks.results import Output, rows, whole
from delab.checks.streaming import Job, batches
from delab.errors import Timeout

SECONDS, START = 45, 45  # that payments may take (half again as long as the task allows), and a start beside that
FAULT = 30  # seconds until a fault has taken hold
SMALL, NORMAL = "100", "1048588"  # bytes that a message of the ledger may have: none fits, all fit
BURST, FLOOD = 4000, 15_000  # payments that are in the middle of being written for a while, and for longer


def text(value):
    """a text"""
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


COLUMNS = {"payment_id": text, "account": text, "cents": whole}


class Booking:
    """The payments of this verification, the learner's job, and what committed readers see."""

    def __init__(self, stack, work, seed):
        self.stack, self.work, self.kafka, self.payments = stack, work, Kafka(stack), Payments(seed)
        self.job, self.sent, self.poison = Job(stack, work), [], []
        self.outputs = {topic: Output(self.kafka, topic, committed=True) for topic in (LEDGER, REJECTED)}

    def close(self):
        """End what the verification has opened."""
        for output in self.outputs.values():
            output.close()
        self.job.__exit__()

    def send(self, count, poison=0):
        """Send payments, with texts that are none in their midst."""
        payments, broken = self.payments.some(count), [self.payments.poison() for _ in range(poison)]
        self.kafka.send(PAYMENTS, records([*payments[: count // 2], *broken, *payments[count // 2 :]]))
        self.sent += payments
        self.poison += broken

    def booked(self):
        """The ledger: how often each payment is in it."""
        found = rows(self.outputs[LEDGER].messages(), COLUMNS, LEDGER)
        return Counter((row["payment_id"], row["account"], row["cents"]) for row in found if row)

    def truth(self):
        """What the ledger must hold."""
        return Counter((one["payment_id"], one["account"], one["cents"]) for one in self.sent)

    def rejected(self):
        """The texts put aside, and how often."""
        return Counter((one.value or b"").decode(errors="replace") for one in self.outputs[REJECTED].messages())

    def written(self):
        """How far the ledger has been written, by whatever transaction; markers of transactions count too."""
        return sum(self.kafka.ends(LEDGER).values())

    def open(self):
        """Whether a transaction has written to the ledger and has not ended: readers of what is committed stop before it."""
        with self.kafka.consumer(committed=True) as consumer:
            place = self.outputs[LEDGER].places
            return int(consumer.end_offsets(place)[place[0]]) < self.written()

    def planned(self):
        """The batches of Spark's checkpoints: {query: (planned, committed)}; empty for Flink."""
        return {} if self.job.flink else batches(self.folder())

    def folder(self):
        """Where Spark's checkpoints are."""
        return Path(self.stack.environment()["CHECKPOINTS"])

    def forget_commits(self):
        """Put Spark's checkpoints back by an instant: the last batch was written, and its commit not yet. The job is dead."""
        for query, (planned, committed) in self.planned().items():
            if planned == committed >= 0:
                for name in (str(committed), f".{committed}.crc"):
                    (self.folder() / query / "commits" / name).unlink(missing_ok=True)
        for query, (planned, committed) in self.planned().items():
            assert committed < planned or planned < 0, f"{query}: batch {planned} is still committed"

    def limit(self, size):
        """Set the largest message that the ledger takes."""
        from kafka.admin import ConfigResource, ConfigResourceType

        with self.kafka.admin() as admin:
            admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, LEDGER, {"max.message.bytes": size})])

    def judge(self, when, seconds=SECONDS):
        """The ledger comes to hold each payment once, and keeps it so when further ones have come behind."""
        self.job.shows(lambda: self.booked() == self.truth(), seconds=seconds)
        self.compare(when)
        self.send(4)  # a batch that repeats something late would have done so before these
        self.job.shows(lambda: self.booked() == self.truth(), seconds=SECONDS)
        self.compare(when)

    def compare(self, when):
        """Fail unless each payment is there once."""
        seen, truth = self.booked(), self.truth()
        if seen == truth:
            return
        expected = f"{LEDGER}, read with read_committed, holds each of {len(self.sent)} payments once {when}"
        fail(expected=expected, seen=f"{self.told(seen, truth)}{self.job.trouble()}")

    def told(self, seen, truth):
        """What is wrong with the ledger."""
        if not seen:
            stuck = self.written() > 0
            return "the topic is empty" + (": what was written is in no committed transaction" if stuck else "")
        ids = Counter(name for name, _, _ in seen.elements())
        wanted = {name for name, _, _ in truth}
        twice = [name for name, count in ids.items() if count > 1]
        missing, strange = sorted(wanted - ids.keys()), sorted(ids.keys() - wanted)
        said = []
        if twice:
            said.append(f"{len(twice)} payments are there more than once, such as {min(twice)}")
        if missing:
            held = " (an open transaction holds readers up)" if self.open() else ""
            said.append(f"{len(missing)} payments are missing, such as {missing[0]}{held}")
        if strange:
            said.append(f"payments that nobody sent, such as {strange[0]}")
        return "; ".join(said) or f"other accounts or amounts than were sent, such as {min(seen - truth)}"


@pytest.fixture(scope="module")
def booking(stack, work, seed):
    """The payments and the job."""
    made = Booking(stack, work, seed)
    yield made
    made.close()


def test_each_payment_once(booking):
    """`ledger` holds each payment of the topic, from its beginning, once; what comes later follows."""
    booking.send(200)
    booking.job.start()
    booking.judge("that waited in the topic when the job started", SECONDS + START)
    booking.send(100)
    booking.judge("that came while it ran")


def test_poison_message(booking):
    """A text that is no JSON goes to `rejected`, as it is and once; the payments behind it are booked."""
    booking.send(40, poison=3)
    booking.job.shows(lambda: booking.rejected() == Counter(booking.poison), seconds=SECONDS)
    booking.judge("around texts that are no payments")
    seen, truth = booking.rejected(), Counter(booking.poison)
    told = f"{sum(seen.values())} messages, {len(truth - seen)} of the texts missing, {sum((seen - truth).values())} too many"
    expect(seen == truth, expected=f"{REJECTED} holds the {len(truth)} texts that are no payments", seen=told)


def test_refused_by_the_sink(booking, evidence):
    """When the ledger refuses what the job has read, and the job is killed then, nothing is lost: a new start books it."""
    before = booking.planned()
    booking.limit(SMALL)
    try:
        at = booking.written()
        booking.send(60)
        with suppress(Timeout):
            wait.until(lambda: refused(booking, before), seconds=FAULT, what="the job to meet the refusal")
        assert not booking.booked().keys() & {(one["payment_id"], one["account"], one["cents"]) for one in booking.sent[-60:]}
        booking.job.kill()
        evidence.note(f"the ledger took nothing longer than {SMALL} bytes; it was at {at} before, at {booking.written()} after")
    finally:
        booking.limit(NORMAL)
    booking.job.start()
    booking.judge("after the ledger had refused 60 of them and the job was killed", SECONDS + START)


def refused(booking, before):
    """Whether the job has dealt with it: it has died, its tasks have failed, or it has gone on as if nothing were."""
    went_on = any(committed > before.get(query, (-1, -1))[0] for query, (_, committed) in booking.planned().items())
    failed = bool(booking.job.flink and booking.job.flink.trouble())
    return went_on or failed or not booking.job.running()


def test_killed_behind_the_write(booking, evidence):
    """Killed (SIGKILL) with payments in the ledger's log that its checkpoint does not know, or as that is made, it repeats none."""
    at = booking.written()
    booking.send(BURST)
    booking.job.until(lambda: booking.written() > at, seconds=SECONDS, expected=f"the job writes to {LEDGER}")
    booking.job.kill()
    left = "in an open transaction" if booking.open() else "visible"
    booking.forget_commits()
    evidence.note(f"killed with {booking.written() - at} entries of the ledger's log behind the checkpoint, {left}")
    booking.job.start()
    booking.judge("after it was killed between its write and its checkpoint", SECONDS + START)
    killed_with_the_checkpoint(booking)


def killed_with_the_checkpoint(booking):
    """Kill it at the moment at which a checkpoint is complete (Flink) or a batch is planned (Spark)."""
    done, before = newest(booking), booking.planned()
    booking.send(200)
    booking.job.until(
        lambda: newest(booking) != done or booking.planned() != before, seconds=SECONDS, expected="a checkpoint that goes on"
    )
    booking.job.kill()
    booking.job.start()
    booking.judge("after it was killed as a checkpoint was made", SECONDS + START)


def newest(booking):
    """Flink's latest complete checkpoint; nothing for Spark."""
    return booking.job.flink.latest() if booking.job.flink else None


def test_zombie(booking, evidence):
    """An instance that was frozen while it wrote, and wakes when another has taken over, books nothing (Spark: two processes)."""
    if booking.job.flink:
        evidence.note("Flink: old and new instance need two clusters; that open transactions of the dead were ended is seen above")
        return
    old = booking.job
    at = booking.written()
    booking.send(FLOOD)
    old.until(lambda: booking.written() > at, seconds=SECONDS, expected=f"the job writes to {LEDGER}")
    old.pause()
    half = "a transaction open" if booking.open() else "a batch written"
    booking.job = Job(booking.stack, booking.work)
    try:
        booking.job.start()
        with suppress(Timeout):
            wait.until(lambda: booking.planned() or not booking.job.running(), seconds=START, what="the second instance")
        booking.job.shows(lambda: booking.booked() == booking.truth(), seconds=SECONDS + START)
        booking.compare("when a second instance has taken over from one that is frozen")
        old.resume()
        booking.send(50)
        with suppress(Timeout):
            wait.until(lambda: not old.running(), seconds=10, what="the end of the old instance")
        booking.job.shows(lambda: booking.booked() == booking.truth(), seconds=SECONDS)
        old.kill()
    finally:
        old.__exit__()
    if not booking.job.running():  # of two, either may find that it was replaced, and end: whoever looks after them starts it again
        booking.job.start()
    evidence.note(f"the old instance was frozen with {half}")
    booking.judge("after the frozen instance woke up and was ended", SECONDS + START)


if __name__ == "__main__":
    main(__file__)

"""Checks of lab 109: each payment once in the ledger, whatever dies between reading, writing and committing."""

import time
from collections import Counter
from contextlib import suppress

import pytest
from faults import Checkpoints, Halves, Notes, refusing_notes
from mistakes import ledger_says, rejected_says
from prepare import LEDGER, PAYMENTS, PROVIDER, REJECTED, Payments, Provider

from delab import wait
from delab.checks import fail, main
from delab.checks.kafka import POSITIONS, Kafka
from delab.checks.results import Output, rows, text, whole
from delab.checks.streaming import PATIENCE, START_PATIENCE, Job, uncommit
from delab.errors import Timeout

SECONDS, START = 45, 45  # that payments may take (half again as long as the task allows), and a start beside that
FAULT = 30  # seconds until a fault has taken hold
MOVING = 6  # seconds after which a job that still writes has shown more: a checkpoint's interval, and one more
WOKEN = 10  # seconds for which an instance that was replaced may go on
HELD = 5  # seconds for which messages stand behind an open transaction that nobody ends
NOTE = 6  # seconds in which a batch that was written is noted as done, unless its job cannot note it
DEAD = 120  # seconds for which a job may be dead whose transaction a restart must commit: it has to live as long
SOME, TEXTS, MANY = 60, 2, 10_000  # payments and texts that meet a fault; payments that take a second or so to write
WAITED = 200  # payments that the job finds when it starts
LOOKS = 30  # at the ledger's end, one after the other without a pause


COLUMNS = {"payment_id": text, "account": text, "cents": whole}


class Booking:
    """The payments of this verification, the learner's job, and what readers of committed messages see."""

    def __init__(self, stack, work, seed):
        self.stack, self.work, self.kafka = stack, work, Kafka(stack)
        self.payments, self.provider, self.job = Payments(seed), Provider(self.kafka), Job(stack, work)
        self.sent, self.poison, self.taken_back = [], [], []
        self.truth, self.ledger, self.read = Counter(), Counter(), 0
        self.outputs = {topic: Output(self.kafka, topic, committed=True) for topic in (LEDGER, REJECTED)}
        self.all_written = Output(self.kafka, LEDGER)
        self.checkpoints = None if self.job.flink else Checkpoints(stack)

    def close(self):
        """End what the verification has opened."""
        self.provider.close()
        for output in (*self.outputs.values(), self.all_written):
            output.close()
        self.job.__exit__()

    def send(self, count, texts=0):
        """Send payments in a transaction, with texts that are none in their midst."""
        payments, broken = self.payments.some(count), [self.payments.poison() for _ in range(texts)]
        self.provider.send([*payments[: count // 2], *broken, *payments[count // 2 :]])
        self.sent += payments
        self.truth.update(counted(payments))
        self.poison += broken

    def send_and_take_back(self, count):
        """Send payments in a transaction that is aborted."""
        payments = self.payments.some(count)
        self.provider.send(payments, commit=False)
        self.taken_back += payments

    # What must be there, and what is

    def booked(self):
        """The ledger: how often each payment is in it."""
        messages = self.outputs[LEDGER].messages()
        new = [row for row in rows(messages[self.read :], COLUMNS, LEDGER) if row]
        self.read = len(messages)
        self.ledger.update(counted(new))
        return self.ledger

    def rejected(self):
        """The texts that were put aside, and how often."""
        return Counter((one.value or b"").decode(errors="replace") for one in self.outputs[REJECTED].messages())

    def right(self):
        """Whether all is there, once."""
        return self.booked() == self.truth and self.rejected() == Counter(self.poison)

    def hopeless(self):
        """Whether something is there that should not be: it will never go away."""
        return not (self.booked() <= self.truth and self.rejected() <= Counter(self.poison))

    def written(self):
        """How many messages are in the ledger's log, by whatever transaction."""
        return len(self.all_written.messages())

    def end(self):
        """Where the ledger's log ends; markers of transactions count too."""
        return sum(self.all_written.consumer.end_offsets(self.all_written.places).values())

    def open(self, topic=LEDGER):
        """Whether a transaction has written to the topic and has not ended: readers of what is committed stop before it."""
        end = self.kafka.ends(topic)[0]  # the end first: it moves on
        return self.seen_to(topic) < end

    def seen_to(self, topic=LEDGER):
        """How far readers of what is committed get."""
        output = self.outputs[topic]
        return sum(output.consumer.end_offsets(output.places).values())

    def how(self):
        """How what was written last is in the ledger."""
        return "in an open transaction" if self.open() else "visible"

    # Waiting and judging

    def judge(self, when, seconds=SECONDS):
        """All comes to be there once, and stays so when further payments have come behind."""
        self.settle(seconds)
        self.compare(when)
        self.send(4)  # a job that repeats something has done so when it books these
        self.settle(SECONDS)
        self.compare(when)

    def settle(self, seconds, enough=lambda: False):
        """Until all is right, or `enough`, or can never be right: too much is there, or later payments and not what is missing."""
        patience = START_PATIENCE if seconds > SECONDS else PATIENCE
        rounds = [(lambda: self.send(4), self.reached)] * 2
        self.job.shows(lambda: self.right() or self.hopeless() or enough(), seconds=seconds, rounds=rounds, patience=patience)

    def reached(self):
        """Whether the payments that were sent last are there."""
        return counted(self.sent[-4:]) <= self.booked()

    def compare(self, when):
        """Fail unless each payment is in the ledger and each text is put aside, once."""
        seen, aside, texts = self.booked(), self.rejected(), Counter(self.poison)
        if seen != self.truth and (not seen <= self.truth or aside <= texts):  # what is too much is told first
            known = (self.taken_back, self.sent[:WAITED])
            said = ledger_says(seen, self.truth, *known, written=self.written() > 0, held=self.held(LEDGER))
            self.fail(f"{LEDGER}, read with read_committed, holds each of {len(self.sent)} payments once {when}", said)
        if aside != texts:
            said = rejected_says(aside, texts, held=self.held(REJECTED))
            self.fail(f"{REJECTED}, read with read_committed, holds each of {len(texts)} texts once {when}", said)

    def fail(self, expected, said):
        """Reject."""
        fail(expected=expected, seen=said + self.job.trouble())

    def held(self, topic):
        """Why messages may be missing that were written."""
        at = self.seen_to(topic)
        self.wait(lambda: self.seen_to(topic) > at, MOVING)
        if self.seen_to(topic) > at:
            return " (more of them come all the time: the job is too slow)"
        return " (an open transaction that nobody ends holds readers up)" if self.open(topic) else ""

    # Bringing the job where it shall die

    def wait(self, condition, seconds):
        """Wait for what a fault should bring about; a job that does not do it is killed where it is."""
        with suppress(Timeout):
            wait.until(condition, seconds=seconds, what="the fault")

    def start_again(self, when):
        """Start the job that was killed, with none of the files that it has left in its own folder, and judge."""
        self.work.fresh()
        self.job.start()
        self.judge(when, SECONDS + START)


def counted(payments):
    """How often each payment is among them."""
    return Counter((one["payment_id"], one["account"], one["cents"]) for one in payments)


@pytest.fixture(scope="module")
def booking(stack, work, seed):
    """The payments and the job."""
    made = Booking(stack, work, seed)
    yield made
    made.close()


def test_each_payment_once(booking):
    """`ledger` holds each payment of the topic, from its beginning, once; what comes later follows."""
    booking.send(WAITED)
    booking.job.start()
    booking.judge("that waited in the topic when the job started", SECONDS + START)
    booking.send(100)
    booking.judge("that came while it ran")


def test_aborted_payments(booking):
    """What the provider has taken back (by aborting its transaction) is not booked; what follows is."""
    booking.send_and_take_back(30)
    booking.send(20)
    booking.judge("and none that was taken back")


def test_poison_message(booking):
    """A text that is no JSON goes to `rejected`, as it is and once; the payments behind it are booked."""
    booking.send(40, texts=3)
    booking.judge("around texts that are no payments")


def test_refused_by_the_sink(booking, evidence):
    """When the ledger refuses what the job has read, and the job is killed then, nothing is lost: a new start books it."""
    booking.job.wait_checkpoint()
    before = booking.checkpoints.batches() if booking.checkpoints else {}
    at = booking.written()
    with booking.kafka.refusing(LEDGER):
        booking.send(SOME)
        booking.wait(lambda: refused(booking, before), FAULT)
        booking.job.kill()
        evidence.note(f"of {SOME} payments the ledger took {booking.written() - at}")
    booking.start_again(f"after the ledger had refused {SOME} of them and the job was killed")


def refused(booking, before):
    """Whether the job has dealt with it: it has died, its tasks have failed, or it has gone on as if nothing were."""
    if booking.job.flink:
        return booking.job.flink.trouble() or not booking.job.running()
    went_on = any(done > before.get(query, (-1, -1))[0] for query, (_, done) in booking.checkpoints.batches().items())
    return went_on or not booking.job.running()


def test_killed_behind_the_write(booking, evidence):
    """Killed (SIGKILL) when payments are in the ledger's log and its checkpoint does not say so, it books none twice."""
    at = booking.written()
    if booking.job.flink:
        Halves(booking.job.flink).no_checkpoint()
        booking.send(SOME, TEXTS)
        booking.wait(lambda: booking.written() >= at + SOME, SECONDS)
        booking.job.kill()
    else:
        kill_before_the_note(booking, at)
    evidence.note(f"killed with {booking.written() - at} payments in the ledger's log behind the checkpoint, {booking.how()}")
    booking.start_again("after it was killed between its write and its checkpoint")


def kill_before_the_note(booking, at):
    """Kill a job that has written behind the ledger's `at` messages: none of its notes, wherever it keeps them, says so."""
    notes, own = Notes(booking.checkpoints.folder), booking.kafka.topics() - {PAYMENTS, LEDGER, REJECTED}
    notes.keep()
    with booking.kafka.refusing(POSITIONS), refusing_notes(booking.kafka, own):
        booking.send(SOME, TEXTS)
        booking.wait(lambda: notes.keep() or booking.written() >= at + SOME or not booking.job.running(), FAULT)
        booking.wait(lambda: (booking.right() and booking.checkpoints.noted()) or not booking.job.running(), NOTE)
        booking.job.kill()
    uncommit(booking.checkpoints.folder)
    if new := booking.all_written.messages()[at:]:
        notes.put_back(max(one.at for one in new) / 1000)


def test_killed_before_the_commit(booking, evidence):
    """Killed (SIGKILL) when its checkpoint says what it has read and the write is not committed, it loses and repeats nothing."""
    if booking.job.flink:
        kill_before_the_commit(booking, evidence)
    else:
        at = booking.written()
        bring_into_the_midst(booking)
        booking.job.kill()
        evidence.note(f"killed with {left_behind(booking, at)}")
    booking.start_again("after it was killed between its checkpoint and its commit")


def kill_before_the_commit(booking, evidence):
    """Kill a Flink job whose checkpoint is complete, before it knows of that."""
    halves, at = Halves(booking.job.flink), booking.written()
    newest = halves.no_checkpoint()
    booking.send(SOME, TEXTS)
    booking.wait(lambda: booking.written() >= at + SOME, SECONDS)
    if not halves.complete_without_commit(newest, SECONDS):
        fail(expected="a checkpoint every five seconds, or more often", seen=f"none within {SECONDS} s{booking.job.trouble()}")
    booking.job.kill()
    lives = min(lifetimes(booking.kafka), default=DEAD)
    evidence.note(f"killed with checkpoint {halves.complete()} complete, and {booking.written() - at} payments {booking.how()}")
    if lives < DEAD:
        seen = f"Kafka aborts one that is open for {lives:.0f} s: what the checkpoint calls written would be lost"
        fail(expected=f"transactions that outlive {DEAD} s, since the job is started again within two minutes", seen=seen)


def lifetimes(kafka):
    """For how many seconds Kafka lets each of the job's transactions be open, as its producers have asked for."""
    with kafka.admin() as admin:
        names = {one.transactional_id for found in admin.list_transactions().values() for one in found} - {PROVIDER}
        told = admin.describe_transactions(names).values() if names else ()
    return [one.transaction_timeout_ms / 1000 for one in told]


def bring_into_the_midst(booking):
    """Send so many payments at once that the job is seen in the midst of writing them: the ledger's log has begun to grow."""
    at = booking.end()
    booking.send(MANY, TEXTS)  # in one transaction: all become visible at the same moment, and Spark makes one batch of them
    booking.wait(lambda: any(booking.end() > at for _ in range(LOOKS)) or not booking.job.running(), FAULT)


def left_behind(booking, at):
    """What a job has left in the ledger's log, in words."""
    return f"{booking.written() - at} of {MANY} payments in the ledger's log, {booking.how()}"


def held_up(booking):
    """What tells whether another instance's messages have for a while stood behind a transaction that this one has left open.

    An instance that ends that transaction writes behind it, too, and its end is seen an instant later.
    """
    seen, end, since = booking.seen_to(), booking.end(), []

    def held():
        behind = booking.end() > end > seen == booking.seen_to()
        since[:] = [*since, time.monotonic()][:1] if behind else []
        return behind and time.monotonic() - since[0] > HELD

    return held


def test_zombie(booking, evidence):
    """An instance that was frozen while it wrote, and wakes when another has taken over, books nothing (Spark)."""
    if booking.job.flink:
        evidence.note("Flink: its cluster sees to it that a job runs once; that the dead's transactions were ended is seen above")
        return
    old, at = booking.job, booking.written()
    bring_into_the_midst(booking)
    old.pause()
    evidence.note(f"the old instance was frozen with {left_behind(booking, at)}")
    held = held_up(booking)
    booking.job = Job(booking.stack, booking.work)
    try:
        booking.job.start()
        booking.settle(SECONDS + START, held)
        if held():
            evidence.note("nobody has ended the first one's transaction: it wakes up with it")
        else:
            booking.compare("when a second instance has taken over from one that is frozen")
        old.resume()
        booking.send(4)
        booking.wait(lambda: (booking.right() and not old.running()) or booking.hopeless(), WOKEN)
        old.kill()
    finally:
        old.__exit__()
    if not booking.job.running():  # of two, either may find that it was replaced and end; whoever looks after them starts it
        booking.job.start()
    booking.judge("after the frozen instance has woken up", SECONDS + START)


if __name__ == "__main__":
    main(__file__)

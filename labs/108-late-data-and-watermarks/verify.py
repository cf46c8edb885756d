"""Checks of lab 108: live, final and too late; nothing is lost, with a silent collector and across a kill."""

from contextlib import suppress

import pytest
from mistakes import COLUMNS, KEYS, count_mistake, difference, displaced, late_mistake, must_be_passed, revised, wrongly_late
from prepare import (
    CLICKS,
    DELAY,
    FINAL,
    LATE,
    LIVE,
    MINUTE,
    MS,
    NO_TIME,
    OUTPUTS,
    PARTITIONS,
    SECOND,
    TOO_LATE,
    Clicks,
    minutes,
    send_timeless,
)

from delab import wait
from delab.checks import expect, fail, main
from delab.checks.event_time import MARGIN, floor, judged, newest
from delab.checks.kafka import Kafka
from delab.checks.results import Output, latest
from delab.checks.streaming import PATIENCE, START_PATIENCE, Feed, Job, batches, uncommit
from delab.errors import Timeout

SECONDS, START = 45, 45  # that a row may take (half again as long as the task allows), and a start beside that
SLOW = 20  # seconds of patience with a job that was right and slow before
UNREAD = 0.7  # minutes of clicks, sent twice: a start finds clicks that are less wide than the delay, whoever reads what first
ON, BEFORE, HALF = 0 * MS, MINUTE - 2 * MS, 30 * SECOND  # where the watermark is: behind a minute's beginning by so much


class Minutes:
    """The clicks of this verification, the learner's job, and what its topics hold."""

    def __init__(self, stack, work, seed):
        kafka = Kafka(stack)
        self.clicks, self.feed = Clicks(seed), Feed(kafka, CLICKS, delay=DELAY)
        self.work, self.job = work, Job(stack, work)
        self.outputs = {topic: Output(kafka, topic) for topic in OUTPUTS}
        self.patience, self.helps = PATIENCE, 0  # clicks far ahead that this judgement has sent
        self.closed = None  # minutes that end here or earlier are complete
        self.timeless, self.recent, self.again = [], [], []  # without a time; late, not too late; last before the kill
        self.killed = None  # the oldest minute that may have been open then

    def close(self):
        """End what the verification has opened."""
        for output in self.outputs.values():
            output.close()
        self.job.__exit__()

    def start(self):
        """Start it; what it finds is less than two minutes wide; more comes when it has read that."""
        self.job.start()
        self.feed.job = self.job

    def kill(self):
        """Kill it at the instant at which what it read last is written, and not committed; what is sent then waits for nobody.

        Its folder is lost, as it is when a job goes on elsewhere.
        """
        self.job.kill()
        self.killed = floor(self.closed, MINUTE)
        if not self.job.flink:
            uncommit(self.job.folder)
        self.work.fresh()
        self.feed.job = None

    # Sending

    def send_closing(self, clicks, partitions=range(PARTITIONS), later=0 * MS):
        """Send clicks, and one from each of these collectors that is newer: what is two minutes older is complete."""
        self.feed.send([*clicks, *self.clicks.close(partitions, later)])
        self.closed = self.clicks.now - DELAY

    def send_and_settle(self, clicks, behind, when, *, partitions=range(PARTITIONS), starting=False):
        """Send clicks, until the watermark is so much behind a full minute; judge; let all that the job consists of know it."""
        for _ in range(2):
            self.clicks.go_on(behind)
            self.send_closing(clicks, partitions)
            self.judge([FINAL, LIVE], when, partitions=partitions, starting=starting, behind=behind)
            if not self.job.helped:
                break
            clicks = ()
        self.settle(partitions)

    def settle(self, partitions):
        """All queries have dealt with what was sent, and with a batch behind it: Spark's drop by a watermark of one batch ago."""
        self.job.wait_settled(CLICKS, self.feed.ends)
        self.send_closing([], partitions)
        self.job.wait_settled(CLICKS, self.feed.ends)
        with suppress(Timeout):
            wait.until(lambda: self.right([LIVE]) or not self.job.running(), seconds=PATIENCE, what="live")

    # What must be there, and what is

    @property
    def judged(self):
        """What counts and what is late, whatever the engine."""
        return judged(self.feed.phases, size=MINUTE, delay=DELAY, partitions=PARTITIONS, idle=(2,))

    def truth(self, topic):
        """What a topic must hold of the clicks that were sent so far; of `final` the complete minutes."""
        found = self.judged
        if topic == LATE:
            late = {(click["event_id"],): (TOO_LATE,) for click, _ in found.late}
            return late | {(click["event_id"],): (NO_TIME,) for click in self.timeless}
        table = minutes(found.counted)
        return self.complete(table) if topic == FINAL else table

    def complete(self, table):
        """The rows of minutes that are complete."""
        return {key: row for key, row in table.items() if row[0] <= self.closed}

    def all_rows(self, topic):
        """The last row of each key."""
        return latest(self.outputs[topic].messages(), COLUMNS[topic], KEYS[topic], topic)

    def table(self, topic):
        """What the topic holds; of `final` the complete minutes."""
        found = self.all_rows(topic)
        return self.complete(found) if topic == FINAL else found

    def right(self, topics):
        """Whether the topics hold the truth."""
        return all(self.table(topic) == self.truth(topic) for topic in topics)

    # Waiting and judging

    def rounds(self, partitions):
        """Clicks far ahead whose minutes show that all before has been dealt with: twice, the second time in a later batch."""
        return [(lambda: self.ahead(partitions), self.reached)] * 2

    def ahead(self, partitions):
        """Two clicks from each of these collectors, so far apart that the second completes the minutes of the first."""
        self.helps += 1
        self.clicks.now += 10 * MINUTE
        self.mark = self.clicks.now
        first = self.clicks.close(partitions)
        self.clicks.now += 10 * MINUTE
        self.send_closing(first, partitions)

    def reached(self):
        """Whether `final` shows the first of them, or what is newer."""
        return any(key[0] >= floor(self.mark, MINUTE) for key in self.all_rows(FINAL))

    def judge(self, topics, when, *, partitions=range(PARTITIONS), starting=False, behind=SECOND):
        """The topics come to hold the truth, and `final` no row too many; `behind`: where the watermark is, if we look again."""
        closed, self.helps = self.closed, 0
        truths = {topic: self.truth(topic) for topic in topics}

        def right():
            return self.closed == closed and all(self.table(topic) == truth for topic, truth in truths.items())

        seconds, patience = (SECONDS + START, START_PATIENCE) if starting else (SECONDS, self.patience)
        self.job.shows(right, seconds=seconds, rounds=self.rounds(partitions), patience=patience)
        helped = self.job.helped
        self.final_is_final()
        if helped and (self.committed() or (self.stuck() and not starting)):
            self.compare_all(topics, when)
        if helped:  # what is far newer may have completed what two minutes should have: see it without that
            some = self.clicks.some(4, partitions)
            self.clicks.go_on(behind)
            self.send_closing(some, partitions)
            slow = self.job.shows(lambda: self.right(topics), seconds=SECONDS) and not starting
            self.patience = SLOW if slow else self.patience
            self.final_is_final()
        self.job.helped = helped
        self.compare_all(topics, when)

    def committed(self):
        """Whether Spark has committed all that was sent: then waiting longer changes nothing. Of other jobs we cannot know it."""
        return not self.job.flink and batches(self.job.folder) and self.job.has_committed(CLICKS, self.feed.ends)

    def stuck(self):
        """Whether a job that was never slow has shown nothing of the first clicks far ahead: it waits for what does not come."""
        return self.patience == PATIENCE and self.helps == 1 and not self.reached()

    def compare_all(self, topics, when):
        """Fail unless each of these topics holds the truth."""
        for topic in topics:
            self.compare(topic, self.truth(topic), when)

    def compare(self, topic, truth, when):
        """Fail unless a topic holds the truth; a mistake that can be recognised is named."""
        seen, found = self.table(topic), self.judged
        if seen == truth:
            return
        if not self.outputs[topic].messages():
            named = "the topic is empty"
        elif topic == LATE:
            named = late_mistake(seen, truth, self.recent)
        else:
            named = must_be_passed(topic, seen, truth, self.closed)
            named = named or count_mistake(topic, seen, truth, found, self.recent, self.killed, self.again)
        said = named or difference(topic, seen, truth)
        also = "" if topic == LATE else wrongly_late(self.table(LATE), self.truth(LATE), self.feed.sent)
        fail(expected=f"{topic} holds {len(truth)} rows {when}", seen=f"{said}{also}{self.job.trouble()}")

    def final_is_final(self):
        """No row of `final` comes before its minute is complete, and none is revised."""
        mark = newest(self.feed.sent) - DELAY + MARGIN
        early = [row for row in self.all_rows(FINAL).values() if row[0] > mark]
        expected = "final has one row for a minute, once the minute is complete"
        if early:
            seen = f"a row of the minute until {early[0][0]:%H:%M} before it is complete (the watermark is {mark:%H:%M:%S})"
            fail(expected=expected, seen=displaced(self.all_rows(FINAL), self.truth(FINAL)) or seen)
        said = revised(self.outputs[FINAL].messages())
        expect(not said, expected=expected, seen=said)

    def balance(self, evidence):
        """The sum that the whole lab is about: implied by what was judged before."""
        counted = sum(row[-1] for row in self.table(LIVE).values())
        late, sent = len(self.table(LATE)), len(self.feed.sent) + len(self.timeless)
        evidence.note(f"{counted} counted + {late} late = {counted + late}; {sent} sent")
        expect(counted + late == sent, expected=f"counted + late = {sent} sent", seen=f"{counted} + {late} = {counted + late}")


@pytest.fixture(scope="module")
def job(stack, work, seed):
    """The clicks and the job."""
    made = Minutes(stack, work, seed)
    yield made
    made.close()


def test_final_counts(job):
    """`final` has one row for each minute that is complete, also of clicks that waited in the topic when the job began."""
    job.feed.send(job.clicks.some(2 * UNREAD))
    job.start()
    job.send_closing(job.clicks.some(6), later=7 * SECOND)
    job.judge([FINAL], "of complete minutes", starting=True)
    job.job.wait_settled(CLICKS, job.feed.ends)
    job.final_is_final()


def test_live_counts(job):
    """`live` has the counts of minutes that are not complete as well, and corrects them."""
    job.feed.send(job.clicks.some(1))
    job.judge([LIVE], "of all minutes so far")
    back = [job.clicks.click(job.clicks.now - 20 * SECOND * number, number % PARTITIONS) for number in (1, 2, 3)]
    job.feed.send(back)
    job.judge([LIVE], "when clicks have come for minutes that it has shown")


def test_too_late(job, evidence):
    """A click whose minute is complete is in `late` and counted nowhere; one that is only older than the watermark counts."""
    job.send_and_settle([], BEFORE, "before late clicks come")
    job.recent = job.clicks.older()
    job.feed.send(job.recent)
    job.judge([LIVE, LATE], "after clicks older than the watermark, in a minute that is complete 2 ms later")
    job.send_and_settle([], ON, "when these 2 ms have passed")
    job.feed.send(job.clicks.too_late())
    job.judge([LATE, LIVE], "after clicks for minutes that are complete")
    job.send_closing(job.clicks.some(3), later=9 * SECOND)
    job.judge([FINAL, LIVE, LATE], "later, when further minutes are complete")
    job.balance(evidence)


def test_without_a_time(job, evidence):
    """A click without event_time is in `late`, with its own reason."""
    job.timeless = [job.clicks.click(None, place) for place in range(PARTITIONS)]
    send_timeless(job.feed, job.timeless)
    job.send_closing(job.clicks.some(1), later=5 * SECOND)
    job.judge([LATE, LIVE, FINAL], "after clicks without a time")
    job.balance(evidence)


def test_silent_collector(job, evidence):
    """While one collector is silent the minutes of the others are complete; what it held back is too late, the rest counts."""
    others = (0, 1)
    job.send_and_settle(job.clicks.some(4, others), HALF, "while collector 2 sends nothing", partitions=others)
    recent = job.clicks.older([2])
    job.recent += recent
    job.feed.send([*job.clicks.too_late([2]), *recent])
    job.judge([LATE, LIVE], "when collector 2 is back", partitions=others)
    job.send_closing(job.clicks.some(3), later=5 * SECOND)
    job.judge([FINAL, LIVE, LATE], "when collector 2 is back and sends on")
    job.balance(evidence)


def test_survives_a_kill(job, evidence):
    """Killed (SIGKILL) and started again, the job goes on: open minutes hold each click once, and late is late."""
    job.job.wait_checkpoint()
    job.again = job.clicks.some(UNREAD)
    job.feed.send(job.again)
    job.judge([LIVE], "before the job is killed")
    job.job.wait_settled(CLICKS, job.feed.ends)
    job.kill()
    expect(not job.job.running(), expected="the job is dead", seen="it runs on")
    job.feed.send(job.clicks.some(UNREAD))
    job.start()
    job.send_and_settle(job.clicks.some(3), HALF, "after the job was killed and started again", starting=True)
    job.feed.send([*job.clicks.too_late(), *job.clicks.older()])
    job.judge([LATE, LIVE], "after late clicks have come for the job that was started again")
    job.balance(evidence)


if __name__ == "__main__":
    main(__file__)

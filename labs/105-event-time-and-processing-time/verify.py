"""Checks of lab 105: one topic counted by three clocks, with late clicks, clocks that are wrong, a silent collector and a crash."""

from contextlib import nullcontext, suppress
from datetime import UTC, datetime

import pytest
from mistakes import COLUMNS, KEYS, delay_mistake, difference, event_mistake, only_less
from prepare import (
    AHEAD,
    ALL,
    BY_EVENT,
    BY_PROCESSING,
    CLICKS,
    DAY,
    DELAY,
    DELAYS,
    HOUR,
    IMPLAUSIBLE,
    MINUTE,
    MS,
    OUTPUTS,
    PARTITIONS,
    SECOND,
    STRETCH,
    Clicks,
    by_event_time,
    delays,
    plausible,
)

from delab import wait
from delab.checks import expect, fail, main
from delab.checks.event_time import floor, judged
from delab.checks.kafka import POSITIONS, Kafka
from delab.checks.notes import Notes
from delab.checks.results import Output, latest
from delab.checks.streaming import PATIENCE, START_PATIENCE, ZONE, ZONE_AHEAD, Feed, Job
from delab.errors import Timeout

SECONDS, START = 45, 45  # that a row may take (half again as long as the task allows), and a start beside that
STRAGGLERS = 9
HALF_DONE = 20  # seconds for a few clicks to be written and committed, before a kill


class Clocks:
    """The clicks of this verification, the learner's job, and what its topics hold."""

    def __init__(self, stack, work, seed):
        self.kafka, self.clicks, self.job = Kafka(stack), Clicks(seed), Job(stack, work)
        self.feed, self.notes = Feed(self.kafka, CLICKS, delay=DELAY), Notes(self.job.folder, CLICKS)
        self.outputs = {topic: Output(self.kafka, topic) for topic in OUTPUTS}
        self.runs = []  # [start, end] of the job by our clock; the end is None while it runs
        self.closed = None  # windows that end here or earlier are complete
        self.late, self.edge = set(), set()  # ids of clicks that come too late, and just in time
        self.moments = []  # our clock at each sending, and how many clicks had been sent before
        self.patience = PATIENCE
        self.less = ""  # what it means if rows hold too little, or are missing
        self.twice = 0  # clicks that may have been processed twice: those between a checkpoint and a kill

    def close(self):
        """End what the verification has opened."""
        for output in self.outputs.values():
            output.close()
        self.job.__exit__()

    # The job

    def start(self):
        """Start it, with nothing that it has left beside its program; what it finds is read before more is sent."""
        self.job.work.fresh()
        self.runs.append([datetime.now(UTC), None])
        self.job.start()
        self.feed.job = self.job

    def kill(self):
        """Kill it; what is sent meanwhile waits for nobody."""
        self.job.kill()
        self.runs[-1][1] = datetime.now(UTC)
        self.feed.job = None
        expect(not self.job.running(), expected="the job is dead", seen="it runs on")

    def written(self):
        """How many messages `delays` holds: each click that the job has had changes a row there."""
        return len(self.outputs[DELAYS].messages())

    # Sending

    def send(self, clicks, **more):
        """Send clicks as a phase."""
        self.moments.append((datetime.now(UTC), len(self.feed.sent)))
        self.feed.send(clicks, **more)

    def send_closing(self, clicks, second, partitions=ALL):
        """Send clicks, and one from each of these collectors that is newer: what is two minutes older is complete."""
        self.clicks.wait(second)
        self.send([*clicks, *self.clicks.newest(partitions)])
        self.closed = self.clicks.now - DELAY

    def settle(self):
        """See to it that what comes from now on meets the watermark of all that was sent so far.

        A job that writes complete minutes only has shown that it is there. Of one that corrects its rows we see two more batches.
        """
        for _ in range(2):
            self.clicks.now += SECOND
            self.send(self.clicks.newest())
            at = (floor(self.clicks.now, MINUTE),)
            if any(key[0] + MINUTE > self.closed for key in self.rows(BY_EVENT)):
                count = by_event_time(filter(plausible, self.feed.sent))[at]
                with suppress(Timeout):
                    wait.until(lambda: self.rows(BY_EVENT).get(at) == count, seconds=10, what="a probe")  # noqa: B023

    # What must be there, and what is

    def truth(self, topic):
        """What a topic must hold, of the clicks that were sent so far; by_processing_time has only a sum (see `total`)."""
        if topic == DELAYS:
            return delays(self.feed.sent)
        if topic == IMPLAUSIBLE:
            return {(click["event_id"],): (click["device_id"],) for click in self.feed.sent if not plausible(click)}
        believed = [list(filter(plausible, phase)) for phase in self.feed.phases]
        found = judged(believed, size=MINUTE, delay=DELAY, partitions=PARTITIONS, idle=(2,))
        assert {click["event_id"] for click, _ in found.late} == self.late, "other clicks are late than those meant to be"
        return self.complete(by_event_time([click for clicks in found.counted.values() for click in clicks]))

    def complete(self, table):
        """The rows of by_event_time whose windows are complete, and those of the future, which must not be there."""
        return {key: row for key, row in table.items() if key[0] + MINUTE <= self.closed or key[0] > self.clicks.now + 2 * AHEAD}

    def rows(self, topic):
        """What the topic holds: the last row of each key."""
        return latest(self.outputs[topic].messages(), COLUMNS[topic], KEYS[topic], topic)

    def table(self, topic):
        """The same, of by_event_time what can be judged."""
        return self.complete(self.rows(topic)) if topic == BY_EVENT else self.rows(topic)

    # Waiting and judging

    def rounds(self, partitions):
        """Clicks far ahead whose rows show that all before them has been dealt with: twice, the second time in a later batch."""
        return [(lambda: self.ahead(partitions), self.reached)] * 2

    def ahead(self, partitions):
        """Two from each of these collectors, so far apart that the second completes the windows of the first."""
        self.before = self.written()
        self.clicks.now += 10 * MINUTE
        first, self.mark = self.clicks.newest(partitions), self.clicks.now
        self.clicks.now += 15 * MINUTE
        self.send_closing(first, 30, partitions)

    def reached(self):
        """Whether the first of them are counted: by event time (in a wrong job, windows may be displaced) and in delays."""
        return any(key[0] >= floor(self.mark, MINUTE) for key in self.rows(BY_EVENT)) and self.written() > self.before

    def judge(self, topics, when, *, partitions=ALL, starting=False):
        """The topics come to hold the truth."""
        patience = START_PATIENCE if starting else self.patience
        right = self.right(topics, SECONDS + START * starting, self.rounds(partitions), patience)
        if right and self.job.helped:  # by clicks that are far newer: see it without
            self.patience = START_PATIENCE  # it is slow, or wrong
            self.send_closing(self.clicks.some(4, partitions), 40, partitions)
            self.right(topics, SECONDS)
        for topic in topics:
            self.compare(topic, when)

    def right(self, topics, seconds, rounds=(), patience=PATIENCE):
        """Whether the topics hold the truth, at the latest after so many seconds. Rounds change what that is."""
        truths = {}

        def right():
            sent = len(self.feed.sent)
            if sent not in truths:
                truths[sent] = {topic: self.truth(topic) for topic in topics}
            return all(self.table(topic) == truth for topic, truth in truths[sent].items())

        return self.job.shows(right, seconds=seconds, rounds=rounds, patience=patience)

    def compare(self, topic, when):
        """Fail unless a topic holds the truth; a mistake that can be recognised is named."""
        seen, truth = self.table(topic), self.truth(topic)
        if seen != truth:
            less = f"{self.less}; " if self.less and only_less(seen, truth) else ""
            said = self.mistake(topic, seen, truth) or less + difference(topic, seen, truth)
            fail(expected=f"{topic} holds {len(truth)} rows {when}", seen=f"{said}{self.job.trouble()}")

    def mistake(self, topic, seen, truth):
        """A mistake that can be recognised, or nothing."""
        if not self.outputs[topic].messages():
            return "the topic is empty"
        if self.twice and self.over() > self.twice:
            return "the topic was read from its beginning a second time: clicks are counted twice in by_processing_time"
        if topic == DELAYS:
            return delay_mistake(seen, self.feed.sent)
        if topic == IMPLAUSIBLE:
            return ""
        return self.present() or event_mistake(seen, truth, self.feed.sent, self.late, self.edge)

    def present(self):
        """Whether windows are those of the time at which the job ran."""
        now = datetime.now(UTC)
        found = [key[0] for key in self.rows(BY_EVENT) if abs(now - key[0]) < DAY]
        return f"a window of the time at which the job ran ({found[0]:%Y-%m-%d %H:%M}), not of event_time" if found else ""

    def judge_processing(self, when):
        """by_processing_time comes to hold each click once, where the clock stood when the job had it."""
        self.job.shows(lambda: self.over() >= 0 or self.misplaced(), seconds=SECONDS)
        sent, over = len(self.feed.sent), self.over()
        expected = f"{BY_PROCESSING} counts the {sent} clicks {when} by ten seconds of the machine's clock"
        if at := self.misplaced():
            runs = " and ".join(
                f"from {begin:%Y-%m-%d %H:%M:%S} to {end or datetime.now(UTC):%H:%M:%S}" for begin, end in self.runs
            )
            why = f": a clock in the machine's time zone ({ZONE}), written without it" if self.ran(at[0] - ZONE_AHEAD) else ""
            fail(expected=expected, seen=f"a window from {at[0]:%Y-%m-%d %H:%M:%S}; the job ran {runs} UTC{why}")
        if early := self.too_early():
            fail(expected=expected, seen=f"{early}: their clock stands still")
        more = f" (those twice that had come since the last checkpoint: {self.twice} at most)" if self.twice else ""
        seen = f"{sent + over} clicks in {len(self.rows(BY_PROCESSING))} windows"
        why = ": clicks are counted twice" if over > 0 else ": some are missing; a row must not wait for further clicks"
        expect(0 <= over <= self.twice, expected=f"{expected}{more}", seen=f"{seen}{why}{self.job.trouble()}")

    def over(self):
        """How many clicks more its windows hold than were sent; less than 0: some are missing. It never becomes less."""
        return sum(row[0] for row in self.rows(BY_PROCESSING).values()) - len(self.feed.sent)

    def too_early(self):
        """Whether windows hold more clicks than had been sent when they ended, in words."""
        table = self.rows(BY_PROCESSING)
        for moment, sent in self.moments:
            count = sum(row[0] for key, row in table.items() if key[0] + STRETCH <= moment)
            if count > sent + self.twice:
                return f"{count} clicks in windows before {moment:%H:%M:%S} UTC, when only {sent} had been sent"
        return ""

    def misplaced(self):
        """Its windows that touch no run of the job, or begin at no full ten seconds."""
        keys = sorted(key[0] for key in self.rows(BY_PROCESSING))
        return [key for key in keys if key != floor(key, STRETCH) or not self.ran(key)]

    def ran(self, key):
        """Whether it ran in the ten seconds from `key` on."""
        return any(touches(key, *run) for run in self.runs)


def touches(key, begin, end):
    """Whether ten seconds from `key` on and a run of the job have a moment in common."""
    return key + STRETCH > begin and key <= (end or datetime.now(UTC))


@pytest.fixture(scope="module")
def clocks(stack, work, seed):
    """The clicks and the job."""
    made = Clocks(stack, work, seed)
    yield made
    made.close()


def narrow(clicks):
    """They lie within the delay, so that nothing among what a job finds at its start can be late for any engine."""
    times = [click["event_time"] for click in clicks]
    assert max(times) - min(times) < DELAY
    return clicks


def test_event_time(clocks):
    """`by_event_time` has a row for each complete minute, also of clicks that waited in the topic when the job began."""
    clocks.send(narrow(clocks.clicks.some(0.5)), ago=HOUR)
    clocks.start()
    clocks.send_closing(clocks.clicks.some(6), 7)
    clocks.judge([BY_EVENT], "of complete minutes", starting=True)


def test_processing_time(clocks, evidence):
    """`by_processing_time` has the same clicks where the clock stood when the job had them."""
    clocks.judge_processing("sent so far")
    over = max(key[0] for key in clocks.rows(BY_PROCESSING)) + STRETCH
    wait.until(lambda: datetime.now(UTC) >= over, seconds=2 * STRETCH.seconds, what="the end of a window of processing time")
    clocks.send_closing(clocks.clicks.some(1), 17)
    clocks.judge_processing("sent so far")
    count, seen = len(clocks.table(BY_EVENT)), len(clocks.rows(BY_PROCESSING))
    evidence.note(f"the same clicks fill {count} minutes of event time, and {seen} times ten seconds of processing time")


def test_delays(clocks, evidence):
    """`delays` has how many clicks came how much later than they happened, by steps of ten seconds."""
    clocks.judge([DELAYS], "of all clicks so far")
    points = [(float(key[0]), float(row[0])) for key, row in sorted(clocks.truth(DELAYS).items())]
    evidence.plot("Clicks by delay", "seconds, from", "clicks", {"clicks": points})


def test_late_clicks(clocks, evidence):
    """A click two minutes behind counts in `by_event_time`; one whose minute is complete does not, but does everywhere else."""
    clicks = clocks.clicks
    clocks.send_closing(clicks.some(4), 57)
    clocks.judge([BY_EVENT], "while the job runs")
    clocks.settle()  # it is second 59: the minute two minutes ago is complete in a second
    end = clicks.now + SECOND - DELAY
    just = [clicks.click(end - (number + 1) * 100 * MS, number % PARTITIONS) for number in range(STRAGGLERS)]
    assert all(clicks.now - DELAY <= click["event_time"] < end for click in just)
    clocks.edge = {click["event_id"] for click in just}
    clocks.send(just)
    clocks.send_closing(clicks.some(2), 20)
    clocks.judge([BY_EVENT], "with clicks that came up to two minutes late")
    clocks.settle()
    begin = floor(clocks.closed, MINUTE)  # of the oldest minute that is not complete
    behind = [MS, 31 * SECOND, MINUTE, 5 * MINUTE, HOUR]
    late = [clicks.click(begin - by, number % PARTITIONS) for number, by in enumerate(behind)]
    clocks.late = {click["event_id"] for click in late}
    clocks.send([*late, *[clicks.click(begin + SECOND * place, place) for place in ALL]])
    clocks.send_closing(clicks.some(2), 31)
    clocks.judge([BY_EVENT, DELAYS], "with clicks that came after their minute was complete")
    clocks.judge_processing("sent so far, late ones as well")
    evidence.note(f"{len(late)} clicks came too late: in delays and by_processing_time, not in by_event_time")


def test_the_future(clocks, evidence):
    """Clicks from the future go to `implausible`, and do not make late what comes after them."""
    clicks = clocks.clicks
    clocks.send_closing(clicks.some(2), 2)
    clocks.judge([BY_EVENT], "before clicks from the future come")
    now = clicks.now
    ahead = [DAY, HOUR, 365 * DAY, AHEAD + SECOND, AHEAD + 20 * SECOND, *[2 * HOUR] * PARTITIONS]
    future = [clicks.future(by, number % PARTITIONS) for number, by in enumerate(ahead)]
    assert not any(map(plausible, future))
    clocks.send(future)
    clocks.judge([IMPLAUSIBLE, DELAYS], f"after clicks from the future have come at {now:%H:%M:%S}")
    for _ in range(2):  # batches with the watermark that those may have left
        clocks.clicks.now += SECOND
        clocks.send(clicks.newest())
        clocks.right([DELAYS], SECONDS)
    clocks.send([clicks.click(clicks.now - DELAY + number * 5 * SECOND, number % PARTITIONS) for number in range(1, 9)])
    edge = [clicks.future(AHEAD, place) for place in ALL]
    assert all(map(plausible, edge))
    clocks.send(edge)
    clocks.send_closing(clicks.some(3), 9)
    clocks.less = "clicks that came after those from the future are missing: these have moved the watermark"
    clocks.judge([BY_EVENT, IMPLAUSIBLE, DELAYS], f"after clicks from the future have come at {now:%H:%M:%S}")
    clocks.less = ""
    clocks.judge_processing("sent so far, those from the future as well")
    believed, apart = len(list(filter(plausible, clocks.feed.sent))), len(clocks.truth(IMPLAUSIBLE))
    evidence.note(f"{believed} plausible + {apart} implausible = {len(clocks.feed.sent)} sent")


def test_silent_collector(clocks, evidence):
    """While one collector is silent, minutes are complete without it; when it is back, its clicks count."""
    clicks, others = clocks.clicks, (0, 1)
    clocks.send_closing(clicks.some(4, others), 13, others)
    clocks.judge([BY_EVENT], "while collector 2 sends nothing", partitions=others)
    clocks.send([clicks.click(clicks.now - number * 13 * SECOND, 2) for number in (1, 4, 7)])
    clocks.send_closing(clicks.some(3), 15)
    clocks.less = "clicks of the collector that was silent are missing"
    clocks.judge([BY_EVENT, DELAYS], "when collector 2 is back")
    clocks.less = ""
    evidence.note("partition 2 was silent for four minutes of event time; nothing waited for it")


def test_survives_a_kill(clocks, evidence):
    """Killed between output and checkpoint and started again, the job goes on: no click is lost, and none counts twice."""
    clocks.send_closing(clocks.clicks.some(3), 11)
    clocks.judge([BY_EVENT, DELAYS], "before the job is killed")
    clocks.judge_processing("sent before the job is killed")
    clocks.job.wait_checkpoint()
    again, sure = kill_half_done(clocks)
    waiting = clocks.clicks.some(0.2)
    clocks.send(waiting)
    narrow([*again, *waiting])  # what it reads at its start
    clocks.start()
    clocks.send_closing(clocks.clicks.some(3), 23)
    clocks.less = "what was counted before the kill, or came while the job was dead, is missing"
    clocks.judge([BY_EVENT, DELAYS, IMPLAUSIBLE], "after the job was killed and started again", starting=True)
    clocks.judge_processing("sent before and after the kill")
    evidence.note(f"killed after {len(again)} clicks were read{', their results written and no checkpoint made since' * sure}")
    (_, end), (begin, _) = clocks.runs
    evidence.note(f"event time has no gap; processing time has one, from {end:%H:%M:%S} to {begin:%H:%M:%S} at least")


def kill_half_done(clocks):
    """Send clicks, and kill the job when what it makes of them is written and in no checkpoint; those clicks, and whether it was.

    Of a Flink job a checkpoint has just been waited for: what it writes now is in none. Of a Spark job the last note is undone,
    which is how a crash just before it would have left things. These clicks move no time on: no empty batch follows theirs.
    """
    if not clocks.job.flink:
        clocks.send(clocks.clicks.newest())
        clocks.right([DELAYS], SECONDS)
        clocks.notes.wait_for(dict(clocks.feed.ends))
    clocks.notes.keep()
    before, again = clocks.written(), clocks.clicks.newest()
    with nullcontext() if clocks.job.flink else clocks.kafka.refusing(POSITIONS):
        clocks.send(again)
        with suppress(Timeout):
            more = "the job to write what it has read"
            wait.until(lambda: clocks.written() > before or not clocks.job.running(), seconds=HALF_DONE, what=more)
        half = clocks.written() > before
        if not clocks.job.flink:
            clocks.notes.wait_for(dict(clocks.feed.ends))
        clocks.twice = len(again)
        clocks.kill()
    if not clocks.job.flink:
        there = any(clocks.job.folder.iterdir())
        expect(there, expected="what must outlive the job is in $CHECKPOINTS", seen="nothing is in it: it is kept elsewhere")
        if half:
            clocks.notes.undo(clocks.kafka)
    return again, half


if __name__ == "__main__":
    main(__file__)

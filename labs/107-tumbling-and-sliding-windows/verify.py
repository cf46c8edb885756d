"""Checks of lab 107: windows by the time of the click, complete two minutes later, with a silent collector and across a kill."""

from contextlib import suppress

import pytest
from mistakes import COLUMNS, KEYS, LENGTH, difference, mistake, twice, until_closed
from prepare import (
    ACTIVITY,
    CLICKS,
    DELAY,
    MINUTE,
    MS,
    PAGES,
    PARTITIONS,
    SECOND,
    SIZE,
    STEP,
    VIEWS,
    Clicks,
    activity,
    views,
)

from delab import wait
from delab.checks import expect, fail, main
from delab.checks.event_time import floor, judged, windowed
from delab.checks.kafka import Kafka
from delab.checks.results import Output, latest
from delab.checks.streaming import PATIENCE, START_PATIENCE, Feed, Job, uncommit
from delab.errors import Timeout

SECONDS, START = 45, 45  # that a complete window may take (half again as long as the task allows), and a start beside that
PROBE = PAGES + 1  # a page of its own, whose rows show what the job has read
STRAGGLERS = 9
SLOW = 20  # seconds of patience with a job that was right and slow before
BACKLOG = 1.5  # minutes of clicks that the job finds at its start
BEFORE = MINUTE - 2 * SECOND  # where time stands before stragglers come: behind a full minute by so much


class Windows:
    """The clicks of this verification, the learner's job, and what its topics hold."""

    def __init__(self, stack, work, seed):
        kafka = Kafka(stack)
        self.clicks, self.feed = Clicks(seed), Feed(kafka, CLICKS, delay=DELAY)
        self.job = Job(stack, work)
        self.helps = 0  # clicks far ahead that this judgement has sent
        self.patience, self.again = PATIENCE, []  # with what is right and slow; the clicks that came last before the kill
        self.outputs = {topic: Output(kafka, topic) for topic in COLUMNS}
        self.closed = None  # windows that end here or earlier are complete

    def close(self):
        """End what the verification has opened."""
        for output in self.outputs.values():
            output.close()
        self.job.__exit__()

    # The job

    def start(self):
        """Start it. What it finds is less than two minutes wide; more comes when it has read that."""
        self.job.start()
        self.feed.job = self.job

    def kill(self):
        """Kill it at the instant at which its last batch is written, and not committed; what is sent then waits for nobody."""
        self.job.kill()
        if not self.job.flink:
            uncommit(self.job.folder)
        self.again = self.feed.phases[-1]
        self.feed.job = None

    # Sending

    def send(self, clicks):
        """Send clicks as a phase."""
        self.feed.send(clicks)

    def send_closing(self, clicks, partitions=range(PARTITIONS), later=MS * 0):
        """Send clicks, and one from each of these collectors that is newer: what is two minutes older is complete."""
        self.send([*clicks, *self.clicks.close(partitions, later)])
        self.closed = self.clicks.now - DELAY

    # What must be there, and what is

    def truth(self, topic, until=None):
        """The rows of all complete windows. Nothing that we send is late, whatever the engine: `judged` looks after that."""
        size, slide = (MINUTE, None) if topic == VIEWS else (SIZE, STEP)
        found = judged(self.feed.phases, size=size, slide=slide, delay=DELAY, partitions=PARTITIONS, idle=(2,))
        assert not found.late, "a click is late: nothing may be in this lab"
        table = (views if topic == VIEWS else activity)(found.counted)
        return until_closed(table, until or self.closed, LENGTH[topic])

    def table(self, topic):
        """What the topic holds: the last row of each window (and page)."""
        return latest(self.outputs[topic].messages(), COLUMNS[topic], KEYS[topic], topic)

    def complete(self, topic):
        """Its rows of windows that are complete."""
        return until_closed(self.table(topic), self.closed, LENGTH[topic])

    # Waiting and judging

    def rounds(self, partitions):
        """Clicks far ahead whose windows show that all before them has been dealt with: twice, the second time in a later batch."""
        return [(lambda: self.ahead(partitions), self.reached)] * 2

    def ahead(self, partitions):
        """Two clicks from each of these collectors, so far apart that the second completes the windows of the first."""
        self.helps += 1
        first = [self.clicks.click(self.clicks.now + 10 * MINUTE, place) for place in partitions]
        self.clicks.now += 20 * MINUTE
        self.mark = first[0]["event_time"]
        self.send([*first, *self.clicks.close(partitions)])

    def reached(self):
        """Whether both topics show the first of them, or what is newer (in a wrong job, windows may be displaced)."""
        return all(any(key[0] >= floor(self.mark, MINUTE) for key in self.table(topic)) for topic in COLUMNS)

    def judge(self, topics, when, *, partitions=range(PARTITIONS), seconds=SECONDS, behind=SECOND):
        """The topics come to hold the truth about all complete windows; `behind`: where time stands, if we look again."""
        self.helps = 0
        right = self.wait(topics, seconds, self.rounds(partitions))
        starting = seconds > SECONDS
        stuck = not right and not starting and self.helps == 1 and not self.reached()  # its time is over: nobody gets that twice
        if self.job.helped and not stuck:  # clicks far ahead may have completed what two minutes should have: see it without them
            some = self.clicks.some(4, partitions)
            self.clicks.go_on(behind)
            self.send_closing(some, partitions)
            if self.wait(topics, SECONDS, ()) and not starting:
                self.patience = SLOW
        for topic in topics:
            self.compare(topic, self.truth(topic), when)

    def wait(self, topics, seconds, rounds):
        """Until the topics are right, or it makes no sense to wait any longer."""
        truths = {topic: self.truth(topic) for topic in topics}
        closed = self.closed

        def right():
            return all(until_closed(self.table(topic), closed, LENGTH[topic]) == truth for topic, truth in truths.items())

        patience = START_PATIENCE if seconds > SECONDS else self.patience
        return self.job.shows(right, seconds=seconds, rounds=rounds, patience=patience)

    def compare(self, topic, truth, when):
        """Fail unless a topic holds the truth; a mistake that can be recognised is named."""
        whole_table = self.table(topic)
        seen = until_closed(whole_table, self.closed, LENGTH[topic])
        if seen == truth:
            return
        named = mistake(topic, seen, truth, whole_table, self.feed.sent) if self.job.running() or not whole_table else ""
        said = named or twice(topic, seen, truth, self.again) or difference(topic, seen, truth)
        raise_failure(topic, truth, when, f"{said}{self.job.trouble()}")


def raise_failure(topic, truth, when, said):
    """Reject."""
    fail(expected=f"{topic} holds the {len(truth)} rows of the windows that are complete {when}", seen=said)


@pytest.fixture(scope="module")
def windows(stack, work, seed):
    """The clicks and the job."""
    made = Windows(stack, work, seed)
    yield made
    made.close()


def test_tumbling_windows(windows, evidence):
    """`page_views` has a row for each minute and page with views: by event_time, also of clicks from before the job began."""
    windows.send(windows.clicks.some(BACKLOG))
    windows.start()
    windows.send_closing(windows.clicks.some(6), later=7 * SECOND)
    windows.judge([VIEWS], "of clicks from before the job began, and since", seconds=SECONDS + START)
    truth, first = windows.truth(VIEWS), windows.feed.sent[0]["event_time"]
    begin = floor(first, MINUTE)
    lines = {
        f"page {page}": [((start - begin) / MINUTE, float(row[1])) for (start, at), row in sorted(truth.items()) if at == page]
        for page in range(1, 4)
    }
    evidence.plot("Views by the minute", "minutes of event time", "views", lines)


def test_sliding_windows(windows, evidence):
    """`activity` has a row each minute for the five minutes before: each visitor once, and the sum of the amounts."""
    windows.judge([ACTIVITY], "of clicks from before the job began, and since")
    truth = windows.truth(ACTIVITY)
    begin = min(start for (start,) in truth)
    points = [((start - begin) / MINUTE, float(row[1])) for (start,), row in sorted(truth.items())]
    evidence.plot("Visitors of the last five minutes", "minutes of event time", "visitors", {"visitors": points})


def test_waits_two_minutes(windows, evidence):
    """While the job runs, a click counts that comes two minutes later than newer ones."""
    some = windows.clicks.some(4)
    windows.clicks.go_on(BEFORE)
    windows.send_closing(some)
    windows.judge([VIEWS, ACTIVITY], "while the job runs", behind=BEFORE)
    probe(windows)
    newest = windows.clicks.now
    edge = floor(newest, MINUTE) + MINUTE - DELAY  # the stragglers' window ends here
    late = [windows.clicks.click(edge - (number + 1) * 100 * MS, number % PARTITIONS, newest) for number in range(STRAGGLERS)]
    assert all(newest - DELAY <= click["event_time"] < edge for click in late)
    windows.send(late)
    windows.send_closing(windows.clicks.some(2), later=7 * SECOND)
    with recognised(windows, late, "the clicks that came up to two minutes late are missing: the watermark does not wait for them"):
        windows.judge([VIEWS, ACTIVITY], "with clicks that came up to two minutes late")
    evidence.note(
        f"{STRAGGLERS} clicks came up to {(newest - late[-1]['event_time']).total_seconds():.1f} s behind newer ones and counted"
    )


def probe(windows):
    """A second later, a view of a page of its own from each collector; where the job shows it at once, we wait for that.

    A job that corrects its rows shows it in its next batch: then what it did with the batch before is settled. One that writes
    complete windows only has shown that already.
    """
    windows.clicks.now += SECOND
    clicks = [{**click, "page_id": PROBE} for click in windows.clicks.close()]
    windows.send(clicks)
    at = (floor(windows.clicks.now, MINUTE), PROBE)
    if any(key[0] + MINUTE > windows.closed for key in windows.table(VIEWS)):
        with suppress(Timeout):
            wait.until(lambda: at in windows.table(VIEWS), seconds=10, what="the probe")


class recognised:  # noqa: N801 - reads as a statement
    """Names a mistake: the tables are right but for some clicks."""

    def __init__(self, windows, without, name):
        self.windows, self.without, self.name = windows, without, name

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        from delab.checks import CheckFailed

        if not isinstance(error, CheckFailed):
            return
        lost = {click["event_id"] for click in self.without}
        rest = [click for click in self.windows.feed.sent if click["event_id"] not in lost]
        for topic, table in ((VIEWS, views(windowed(rest, MINUTE))), (ACTIVITY, activity(windowed(rest, SIZE, STEP)))):
            truth, seen = self.windows.truth(topic), self.windows.complete(topic)
            if seen != truth and all(seen.get(key) in (row, table.get(key)) for key, row in truth.items()):
                fail(expected=f"{topic} counts every click that comes up to two minutes late", seen=self.name)


def test_silent_collector(windows, evidence):
    """While one collector is silent, the windows of the others are complete without it; when it is back, it counts."""
    others = (0, 1)
    windows.send_closing(windows.clicks.some(4, others), others, later=3 * SECOND)
    windows.judge([VIEWS, ACTIVITY], "while collector 2 sends nothing", partitions=others)
    back = [windows.clicks.click(windows.clicks.now - number * 13 * SECOND, 2, windows.clicks.now) for number in (1, 4, 7)]
    windows.send(back)
    windows.send_closing(windows.clicks.some(3), later=5 * SECOND)
    windows.judge([VIEWS, ACTIVITY], "when collector 2 is back")
    evidence.note(f"partition 2 was silent for {4} minutes of event time; nothing waited for it")


def test_survives_a_kill(windows):
    """Killed (SIGKILL) and started again, the job goes on: the windows that were open hold all their clicks."""
    windows.send_closing(windows.clicks.some(3))
    windows.judge([VIEWS, ACTIVITY], "before the job is killed")
    windows.job.wait_checkpoint()
    windows.job.wait_settled(CLICKS, windows.feed.ends)
    windows.kill()
    expect(not windows.job.running(), expected="the job is dead", seen="it runs on")
    windows.send(windows.clicks.some(1))
    windows.start()
    windows.send_closing(windows.clicks.some(3), later=11 * SECOND)
    windows.judge([VIEWS, ACTIVITY], "after the job was killed and started again", seconds=SECONDS + START)


if __name__ == "__main__":
    main(__file__)

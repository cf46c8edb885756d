"""Checks of lab 105: one topic counted by three clocks, clicks from the future, and the same topic once more."""

import shutil
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from mistakes import COLUMNS, KEYS, delay_mistake, difference, event_mistake
from prepare import (
    AHEAD,
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
from delab.checks.kafka import Kafka
from delab.checks.results import Output, latest
from delab.checks.streaming import PATIENCE, START_PATIENCE, Feed, Job
from delab.errors import Timeout

SECONDS, START = 45, 45  # that a row may take (half again as long as the task allows), and a start beside that


class Clocks:
    """The clicks of this verification, the learner's job, and what its topics hold since it was started last."""

    def __init__(self, stack, work, seed):
        kafka = Kafka(stack)
        self.stack, self.clicks, self.feed = stack, Clicks(seed), Feed(kafka, CLICKS, delay=DELAY)
        self.job = Job(stack, work)
        self.outputs = {topic: Output(kafka, topic) for topic in OUTPUTS}
        self.before = dict.fromkeys(OUTPUTS, 0)  # messages of an earlier run
        self.began = self.closed = None  # the job's start by our clock; windows that end here or earlier are complete

    def close(self):
        """End what the verification has opened."""
        for output in self.outputs.values():
            output.close()
        self.job.__exit__()

    def begin(self):
        """From now on it may process something."""
        self.began = datetime.now(UTC)

    def start(self):
        """Start it; what it finds is read before more is sent."""
        self.job.start()
        self.feed.job = self.job

    def start_anew(self):
        """Kill it, remove all that it keeps, and start it: it reads the topic once more, from its beginning."""
        self.job.kill()
        expect(not self.job.running(), expected="the job is dead", seen="it runs on")
        for folder in (self.job.flink.folder if self.job.flink else Path(self.stack.environment()["CHECKPOINTS"])).iterdir():
            shutil.rmtree(folder) if folder.is_dir() else folder.unlink()
        self.before = {topic: len(output.messages()) for topic, output in self.outputs.items()}
        self.begin()
        self.start()

    def send_closing(self, clicks, later=0 * MS):
        """Send clicks, and one from each collector that is newer: what is two minutes older is complete."""
        self.feed.send([*clicks, *self.clicks.close(later)])
        self.closed = self.clicks.now - DELAY

    # What must be there, and what is

    def believed(self):
        """The plausible clicks of each phase."""
        return [list(filter(plausible, phase)) for phase in self.feed.phases]

    def truth(self, topic):
        """What a topic must hold, of the clicks that were sent so far; by_processing_time has only a sum (see `processed`)."""
        if topic == BY_EVENT:
            found = judged(self.believed(), size=MINUTE, delay=DELAY, partitions=PARTITIONS)
            assert not found.late, "a click is late: nothing may be in this lab"
            return self.complete(by_event_time([click for clicks in found.counted.values() for click in clicks]))
        if topic == DELAYS:
            return delays(self.feed.sent)
        return {(click["event_id"],): (click["device_id"],) for click in self.feed.sent if not plausible(click)}

    def complete(self, table):
        """The rows of by_event_time whose windows are complete, and those of the future, which must not be there."""
        return {key: row for key, row in table.items() if key[0] + MINUTE <= self.closed or key[0] > self.clicks.now + 2 * AHEAD}

    def table(self, topic):
        """What the topic holds since the last start: the last row of each key."""
        messages = self.outputs[topic].messages()[self.before[topic] :]
        found = latest(messages, COLUMNS[topic], KEYS[topic], topic)
        return self.complete(found) if topic == BY_EVENT else found

    def processed(self):
        """Whether by_processing_time holds each click once, in windows of the time since the job began."""
        table = self.table(BY_PROCESSING)
        return not self.misplaced(table) and sum(row[0] for row in table.values()) == len(self.feed.sent)

    def misplaced(self, table):
        """Windows that lie outside the job's run, or begin at no full ten seconds."""
        first, now = floor(self.began, STRETCH), datetime.now(UTC)
        return sorted(key[0] for key in table if not first <= key[0] <= now or key[0] != floor(key[0], STRETCH))

    # Waiting and judging

    def rounds(self):
        """Clicks far ahead whose windows show that all before them has been dealt with: twice, the second time in a later batch."""
        return [(self.ahead, self.reached)] * 2

    def ahead(self):
        """Two from each collector, so far apart that the second completes the windows of the first."""
        self.clicks.now += 10 * MINUTE
        first = [self.clicks.click(self.clicks.now, place) for place in range(PARTITIONS)]
        self.mark = self.clicks.now
        self.clicks.now += 10 * MINUTE
        self.send_closing(first)

    def reached(self):
        """Whether the first of them are counted by event time, or newer ones are (in a wrong job, windows may be displaced)."""
        found = latest(self.outputs[BY_EVENT].messages()[self.before[BY_EVENT] :], COLUMNS[BY_EVENT], KEYS[BY_EVENT], BY_EVENT)
        return any(key[0] >= floor(self.mark, MINUTE) for key in found)

    def judge(self, topics, when, *, starting=False):
        """The topics come to hold the truth."""
        truths = {topic: self.truth(topic) for topic in topics}
        closed, patience = self.closed, START_PATIENCE if starting else PATIENCE

        def right():
            return self.closed == closed and all(self.table(topic) == truth for topic, truth in truths.items())

        self.job.shows(right, seconds=SECONDS + (START if starting else 0), rounds=self.rounds(), patience=patience)
        if self.job.helped:
            self.look_again(topics)
        for topic in topics:
            self.compare(topic, self.truth(topic), when)

    def look_again(self, topics):
        """Clicks that are far newer have been sent: the truth about all, without further ones."""
        self.send_closing(self.clicks.some(4), later=SECOND)
        truths = {topic: self.truth(topic) for topic in topics}
        self.job.shows(lambda: all(self.table(topic) == truth for topic, truth in truths.items()), seconds=SECONDS)

    def compare(self, topic, truth, when):
        """Fail unless a topic holds the truth; a mistake that can be recognised is named."""
        seen = self.table(topic)
        if seen == truth:
            return
        messages = self.outputs[topic].messages()[self.before[topic] :]
        named = (
            ""
            if messages
            else "the topic is empty"
            if not self.before[topic]
            else "nothing since the new start: it does not read the topic from its beginning"
        )
        if not named and topic == BY_EVENT:
            named = self.displaced() or event_mistake(seen, truth, self.feed.sent)
        elif not named and topic == DELAYS:
            named = delay_mistake(seen, self.feed.sent)
        said = named or difference(topic, seen, truth)
        fail(expected=f"{topic} holds {len(truth)} rows {when}", seen=f"{said}{self.job.trouble()}")

    def displaced(self):
        """Whether windows are those of the time at which the job ran."""
        found = latest(self.outputs[BY_EVENT].messages(), COLUMNS[BY_EVENT], KEYS[BY_EVENT], BY_EVENT)
        now = datetime.now(UTC)
        return next(
            (f"a window of the time at which the job ran ({key[0]:%Y-%m-%d %H:%M})" for key in found if now - key[0] < DAY), ""
        )

    def judge_processing(self, when):
        """by_processing_time comes to hold each click once, where the clock stood when the job had it."""
        self.job.shows(self.processed, seconds=SECONDS)
        table = self.table(BY_PROCESSING)
        counted, expected = sum(row[0] for row in table.values()), len(self.feed.sent)
        what = f"{BY_PROCESSING} counts the {expected} clicks {when}, in ten seconds of the clock each"
        if at := self.misplaced(table):
            began, now = (f"{time:%Y-%m-%d %H:%M:%S}" for time in (self.began, datetime.now(UTC)))
            fail(expected=what, seen=f"a window from {at[0]:%Y-%m-%d %H:%M:%S}; the job ran from {began} to {now} UTC")
        expect(counted == expected, expected=what, seen=f"{counted} clicks in {len(table)} windows{self.job.trouble()}")


@pytest.fixture(scope="module")
def clocks(stack, work, seed):
    """The clicks and the job."""
    made = Clocks(stack, work, seed)
    yield made
    made.close()


def test_event_time(clocks):
    """`by_event_time` has a row for each minute, also of clicks that waited in the topic when the job began."""
    clocks.begin()
    clocks.feed.send(narrow(clocks.clicks.some(0.5)))
    clocks.start()
    clocks.send_closing(clocks.clicks.some(6), later=7 * SECOND)
    clocks.judge([BY_EVENT], "of complete minutes", starting=True)


def narrow(clicks):
    """They lie within the delay, so that nothing among what a job finds at its start can be late for any engine."""
    times = [click["event_time"] for click in clicks]
    assert max(times) - min(times) < DELAY
    return clicks


def test_processing_time(clocks, evidence):
    """`by_processing_time` has the same clicks where the clock stood when the job had them."""
    clocks.judge_processing("sent so far")
    count, seen = len(clocks.table(BY_EVENT)), clocks.table(BY_PROCESSING)
    evidence.note(f"the same clicks fill {count} minutes of event time, and {len(seen)} times ten seconds of processing time")


def test_delays(clocks, evidence):
    """`delays` has how many clicks came how much later than they happened, by steps of ten seconds."""
    clocks.judge([DELAYS], "of all clicks so far")
    points = [(float(key[0]), float(row[0])) for key, row in sorted(clocks.truth(DELAYS).items())]
    evidence.plot("Clicks by delay", "seconds, from", "clicks", {"clicks": points})


def test_the_future(clocks, evidence):
    """Clicks from the future go to `implausible`, and do not make late what comes after them."""
    now = clocks.clicks.now
    ahead = [DAY, HOUR, 365 * DAY, AHEAD + SECOND, AHEAD + 20 * SECOND]
    future = [clocks.clicks.future(by, number % PARTITIONS) for number, by in enumerate(ahead)]
    edge = [clocks.clicks.future(AHEAD, place) for place in range(PARTITIONS)]
    assert not any(map(plausible, future)) and all(map(plausible, edge))
    clocks.feed.send([*future, *[clocks.clicks.future(2 * HOUR, place) for place in range(PARTITIONS)]])
    with suppress(Timeout):
        wait.until(lambda: clocks.table(IMPLAUSIBLE) == clocks.truth(IMPLAUSIBLE), seconds=SECONDS, what="implausible clicks")
    clocks.feed.send([*edge, *clocks.clicks.some(2)])  # a batch with the watermark that the ones above may have left
    with suppress(Timeout):
        wait.until(lambda: clocks.table(DELAYS) == clocks.truth(DELAYS), seconds=SECONDS, what="those behind them")
    clocks.send_closing(clocks.clicks.some(3), later=9 * SECOND)
    clocks.judge([IMPLAUSIBLE, BY_EVENT, DELAYS], f"after clicks from the future have come at {now:%H:%M}")
    clocks.judge_processing("sent so far, those from the future as well")
    counted, apart = len([click for click in clocks.feed.sent if plausible(click)]), len(clocks.truth(IMPLAUSIBLE))
    evidence.note(f"{counted} plausible + {apart} implausible = {len(clocks.feed.sent)} sent")


def test_replay(clocks, evidence):
    """Started without anything that it kept, the job gives the same minutes of event time, and others of processing time."""
    first = clocks.table(BY_PROCESSING)
    clocks.start_anew()
    clocks.judge([BY_EVENT, DELAYS, IMPLAUSIBLE], "when the topic is read once more", starting=True)
    clocks.judge_processing("when the topic is read once more")
    again = clocks.table(BY_PROCESSING)
    evidence.note(f"event time: the same {len(clocks.truth(BY_EVENT))} rows in both runs")
    evidence.note(f"processing time: {len(first)} rows in the first run, {len(again)} in the second")


if __name__ == "__main__":
    main(__file__)

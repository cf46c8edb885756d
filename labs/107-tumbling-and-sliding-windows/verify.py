"""Checks of lab 107: windows by the time of the click, complete two minutes later, with a silent collector and across a kill."""

from contextlib import suppress
from datetime import UTC, datetime

import pytest
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
from delab.checks.results import Output, instant, latest, money, whole
from delab.checks.streaming import Feed, Job
from delab.errors import Timeout

SECONDS, START = 45, 45  # that a complete window may take (half again as long as the task allows), and a start beside that
PROBE = PAGES + 1  # a page of its own, whose rows show what the job has read
STRAGGLERS = 9
COLUMNS = {
    VIEWS: {"window_start": instant, "page_id": whole, "window_end": instant, "views": whole},
    ACTIVITY: {"window_start": instant, "window_end": instant, "visitors": whole, "revenue": money},
}
KEYS = {VIEWS: ["window_start", "page_id"], ACTIVITY: ["window_start"]}
LENGTH = {VIEWS: MINUTE, ACTIVITY: SIZE}


class Windows:
    """The clicks of this verification, the learner's job, and what its topics hold."""

    def __init__(self, stack, work, seed):
        kafka = Kafka(stack)
        self.clicks, self.feed = Clicks(seed), Feed(kafka, CLICKS, delay=DELAY, partitions=PARTITIONS)
        self.job = Job(stack, work)
        self.outputs = {topic: Output(kafka, topic) for topic in COLUMNS}
        self.closed = None  # windows that end here or earlier are complete

    def close(self):
        """End what the verification has opened."""
        for output in self.outputs.values():
            output.close()
        self.job.__exit__()

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

    def right(self, topic):
        """Whether all complete windows are there as they should be, and no others."""
        return self.complete(topic) == self.truth(topic)

    # Waiting and judging

    def rounds(self):
        """Clicks far ahead whose windows show that all before them has been dealt with: twice, the second time in a later batch."""
        return [(self.ahead, self.reached), (self.ahead, self.reached)]

    def ahead(self):
        """Two clicks from each collector, so far apart that the second completes the windows of the first."""
        first = [self.clicks.click(self.clicks.now + 10 * MINUTE, place) for place in range(PARTITIONS)]
        self.clicks.now += 20 * MINUTE
        self.mark = first[0]["event_time"]
        self.send([*first, *self.clicks.close()])

    def reached(self):
        """Whether both topics show the first of them."""
        seen = [{start for start, *_ in self.table(topic)} for topic in COLUMNS]
        return all(floor(self.mark, MINUTE) in starts for starts in seen)

    def judge(self, topic, when, *, others=True, seconds=SECONDS):
        """The topic comes to hold the truth about all complete windows (the other one too, which is judged elsewhere)."""
        truths = {name: self.truth(name) for name in ([*COLUMNS] if others else [topic])}
        self.job.shows(
            lambda: all(self.complete(name) == truth for name, truth in truths.items()), seconds=seconds, rounds=self.rounds()
        )
        for name in [topic, *truths]:
            self.compare(name, truths[name], when)

    def compare(self, topic, truth, when):
        """Fail unless a topic holds the truth; a mistake that can be recognised is named."""
        whole_table = self.table(topic)
        seen = until_closed(whole_table, self.closed, LENGTH[topic])
        if seen == truth:
            return
        said = mistake(topic, seen, truth, whole_table, self.feed.sent) or difference(topic, seen, truth)
        raise_failure(topic, truth, when, f"{said}{self.job.trouble()}")


def raise_failure(topic, truth, when, said):
    """Reject."""
    fail(expected=f"{topic} holds the {len(truth)} rows of the windows that are complete {when}", seen=said)


def until_closed(table, closed, size):
    """The rows whose windows are complete."""
    return {key: row for key, row in table.items() if key[0] + size <= closed}


# What is wrong with a table


def mistake(topic, seen, truth, whole_table, sent):
    """A mistake that can be recognised, or nothing."""
    if not whole_table:
        return "the topic is empty"
    length = next((row[0] - key[0] for key, row in whole_table.items() if row[0] - key[0] != LENGTH[topic]), None)
    if length is not None:
        return f"a window whose end is {length} after its start; windows of {topic} are {LENGTH[topic]} long"
    if said := displaced(topic, whole_table, truth):
        return said
    for name, table in mistakes(topic, sent):
        wrong = {key: row for key, row in table.items() if key in truth or key in seen}
        if wrong != truth and alike(seen, wrong):
            return name
    return ""


def alike(seen, wrong):
    """Whether a table is what a mistake gives, where both have rows, and has as many."""
    return bool(seen) and set(seen) == set(wrong) and all(seen[key] == wrong[key] for key in seen)


def displaced(topic, table, truth):
    """Whether all windows are moved by the same time: by a zone, by their length, or into the present."""
    oldest, newest = min(key[0] for key in table), max(key[0] for key in table)
    now = datetime.now(UTC)
    if abs(now - newest).days < 1:
        return f"windows of the time at which the job ran ({newest:%Y-%m-%d %H:%M}), not of event_time"
    if {key: row for key, row in table.items() if key in truth} == truth:
        return ""
    for moved, name in shifts(topic):
        there = {(key[0] + moved, *key[1:]) for key in truth}
        if len(there & set(table)) > len(there) * 0.8 and not ({*truth} <= {*table}):
            rows = {(key[0] - moved, *key[1:]): row[1:] for key, row in table.items()}
            same = sum(rows.get(key) == row[1:] for key, row in truth.items())
            if same > len(truth) * 0.8:
                return f"all windows are {moved} {name}; the first begins at {oldest:%H:%M}"
    return ""


def shifts(topic):
    """Displacements that people make, with their names."""
    yield LENGTH[topic], "too late: window_start holds the end"
    for quarter in range(-56, 57):
        if quarter:
            yield quarter * 15 * MINUTE, "away: a time zone was put on, or left out"


def mistakes(topic, sent):
    """What mistakes would give."""
    earlier = [{**click, "event_time": click["event_time"] - MS} for click in sent]
    if topic == VIEWS:
        yield "windows of arrival_time, not of event_time", views(windowed(sent, MINUTE, time="arrival_time"))
        yield "every click is counted, not views only", views(windowed([{**click, "action": "view"} for click in sent], MINUTE))
        yield (
            "a click on the boundary is in the window that ends there; it belongs to the one that begins",
            views(windowed(earlier, MINUTE)),
        )
        return
    sliding = windowed(sent, SIZE, STEP)
    tumbling = activity(windowed(sent, SIZE))
    yield "windows that tumble: only those from :00, :05, … are there, one each five minutes", tumbling
    yield "windows of arrival_time, not of event_time", activity(windowed(sent, SIZE, STEP, time="arrival_time"))
    yield (
        "a click on the boundary is in the window that ends there; it belongs to the one that begins",
        activity(windowed(earlier, SIZE, STEP)),
    )
    each = [{**click, "visitor_id": click["event_id"]} for click in sent]
    yield "visitors holds the number of clicks: each visitor counts once in a window", activity(windowed(each, SIZE, STEP))
    yield (
        "revenue holds more than the amounts of the window",
        {key: (row[0], row[1], row[2] * 2) for key, row in activity(sliding).items()},
    )


def difference(topic, seen, truth):
    """The first row that is not right, and how many are not."""
    lacking, extra = truth.keys() - seen.keys(), seen.keys() - truth.keys()
    wrong = [key for key in truth.keys() & seen.keys() if truth[key] != seen[key]]
    counts = [(lacking, "missing"), (extra, "of windows that hold nothing"), (wrong, "wrong")]
    said = ", ".join(f"{len(keys)} rows are {name}" for keys, name in counts if keys)
    key = min([*lacking, *extra, *wrong])
    return (
        f"{said}; the window {described(topic, key)} has {told(topic, seen.get(key))}, where {told(topic, truth.get(key))} belongs"
    )


def described(topic, key):
    """A window in words."""
    page = f" of page {key[1]}" if topic == VIEWS else ""
    return f"from {key[0]:%Y-%m-%d %H:%M:%S} UTC{page}"


def told(topic, row):
    """A row in words."""
    if row is None:
        return "no row"
    names = [name for name in COLUMNS[topic] if name not in KEYS[topic] and name != "window_end"]
    return ", ".join(f"{value} {name}" for name, value in zip(names, row[1:], strict=True))


@pytest.fixture(scope="module")
def windows(stack, work, seed):
    """The clicks and the job."""
    made = Windows(stack, work, seed)
    yield made
    made.close()


def test_tumbling_windows(windows, evidence):
    """`page_views` has a row for each minute and page with views: by event_time, also of clicks sent before the job began."""
    windows.send_closing(windows.clicks.some(9), later=7 * SECOND)
    windows.job.start()
    windows.judge(VIEWS, "of what was in the topic before the job began", seconds=SECONDS + START)
    truth, first = windows.truth(VIEWS), windows.feed.sent[0]["event_time"]
    begin = floor(first, MINUTE)
    lines = {
        f"page {page}": [((start - begin) / MINUTE, float(row[1])) for (start, at), row in sorted(truth.items()) if at == page]
        for page in range(1, 4)
    }
    evidence.plot("Views by the minute", "minutes of event time", "views", lines)


def test_sliding_windows(windows, evidence):
    """`activity` has a row each minute for the five minutes before: each visitor once, and the sum of the amounts."""
    windows.judge(ACTIVITY, "of what was in the topic before the job began", others=False)
    truth = windows.truth(ACTIVITY)
    begin = min(start for (start,) in truth)
    points = [((start - begin) / MINUTE, float(row[1])) for (start,), row in sorted(truth.items())]
    evidence.plot("Visitors of the last five minutes", "minutes of event time", "visitors", {"visitors": points})


def test_waits_two_minutes(windows, evidence):
    """While the job runs, a click counts that comes two minutes later than newer ones."""
    windows.clicks.now = floor(windows.clicks.now, MINUTE) + MINUTE
    some = windows.clicks.some(4)
    edge = windows.clicks.now - DELAY  # the stragglers' window ends here
    windows.clicks.now = edge + DELAY - 2 * SECOND
    windows.send_closing([click for click in some if click["arrival_time"] < windows.clicks.now])
    windows.judge(VIEWS, "while the job runs")
    probe(windows)
    newest = windows.clicks.now
    late = [windows.clicks.click(edge - (number + 1) * 100 * MS, number % PARTITIONS, newest) for number in range(STRAGGLERS)]
    assert all(newest - DELAY <= click["event_time"] < edge for click in late)
    windows.send(late)
    windows.send_closing(windows.clicks.some(2), later=7 * SECOND)
    with recognised(windows, late, "the clicks that came up to two minutes late are missing: the watermark does not wait for them"):
        windows.judge(VIEWS, "with clicks that came up to two minutes late")
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
    windows.judge(VIEWS, "while collector 2 sends nothing")
    back = [windows.clicks.click(windows.clicks.now - number * 13 * SECOND, 2, windows.clicks.now) for number in (1, 4, 7)]
    windows.send(back)
    windows.send_closing(windows.clicks.some(3), later=5 * SECOND)
    windows.judge(VIEWS, "when collector 2 is back")
    evidence.note(f"partition 2 was silent for {4} minutes of event time; nothing waited for it")


def test_survives_a_kill(windows):
    """Killed (SIGKILL) and started again, the job goes on: the windows that were open hold all their clicks."""
    windows.send_closing(windows.clicks.some(3))
    windows.judge(VIEWS, "before the job is killed")
    windows.job.kill()
    expect(not windows.job.running(), expected="the job is dead", seen="it runs on")
    windows.send(windows.clicks.some(1))
    windows.job.start()
    windows.send_closing(windows.clicks.some(3), later=11 * SECOND)
    windows.judge(VIEWS, "after the job was killed and started again", seconds=SECONDS + START)


if __name__ == "__main__":
    main(__file__)

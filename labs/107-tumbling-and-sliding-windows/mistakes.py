"""What the two topics hold, and what is wrong with it: mistakes that can be recognised are named."""

from datetime import UTC, datetime

from prepare import ACTIVITY, MINUTE, MS, SIZE, STEP, VIEWS, activity, views

from delab.checks.event_time import floor, shifts, windowed
from delab.checks.results import instant, money, whole

COLUMNS = {
    VIEWS: {"window_start": instant, "page_id": whole, "window_end": instant, "view_count": whole},
    ACTIVITY: {"window_start": instant, "window_end": instant, "visitors": whole, "revenue": money},
}
KEYS = {VIEWS: ["window_start", "page_id"], ACTIVITY: ["window_start"]}
LENGTH = {VIEWS: MINUTE, ACTIVITY: SIZE}


def until_closed(table, closed, size):
    """The rows whose windows are complete."""
    return {key: row for key, row in table.items() if key[0] + size <= closed}


def mistake(topic, seen, truth, whole_table, sent):
    """A mistake that can be recognised, or nothing."""
    if not whole_table:
        return "the topic is empty"
    length = next((row[0] - key[0] for key, row in whole_table.items() if row[0] - key[0] != LENGTH[topic]), None)
    if length is not None:
        return f"a window whose end is {length} after its start; windows of {topic} are {LENGTH[topic]} long"
    if said := displaced(topic, whole_table, truth):
        return said
    if seen and seen == until_closed(truth, max(key[0] for key in seen) + LENGTH[topic], LENGTH[topic]):
        newest = max(key[0] for key in seen) + LENGTH[topic]
        return f"all rows of windows that end after {newest:%H:%M} are missing, those before are right: it waits for too long"
    for name, table in mistakes(topic, sent):
        wrong = {key: row for key, row in table.items() if key in truth or key in seen}
        if wrong != truth and alike(seen, wrong):
            return name
    return approximate(topic, seen, truth)


def approximate(topic, seen, truth):
    """Whether nothing is wrong but that some windows have a few visitors more or less, in words."""
    if topic != ACTIVITY or seen.keys() != truth.keys():
        return ""
    off = [(row[1] - truth[key][1], row[1]) for key, row in seen.items()]
    same = all((row[0], row[2]) == (truth[key][0], truth[key][2]) for key, row in seen.items())
    if not same or any(abs(by) > 3 + count / 8 for by, count in off):
        return ""
    wrong = sum(by != 0 for by, _ in off)
    return f"visitors is off by a few in {wrong} of {len(off)} windows: an approximate count; the task wants it exactly"


def alike(seen, wrong):
    """Whether a table is what a mistake gives, where both have rows, and has as many."""
    return bool(seen) and set(seen) == set(wrong) and all(seen[key] == wrong[key] for key in seen)


def twice(topic, seen, truth, again):
    """In words: nothing is wrong but that clicks of the last batch before a kill, which are among these, have counted again."""
    more = [row[1] - truth[key][1] for key, row in seen.items() if key in truth]
    if topic != VIEWS or seen.keys() != truth.keys() or min(more) < 0 or not 0 < sum(more) <= len(again):
        return ""
    return "clicks of the batch that a kill has interrupted are counted twice: the counts are newer than the offsets"


def displaced(topic, table, truth):
    """Whether all windows are moved by the same time: by a zone, by their length, or into the present."""
    oldest, newest = min(key[0] for key in table), max(key[0] for key in table)
    now = datetime.now(UTC)
    if abs(now - newest).days < 1:
        return f"windows of the time at which the job ran ({newest:%Y-%m-%d %H:%M}), not of event_time"
    if {key: row for key, row in table.items() if key in truth} == truth:
        return ""
    for moved, name in shifts(LENGTH[topic]):
        there = {(key[0] + moved, *key[1:]) for key in truth}
        if len(there & set(table)) > len(there) * 0.8 and not ({*truth} <= {*table}):
            rows = {(key[0] - moved, *key[1:]): row[1:] for key, row in table.items()}
            same = sum(rows.get(key) == row[1:] for key, row in truth.items())
            if same > len(truth) * 0.8:
                return f"all windows are {moved} {name}; the first begins at {oldest:%H:%M}"
    return ""


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
        each = {
            (floor(one["event_time"], MINUTE), one["page_id"], one["visitor_id"]): one for one in sent if one["action"] == "view"
        }
        yield "view_count holds a page's visitors, each of them once; it counts views", views(windowed(each.values(), MINUTE))
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

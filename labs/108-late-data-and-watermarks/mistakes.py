"""What the three topics hold, and what is wrong with it: mistakes that can be recognised are named."""

from datetime import UTC, datetime, timedelta

from prepare import FINAL, LATE, LIVE, MINUTE, MS, NO_TIME, minutes

from delab.checks.event_time import shifts, windowed
from delab.checks.results import instant, rows, text, whole

COUNTS = {"window_start": instant, "window_end": instant, "click_count": whole}
COLUMNS = {LIVE: COUNTS, FINAL: COUNTS, LATE: {"event_id": whole, "reason": text}}
KEYS = {LIVE: ["window_start"], FINAL: ["window_start"], LATE: ["event_id"]}


def revised(messages):
    """A minute that `final` gives two different rows, in words; empty if there is none."""
    first = {}
    for row in rows(messages, COUNTS, FINAL):
        if row is None:
            return "a row is removed (a message without value)"
        before = first.setdefault(row["window_start"], row)
        if before["click_count"] != row["click_count"]:
            counts = f"{before['click_count']} clicks, and then {row['click_count']}"
            return f"the minute {row['window_start']:%H:%M} is revised: {counts}; a row of final is the last word"
    return ""


def count_mistake(topic, seen, truth, judged, recent, killed, again):
    """A mistake in live or final that can be recognised, or nothing.

    `recent`: clicks that came late, but not too late; `again`: those before a kill, from the oldest open minute `killed` on.
    """
    wrong_end = next((key[0] for key, row in seen.items() if row[0] - key[0] != MINUTE), None)
    if wrong_end:
        return f"the window from {wrong_end:%H:%M} does not end a minute later"
    now = datetime.now(UTC)
    if seen and abs(now - max(seen)[0]) < timedelta(days=1):
        return f"windows of the time at which the job ran ({max(seen)[0]:%Y-%m-%d %H:%M}), not of event_time"
    if moved := displaced(seen, truth):
        return moved
    for name, table in mistakes(topic, judged, recent):
        if table != minutes(judged.counted) and all(table.get(key) == seen.get(key) for key in {*truth, *seen}):
            return name
    if twice(seen, truth, again):
        return "clicks of the batch that a kill has interrupted are counted twice: the counts are newer than the offsets"
    if killed and gone(seen, truth, killed, again):
        return "minutes that were open when the job was killed lack clicks: what was counted before is gone"
    if all(truth.get(key) == row for key, row in seen.items()):
        return missing(seen, truth)
    return ""


def displaced(table, truth):
    """In words: the windows are right, and all moved by the same time; empty if they are not."""
    for moved, name in shifts(MINUTE) if not truth.keys() & table.keys() else ():
        there = {(start + moved,): (end + moved, clicks) for (start,), (end, clicks) in truth.items()}
        if sum(there.get(key) == row for key, row in table.items()) > len(table) * 0.8:
            return f"all windows are {moved} {name}; the first begins at {min(table)[0]:%H:%M}"
    return ""


def mistakes(topic, judged, recent):
    """What mistakes would give, with their names."""
    late = [click for click, _ in judged.late]
    counted = [click for clicks in judged.counted.values() for click in clicks]
    without = {click["event_id"] for click in recent}
    yield f"{topic} counts clicks that are too late", minutes(windowed([*counted, *late], MINUTE))
    yield (
        "clicks are missing that are older than the watermark, in a minute that is not complete: they are not too late",
        minutes(windowed([click for click in counted if click["event_id"] not in without], MINUTE)),
    )
    yield (
        "a click on the boundary is in the minute that ends there; it belongs to the one that begins",
        minutes(windowed([{**click, "event_time": click["event_time"] - MS} for click in counted], MINUTE)),
    )


def twice(seen, truth, again):
    """Whether a table is right but for more clicks in the minutes of those that were read again."""
    more = {key: row[-1] - truth[key][-1] for key, row in seen.items() if key in truth}
    return bool(more) and seen.keys() == truth.keys() and min(more.values()) == 0 < sum(more.values()) <= len(again)


def gone(seen, truth, killed, again):
    """Whether a table is right but for fewer clicks in the minutes that were open at a kill."""
    fewer = [key for key, row in truth.items() if key not in seen or seen[key][-1] < row[-1]]
    rest = {key: row for key, row in seen.items() if key not in fewer}
    newest = max((click["event_time"] for click in again), default=killed)
    return rest.items() <= truth.items() and all(killed <= key[0] <= newest for key in fewer)


def must_be_passed(topic, seen, truth, closed):
    """In words: nothing is wrong but that `final` lacks the minute whose end the watermark has just reached."""
    if topic != FINAL or seen != {key: row for key, row in truth.items() if row[0] != closed}:
        return ""
    return f"the minute until {closed:%H:%M} is missing: it is complete when the watermark has reached its end, not behind that"


def missing(seen, truth):
    """In words: rows are right, and some are not there."""
    if not seen:
        return f"none of the {len(truth)} rows is there: it waits for too long, or for good"
    newest = max(seen)[0]
    if {key for key in truth if key[0] <= newest} == set(seen):
        return f"the rows of minutes after {newest:%H:%M} are missing, those before are right: it waits for too long"
    return ""


def wrongly_late(late, truth, sent):
    """That many clicks are called late that are not, in words; empty if they are few."""
    extra = late.keys() - truth.keys()
    if len(extra) < len(sent) / 3:
        return ""
    newest = max(sent, key=lambda click: click["event_time"])["event_id"]
    why = "late is what event time has passed by two minutes, not the machine's clock or a message's timestamp"
    if (newest,) not in late:
        why = "what comes with newer clicks is not late; they make late what comes after them (in Spark: in the batches after)"
    return f"; {len(late)} of {len(sent)} clicks are in late instead: {why}"


def late_mistake(seen, truth, recent):
    """A mistake in late that can be recognised, or nothing."""
    early = {click["event_id"] for click in recent} & {key[0] for key in seen}
    if early:
        return f"{len(early)} clicks are called late that are older than the watermark, in a minute that is not complete"
    timeless = {key for key, row in truth.items() if row[0] == NO_TIME}
    if lacking := truth.keys() - seen.keys():
        what = "clicks without a time" if lacking <= timeless else "clicks that are too late"
        return f"{len(lacking)} {what} are missing, such as event_id {min(lacking)[0]}"
    if extra := seen.keys() - truth.keys():
        return f"{len(extra)} clicks are called late that are not, such as event_id {min(extra)[0]}"
    return ""


def difference(topic, seen, truth):
    """The first row that is not right, and how many are not."""
    lacking, extra = truth.keys() - seen.keys(), seen.keys() - truth.keys()
    wrong = [key for key in truth.keys() & seen.keys() if truth[key] != seen[key]]
    counts = [(lacking, "missing"), (extra, "too many"), (wrong, "wrong")]
    said = ", ".join(f"{len(keys)} rows are {name}" for keys, name in counts if keys)
    key = min([*lacking, *extra, *wrong])
    at = f"event_id {key[0]}" if topic == LATE else f"the minute {key[0]:%Y-%m-%d %H:%M:%S} UTC"
    return f"{said}; {at} has {told(seen.get(key))}, where {told(truth.get(key))} belongs"


def told(row):
    """A row in words."""
    return "no row" if row is None else f"{row[-1]!r}" if isinstance(row[-1], str) else f"{row[-1]} clicks"

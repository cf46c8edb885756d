"""What the topics hold, and what is wrong with it: mistakes that can be recognised are named."""

from datetime import timedelta

from prepare import BY_EVENT, BY_PROCESSING, DELAYS, HOUR, IMPLAUSIBLE, MINUTE, MS, bucket, by_event_time, delays, plausible

from delab.checks.results import instant, whole

COLUMNS = {
    BY_EVENT: {"window_start": instant, "click_count": whole},
    BY_PROCESSING: {"window_start": instant, "click_count": whole},
    DELAYS: {"delay_from": whole, "click_count": whole},
    IMPLAUSIBLE: {"event_id": whole, "device_id": whole},
}
KEYS = {BY_EVENT: ["window_start"], BY_PROCESSING: ["window_start"], DELAYS: ["delay_from"], IMPLAUSIBLE: ["event_id"]}


def event_mistake(seen, truth, sent):
    """A mistake in by_event_time that can be recognised, or nothing. `seen` and `truth`: complete windows."""
    believed = list(filter(plausible, sent))
    if truth and any(key > max(truth) for key in seen) and len(believed) < len(sent):
        return "clicks from the future are counted; what came after them is late for such a watermark"
    earlier = [{**click, "event_time": click["event_time"] - MS} for click in believed]
    for name, table in (
        ("windows of arrival_time, not of event_time", by_event_time(believed, "arrival_time")),
        ("a click on the boundary is in the window that ends there", by_event_time(earlier)),
        ("clicks whose clock is more than a minute ahead are counted as well", by_event_time(sent)),
        ("clicks whose clock is ahead by a minute or less are missing", by_event_time([c for c in believed if bucket(c) >= 0])),
    ):
        wrong = {key: row for key, row in table.items() if key in truth or key in seen}
        if wrong != truth and wrong == seen:
            return name
    if said := away(seen, truth):
        return said
    if seen and truth and min(seen) > min(truth):
        sure = min(seen)[0] + 2 * MINUTE  # before that, a part may be missing
        if all(seen.get(key) == row for key, row in truth.items() if key[0] >= sure):
            return f"the windows before {min(seen)[0]:%H:%M} are missing: the job does not read the topic from its beginning"
    if seen and truth and all(truth.get(key) == row for key, row in seen.items()):
        newest = max(truth)[0]
        if max(seen)[0] < newest:
            return f"the windows from {max(seen)[0] + MINUTE:%H:%M} to {newest:%H:%M} are missing, those before are right"
    return ""


def away(seen, truth):
    """Whether all windows are moved by a zone."""
    for quarter in range(-56, 57):
        moved = quarter * HOUR / 4
        if quarter and seen and {(key[0] + moved,) for key in truth} <= set(seen):
            return f"all windows are {moved} away: a time zone was put on, or left out"
    return ""


def delay_mistake(seen, sent):
    """A mistake in delays that can be recognised, or nothing."""
    negative = {key: row for key, row in seen.items() if key[0] < 0}
    for name, table in (
        ("the sign is turned: a delay is arrival_time minus event_time", delays([turned(click) for click in sent])),
        ("negative delays are rounded up, towards 0: -3 s belongs to -10, not to 0", cut(sent)),
        ("only plausible clicks are counted here; the task wants all", delays(filter(plausible, sent))),
        ("negative delays are missing", {key: row for key, row in delays(sent).items() if key[0] >= 0}),
    ):
        if table == seen and table != delays(sent):
            return name
    if any(key[0] > timedelta(days=30).total_seconds() for key in seen):
        return "delays of months: up to the time at which the job ran, not up to arrival_time"
    if any(key[0] % 10 for key in seen):
        return "delays that are no multiple of 10 s"
    return "" if negative or not seen else "negative delays are missing"


def turned(click):
    """The same with its two times exchanged."""
    return {**click, "event_time": click["arrival_time"], "arrival_time": click["event_time"]}


def cut(sent):
    """Delays cut towards zero."""
    found = {}
    for click in sent:
        seconds = (click["arrival_time"] - click["event_time"]).total_seconds()
        key = (int(seconds / 10) * 10,)
        found[key] = (found.get(key, (0,))[0] + 1,)
    return found


def difference(topic, seen, truth):
    """The first row that is not right, and how many are not."""
    lacking, extra = truth.keys() - seen.keys(), seen.keys() - truth.keys()
    wrong = [key for key in truth.keys() & seen.keys() if truth[key] != seen[key]]
    counts = [(lacking, "missing"), (extra, "too many"), (wrong, "wrong")]
    said = ", ".join(f"{len(keys)} rows are {name}" for keys, name in counts if keys)
    key = min([*lacking, *extra, *wrong])
    at = f"{key[0]:%Y-%m-%d %H:%M:%S} UTC" if topic == BY_EVENT else key[0]
    return f"{said}; {KEYS[topic][0]} {at} has {told(seen.get(key))}, where {told(truth.get(key))} belongs"


def told(row):
    """A row in words."""
    return "no row" if row is None else f"{row[0]} clicks"

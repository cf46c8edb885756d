"""What the topics hold, and what is wrong with it: mistakes that can be recognised are named."""

from prepare import (
    ALL,
    BY_EVENT,
    BY_PROCESSING,
    DAY,
    DELAYS,
    HOUR,
    IMPLAUSIBLE,
    MINUTE,
    MS,
    bucket,
    by_event_time,
    delays,
    plausible,
)

from delab.checks.results import instant, whole

COLUMNS = {
    BY_EVENT: {"window_start": instant, "click_count": whole},
    BY_PROCESSING: {"window_start": instant, "click_count": whole},
    DELAYS: {"delay_from": whole, "click_count": whole},
    IMPLAUSIBLE: {"event_id": whole, "device_id": whole},
}
KEYS = {BY_EVENT: ["window_start"], BY_PROCESSING: ["window_start"], DELAYS: ["delay_from"], IMPLAUSIBLE: ["event_id"]}


def event_mistake(seen, truth, sent, late, edge):
    """A mistake in by_event_time that can be recognised, or nothing.

    `seen`, `truth`: complete windows. `late`, `edge`: ids of clicks that came too late, and just in time.
    """
    in_time = [click for click in sent if click["event_id"] not in late]
    believed = list(filter(plausible, in_time))
    if truth and any(key > max(truth) for key in seen) and len(believed) < len(in_time):
        return "clicks from the future are counted; what came after them is late for such a watermark"
    for name, clicks in readings(sent, in_time, believed, edge):
        wrong = {key: row for key, row in clicks.items() if key in truth or key in seen}
        if wrong != truth and wrong == seen:
            return name
    return away(seen, truth) or one_end(seen, truth)


def readings(sent, in_time, believed, edge):
    """What mistakes would give: all windows."""
    yield "windows of arrival_time, not of event_time", by_event_time(believed, "arrival_time")
    earlier = [{**click, "event_time": click["event_time"] - MS} for click in believed]
    yield "a click on the boundary is in the window that ends there; it belongs to the one that begins", by_event_time(earlier)
    yield "clicks whose clock is more than a minute ahead are counted as well", by_event_time(in_time)
    behind = [click for click in believed if click["event_time"] <= click["arrival_time"]]
    yield "clicks whose clock is ahead by a minute or less are missing", by_event_time(behind)
    yield (
        "clicks that came after their minute was complete are counted: no watermark has gone by event_time",
        by_event_time(filter(plausible, sent)),
    )
    for place in ALL:
        rest = [click for click in believed if click["partition"] != place]
        yield f"the clicks of partition {place} are missing", by_event_time(rest)
    kept = [click for click in believed if click["event_id"] not in edge]
    yield "the clicks that came up to two minutes late are missing: the watermark does not wait for them", by_event_time(kept)


def away(seen, truth):
    """Whether all windows are moved by a zone."""
    for quarter in range(-56, 57):
        moved = quarter * HOUR / 4
        if quarter and seen and {(key[0] + moved,) for key in truth} <= set(seen):
            return f"all windows are {moved} away: a time zone was put on, or left out"
    return ""


def one_end(seen, truth):
    """Whether the first windows are missing or hold too little, or the last are missing, and all others are right."""
    wrong = sorted(key[0] for key in truth if seen.get(key) != truth[key])
    if not wrong or not seen or not only_less(seen, truth):
        return ""
    oldest, newest, last = min(truth)[0], max(truth)[0], max(seen)[0]
    if wrong[0] == oldest and wrong[-1] < newest:
        return f"clicks up to {wrong[-1]:%H:%M} are missing, later ones are there: it does not read the topic from its beginning"
    if wrong[0] > last:
        return (
            f"the windows from {last + MINUTE:%H:%M} to {newest:%H:%M} are missing, those before are right: it waits for too long"
        )
    return ""


def delay_mistake(seen, sent):
    """A mistake in delays that can be recognised, or nothing."""
    for name, table in (
        ("the sign is turned: a delay is arrival_time minus event_time", delays([turned(click) for click in sent])),
        ("negative delays are rounded up, towards 0: -3 s belongs to -10, not to 0", cut(sent)),
        ("only plausible clicks are counted here; the task wants all", delays(filter(plausible, sent))),
        ("negative delays are missing", delays([click for click in sent if bucket(click) >= 0])),
    ):
        if table == seen and table != delays(sent):
            return name
    if (total := sum(row[0] for row in seen.values())) > len(sent):
        return f"{total} clicks in all, where {len(sent)} were sent: some are counted twice"
    if any(key[0] > 30 * DAY.total_seconds() for key in seen):
        return "delays of months: up to the time at which the job ran, not up to arrival_time"
    if any(key[0] % 10 for key in seen):
        return "delays that are no multiple of 10 s"
    return ""


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


def only_less(seen, truth):
    """Whether rows are missing, or count too little, and nothing else is wrong."""
    return seen.keys() <= truth.keys() and all(row <= truth[key] for key, row in seen.items())


def difference(topic, seen, truth):
    """The first row that is not right, and how many are not."""
    lacking, extra = truth.keys() - seen.keys(), seen.keys() - truth.keys()
    wrong = [key for key in truth.keys() & seen.keys() if truth[key] != seen[key]]
    counts = [(lacking, "missing"), (extra, "too many"), (wrong, "wrong")]
    said = ", ".join(f"{len(keys)} rows are {name}" for keys, name in counts if keys)
    key = min([*lacking, *extra, *wrong])
    at = f"{key[0]:%Y-%m-%d %H:%M:%S} UTC" if topic == BY_EVENT else key[0]
    return f"{said}; {KEYS[topic][0]} {at} has {told(topic, seen.get(key))}, where {told(topic, truth.get(key))} belongs"


def told(topic, row):
    """A row in words."""
    if row is None:
        return "no row"
    return f"device {row[0]}" if topic == IMPLAUSIBLE else f"{row[0]} clicks"

"""What the two topics hold, and what is wrong with it: mistakes that can be recognised are named."""

from datetime import UTC, datetime

from prepare import BALANCES, SIZE, SPENDING, balances, spending

from delab.checks.event_time import floor, shifts, windowed
from delab.checks.results import instant, money, text, whole

COLUMNS = {
    BALANCES: {"account": text, "payments": whole, "cents": whole, "last_seen": instant},
    SPENDING: {"window_start": instant, "account": text, "payments": whole, "cents": whole},
}
KEYS = {BALANCES: ["account"], SPENDING: ["window_start", "account"]}
AVERAGE = {"average_cents": money}


def table(topic, events):
    """What a topic would hold if these payments counted and no others."""
    return balances(events) if topic == BALANCES else spending(windowed(events, SIZE))


def told(topic, seen, truth, whole_table, guesses):
    """What is wrong with a table. A guess is a mistake's name and the payments that it would count."""
    if not whole_table:
        return "the topic is empty: nothing was read, or nothing written"
    said = displaced(seen, truth, whole_table) if topic == SPENDING else unlike_the_newest(seen, truth)
    return (
        said or next((name for name, events in guesses if alike(topic, seen, truth, events)), "") or difference(topic, seen, truth)
    )


def alike(topic, seen, truth, events):
    """Whether each row that is not right is what these payments make."""
    wrong = [key for key in truth.keys() | seen.keys() if seen.get(key) != truth.get(key)]
    made = table(topic, events)
    return all(seen.get(key) == made.get(key) for key in wrong)


def unlike_the_newest(seen, truth):
    """Whether balances are right but for their times."""
    wrong = [key for key in truth if key in seen and seen[key] != truth[key]]
    if seen.keys() == truth.keys() and wrong and all(seen[key][:2] == truth[key][:2] for key in wrong):
        key = wrong[0]
        return f"last_seen of {key[0]} is {seen[key][2]}, and its newest event_time {truth[key][2]}; all else is right"
    return ""


def displaced(seen, truth, found):
    """Whether windows are those of another time, of another length, moved, or not complete yet."""
    newest = max(start for start, _ in found)
    if abs(datetime.now(UTC) - newest).days < 1:
        return f"windows of the time at which the job ran ({newest:%Y-%m-%d %H:%M}), not of event_time"
    for start, _ in sorted(found):
        if start != floor(start, SIZE):
            return f"a window that begins at {start:%H:%M:%S}; they begin at :00, :05, :10, …"
    for moved, name in shifts(SIZE):
        there = {key: found.get((key[0] + moved, key[1])) for key in truth}
        if sum(there[key] == row for key, row in truth.items()) > len(truth) * 0.8:
            return f"all windows are {moved} {name}"
    last = max(start for start, _ in seen) if seen else newest
    if seen and seen == {key: row for key, row in truth.items() if key[0] <= last}:
        return f"all windows that end after {last + SIZE:%H:%M} are missing, those before are right: it waits for too long"
    return ""


def difference(topic, seen, truth):
    """How many rows are not right, and in which way; the first of them."""
    lacking, extra = truth.keys() - seen.keys(), seen.keys() - truth.keys()
    wrong = [key for key in truth.keys() & seen.keys() if truth[key] != seen[key]]
    less, more = [[key for key in wrong if sign * (seen[key][0] - truth[key][0]) > 0] for sign in (-1, 1)]
    kinds = [
        (lacking, "are missing"),
        (extra, "are of windows that hold nothing" if topic == SPENDING else "are too many"),
        (less, "count too few payments: state was lost, or they were taken for late, or never read"),
        (more, "count too many payments: some were counted twice, or should have been left out"),
        ([key for key in wrong if key not in less + more], "are wrong, though they count the right number"),
    ]
    said = ", ".join(f"{len(keys)} rows {name}" for keys, name in kinds if keys)
    key = min([*lacking, *extra, *wrong])
    at = f"{key[0]:%H:%M} {key[1]}" if topic == SPENDING else key[0]
    return f"{said}; {at} has {words(seen.get(key))}, where {words(truth.get(key))} belongs"


def words(row):
    """A row in words."""
    if row is None:
        return "no row"
    last = f", last seen {row[2]}" if len(row) > 2 else ""
    return f"{row[0]} payments of {row[1]} cents{last}"

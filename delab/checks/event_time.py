"""The answer key of streaming labs: windows of event time, and which events come too late for them, computed from what was sent.

An event is a mapping; its times are aware datetimes. A window [start, end) holds the events with start <= time < end; windows are
aligned to 1970-01-01T00:00Z, as in Spark and Flink. Both engines agree on what a watermark does:

    watermark  = newest time seen - delay
    a window is complete, and whatever comes for it afterwards is late, once end <= watermark

They differ in *whose* newest time counts and *when* it does. Spark takes the newest of all partitions, and a batch works with the
watermark of the batches before it (rows are dropped as late by that of one batch earlier still). Flink takes the oldest of all
partitions' own newest times, leaving out those that are idle, and goes on with every event. So events are sent in phases, and
between two phases the verifier waits until an effect shows that the watermark has arrived. Within a phase they are sent in
`portions`, each acknowledged before the next: none is read before one that could make it late. `judged` gives what both engines
then do, and refuses (AssertionError) what one of them might do otherwise.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

Event = Mapping[str, Any]
Windows = dict[datetime, list[Event]]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MARGIN = timedelta(milliseconds=1)  # Flink's SQL completes a window with its last millisecond; Spark and DataStream after it
NEVER = datetime.min.replace(tzinfo=UTC)


def floor(at: datetime, width: timedelta) -> datetime:
    """The last multiple of `width` since 1970 that is not later than `at`."""
    return at - (at - EPOCH) % width


def starts(at: datetime, size: timedelta, slide: timedelta | None = None) -> list[datetime]:
    """The starts of all windows that hold a time, oldest first; without `slide` they tumble, and there is one."""
    step = slide or size
    newest = floor(at, step)
    count = -(-(size - (at - newest)) // step)
    return [newest - number * step for number in reversed(range(count))]


def windowed(events: Iterable[Event], size: timedelta, slide: timedelta | None = None, *, time: str = "event_time") -> Windows:
    """The events of each window; one without any has no entry. `time` names the column (a wrong one gives a mistake's answer)."""
    found: Windows = defaultdict(list)
    for event in events:
        for start in starts(event[time], size, slide):
            found[start].append(event)
    return dict(sorted(found.items()))


def shifts(size: timedelta) -> Iterator[tuple[timedelta, str]]:
    """By how much people displace windows of a size, and how: by their length, or by a time zone."""
    yield size, "too late: window_start holds the end"
    for quarter in range(-56, 57):
        if quarter:
            yield quarter * timedelta(minutes=15), "away: a time zone was put on, or left out"


def newest(events: Iterable[Event], time: str = "event_time") -> datetime:
    """The newest time among these; datetime.min if there are none."""
    return max((event[time] for event in events), default=NEVER)


def complete(events: Iterable[Event], delay: timedelta, *, time: str = "event_time") -> datetime:
    """Windows that end here or earlier are complete when these events have been seen: the watermark, by the newest of all."""
    at = newest(events, time)
    return at if at == NEVER else at - delay


def slowest(events: Collection[Event], partitions: Iterable[int], delay: timedelta, *, time: str = "event_time") -> datetime:
    """The watermark by the slowest of these partitions (`partition` of an event); NEVER while one of them has sent nothing."""
    own = [newest((event for event in events if event["partition"] == number), time) for number in partitions]
    return NEVER if not own or NEVER in own else min(own) - delay


def portions(events: Iterable[Event], delay: timedelta, *, time: str = "event_time") -> Iterator[list[Event]]:
    """The events in order, cut so that times within a portion are less than `delay` apart: none can make another one late."""
    portion: list[Event] = []
    for event in events:
        times = [event[time], *(other[time] for other in portion)]
        if portion and max(times) - min(times) >= delay:
            yield portion
            portion = []
        portion.append(event)
    if portion:
        yield portion


@dataclass(frozen=True)
class Judged:
    """What becomes of the events that were sent: those that count, by window, and those that are late, with the window's start."""

    counted: Windows = field(default_factory=dict)
    late: list[tuple[Event, datetime]] = field(default_factory=list)


def judged(
    phases: Sequence[Collection[Event]],
    *,
    size: timedelta,
    slide: timedelta | None = None,
    delay: timedelta,
    partitions: int = 1,
    idle: Collection[int] = (),
    lateness: timedelta = timedelta(0),
    time: str = "event_time",
) -> Judged:
    """What counts if the watermark of each phase has arrived before the next is sent.

    `lateness` is allowed beyond the watermark (Flink's allowed lateness). `idle` partitions hold nothing up: they are silent long
    enough to be left out. Raises AssertionError if Spark and Flink, or two runs of one of them, could decide differently.
    """
    counted: Windows = defaultdict(list)
    late: list[tuple[Event, datetime]] = []
    busy = [number for number in range(partitions) if number not in idle]
    before: list[Event] = []
    top = NEVER
    for phase in phases:
        surely = slowest(before, busy, delay, time=time)  # no engine is behind this when the phase comes
        for event in phase:
            before.append(event)
            top = max(top, event[time])  # no engine is ahead of `top - delay` when it reads the event
            for start in starts(event[time], size, slide):
                end = start + size + lateness
                if end > top - delay + MARGIN:
                    counted[start].append(event)
                elif end <= surely:
                    late.append((event, start))
                else:
                    raise AssertionError(f"whether {event} is late for the window of {start} is left to chance: see judged()")
    return Judged(dict(sorted(counted.items())), late)

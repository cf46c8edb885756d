"""What `lab watch N` shows of streams, computed from what was seen. Nothing here asks a service."""

import json
import math
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from delab.checks.result import Plot

START = "window_start"  # the field that makes a topic one of windows
SAMPLES = 600  # that are kept: ten minutes of one a second
Offsets = Mapping[str, Mapping[int, int]]  # by topic and partition
Reader = tuple[str, str]  # who reads, and which topic


@dataclass(frozen=True)
class Sample:
    """What the services said at one moment. `at` in seconds since the look began, watermarks in ms since 1970."""

    at: float
    ends: Mapping[str, int] = field(default_factory=dict)  # topic: its end, summed over partitions
    lags: Mapping[Reader, int] = field(default_factory=dict)  # messages that it has not read
    watermarks: Mapping[Reader, int] = field(default_factory=dict)  # how far it is in event time


class Windows:
    """The windows that a topic holds: of each window and key the last row counts, a tombstone removes it."""

    def __init__(self) -> None:
        self.rows: dict[tuple[Any, ...], float] = {}  # by start and the fields that name what is counted
        self.written: dict[bytes, tuple[Any, ...]] = {}
        self.column = ""

    def add(self, key: bytes | None, value: bytes | None) -> bool:
        """Take a message in; whether it is a row of a window, or the end of one."""
        if value is None:
            return key is not None and self.rows.pop(self.written.pop(key, ()), None) is not None
        if (row := decoded(value)) is None or (start := moment(row.get(START))) is None:
            return False
        numbers = {name: float(told) for name, told in row.items() if measured(name, told)}
        self.column = self.column or next(iter(numbers), "")
        place = (start, *names(row))
        self.rows[place] = numbers.get(self.column, 0.0 if self.column else 1.0)
        if key is not None:
            self.written[key] = place
        return True

    def totals(self) -> list[tuple[datetime, float]]:
        """Each window's start and the sum over its keys, in order."""
        found: defaultdict[datetime, float] = defaultdict(float)
        for (start, *_), number in self.rows.items():
            found[start] += number
        return sorted(found.items())


def decoded(value: bytes) -> dict[str, Any] | None:
    """A message as a JSON object, if it is one."""
    try:
        told = json.loads(value)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None


def moment(told: Any) -> datetime | None:
    """A time in ISO 8601 (UTC, if it names no zone), if it is one."""
    try:
        at = datetime.fromisoformat(told)
    except (TypeError, ValueError):
        return None
    try:
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError:
        return None


def measured(name: str, told: Any) -> bool:
    """Whether a field is a number that something counts or sums, and not the number of a thing."""
    return isinstance(told, int | float) and not isinstance(told, bool) and math.isfinite(told) and not name.endswith("_id")


def names(row: Mapping[str, Any]) -> list[str]:
    """The fields that say what is counted, such as a page's number: all but times of the window, numbers, and nothing."""
    told = {name: value for name, value in row.items() if value is not None and not name.startswith("window_")}
    return [f"{name}={value}" for name, value in sorted(told.items()) if not measured(name, value)]


class History:
    """The latest samples."""

    def __init__(self, most: int = SAMPLES) -> None:
        self.samples: deque[Sample] = deque(maxlen=most)

    def add(self, sample: Sample) -> None:
        """Keep a sample; the oldest one goes."""
        self.samples.append(sample)

    def lag_plot(self) -> Plot | None:
        """How far readers have been behind; None as long as there is no reader."""
        readers = dict.fromkeys(reader for sample in self.samples for reader in sample.lags)
        several = len({topic for _, topic in readers}) > 1
        series = {
            f"{name} of {topic}" if several else name: [
                (one.at, float(one.lags[name, topic])) for one in self.samples if (name, topic) in one.lags
            ]
            for name, topic in readers
        }
        return Plot(title="Lag", x="seconds of watching", y="messages not read", series=series) if series else None

    def rate(self, topic: str) -> float:
        """Messages a second that a topic has got, over the last samples (at most ten)."""
        known = [(one.at, one.ends[topic]) for one in list(self.samples)[-10:] if topic in one.ends]
        if len(known) < 2 or known[-1][0] <= known[0][0]:
            return 0.0
        return max(0.0, (known[-1][1] - known[0][1]) / (known[-1][0] - known[0][0]))


def window_plot(topic: str, windows: Windows, watermark: int | None) -> Plot | None:
    """A topic's windows over event time; None without any. A watermark so far off that it would flatten them is left out."""
    totals = windows.totals()
    if not totals:
        return None
    first = totals[0][0]
    series = {windows.column or "rows": [(minutes(at - first), number) for at, number in totals]}
    width = minutes(totals[-1][0] - first)
    if watermark is not None and abs(minutes(at_ms(watermark) - first) - width) <= max(60.0, 2 * width):
        place = minutes(at_ms(watermark) - first)
        series["watermark"] = [(place, 0.0), (place, max(number for _, number in totals))]
    return Plot(title=topic, x=f"minutes since {first:%Y-%m-%d %H:%M} UTC", y=windows.column or "rows", series=series)


def minutes(span: timedelta) -> float:
    """A span in minutes."""
    return span / timedelta(minutes=1)


def at_ms(value: int) -> datetime:
    """A time from ms since 1970; one that no calendar has becomes the nearest that has."""
    low, high = -62_135_596_800_000, 253_402_300_799_000
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=min(max(value, low), high))


def lag(ends: Offsets, done: Offsets) -> dict[str, int]:
    """Of each topic of which something is done: how many messages are not. What was never read counts from 0."""
    return {
        topic: sum(max(0, end - offsets.get(place, 0)) for place, end in ends.get(topic, {}).items())
        for topic, offsets in done.items()
        if topic in ends
    }


def spark_progress(text: str) -> tuple[int | None, Offsets]:
    """Watermark (ms; None if there is none) and offsets of a batch, from a file of a Spark checkpoint's `offsets`."""
    lines = [told for line in text.splitlines() if (told := decoded(line.encode())) is not None]
    watermark = next((int(line["batchWatermarkMs"]) for line in lines if "batchWatermarkMs" in line), 0)
    found: dict[str, dict[int, int]] = {}
    for line in lines:
        for topic, offsets in line.items():
            if isinstance(offsets, dict) and offsets and all(map(is_offset, offsets.items())):
                found[topic] = {int(place): offset for place, offset in offsets.items()}
    return watermark or None, found


def is_offset(told: tuple[str, Any]) -> bool:
    """Whether it is a partition and an offset: the folder is the learner's, who may keep other things there."""
    return told[0].isdecimal() and isinstance(told[1], int)


def topic_rows(history: History) -> list[tuple[str, ...]]:
    """Of each topic: its name, how many messages it holds, how many came in a second."""
    ends = history.samples[-1].ends if history.samples else {}
    return [(topic, str(end), f"{history.rate(topic):.0f}") for topic, end in sorted(ends.items())]


def reader_rows(history: History) -> list[tuple[str, ...]]:
    """Of each reader of a topic: its name, the topic, how many messages it has not read, its watermark."""
    if not history.samples:
        return []
    now = history.samples[-1]
    known = dict.fromkeys([*now.lags, *now.watermarks])
    return [(*key, str(now.lags.get(key, "")), told(now.watermarks.get(key))) for key in sorted(known)]


def short(job: str) -> str:
    """A Flink job's name without what all have."""
    return job.removeprefix("insert-into_").replace("default_catalog.default_database.", "")


def told(watermark: int | None) -> str:
    """A watermark in words."""
    return "" if watermark is None else f"{at_ms(watermark):%Y-%m-%d %H:%M:%S}"


def slowest(sample: Sample) -> int | None:
    """The lowest watermark; None if there is none."""
    return min(sample.watermarks.values(), default=None)

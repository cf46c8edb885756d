"""What a streaming job has written to a topic: read as it comes, and made into a table whose columns can be compared.

output = Output(kafka, "page_views")
columns = {"window_start": instant, "page_id": whole, "views": whole}
table = latest(output.messages(), columns, ["window_start", "page_id"], "page_views")
"""

import contextlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from delab import wait
from delab.checks.failing import expect, fail, show
from delab.checks.kafka import Kafka, Record, explained, places, record

Instant = datetime


class Output:
    """What a topic holds, read on by one consumer; `committed` leaves out what was written in transactions that did not commit."""

    def __init__(self, kafka: Kafka, topic: str, *, committed: bool = False) -> None:
        self.kafka, self.topic, self.found = kafka, topic, list[Record]()
        self.context = contextlib.ExitStack()
        self.consumer = self.context.enter_context(kafka.consumer(committed=committed))
        self.places = places(self.consumer, topic)
        self.consumer.assign(self.places)
        self.consumer.seek_to_beginning(*self.places)

    def close(self) -> None:
        """Close the consumer."""
        self.context.close()

    def messages(self) -> list[Record]:
        """All messages up to the topic's end as it is now, in the order in which they were read."""
        with explained(self.kafka.servers):
            ends = self.consumer.end_offsets(self.places)

            def complete() -> bool:
                if any(self.consumer.position(place) < end for place, end in ends.items()):
                    for batch in self.consumer.poll(timeout_ms=100, max_records=10_000).values():
                        self.found.extend(map(record, batch))
                return all(self.consumer.position(place) >= end for place, end in ends.items())

            wait.until(complete, seconds=self.kafka.seconds, what=f"all messages of {self.topic}")
        return self.found


Column = Callable[[Any], Any]


def rows(messages: Iterable[Record], columns: Mapping[str, Column], topic: str) -> list[dict[str, Any] | None]:
    """Messages as rows; None for a tombstone. Fails the check with the first one that is not a JSON object with these columns."""
    return [None if one.value is None else row(one.value, columns, topic) for one in messages]


def row(value: bytes, columns: Mapping[str, Column], topic: str) -> dict[str, Any]:
    """One message as a row; further fields are left out."""
    expected = f"each message of {topic} is a JSON object with {', '.join(columns)}"
    try:
        told = json.loads(value)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        fail(expected=expected, seen=f"a message that is none: {show(value.decode(errors='replace'))}")
    lacking = [name for name in columns if name not in told]
    expect(not lacking, expected=expected, seen=f"no {', '.join(lacking)} in {show(value.decode())}")
    found = {}
    for name, read in columns.items():
        try:
            found[name] = read(told[name])
        except (ValueError, TypeError, ArithmeticError) as error:
            fail(expected=f"{name} in {topic} is {read.__doc__}", seen=f"{show(told[name])} in {show(value.decode())} ({error})")
    return found


def latest(
    messages: Sequence[Record], columns: Mapping[str, Column], key: Sequence[str], topic: str
) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """The table that a topic of changes holds: {key: the other columns}. The last message of a key wins.

    A tombstone (no value) removes what was written under its Kafka key. The topic has one partition, so that there is a last.
    """
    table: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    written: dict[bytes | None, tuple[Any, ...]] = {}
    for one, found in zip(messages, rows(messages, columns, topic), strict=True):
        if found is None:
            table.pop(written.get(one.key, ()), None)
            continue
        at = tuple(found[name] for name in key)
        table[at] = tuple(value for name, value in found.items() if name not in key)
        written[one.key] = at
    return table


def instant(value: Any) -> Instant:
    """a time in ISO 8601 (UTC, if it names no zone)"""
    if not isinstance(value, str):
        raise TypeError("not a text")
    at = datetime.fromisoformat(value)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def text(value: Any) -> str:
    """a text"""
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def whole(value: Any) -> int:
    """a whole number"""
    if isinstance(value, bool) or value is None or int(value) != float(value):
        raise ValueError("not whole")
    return int(value)


def money(value: Any) -> Decimal:
    """a number of euro (rounded to cents by us)"""
    if isinstance(value, bool) or value is None:
        raise ValueError("no number")
    number = Decimal(str(value))
    if not number.is_finite():
        raise ValueError("not finite")
    return number.quantize(Decimal("0.01"))

"""What is sent to Kafka, with a producer of the test's own that keeps it in memory; the real one is in test_kafka_broker.py."""

import json
from collections.abc import Callable
from contextlib import nullcontext

import pyarrow as pa
import pytest

from delab.data import Recipe, dataset
from delab.data.pace import Clock, Pace
from delab.data.sinks import kafka
from delab.data.sinks.kafka import Sender, messages
from delab.errors import Blocked, LabError

RETAIL = dataset("retail")


class Promise:
    """What the producer gives for a message: here it is kept, or broken, at once."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error

    def add_errback(self, call: Callable[[Exception], None]) -> None:
        if self.error:
            call(self.error)


class InMemoryProducer:
    """Keeps what is sent; fails at a message if told to."""

    def __init__(self, fail_at: int = -1) -> None:
        self.sent: list[tuple[str, dict[str, object]]] = []
        self.fail_at, self.flushed = fail_at, False

    def send(self, topic: str, **message: object) -> Promise:
        self.sent.append((topic, message))
        return Promise(TimeoutError("no answer") if len(self.sent) == self.fail_at else None)

    def flush(self, timeout: float) -> None:
        self.flushed = True


def test_a_message_is_a_row() -> None:
    rows = RETAIL.clean("orders", Recipe(), 0, 5)
    first = next(messages(RETAIL.table("orders"), rows))
    assert first.key == b"1"
    value = json.loads(first.value)
    assert value["order_id"] == 1
    assert list(value) == rows.schema.names
    assert first.at == rows.column("ordered_at").cast(pa.int64()).to_pylist()[0]


def test_rows_go_in_order_to_their_topic_with_their_event_time() -> None:
    producer, seen = InMemoryProducer(), []
    count = Sender(producer, "retail").table(RETAIL, RETAIL.table("orders"), Recipe(0.2), lambda *said: seen.append(said))
    assert count == len(producer.sent) == 200
    assert producer.flushed
    assert {topic for topic, _ in producer.sent} == {"retail.orders"}
    assert [message["key"] for _, message in producer.sent] == [str(number).encode() for number in range(1, 201)]
    stamps = [message["timestamp_ms"] for _, message in producer.sent]
    assert stamps == sorted(stamps)  # type: ignore[type-var]
    assert sum(rows for _, _, rows in seen) == 200


def test_a_table_without_event_time_has_no_timestamp() -> None:
    producer = InMemoryProducer()
    Sender(producer, "retail").table(RETAIL, RETAIL.table("areas"), Recipe(), lambda *said: None)
    assert all("timestamp_ms" not in message for _, message in producer.sent)


def test_replay_waits_for_the_event_times() -> None:
    times = [0.0]
    clock = Clock(lambda: times[0], lambda seconds: times.__setitem__(0, times[0] + seconds))
    Sender(InMemoryProducer(), "retail", Pace(speed=3600, clock=clock)).table(
        RETAIL, RETAIL.table("orders"), Recipe(0.2), lambda *said: None
    )
    ordered = RETAIL.rows("orders", Recipe(0.2))["ordered_at"].to_pylist()
    assert times[0] == pytest.approx((ordered[-1] - ordered[0]).total_seconds() / 3600)


@pytest.mark.parametrize("fail_at", [1, 100, 200])
def test_a_message_that_is_not_taken_is_an_error(fail_at: int) -> None:
    producer = InMemoryProducer(fail_at)
    with pytest.raises(Blocked, match="did not take 1 messages, the first: no answer"):
        Sender(producer, "retail").table(RETAIL, RETAIL.table("orders"), Recipe(0.2), lambda *said: None)
    assert len(producer.sent) == fail_at


def test_only_tables_with_an_event_time_are_sent_by_default_and_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = InMemoryProducer()
    monkeypatch.setattr(kafka, "connected", lambda servers: nullcontext(producer))
    assert kafka.send("broker", RETAIL, Recipe(0.1)) == {"orders": 100}
    with pytest.raises(LabError, match="payments cannot be replayed"):
        kafka.send("broker", RETAIL, Recipe(0.1), tables=["payments"], speed=60)


def test_no_broker_is_explained() -> None:
    with pytest.raises(Blocked, match="no Kafka broker answers") as seen:
        kafka.send("127.0.0.1:1", RETAIL, Recipe(0.1))
    assert "lab status" in seen.value.fix


@pytest.mark.parametrize("servers", ["nonsense", "host:", "127.0.0.1:port"])
def test_a_broker_must_be_named_with_its_port(servers: str) -> None:
    with pytest.raises(LabError, match="expected a broker as HOST:PORT"):
        kafka.send(servers, RETAIL, Recipe(0.1))

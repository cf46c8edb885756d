"""A real producer into a real broker: the one that KAFKA_BOOTSTRAP_SERVERS names; without one these tests are skipped."""

import json
import os
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from delab.data import Recipe, dataset
from delab.data.pace import Pace
from delab.data.sinks.kafka import Sender, producer, send

SERVERS = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "")
RETAIL = dataset("retail")
pytestmark = [
    pytest.mark.skipif(not SERVERS, reason="KAFKA_BOOTSTRAP_SERVERS names no broker"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # kafka-python, on Python 3.11
]


@pytest.fixture
def prefix() -> str:
    return f"test-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def client() -> Iterator[Any]:
    made = producer(SERVERS)
    yield made
    made.close(timeout=5)


def consumed(topic: str, count: int) -> list[Any]:
    """The first `count` messages of a topic, in order."""
    from kafka import KafkaConsumer

    consumer = KafkaConsumer(topic, bootstrap_servers=SERVERS, auto_offset_reset="earliest", consumer_timeout_ms=10_000)
    found = []
    for message in consumer:
        found.append(message)
        if len(found) == count:
            break
    consumer.close()
    return found


def test_every_row_arrives_once_and_in_order_with_its_event_time(client: Any, prefix: str) -> None:
    count = Sender(client, prefix).table(RETAIL, RETAIL.table("orders"), Recipe(3), lambda *said: None)
    assert count == 3000
    messages = consumed(f"{prefix}.orders", count)
    assert [int(message.key) for message in messages] == list(range(1, 3001))
    ordered = RETAIL.rows("orders", Recipe(3))["ordered_at"].cast(pa.int64()).to_pylist()
    assert [message.timestamp for message in messages] == [at // 1000 for at in ordered]
    assert [json.loads(message.value)["order_id"] for message in messages] == list(range(1, 3001))


def test_a_rate_is_kept(client: Any, prefix: str) -> None:
    began = time.monotonic()
    Sender(client, prefix, Pace(rate=200)).table(RETAIL, RETAIL.table("orders"), Recipe(0.2), lambda *said: None)
    assert time.monotonic() - began >= 199 / 200


def test_the_command_sends_to_topics_named_after_set_and_table() -> None:
    assert send(SERVERS, RETAIL, Recipe(0.1), tables=["areas"])["areas"] == RETAIL.units("areas", Recipe(0.1))
    areas = [json.loads(message.value) for message in consumed("retail.areas", 88)]
    assert areas[0] == {"area_id": 1, "parent_id": None, "level": "world", "name": "World"}

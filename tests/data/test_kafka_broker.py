"""A real producer into a real broker."""

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from delab import templates
from delab.data import Recipe, dataset
from delab.data.pace import Pace
from delab.data.sinks.kafka import Sender, producer, send
from delab.services import make

RETAIL = dataset("retail")
pytestmark = [  # of kafka-python: on Python 3.11, and sockets of attempts that failed
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def servers() -> Iterator[str]:
    """A broker of these tests' own."""
    made = templates.Scratch(templates.Plan("broker", (make("kafka", {}),)))
    made.start()
    yield made.environment()["KAFKA_BOOTSTRAP_SERVERS"]
    made.destroy()


@pytest.fixture
def prefix() -> str:
    return f"test-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def client(servers: str) -> Iterator[Any]:
    made = producer(servers)
    yield made
    made.close(timeout=5)


def consumed(servers: str, topic: str, count: int) -> list[Any]:
    """The first `count` messages of a topic, in order."""
    from kafka import KafkaConsumer

    consumer = KafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest", consumer_timeout_ms=10_000)
    found = []
    for message in consumer:
        found.append(message)
        if len(found) == count:
            break
    consumer.close()
    return found


def test_every_row_arrives_once_and_in_order_with_its_event_time(client: Any, servers: str, prefix: str) -> None:
    count = Sender(client, prefix).table(RETAIL, RETAIL.table("orders"), Recipe(3), lambda *said: None)
    assert count == 3000
    messages = consumed(servers, f"{prefix}.orders", count)
    assert [int(message.key) for message in messages] == list(range(1, 3001))
    ordered = RETAIL.rows("orders", Recipe(3))["ordered_at"].cast(pa.int64()).to_pylist()
    assert [message.timestamp for message in messages] == [at // 1000 for at in ordered]
    assert [json.loads(message.value)["order_id"] for message in messages] == list(range(1, 3001))


def test_a_rate_is_kept(client: Any, prefix: str) -> None:
    began = time.monotonic()
    Sender(client, prefix, Pace(rate=200)).table(RETAIL, RETAIL.table("orders"), Recipe(0.2), lambda *said: None)
    assert time.monotonic() - began >= 199 / 200


def test_the_command_sends_to_topics_named_after_set_and_table(servers: str) -> None:
    assert send(servers, RETAIL, Recipe(0.1), tables=["areas"])["areas"] == RETAIL.units("areas", Recipe(0.1))
    areas = [json.loads(message.value) for message in consumed(servers, "retail.areas", 88)]
    assert areas[0] == {"area_id": 1, "parent_id": None, "level": "world", "name": "World"}

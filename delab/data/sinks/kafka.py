"""Into Kafka: a topic a table, the row's identity as key, JSON as value, the event time as timestamp; at a rate, or replayed."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from delab.data.arrow import RecordBatch
from delab.data.files import Report, silent
from delab.data.model import Dataset, Recipe, Table
from delab.data.pace import Pace
from delab.data.strings import json_lines
from delab.errors import Blocked, LabError

SILENT_SECONDS = 30  # how long a broker may keep silent before its messages count as lost
CONNECT_SECONDS = 10


@dataclass(frozen=True)
class Message:
    """What is sent for one row. `at` is the event time in µs since 1970, 0 for a table without one."""

    key: bytes
    value: bytes
    at: int


def messages(table: Table, rows: RecordBatch) -> Iterator[Message]:
    """The rows of a page as messages."""
    keys = rows.column(table.identity).cast("int64").to_pylist()
    times = np.asarray(rows.column(table.time).cast("int64")).tolist() if table.time else [0] * len(keys)
    for key, value, at in zip(keys, json_lines(rows).to_pylist(), times, strict=True):
        yield Message(str(key).encode(), value.encode(), at)


def producer(servers: str) -> Any:
    """A producer that waits for all replicas and repeats nothing twice. Raises Blocked if no broker answers."""
    check_reachable(servers)
    try:
        from kafka import KafkaProducer
        from kafka.errors import KafkaError
    except ImportError as error:
        raise Blocked("the Kafka client is not installed", "run `scripts/bootstrap kafka`, or a lab that uses Kafka") from error
    try:
        return KafkaProducer(
            bootstrap_servers=servers,
            acks="all",
            enable_idempotence=True,
            linger_ms=20,
            batch_size=1 << 17,
            bootstrap_timeout_ms=CONNECT_SECONDS * 1000,
            request_timeout_ms=SILENT_SECONDS * 500,
            delivery_timeout_ms=SILENT_SECONDS * 1000,
            max_block_ms=SILENT_SECONDS * 1000,
        )
    except (KafkaError, ValueError, OSError) as error:
        raise Blocked(
            f"no Kafka broker answers at {servers}: {error}", "`lab status` shows where it runs, `lab up` starts it"
        ) from error


@contextmanager
def connected(servers: str) -> Iterator[Any]:
    """A producer while it is needed; whatever the client complains of is raised as Blocked."""
    client = producer(servers)
    from kafka.errors import KafkaError

    try:
        yield client
    except KafkaError as error:
        abandon(client)
        raise Blocked(f"Kafka at {servers} stopped answering: {error}", "see `lab logs`") from error
    except BaseException:
        abandon(client)
        raise
    client.close(timeout=SILENT_SECONDS)


def abandon(client: Any) -> None:
    """Close a producer without its messages: its own `close` would wait for them, fail, and do so again when Python ends."""
    client.flush = lambda timeout=None: None
    client.close(timeout=1)


def check_reachable(servers: str) -> None:
    """Raise Blocked if nothing listens at any of `host:port,…`, at once and without the client's own attempts."""
    refused = ""
    for server in servers.split(","):
        host, _, port = server.strip().rpartition(":")
        try:
            with socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS):
                return
        except ValueError:
            raise LabError(f"expected a broker as HOST:PORT, got {server!r}", "for example --at 127.0.0.1:9092") from None
        except OSError as error:
            refused = str(error)
    raise Blocked(f"no Kafka broker answers at {servers}: {refused}", "`lab status` shows where it runs, `lab up` starts it")


@dataclass
class Sender:
    """Sends tables through one producer; any object with kafka-python's `send` and `flush` will do."""

    producer: Any
    prefix: str  # topics are PREFIX.TABLE
    pace: Pace = field(default_factory=Pace)
    failures: list[BaseException] = field(default_factory=list)

    def table(self, data: Dataset, table: Table, what: Recipe, report: Report) -> int:
        """Send all rows of a table in order; how many the brokers have acknowledged. Raises Blocked if one was not."""
        sent, done = 0, 0
        for page in data.pages(table.name, what):
            for message in messages(table, page.rows):
                self.pace.wait(sent, message.at)
                self.send(f"{self.prefix}.{table.name}", message)
                sent += 1
            done += table.page
            report(table.name, done, page.rows.num_rows)
        self.producer.flush(timeout=2 * SILENT_SECONDS)
        self.check(sent)
        return sent

    def send(self, topic: str, message: Message) -> None:
        """Hand one message to the producer."""
        stamp = {"timestamp_ms": message.at // 1000} if message.at else {}
        self.producer.send(topic, key=message.key, value=message.value, **stamp).add_errback(self.failures.append)
        if self.failures:
            self.check(0)

    def check(self, sent: int) -> None:
        """Raise Blocked if a message was not acknowledged."""
        if self.failures:
            raise Blocked(f"Kafka did not take {len(self.failures)} messages, the first: {self.failures[0]}", "see `lab logs`")


def send(
    servers: str,
    data: Dataset,
    what: Recipe,
    *,
    tables: Sequence[str] = (),
    rate: float = 0.0,
    speed: float = 0.0,
    report: Report = silent,
) -> dict[str, int]:
    """Send tables (default: those with an event time) to brokers at `servers`; acknowledged messages by table.

    `rate` is messages a second; `speed` replays event time that many times as fast. Raises Blocked or LabError.
    """
    wanted = [data.table(name) for name in tables] or [table for table in data.tables.values() if table.time]
    timeless = [table.name for table in wanted if speed and not table.time]
    if timeless:
        raise LabError(f"{', '.join(timeless)} cannot be replayed: no event time", "use --rate, or choose others with --table")
    with connected(servers) as client:
        return {table.name: Sender(client, data.name, Pace(rate, speed)).table(data, table, what, report) for table in wanted}

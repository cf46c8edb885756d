"""Asking the Kafka cluster of a stack, so that a missing topic is the learner's failure and a dead broker is not."""

import contextlib
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from delab import wait
from delab.checks.failing import fail
from delab.errors import Blocked
from delab.runtime import Stack

SERVERS = "KAFKA_BOOTSTRAP_SERVERS"
SECONDS = 20  # that one call may take
POSITIONS = "__consumer_offsets"  # Kafka's own topic, in which consumer groups note how far they are
LARGEST, SMALL = 1_048_588, 100  # bytes that a message may have: as it comes; and so few that only a transaction's marker (78) fits


@dataclass(frozen=True)
class Record:
    """A message. `at` is its timestamp in ms since 1970 (0: the moment of sending); `offset` is -1 for one that is to be sent."""

    value: bytes | None  # None deletes the key from a compacted topic
    key: bytes | None = None
    at: int = 0
    partition: int | None = None
    offset: int = -1


class Kafka:
    """The cluster of a stack; every call has clients of its own, bounded by `seconds`."""

    def __init__(self, stack: Stack, seconds: int = SECONDS) -> None:
        self.servers, self.seconds = stack.environment()[SERVERS], seconds

    @property
    def options(self) -> dict[str, Any]:
        """What all clients are told."""
        limit = int(self.seconds * wait.scale() * 1000)
        return {"bootstrap_servers": self.servers, "bootstrap_timeout_ms": limit, "request_timeout_ms": limit}

    @contextlib.contextmanager
    def admin(self) -> Iterator[Any]:
        """A kafka-python admin client."""
        from kafka import KafkaAdminClient

        with explained(self.servers), contextlib.closing(KafkaAdminClient(**self.options)) as client:
            yield client

    @contextlib.contextmanager
    def consumer(self, group: str | None = None, *, committed: bool = False) -> Iterator[Any]:
        """A kafka-python consumer: reads from the beginning, commits nothing by itself, hides aborted messages if asked."""
        from kafka import KafkaConsumer

        level = "read_committed" if committed else "read_uncommitted"
        made = {
            "group_id": group,
            "auto_offset_reset": "earliest",
            "enable_auto_commit": False,
            "isolation_level": level,
            "allow_auto_create_topics": False,
        }
        with explained(self.servers), contextlib.closing(KafkaConsumer(**self.options, **made)) as client:
            yield client

    def create(self, topic: str, *, partitions: int = 1, replicas: int = 1, configs: Mapping[str, str] | None = None) -> None:
        """Make a topic; returns when every partition has a leader."""
        about = {"num_partitions": partitions, "replication_factor": replicas, "configs": dict(configs or {})}
        with self.admin() as admin:
            admin.create_topics({topic: about}, wait_for_metadata=True)

    def topics(self) -> set[str]:
        """The topics that there are, without Kafka's own."""
        with self.admin() as admin:
            return {str(name) for name in admin.list_topics() if not name.startswith("__")}

    def configure(self, topics: Iterable[str], configs: Mapping[str, str]) -> None:
        """Set options of topics; one that is not there is left out."""
        from kafka.admin import ConfigResource, ConfigResourceType

        with self.admin() as admin:
            for topic in {*topics} & {*admin.list_topics()}:
                admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, dict(configs))])

    @contextlib.contextmanager
    def refusing(self, *topics: str, above: int = SMALL) -> Iterator[None]:
        """For a while topics refuse messages of more than `above` bytes, and a client does not send them again."""
        self.configure(topics, {"max.message.bytes": str(above)})
        try:
            yield
        finally:
            self.configure(topics, {"max.message.bytes": str(LARGEST)})

    def send(self, topic: str, records: Iterable[Record]) -> int:
        """Send messages in order, acknowledged by all replicas in sync; how many."""
        return self.send_in_turn(topic, [records])

    def send_in_turn(self, topic: str, portions: Iterable[Iterable[Record]]) -> int:
        """Send portions of messages, each acknowledged before the next is sent; how many messages."""
        from kafka import KafkaProducer

        quick = {"acks": "all", "enable_idempotence": True, "linger_ms": 20, "batch_size": 1 << 17}
        sent = 0
        with explained(self.servers), contextlib.closing(KafkaProducer(**self.options, **quick)) as producer:
            for records in portions:
                promises = [
                    producer.send(topic, value=one.value, key=one.key, partition=one.partition, timestamp_ms=one.at or None)
                    for one in records
                ]
                producer.flush(timeout=self.seconds * wait.scale())
                for promise in promises:
                    promise.get(timeout=self.seconds * wait.scale())
                sent += len(promises)
        return sent

    def ends(self, topic: str) -> dict[int, int]:
        """The next offset of each partition."""
        with self.consumer() as consumer:
            return {place.partition: int(offset) for place, offset in consumer.end_offsets(places(consumer, topic)).items()}

    def read(self, topic: str, *, committed: bool = False) -> list[Record]:
        """All messages of a topic up to its present end, partition by partition; `committed` leaves out aborted transactions."""
        with self.consumer(committed=committed) as consumer:
            wanted = places(consumer, topic)
            consumer.assign(wanted)
            consumer.seek_to_beginning(*wanted)
            ends = consumer.end_offsets(wanted)
            found: list[Record] = []

            def complete() -> bool:
                for batch in consumer.poll(timeout_ms=200, max_records=10_000).values():
                    found.extend(map(record, batch))
                return all(consumer.position(place) >= end for place, end in ends.items())

            wait.until(complete, seconds=self.seconds, what=f"all messages of {topic}")
        within = [one for one in found if one.offset < next(end for at, end in ends.items() if at.partition == one.partition)]
        return sorted(within, key=lambda one: (one.partition or 0, one.offset))

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """The offsets that a group has committed, by partition; one without is left out."""
        from kafka.errors import CoordinatorLoadInProgressError, CoordinatorNotAvailableError, NotCoordinatorError

        def ask() -> dict[Any, Any] | None:
            with contextlib.suppress(CoordinatorLoadInProgressError, CoordinatorNotAvailableError, NotCoordinatorError):
                return dict(admin.list_group_offsets(group).get(group, {}))
            return None  # the first question of all makes Kafka's own topic for groups, and is refused meanwhile

        with self.admin() as admin:
            told = wait.until(lambda: [found] if (found := ask()) is not None else [], seconds=self.seconds, what="a coordinator")[
                0
            ]
        return {at.partition: int(meta.offset) for at, meta in told.items() if at.topic == topic and meta.offset >= 0}

    def lag(self, group: str, topic: str) -> int:
        """How many messages a group has not committed yet."""
        done = self.committed(group, topic)
        return sum(end - done.get(partition, 0) for partition, end in self.ends(topic).items())

    def expel_members(self) -> None:
        """Remove all members of all consumer groups, as their session timeouts would: those of a killed program linger for 45 s."""
        from kafka.admin import MemberToRemove

        with self.admin() as admin:
            groups = [str(told["group_id"]) for told in admin.list_groups()]
            for name, told in (admin.describe_groups(groups) if groups else {}).items():
                if members := [MemberToRemove(member_id=member["member_id"]) for member in told["members"]]:
                    admin.remove_group_members(name, members)


def places(consumer: Any, topic: str) -> list[Any]:
    """The partitions of a topic. Fails the check if there is no such topic."""
    from kafka import TopicPartition

    found = consumer.partitions_for_topic(topic)
    if not found:
        fail(expected=f"a topic {topic!r}", seen=f"there are only {', '.join(sorted(consumer.topics())) or 'none'}")
    return [TopicPartition(topic, number) for number in sorted(found)]


def record(message: Any) -> Record:
    """A message that was read."""
    return Record(message.value, message.key, message.timestamp, message.partition, message.offset)


@contextlib.contextmanager
def explained(servers: str) -> Iterator[None]:
    """Turn a client's error into the learner's failure (a topic that is not there) or the machine's (no answer)."""
    from kafka import errors

    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # what the client says to nobody
    try:
        yield
    except errors.UnknownTopicOrPartitionError as error:
        fail(expected="the topics that the task asks for", seen=f"Kafka answered: {error}")
    except (errors.KafkaError, OSError) as error:
        raise Blocked(f"Kafka at {servers} does not answer: {error}", "verify again; `lab doctor` looks at the machine") from error

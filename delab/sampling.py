"""Asks a lab's Kafka, Flink and Spark checkpoints how far they are, for `lab watch N`; writes nothing, joins no group."""

import contextlib
import re
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from delab import frames
from delab.checks.flink import ENDED, Flink
from delab.checks.kafka import Kafka, explained
from delab.checks.streaming import batches
from delab.errors import LabError
from delab.frames import Reader, Sample, Windows
from delab.runtime import Stack

RECORDS = 20_000  # that one sample reads at most; the next one goes on
SOURCE = re.compile(r"^Source: (\w+)")  # of a step of a Flink job: the table that it reads


class Sampler:
    """Holds one consumer and one admin client while the look goes on. Use it as a context manager."""

    def __init__(self, stack: Stack) -> None:
        self.stack, self.kafka, self.began = stack, Kafka(stack), time.monotonic()
        self.windows: dict[str, Windows] = {}  # of topics whose messages are windows
        self.others: set[str] = set()  # topics whose first message is none
        self.context = contextlib.ExitStack()

    def __enter__(self) -> "Sampler":
        self.consumer = self.context.enter_context(self.kafka.consumer())
        self.admin = self.context.enter_context(self.kafka.admin())
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def sample(self) -> Sample:
        """What all of them say now."""
        with explained(self.kafka.servers):
            ends = self.ends()
            self.read(ends)
            behind = {group: frames.lag(ends, done) for group, done in self.groups().items()}
        lags = {(group, topic): count for group, topics in behind.items() for topic, count in topics.items()}
        watermarks: dict[Reader, int] = {}
        self.spark(ends, lags, watermarks)
        self.flink(lags, watermarks)
        sums = {topic: sum(places.values()) for topic, places in ends.items()}
        return Sample(time.monotonic() - self.began, sums, lags, watermarks)

    def ends(self) -> dict[str, dict[int, int]]:
        """The next offset of each partition of each topic, without Kafka's own."""
        from kafka import TopicPartition

        names = [name for name in self.consumer.topics() if not name.startswith("__")]
        places = [TopicPartition(name, number) for name in names for number in self.consumer.partitions_for_topic(name) or ()]
        found: defaultdict[str, dict[int, int]] = defaultdict(dict)
        for place, end in (self.consumer.end_offsets(places) if places else {}).items():
            found[place.topic][place.partition] = int(end)
        return dict(found)

    def read(self, ends: dict[str, dict[int, int]]) -> None:
        """Read on in topics of windows; of another one only the beginning."""
        from kafka import TopicPartition

        wanted = {TopicPartition(topic, number) for topic, places in ends.items() for number in places if topic not in self.others}
        if new := wanted - self.consumer.assignment():  # what it has been assigned before keeps its place
            self.consumer.assign(sorted(wanted))
            self.consumer.seek_to_beginning(*sorted(new))
        if wanted:
            for place, batch in self.consumer.poll(timeout_ms=100, max_records=RECORDS).items():
                self.take(place.topic, batch)

    def take(self, topic: str, batch: list[Any]) -> None:
        """Take messages of a topic in, or leave it alone from now on."""
        windows = self.windows.setdefault(topic, Windows())
        known = [windows.add(one.key, one.value) for one in batch]
        if not any(known) and not windows.rows:
            self.others.add(topic)
            self.consumer.pause(*(place for place in self.consumer.assignment() if place.topic == topic))

    def groups(self) -> dict[str, dict[str, dict[int, int]]]:
        """What each consumer group has committed. A group whose coordinator is busy is left out this time."""
        from kafka.errors import KafkaError

        found: dict[str, dict[str, dict[int, int]]] = {}
        with contextlib.suppress(KafkaError):
            for group in [str(told["group_id"]) for told in self.admin.list_groups()]:
                done: defaultdict[str, dict[int, int]] = defaultdict(dict)
                for place, meta in self.admin.list_group_offsets(group).get(group, {}).items():
                    if meta.offset >= 0:
                        done[place.topic][place.partition] = int(meta.offset)
                found[group] = dict(done)
        return found

    def spark(self, ends: frames.Offsets, lags: dict[Reader, int], watermarks: dict[Reader, int]) -> None:
        """What Spark's checkpoints say: it commits no offsets to Kafka. A file that is being replaced is left out this time."""
        place = self.stack.environment().get("CHECKPOINTS")
        folder = Path(place) if place else None
        for query, (planned, committed) in (batches(folder) if folder and folder.is_dir() else {}).items():
            with contextlib.suppress(OSError, ValueError, KeyError):
                log = Path(place or "") / query / "offsets"
                watermark, topics = frames.spark_progress((log / str(planned)).read_text())
                done = frames.spark_progress((log / str(committed)).read_text())[1] if committed >= 0 else {}
                behind = frames.lag(ends, {topic: done.get(topic, {}) for topic in topics})
                lags.update({(f"spark {query}", topic): count for topic, count in behind.items()})
                if watermark is not None:
                    watermarks.update({(f"spark {query}", topic): watermark for topic in topics})

    def flink(self, lags: dict[Reader, int], watermarks: dict[Reader, int]) -> None:
        """What the cluster says of each source, and how far the slowest step is; a job that ends meanwhile is left out."""
        if not any(node.name == "flink" for node in self.stack) or not self.stack["flink"].alive():
            return
        flink = Flink(self.stack)
        with contextlib.suppress(LabError, KeyError):
            for job in [job for job in flink.jobs() if job.state not in ENDED]:
                steps = flink.watermarks(job)
                for vertex in flink.vertices(job):
                    if source := SOURCE.match(vertex.name):
                        reader = (f"flink {frames.short(job.name)}", source[1])
                        if behind := flink.metrics(job, vertex, "pendingRecords", "sum"):
                            lags[reader] = int(sum(behind))
                        watermarks.update({reader: min(steps.values())} if steps else {})

"""Kafka in KRaft mode: one broker by itself, or one of several that elect a controller and replicate to each other.

Several brokers name each other in `voters`. Kafka advertises one address a listener, so each broker has listeners of its own on all
others (`from_NAME` for data, `quorum_NAME` for the controllers), advertised at its own links: a cut between two is just that.
"""

import base64
import hashlib
import logging
import os
import socket
import subprocess
import uuid
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import msgspec

from delab import archives, files, jars, java, paths, process, wait
from delab.errors import Blocked
from delab.local import LocalNode
from delab.services.base import Place
from delab.services.base import Service as Base

JARS = "kafka"
KINDS = ("quorum", "from")  # listeners for the other brokers
SECONDS = 60  # to format the storage
SETTINGS = {
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    "log.cleaner.dedupe.buffer.size": "16777216",
    "log.retention.ms": "-1",  # messages of practice data are years old: by default they would be gone within minutes
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "3000",
    "controller.quorum.election.timeout.ms": "500",
    "controller.quorum.fetch.timeout.ms": "1500",
}
LOGGING = """status=error
appender.out.type=Console
appender.out.name=out
appender.out.target={target}
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{{ISO8601}} %p %c{{1}}: %m%n
rootLogger.level={level}
rootLogger.appenderRef.out.ref=out
logger.server.name=kafka.server.KafkaRaftServer
logger.server.level=info
logger.info.name=org.apache.kafka.common.utils.AppInfoParser
logger.info.level=error
"""
TOOLS = {
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-dump-log": "kafka.tools.DumpLogSegments",
    "kafka-get-offsets": "org.apache.kafka.tools.GetOffsetShell",
    "kafka-metadata-quorum": "org.apache.kafka.tools.MetadataQuorumCommand",
    "kafka-topics": "org.apache.kafka.tools.TopicCommand",
    "kafka-transactions": "org.apache.kafka.tools.TransactionsCommand",
}


class Service(Base, frozen=True, kw_only=True):
    """Options: `voters` names all brokers of its cluster (itself too); `heap` is in MiB; `settings` go to server.properties."""

    voters: tuple[str, ...] = ()
    heap: int = 256
    settings: dict[str, str] = msgspec.field(default_factory=dict)

    packs: ClassVar[tuple[str, ...]] = ("kafka", "jdk", "spark")  # spark: for the Ivy that fetches the jars
    created_stopped: ClassVar[bool] = True
    start_seconds: ClassVar[float] = 60

    @property
    def cluster(self) -> tuple[str, ...]:
        """All brokers of its cluster."""
        return self.voters or (self.name,)

    @property
    def node_id(self) -> int:
        """Its number in the cluster, from 1."""
        return self.cluster.index(self.name) + 1

    def further_ports(self) -> tuple[str, ...]:
        """The listeners for each broker of the cluster, also for itself: Kafka wants to see them."""
        return tuple(f"{kind}_{name}" for kind in KINDS for name in self.cluster)

    def reaches(self) -> tuple[str, ...]:
        """Of each other broker, the listeners for this one."""
        return tuple(f"{name}.{kind}_{self.name}" for name in self.cluster if name != self.name for kind in KINDS)

    def version(self) -> str:
        """The jars, and the settings built in here."""
        return f"{jars.lock(JARS)} {SETTINGS} {KINDS}"

    def create(self, place: Place) -> None:
        """Format the storage, as a person would with kafka-storage."""
        self.configure(place)
        arguments = ["format", "--cluster-id", cluster_id(self.cluster), "--config", str(config(place))]
        command = [*self.java(place), "kafka.tools.StorageTool", *arguments]
        launch = process.launcher({"user": paths.service_user(), "cwd": str(place.folder), "umask": 0o077})
        done = subprocess.run([*launch, *command], capture_output=True, text=True, timeout=SECONDS * wait.scale(), check=False)
        if done.returncode:
            said = (done.stdout + done.stderr).strip()[-500:]
            raise Blocked(f"Kafka's storage could not be formatted: {said}", "see `lab doctor`: disk, memory, permissions")

    def configure(self, place: Place) -> None:
        """Write server.properties with the ports of today."""
        files.write_atomic(config(place), properties(self.properties(place)).encode(), 0o644)
        files.write_atomic(place.folder / "log4j2.properties", LOGGING.format(target="SYSTEM_OUT", level="warn").encode(), 0o644)

    def properties(self, place: Place) -> dict[str, str]:
        """What server.properties says."""
        count = len(self.cluster)
        own, seen = {"CLIENT": place.port}, {"CLIENT": place.port}
        for kind in KINDS:
            for name in self.cluster:
                own[f"{kind}_{name}".upper()] = place.ports[f"{kind}_{name}"]
                seen[f"{kind}_{name}".upper()] = place.inbound.get(f"{name}.{kind}_{name}", place.ports[f"{kind}_{name}"])
        voters = [f"{number}@127.0.0.1:{place.peers[f'{name}.quorum_{self.name}']}" for number, name in enumerate(self.cluster, 1)]
        controllers = [f"quorum_{name}".upper() for name in (self.name, *self.cluster)]  # it uses the first, and serves all
        return {
            "process.roles": "broker,controller",
            "node.id": str(self.node_id),
            "controller.quorum.voters": ",".join(voters),
            "controller.listener.names": ",".join(dict.fromkeys(controllers)),
            "inter.broker.listener.name": f"from_{self.name}".upper(),
            "listeners": addresses(own),
            "advertised.listeners": addresses(seen),
            "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in own),
            "log.dirs": str(place.data),
            "default.replication.factor": str(min(3, count)),
            "offsets.topic.replication.factor": str(min(3, count)),
            "transaction.state.log.replication.factor": str(min(3, count)),
            "share.coordinator.state.topic.replication.factor": str(min(3, count)),
            "transaction.state.log.min.isr": str(min(2, count)),
            "share.coordinator.state.topic.min.isr": str(min(2, count)),
            **SETTINGS,
            **self.settings,
        }

    def before_start(self, place: Place) -> None:
        """The ports may have changed."""
        self.configure(place)
        if not place.contained:  # an archive is for one Java, and the image has another
            self.archive()

    def archive(self) -> None:
        """See that there is an archive of parsed classes."""
        archived()

    def java(self, place: Place) -> list[str]:
        """Java with the class path, the heap and where its log goes."""
        memory = [f"-Xmx{self.heap}m", "-Xss512k", "-XX:MaxMetaspaceSize=128m", "-XX:ReservedCodeCacheSize=48m"]
        return [str(java.program()), *memory, *java.QUICK, logging_as(place.folder), "-cp", jars.class_path(JARS)]

    def command(self, place: Place) -> list[str]:
        """The broker."""
        first, *rest = self.java(place)
        return [first, *java.shared(java.archive(jars.folder(JARS))), *rest, "kafka.Kafka", str(config(place))]

    def ready(self, place: Place) -> bool:
        """The cluster, asked through this broker, has a controller and counts the broker among its members."""
        return self.node_id in members(place.port)

    def joined(self, place: Place) -> bool:
        """All brokers of the cluster are members."""
        return len(members(place.port)) == len(self.cluster)

    def variables(self, place: Place) -> dict[str, str]:
        """KAFKA_BOOTSTRAP_SERVERS for clients, host and port of this broker."""
        servers = ",".join(f"127.0.0.1:{place.peers[name]}" for name in self.cluster)
        return {**super().variables(place), "KAFKA_BOOTSTRAP_SERVERS": servers, f"{self.name.upper()}_LOG": str(place.log)}

    def tools(self) -> Path | None:
        """kafka-topics, kafka-console-consumer, … for the learner's PATH."""
        target = paths.runtime() / "kafka-bin"
        scripts = {name: script(target, entry) for name, entry in TOOLS.items()}
        scripts["log4j2.properties"] = LOGGING.format(target="SYSTEM_ERR", level="error")
        for name, text in scripts.items():
            path = target / name
            if not path.exists() or path.read_text() != text:
                target.mkdir(exist_ok=True)
                files.write_atomic(path, text.encode(), 0o755)
        return target


class Rehearsal(Service, frozen=True, kw_only=True):
    """A broker that lists the classes it loads, so that later ones find them in an archive."""

    def before_start(self, place: Place) -> None:
        """It needs no archive."""

    def command(self, place: Place) -> list[str]:
        """The broker, writing a list."""
        first, *rest = self.java(place)
        return [first, f"-XX:DumpLoadedClassList={classes(place)}", *rest, "kafka.Kafka", str(config(place))]


def archived() -> None:
    """Make the archive of parsed classes for this Java and these jars, if there is none: by one start, once."""
    archives.make(java.archive(jars.folder(JARS)), "Kafka", Rehearsal(name="kafka"), lambda: jars.class_path(JARS), rehearse)


def rehearse(node: LocalNode) -> Path:
    """Messages through a broker; the list of the classes that were loaded since it was started."""
    exchange(node.place.port)
    node.stop()
    return classes(node.place)


def exchange(port: int) -> None:
    """Send a message and read it as a member of a group, which loads what a broker needs for that."""
    from kafka import KafkaConsumer, KafkaProducer

    servers = f"127.0.0.1:{port}"
    producer = KafkaProducer(bootstrap_servers=servers, acks="all")
    producer.send("rehearsal", b"a message")
    producer.close()
    consumer = KafkaConsumer(
        "rehearsal", bootstrap_servers=servers, group_id="rehearsal", auto_offset_reset="earliest", consumer_timeout_ms=20_000
    )
    next(consumer, None)
    consumer.close()


def classes(place: Place) -> Path:
    """The list of the classes that a rehearsal loads."""
    return place.folder / "classes"


def script(place: Path, entry: str) -> str:
    """A shell script that runs one of Kafka's tools."""
    small = ["-Xmx128m", "-XX:CompressedClassSpaceSize=64m"]  # a program of the learner's may have 2 GiB of address space
    arguments = " ".join([*small, *java.QUICK, *java.shared(java.archive(jars.folder(JARS))), logging_as(place)])
    return f"#!/bin/sh\nexec '{java.program()}' {arguments} -cp '{jars.class_path(JARS)}' {entry} \"$@\"\n"


def logging_as(place: Path) -> str:
    """Java's argument that names the logging's configuration."""
    return f"-Dlog4j2.configurationFile=file:{place}/log4j2.properties"


def config(place: Place) -> Path:
    """The configuration file."""
    return place.folder / "server.properties"


def addresses(ports: dict[str, int]) -> str:
    """Listeners as Kafka writes them."""
    return ",".join(f"{name}://127.0.0.1:{port}" for name, port in ports.items())


def properties(values: dict[str, str]) -> str:
    """A Java properties file."""
    return "".join(f"{key}={value}\n" for key, value in values.items())


def cluster_id(names: tuple[str, ...]) -> str:
    """The id that all brokers of a cluster are formatted with: the same for the same names on this machine.

    Never one that begins with `-`, which kafka-storage takes for an option.
    """
    digest = hashlib.sha256(repr((names, os.fspath(paths.state()))).encode()).digest()[:16]
    text = base64.urlsafe_b64encode(uuid.UUID(bytes=digest, version=4).bytes).decode().rstrip("=")
    return text if text[0] != "-" else f"A{text[1:]}"


def members(port: int) -> set[int]:
    """The ids of the brokers that the cluster counts as alive, asked at the client port of one; empty if it does not answer."""
    with suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return described(port)
    return set()


def described(port: int) -> set[int]:
    """Ask for the cluster's metadata."""
    from kafka import KafkaAdminClient
    from kafka.errors import KafkaError

    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    with suppress(KafkaError, OSError, ValueError):
        client = KafkaAdminClient(bootstrap_servers=f"127.0.0.1:{port}", request_timeout_ms=2000, bootstrap_timeout_ms=2000)
        try:
            told = client.describe_cluster()
        finally:
            client.close()
        alive = {broker["broker_id"] for broker in told["brokers"] if not broker.get("is_fenced")}
        return alive if told["controller_id"] >= 0 else set()
    return set()

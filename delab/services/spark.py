"""Spark as a warm Spark Connect server: one JVM on loopback, a session for each client, an event log that verifiers read."""

import contextlib
import os
import socket
import sys
from pathlib import Path
from typing import ClassVar

import msgspec

from delab import archives, files, java, process, secrets, spark, wait
from delab.local import LocalNode
from delab.runtime import Endpoint
from delab.services.base import Place
from delab.services.base import Service as Base

MAIN = "org.apache.spark.sql.connect.service.SparkConnectServer"
USER = "delab"
SECONDS = 5  # for one answer
SETTINGS = {
    "spark.master": "local[2]",
    "spark.app.name": "delab",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.connect.grpc.binding.address": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.shuffle.partitions": "4",
    "spark.sql.catalogImplementation": "in-memory",
    "spark.sql.session.timeZone": "UTC",
    "spark.eventLog.enabled": "true",
    "spark.eventLog.rolling.enabled": "false",
    "spark.eventLog.compress": "false",
}
LOGGING = """appender.out.type=Console
appender.out.name=out
appender.out.target=SYSTEM_OUT
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{ISO8601} %p %c{1}: %m%n%ex
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
logger.native.name=org.apache.hadoop.util.NativeCodeLoader
logger.native.level=error
"""
REHEARSED = """SELECT a.k, count(*), sum(b.v), max(a.s), collect_list(b.v)
FROM (SELECT id % 7 AS k, cast(id AS string) AS s FROM range(200)) a
JOIN (SELECT /*+ MERGE(a) */ id % 7 AS k, id * 2 AS v FROM range(100)) b ON a.k = b.k GROUP BY a.k ORDER BY 2 DESC, 1"""


class Service(Base, frozen=True, kw_only=True):
    """Options: `heap` is in MiB; `settings` are Spark's, by their names; `jars`: "kafka" adds the jars of the lock spark-kafka."""

    heap: int = 1024
    jars: tuple[str, ...] = ()
    settings: dict[str, str] = msgspec.field(default_factory=dict)

    packs: ClassVar[tuple[str, ...]] = ("spark", "jdk")
    as_person: ClassVar[bool] = True  # it runs the learner's Python functions, and reads the learner's files
    created_stopped: ClassVar[bool] = True
    start_seconds: ClassVar[float] = 90

    def version(self) -> str:
        """No data depend on it; the settings built in here may."""
        return str(SETTINGS)

    def create(self, place: Place) -> None:
        """Make its folders."""
        for folder in (place.data, events(place)):
            files.make_folder(folder)

    def before_start(self, place: Place) -> None:
        """Forget what a killed server left in its folder for shuffles, and end its Python workers."""
        process.kill(process.all_inside(place.folder))
        files.remove_tree(place.data / "local")
        files.make_folder(place.data / "local")
        files.write_atomic(place.folder / "log4j2.properties", LOGGING.encode(), 0o644)
        if not place.contained:  # an archive is for one Java, and the image has another
            self.archive()

    def archive(self) -> None:
        """See that there is an archive of parsed classes."""
        archived()

    def properties(self, place: Place) -> dict[str, str]:
        """Spark's configuration: all of it is on the command line, so nothing has to follow when a port moves."""
        own = {
            "spark.connect.grpc.binding.port": str(place.port),
            "spark.local.dir": str(place.data / "local"),
            "spark.sql.warehouse.dir": str(place.data / "warehouse"),
            "spark.eventLog.dir": events(place).as_uri(),
        }
        return {**SETTINGS, **own, **self.settings}

    def java(self, place: Place) -> list[str]:
        """Java with its memory, what Spark is told, and the class path."""
        memory = [f"-Xmx{self.heap}m", "-XX:ReservedCodeCacheSize=96m"]
        told = [f"-D{name}={value}" for name, value in self.properties(place).items()]
        logging = f"-Dlog4j2.configurationFile=file:{place.folder}/log4j2.properties"
        network = ["-Djava.net.preferIPv4Stack=true", "-Dio.netty.tryReflectionSetAccessible=true"]
        temporary = f"-Djava.io.tmpdir={place.data / 'local'}"  # what a killed server leaves there, the next start removes
        path = ["-cp", os.pathsep.join(filter(None, (spark.class_path(), spark.added(self.jars))))]
        return [str(java.program()), *memory, *spark.QUICK, *spark.modules(), *network, temporary, logging, *told, *path]

    def command(self, place: Place) -> list[str]:
        """The server."""
        first, *rest = self.java(place)
        return [first, *java.shared(spark.archive()), *rest, MAIN]

    def environment(self, place: Place) -> dict[str, str]:
        """The password that clients must bring, and the Python that runs their functions."""
        home = str(spark.home())
        token = {"SPARK_CONNECT_AUTHENTICATE_TOKEN": secrets.password("spark")}
        return {**token, "SPARK_HOME": home, "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}

    def endpoint(self, place: Place) -> Endpoint:
        """Where it answers."""
        return Endpoint("127.0.0.1", place.port, USER, secrets.password("spark"))

    def ready(self, place: Place) -> bool:
        """It answers `SELECT 1`."""
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", place.port), timeout=1).close()
            return select(place.port, "SELECT 1")
        return False

    def variables(self, place: Place) -> dict[str, str]:
        """SPARK_REMOTE, by which `SparkSession.builder.getOrCreate()` finds the server, and where its event log is."""
        remote = f"sc://localhost:{place.port}/;token={secrets.password('spark')}"
        return {
            **super().variables(place),
            "SPARK_REMOTE": remote,
            "SPARK_EVENTS": str(events(place)),
            "PYSPARK_PYTHON": sys.executable,
        }


class Rehearsal(Service, frozen=True, kw_only=True):
    """A server that lists the classes it loads, so that later ones find them in an archive."""

    def before_start(self, place: Place) -> None:
        """It needs no archive."""
        files.make_folder(place.data / "local")
        files.write_atomic(place.folder / "log4j2.properties", LOGGING.encode(), 0o644)

    def command(self, place: Place) -> list[str]:
        """The server, writing a list."""
        first, *rest = self.java(place)
        return [first, f"-XX:DumpLoadedClassList={classes(place)}", *rest, MAIN]


def archived() -> None:
    """Make the archive of parsed classes for this Java and this Spark, if there is none: by one start, once."""
    archives.make(spark.archive(), "Spark", Rehearsal(name="spark"), spark.class_path, rehearse)


def rehearse(node: LocalNode) -> Path:
    """A query with a join and a shuffle through a server; the list of the classes that were loaded since it was started."""
    select(node.place.port, REHEARSED, seconds=60)
    node.stop()
    return classes(node.place)


def classes(place: Place) -> Path:
    """The list of the classes that a rehearsal loads."""
    return place.folder / "classes"


def events(place: Place) -> Path:
    """The folder of the event log: a file for each life of the server."""
    return place.folder / "events"


def select(port: int, query: str, *, operation: str = "", seconds: float = SECONDS) -> bool:
    """Run a query on the server, its rows unread; whether it went well. `operation` (a UUID) is named in the event log.

    It speaks the protocol itself: pyspark's client takes seconds to import.
    """
    from delab import spark_connect

    address, token = f"127.0.0.1:{port}", secrets.password("spark")
    return spark_connect.select(address, token, query, operation=operation, seconds=seconds * wait.scale())

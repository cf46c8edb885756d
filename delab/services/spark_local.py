"""Spark inside the learner's own process, where a lab needs RDDs: no server, but the Java, the limits and the event log for it."""

import shlex
import sys
from typing import ClassVar

import msgspec

from delab import files, spark
from delab.services.base import Place
from delab.services.base import Service as Base
from delab.services.spark import SETTINGS, archived

EVENTS = "spark_events"


class Service(Base, frozen=True, kw_only=True):
    """Options: `heap`, `settings`, `jars` as of `spark`. What the environment sets, `SparkSession.builder.getOrCreate()` starts."""

    started: bool = False
    folders: tuple[str, ...] = (EVENTS,)
    heap: int = 768
    settings: dict[str, str] = msgspec.field(default_factory=dict)
    jars: tuple[str, ...] = ()

    packs: ClassVar[tuple[str, ...]] = ("spark", "jdk")
    as_person: ClassVar[bool] = True
    embedded: ClassVar[bool] = True

    def archive(self) -> None:
        """See that there is an archive of parsed classes; it serves the server too."""
        archived()

    def variables(self, place: Place) -> dict[str, str]:
        """JAVA_HOME, and Spark's settings as pyspark reads them: `local[2]`, an event log in SPARK_EVENTS, loopback only."""
        self.archive()
        left = {key: value for key, value in SETTINGS.items() if not key.startswith("spark.connect")}
        settings = {**left, "spark.driver.memory": f"{self.heap}m", "spark.eventLog.dir": (place.folder / EVENTS).as_uri()}
        settings |= self.settings
        temporary = place.folder / "tmp"  # what a killed program leaves there goes with the stack
        files.make_folder(temporary)
        java = shlex.quote(f"-Djava.io.tmpdir={temporary}")
        told = " ".join(f"--conf {shlex.quote(f'{name}={value}')}" for name, value in settings.items())
        return {
            **self.folder_variables(place),
            "SPARK_MASTER": settings["spark.master"],
            "SPARK_EVENTS": str(place.folder / EVENTS),
            "SPARK_HOME": str(spark.home()),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "JAVA_HOME": str(spark.java_home()),
            "PYSPARK_PYTHON": sys.executable,
            "PYSPARK_SUBMIT_ARGS": f"{told} --driver-java-options {shlex.quote(java)} pyspark-shell",
            **({"SPARK_DIST_CLASSPATH": spark.added(self.jars)} if self.jars else {}),  # Spark's launcher puts it behind its own
        }

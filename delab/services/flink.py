"""Apache Flink as a small session cluster: a JobManager and a TaskManager on loopback, to which programs submit their jobs."""

import json
import os
import subprocess
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from delab import archives, files, flink, flink_main, process, python, wait
from delab.local import LocalNode
from delab.runtime import Endpoint
from delab.services.base import Place
from delab.services.base import Service as Base

JOBMANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
TASKMANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
CHECKPOINTS, SAVEPOINTS = "flink_checkpoints", "flink_savepoints"
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
SECONDS = 3  # for one answer
SETTINGS = {
    "jobmanager.rpc.address": "127.0.0.1",
    "jobmanager.bind-host": "127.0.0.1",
    "rest.address": "127.0.0.1",
    "rest.bind-address": "127.0.0.1",
    "taskmanager.host": "127.0.0.1",
    "taskmanager.bind-host": "127.0.0.1",
    "web.submit.enable": "false",
    "taskmanager.memory.framework.heap.size": "64m",
    "taskmanager.memory.framework.off-heap.size": "64m",
    "taskmanager.memory.task.off-heap.size": "0m",
    "taskmanager.memory.network.min": "32m",
    "taskmanager.memory.network.max": "32m",
    "taskmanager.memory.managed.size": "64m",
    "taskmanager.memory.jvm-metaspace.size": "160m",
    "taskmanager.memory.jvm-overhead.min": "64m",
    "taskmanager.memory.jvm-overhead.max": "64m",
    "jobmanager.memory.process.size": "512m",
    # They find each other at once; a lost TaskManager is seen in seconds, not in a minute.
    "cluster.registration.initial-timeout": "200 ms",
    "cluster.registration.error-delay": "200 ms",
    "cluster.registration.refused-registration-delay": "500 ms",
    "heartbeat.interval": "2000",
    "heartbeat.timeout": "15000",
    # What jobs are told, unless they say otherwise.
    "execution.target": "remote",
    "parallelism.default": "1",
    "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
    "table.local-time-zone": "UTC",
    "web.refresh-interval": "1000",
    "metrics.fetcher.update-interval": "500",
}
JOB_SECONDS = 120  # for the job of a rehearsal
REHEARSED = """
from pyflink.table import EnvironmentSettings, TableEnvironment
env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
env.get_config().set("execution.checkpointing.interval", "500 ms")
kafka = "'connector'='kafka','topic'='a','properties.bootstrap.servers'='127.0.0.1:1','format'='json'"
columns = "k INT, s STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND"
env.execute_sql(f"CREATE TABLE a ({columns}) WITH ({kafka},'scan.startup.mode'='earliest-offset')")
env.execute_sql(f"CREATE TABLE b (w TIMESTAMP(3), k INT, n BIGINT, s STRING) WITH ({kafka})")
env.execute_sql(f"CREATE TABLE c ({columns}) WITH ('connector'='datagen','number-of-rows'='2000','rows-per-second'='1000')")
env.execute_sql("CREATE TABLE d (w TIMESTAMP(3), k INT, n BIGINT, s STRING) WITH ('connector'='print')")
window = "TUMBLE(TABLE {}, DESCRIPTOR(ts), INTERVAL '1' SECOND)"
query = "INSERT INTO {} SELECT window_start, k % 3, COUNT(*), MAX(UPPER(s)) FROM " + window
query += " WHERE k > 5 GROUP BY window_start, window_end, k % 3"
env.explain_sql(query.format("b", "a"))
env.execute_sql(query.format("d", "c")).wait()
"""
LOGGING = """rootLogger.level={level}
rootLogger.appenderRef.out.ref=out
appender.out.name=out
appender.out.type=Console
appender.out.target={target}
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{{ISO8601}} ${{sys:lab.role:-client}} %p %c{{1}}: %m%n%ex
logger.plugins.name=org.apache.flink.core.plugin.PluginConfig
logger.plugins.level=error
"""


class Service(Base, frozen=True, kw_only=True):
    """Options: `slots` of the TaskManager, its `heap` for tasks in MiB; `settings` are Flink's, by their names."""

    slots: int = 4
    heap: int = 160
    settings: dict[str, str] = msgspec.field(default_factory=dict)
    folders: tuple[str, ...] = (CHECKPOINTS, SAVEPOINTS)

    packs: ClassVar[tuple[str, ...]] = ("flink", "jdk", "spark")  # spark: for the Ivy that fetches the jars
    as_person: ClassVar[bool] = True  # it runs the learner's functions; the learner's programs read its checkpoints
    created_stopped: ClassVar[bool] = True
    start_seconds: ClassVar[float] = 90

    def further_ports(self) -> tuple[str, ...]:
        """Where the TaskManager finds the JobManager; all others are chosen by the system."""
        return ("rpc",)

    def version(self) -> str:
        """No data depend on it; the settings built in here may."""
        return f"{SETTINGS} {self.folders}"

    def create(self, place: Place) -> None:
        """Make its folders."""
        files.make_folder(place.data)
        for name in self.folders:
            files.make_folder(place.folder / name)

    def before_start(self, place: Place) -> None:
        """End what is left of a cluster whose parent was killed, forget its working files, write the configuration of today."""
        process.kill(process.all_inside(place.folder))
        self.archive()
        files.remove_tree(place.data / "tmp")
        for folder in (place.data / "tmp", configuration(place), *(place.folder / name for name in self.folders)):
            files.make_folder(folder)
        self.configure(place)

    def configure(self, place: Place) -> None:
        """Write what cluster and clients read: config.yaml and how they log."""
        target = configuration(place)
        lines = "".join(f"{key}: {json.dumps(value)}\n" for key, value in self.properties(place).items())
        files.write_atomic(target / "config.yaml", lines.encode())
        files.write_atomic(target / "log4j.properties", LOGGING.format(level="info", target="SYSTEM_OUT").encode())
        files.write_atomic(target / "log4j-cli.properties", LOGGING.format(level="warn", target="SYSTEM_ERR").encode())

    def properties(self, place: Place) -> dict[str, str]:
        """Flink's configuration."""
        return {
            **SETTINGS,
            "rest.port": str(place.port),
            "jobmanager.rpc.port": str(place.ports["rpc"]),
            "taskmanager.numberOfTaskSlots": str(self.slots),
            "taskmanager.cpu.cores": f"{self.slots}.0",
            "taskmanager.memory.task.heap.size": f"{self.heap}m",
            "io.tmp.dirs": str(place.data / "tmp"),
            "execution.checkpointing.dir": (place.folder / CHECKPOINTS).as_uri(),
            "execution.checkpointing.savepoint-dir": (place.folder / SAVEPOINTS).as_uri(),
            "python.executable": str(flink.python()),
            "python.client.executable": str(flink.python()),
            **(in_a_container() if place.contained else {}),
            **self.settings,
        }

    def jobmanager(self, place: Place) -> list[str]:
        """The JobManager's command."""
        return self.java(place, "jobmanager", JOBMANAGER, "-Xmx160m", "-XX:MaxMetaspaceSize=160m")

    def taskmanager(self, place: Place) -> list[str]:
        """The TaskManager's command."""
        memory = (f"-Xmx{self.heap + 64}m", "-XX:MaxDirectMemorySize=96m", "-XX:MaxMetaspaceSize=160m")
        return self.java(place, "taskmanager", TASKMANAGER, *memory)

    def java(self, place: Place, role: str, entry: str, *memory: str) -> list[str]:
        """A JVM of the cluster."""
        logging = f"-Dlog4j.configurationFile=file:{configuration(place)}/log4j.properties"
        told = [f"-Dlab.role={role}", f"-Djava.io.tmpdir={place.data / 'tmp'}", logging]
        listing = self.listing(place, role)
        return [
            *flink.program(*memory, listing=listing),
            *told,
            "-cp",
            flink.class_path(),
            entry,
            "--configDir",
            str(configuration(place)),
        ]

    def archive(self) -> None:
        """See that there is an archive of parsed classes."""
        archived()

    def listing(self, place: Place, role: str) -> str:
        """The file in which a JVM lists the classes that it loads; empty: it does not."""
        return ""

    def command(self, place: Place) -> list[str]:
        """One process that starts and watches both."""
        plan = {"jobmanager": self.jobmanager(place), "taskmanager": self.taskmanager(place)}
        return [sys.executable, "-I", "-S", flink_main.__file__, json.dumps(plan)]

    def environment(self, place: Place) -> dict[str, str]:
        """What the cluster's Python workers need."""
        return {"FLINK_HOME": str(flink.home()), "FLINK_CONF_DIR": str(configuration(place))}

    def endpoint(self, place: Place) -> Endpoint:
        """The REST API, which is also the user interface."""
        return Endpoint("127.0.0.1", place.port)

    def ready(self, place: Place) -> bool:
        """The REST API names a TaskManager with all its slots."""
        told = ask(place.port, "/overview") or {}
        return int(told.get("taskmanagers", 0)) >= 1 and int(told.get("slots-total", 0)) >= self.slots

    def variables(self, place: Place) -> dict[str, str]:
        """What `flink-python job.py` and `flink` need to find the cluster, and where checkpoints go."""
        if not flink.installed():  # a lab that can do without must not fail for this
            return super().variables(place)
        home = flink.home()
        return {
            **super().variables(place),
            "FLINK_REST": f"127.0.0.1:{place.port}",
            "FLINK_PYTHON": str(flink.python()),
            "FLINK_HOME": str(home),
            "FLINK_CONF_DIR": str(configuration(place)),
            "FLINK_CHECKPOINTS": str(place.folder / CHECKPOINTS),
            "FLINK_SAVEPOINTS": str(place.folder / SAVEPOINTS),
            "SUBMIT_ARGS": "remote",
        }

    def tools(self) -> Path | None:
        """`flink`, `flink-python`, `flink-resume`, `flink-checkpoint`."""
        return flink.tools() if flink.installed() else None

    def greeting(self, place: Place) -> str:
        """Where the user interface is."""
        return f"http://127.0.0.1:{place.port}  Flink's jobs, their checkpoints and watermarks"


class Rehearsal(Service, frozen=True, kw_only=True):
    """A cluster whose JVMs list the classes that they load, so that later ones find them in an archive."""

    def archive(self) -> None:
        """It needs none."""

    def listing(self, place: Place, role: str) -> str:
        """A list for each JVM."""
        return str(place.folder / f"{role}.classes")


def archived() -> None:
    """Make the archive of parsed classes for this Java and this Flink, if there is none: by one start and one job, once."""
    archives.make(flink.archive(), "Flink", Rehearsal(name="flink"), flink.class_path, rehearse)


def rehearse(node: LocalNode) -> Path:
    """A job of a PyFlink program on a cluster; the list of the classes that were loaded since it was started."""
    service = Rehearsal(name="flink")
    home = flink.home(listing=service.listing(node.place, "client"))
    told = {**os.environ, **service.variables(node.place), "FLINK_HOME": str(home)}
    command = [str(flink.python()), "-c", REHEARSED]
    try:
        with suppress(subprocess.TimeoutExpired):  # an archive with less in it is one all the same
            subprocess.run(command, env=told, capture_output=True, timeout=JOB_SECONDS * wait.scale(), check=False)
    finally:
        files.remove_tree(home)
    node.stop()
    lists = [Path(service.listing(node.place, role)) for role in ("jobmanager", "taskmanager", "client")]
    (node.place.folder / "classes").write_text("\n".join(flink.classes(lists)))
    return node.place.folder / "classes"


def in_a_container() -> dict[str, str]:
    """How its Python workers find the person's PyFlink, which is mounted there without its environment."""
    mine = str(flink.python())
    return {"python.executable": python.program(mine), "python.pythonpath": python.variables(mine)["PYTHONPATH"]}


def configuration(place: Place) -> Path:
    """The folder with config.yaml."""
    return place.folder / "conf"


def ask(port: int, path: str, seconds: float = SECONDS) -> Any:
    """What the REST API answers to a GET; None if it does not."""
    with suppress(OSError, ValueError), NO_PROXY.open(f"http://127.0.0.1:{port}{path}", timeout=seconds) as answer:
        return json.load(answer)
    return None

"""Flink against its bounds: the start against the bare JVMs with the same settings, memory, a job from program to first output.

Run by `make bench`. Ours and the floor take turns, so that a machine whose speed drifts is fair to both.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from table import Row, report

from delab import files, flink, java, paths, process, templates, wait
from delab.checks.kafka import Kafka, Record
from delab.layout import Layout
from delab.services import make
from delab.services.flink import archived, ask

ROUNDS = 3
PLAN = templates.Plan("bench-flink", (make("flink", {}),))
WITH_KAFKA = templates.Plan("bench-flink-kafka", (make("kafka", {}), make("flink", {})))
JOB = """
import os
from pyflink.table import EnvironmentSettings, TableEnvironment
env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
kafka = f"'connector'='kafka','properties.bootstrap.servers'='{os.environ['KAFKA_BOOTSTRAP_SERVERS']}','format'='json'"
columns = "k STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts"
env.execute_sql(f"CREATE TABLE a ({columns}) WITH ({kafka},'topic'='a','scan.startup.mode'='earliest-offset')")
env.execute_sql(f"CREATE TABLE b (k STRING, n BIGINT) WITH ({kafka},'topic'='b')")
window = "TUMBLE(TABLE a, DESCRIPTOR(ts), INTERVAL '1' SECOND)"
env.execute_sql(f"INSERT INTO b SELECT k, COUNT(*) FROM {window} GROUP BY window_start, window_end, k").wait()
"""


def ours() -> tuple[float, float, float]:
    """A stack from its template to a cluster with its slots: seconds, CPU seconds of all its processes, MB resident."""
    began = time.perf_counter()
    stack = templates.Scratch(PLAN)
    stack.start()
    seconds = time.perf_counter() - began
    members = process.tree(stack["flink"].running())
    cpu = sum(sum(member.cpu_times()[:2]) for member in members)
    memory = sum(member.memory_info().rss for member in members) / 1e6
    stack.destroy()
    return seconds, cpu, memory


def bare(*, archive: bool) -> tuple[float, float]:
    """The two JVMs with the same settings by hand, as bin/start-cluster.sh would: seconds until they answer, CPU seconds."""
    with tempfile.TemporaryDirectory(dir=paths.runtime()) as made:
        place = Path(made)
        files.copy_tree(templates.template(PLAN, with_data=False), place)
        stack = templates.LocalStack("bare", place, PLAN.services)
        stack.layout = Layout.choose(PLAN.services)
        service, spot = stack["flink"].service, stack["flink"].place
        service.before_start(spot)
        commands = json.loads(service.command(spot)[-1]).values()
        began = time.perf_counter()
        with spot.log.open("w") as log:
            children = [subprocess.Popen(without(command, archive), stdout=log, stderr=log) for command in commands]
        wait.until(lambda: service.ready(spot), seconds=120, what="a cluster")
        seconds = time.perf_counter() - began
        cpu = sum(sum(psutil.Process(child.pid).cpu_times()[:2]) for child in children)
        for child in children:
            child.kill()
            child.wait()
        return seconds, cpu


def without(command: list[str], archive: bool) -> list[str]:
    """A command with or without the archive of parsed classes."""
    return [part for part in command if archive or not part.startswith(("-XX:SharedArchiveFile", "-Xshare"))]


def job() -> tuple[float, float, float]:
    """A program that submits a job: seconds from its start until all of the job runs, and until its first output; MB of all."""
    stack = templates.Scratch(WITH_KAFKA)
    stack.start()
    kafka, port = Kafka(stack), stack["flink"].endpoint.port
    for topic in ("a", "b"):
        kafka.create(topic)
    records = [{"k": "x", "ts": f"2025-01-01 00:00:{second:02}"} for second in range(60)]
    kafka.send("a", [Record(json.dumps(one).encode()) for one in records])
    began = time.perf_counter()
    environment = {**os.environ, **stack.environment()}
    child = subprocess.Popen([flink.python(), "-c", JOB], env=environment, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        wait.until(lambda: runs(port), seconds=120, what="a running job")
        running = time.perf_counter() - began
        wait.until(lambda: kafka.read("b"), seconds=120, what="its first output")
        first = time.perf_counter() - began
        members = process.tree(stack["flink"].running())
        return running, first, sum(member.memory_info().rss for member in members) / 1e6
    finally:
        process.kill(process.tree(psutil.Process(child.pid)))
        stack.destroy()


def runs(port: int) -> bool:
    """Whether all of a job runs."""
    jobs = (ask(port, "/jobs/overview") or {"jobs": []})["jobs"]
    return any(one["state"] == "RUNNING" and one["tasks"]["running"] == one["tasks"]["total"] for one in jobs)


def main() -> int:
    """Measure all, print the table, return 1 if a bound is broken."""
    print(f"{java.home()}, Flink {flink.version()}")
    archived()
    ours()
    pairs = [(ours(), bare(archive=True)) for _ in range(ROUNDS)]
    plain = [bare(archive=False) for _ in range(ROUNDS)]
    jobs = [job() for _ in range(ROUNDS)]
    cpu = statistics.median(run[1] for run, _ in pairs)
    rows = [
        Row("start of a cluster from its template, s", statistics.median(run[0] for run, _ in pairs), 12),
        Row("the same / the bare JVMs with the same settings", statistics.median(run[0] / floor[0] for run, floor in pairs), 1.25),
        Row("CPU of a start, s", cpu, 6),
        Row("the same / without the archive of classes", cpu / statistics.median(run[1] for run in plain), 0.85),
        Row("memory of an idle cluster, MB resident", statistics.median(run[2] for run, _ in pairs), 700),
        Row("memory of a cluster with a job, MB resident", statistics.median(run[2] for run in jobs), 1100),
        Row("a program until its job runs, s", statistics.median(run[0] for run in jobs), 12),
        Row("a program until its job's first output, s", statistics.median(run[1] for run in jobs), 15),
    ]
    for plan in (PLAN, WITH_KAFKA):
        shutil.rmtree(paths.runtime() / "templates" / plan.key(False))
    return report(f"Flink (median of {ROUNDS}, {os.cpu_count()} cores)", rows)


if __name__ == "__main__":
    sys.exit(main())

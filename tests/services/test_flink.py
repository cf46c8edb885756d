"""Flink with a real cluster: it starts, dies and comes back, and a job in SQL goes on from its checkpoint."""

import json
import os
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import psutil
import pytest

from delab import bootstrap, flink_checkpoints, process, templates, wait
from delab.checks import CheckFailed
from delab.checks.flink import CLIENT, Flink
from delab.checks.kafka import Kafka, Record
from delab.checks.program import Limits, Program
from delab.errors import Blocked
from delab.services import make

pytestmark = [
    pytest.mark.skipif(bool(bootstrap.missing(("flink",))), reason="scripts/bootstrap flink installs it"),
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning"
    ),  # of kafka-python: on Python 3.11, and sockets of attempts that failed
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
PLAN = templates.Plan("flink-tests", (make("kafka", {}), make("flink", {})))
JOB = """
import os
from pyflink.table import EnvironmentSettings, TableEnvironment

env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
env.get_config().set("execution.checkpointing.interval", "300 ms")
kafka = f"'connector'='kafka','properties.bootstrap.servers'='{os.environ['KAFKA_BOOTSTRAP_SERVERS']}','format'='json'"
env.execute_sql(f'''CREATE TABLE clicks (page STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '2' SECOND)
WITH ({kafka},'topic'='clicks','scan.startup.mode'='earliest-offset')''')
env.execute_sql(f'''CREATE TABLE counts (begins TIMESTAMP(3), page STRING, n BIGINT) WITH ({kafka},'topic'='counts',
'sink.delivery-guarantee'='exactly-once','sink.transactional-id-prefix'='counts','properties.transaction.timeout.ms'='60000')''')
env.execute_sql('''INSERT INTO counts SELECT window_start, page, COUNT(*)
FROM TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND) GROUP BY window_start, window_end, page''').wait()
"""
FUNCTION = """
from pyflink.table import EnvironmentSettings, TableEnvironment
from pyflink.table.udf import udf

@udf(result_type="BIGINT")
def double(x: int) -> int:
    return x * 2

if __name__ == "__main__":
    env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    env.create_temporary_function("double", double)
    print(sorted(row[0] for row in env.execute_sql("SELECT `double`(x) FROM (VALUES (1), (20)) AS t(x)").collect()))
"""


@pytest.fixture(scope="module")
def one() -> Iterator[templates.Scratch]:
    made = templates.Scratch(PLAN)
    made.start()
    yield made
    made.destroy()
    assert process.all_inside(made.folder) == []


def program(stack: templates.Scratch, place: Path, text: str, *, command: str = "flink-python", **variables: str) -> Program:
    """A learner's program as a verifier starts it."""
    (place / "job.py").write_text(text)
    environment = {**os.environ, **stack.environment(), **variables}
    return Program([command, "job.py"], folder=place, environment=environment, mark=place, limits=Limits(**CLIENT), stdin=None)


def send(kafka: Kafka, begin: int, end: int) -> None:
    """Clicks, ten a second of event time, on two pages in turn."""
    start = datetime(2025, 1, 1)
    clicks = [{"page": "ab"[n % 2], "ts": str(start + timedelta(seconds=n / 10))} for n in range(begin, end)]
    kafka.send("clicks", [Record(json.dumps(click).encode()) for click in clicks])


def counted(kafka: Kafka) -> list[tuple[str, str, int]]:
    """What the job has put out for good."""
    rows = [json.loads(record.value or b"") for record in kafka.read("counts", committed=True)]
    return sorted((row["begins"], row["page"], row["n"]) for row in rows)


def test_it_listens_on_loopback_only_in_bounded_memory(one: templates.Scratch) -> None:
    members = process.tree(one["flink"].running())
    assert len(members) == 3
    lines = [line for member in members for line in member.net_connections("inet") if line.status == psutil.CONN_LISTEN]
    assert {line.laddr.ip.removeprefix("::ffff:") for line in lines} == {"127.0.0.1"}
    assert sum(member.memory_info().rss for member in members) < 1100 * 1024 * 1024


def test_a_killed_job_goes_on_from_its_checkpoint_with_exact_counts(one: templates.Scratch, place: Path) -> None:
    kafka, flink = Kafka(one), Flink(one)
    kafka.create("clicks")
    kafka.create("counts")
    send(kafka, 0, 1000)
    with program(one, place, JOB) as first:
        job = flink.wait_running(alive=first)
        wait.until(lambda: len(counted(kafka)) >= 18, seconds=60, what="nine windows of two pages")
        assert max(flink.watermarks(job).values()) == 1735689600_000 + 97_900 - 1
        assert sum(flink.metric(job, vertex, "numRecordsIn") for vertex in flink.vertices(job)) >= 1000
        done = flink.wait_checkpoint(job)
        assert flink.latest() is not None
        assert done.path.endswith(f"chk-{done.id}")
        flink.crash(first)
    assert not one["flink"].alive()
    assert process.all_inside(one["flink"].place.folder) == []
    with pytest.raises(Blocked, match="does not answer"):
        flink.jobs()
    send(kafka, 1000, 2000)
    flink.start()
    assert flink.jobs() == []
    with program(one, place, JOB, **flink.resumed()) as second:
        job = flink.wait_running(alive=second)
        assert flink.checkpoints(job).restored
        wait.until(lambda: len(counted(kafka)) >= 38, seconds=60, what="ten windows more")
        flink.cancel_all()
        assert flink.running() == []
    found = counted(kafka)
    assert len({row[:2] for row in found}) == len(found) == 38
    assert {row[2] for row in found} == {50}


def test_a_program_that_breaks_is_told_by_its_own_words(one: templates.Scratch, place: Path) -> None:
    broken = JOB.replace("'topic'='counts',", "'topic'='',").replace("'connector'='kafka'", "'connector'='kafkaesque'")
    with program(one, place, broken) as child, pytest.raises(CheckFailed, match="kafkaesque"):
        Flink(one).wait_running(alive=child)


def test_functions_in_python_work(one: templates.Scratch, place: Path) -> None:
    with program(one, place, FUNCTION) as child:
        assert child.wait().succeeded().out.strip().endswith("[2, 40]")


def test_the_tools_find_the_cluster_and_the_checkpoint(one: templates.Scratch) -> None:
    environment = {**os.environ, **one.environment()}
    listed = subprocess.run(["flink", "list", "-a"], env=environment, capture_output=True, text=True, check=False)
    assert "insert-into_default_catalog.default_database.counts" in listed.stdout, listed.stderr
    told = subprocess.run(["flink-checkpoint"], env=environment, capture_output=True, text=True, check=True).stdout.strip()
    assert (Path(told.removeprefix("file://")) / "_metadata").exists()


def test_a_taskmanager_that_dies_is_started_again(one: templates.Scratch) -> None:
    main = one["flink"].running()
    worker = next(child for child in main.children() if "TaskManagerRunner" in " ".join(child.cmdline()))
    process.kill([worker])
    wait.until(lambda: len(one["flink"].log()) and len(main.children()) == 2, seconds=20, what="another TaskManager")
    assert all(child.pid != worker.pid for child in main.children())
    wait.until(one["flink"].ready, seconds=60, what="its slots")


def test_paused_it_does_not_answer_and_orphans_are_ended(one: templates.Scratch) -> None:
    node = one["flink"]
    node.pause()
    assert node.alive()
    assert not node.ready()
    node.resume()
    wait.until(node.ready, seconds=40, what="an answer")
    orphans = node.running().children()
    process.kill([node.running()])  # the parent alone: what a crash leaves
    assert not node.alive()
    node.start()
    assert all(process.gone(orphan) for orphan in orphans)
    node.stop()
    assert process.all_inside(node.place.folder) == []


def test_only_complete_checkpoints_count(tmp_path: Path) -> None:
    assert flink_checkpoints.latest(tmp_path) is None
    for number, name in enumerate(("a/chk-1/_metadata", "a/chk-2/_metadata", "b/chk-1/_metadata", "b/chk-2/data", "b/shared/x")):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (number, number))
    assert flink_checkpoints.latest(tmp_path) == tmp_path / "b" / "chk-1"

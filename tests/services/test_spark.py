"""Spark with real servers and sessions: the warm server, a session in a program of its own, and what their event logs tell."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from delab import process, spark, templates, wait
from delab.checks.spark import events, read
from delab.errors import Blocked
from delab.services import make
from delab.services.spark import select
from delab.spark_connect import length

ONE = templates.Plan("spark-one", (make("spark", {}),))
LOCAL = templates.Plan("spark-local", (make("spark", {"kind": "spark_local"}),))
CLIENT = """
import os
from pyspark.sql import SparkSession, functions as sf
spark = SparkSession.builder.getOrCreate()
spark.addTag("counted")
rows = spark.range(1000).groupBy((sf.col("id") % 3).alias("k")).count().orderBy("k").collect()
double = sf.udf(lambda x: x * 2, "long")
print([row["count"] for row in rows], spark.range(2, 3).select(double("id")).first()[0], spark.version)
"""
CLASSIC = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
sc = spark.sparkContext
sc.setJobGroup("counted", "words")
pairs = sc.parallelize([(n % 3, 1) for n in range(900)], 3)
print(sorted(pairs.reduceByKey(lambda a, b: a + b, 2).collect()), sc.master)
spark.stop()
"""
TEMPORARY = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
print(spark.sql("SELECT java_method('java.lang.System', 'getProperty', 'java.io.tmpdir')").first()[0])
"""


@pytest.fixture(scope="module")
def one() -> Iterator[templates.Scratch]:
    made = templates.Scratch(ONE)
    made.start()
    yield made
    made.destroy()
    assert process.all_inside(made.folder) == []


def run(code: str, stack: templates.Scratch) -> str:
    """Run a program in a learner's place, and give what it printed."""
    environment = {**os.environ, **stack.environment()}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_client_finds_it_and_the_log_tells_what_it_did(one: templates.Scratch) -> None:
    assert run(CLIENT, one).split() == ["[334,", "333,", "333]", "4", spark.version()]
    log = events(one)
    stages = log.stages(tag="counted")
    assert stages
    assert all(job.succeeded for job in log.jobs(tag="counted"))
    assert max(sum(stage.read) for stage in stages) > 0
    assert any(query.plan.find("HashAggregate") for query in log.queries)


def test_it_listens_on_loopback_only_in_bounded_memory(one: templates.Scratch) -> None:
    main = one["spark"].running()
    seen = {line.laddr.ip.removeprefix("::ffff:") for line in main.net_connections("inet") if line.status == psutil.CONN_LISTEN}
    assert seen == {"127.0.0.1"}
    assert main.memory_info().rss < 1500 * 1024 * 1024


def test_what_a_killed_server_leaves_goes_at_its_next_start(one: templates.Scratch) -> None:
    left = Path(run(TEMPORARY, one).strip()) / "left"
    assert left.is_relative_to(one.folder)
    left.touch()
    one["spark"].kill()
    one["spark"].start()
    assert not left.exists()


def test_without_the_password_it_answers_nobody(one: templates.Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    port = one["spark"].endpoint.port
    assert select(port, "SELECT 1")
    monkeypatch.setattr("delab.secrets.password", lambda role: "guessed")
    assert not select(port, "SELECT 1")


def test_a_paused_server_does_not_answer_and_a_killed_one_comes_back(one: templates.Scratch) -> None:
    node = one["spark"]
    node.pause()
    assert node.alive()
    assert not node.ready()
    node.resume()
    wait.until(node.ready, seconds=20, what="an answer")
    node.kill()
    assert not node.alive()
    with pytest.raises(Blocked, match="does not answer"):
        events(one)
    node.start()
    assert events(one).jobs(tag="counted") != []  # of its earlier life
    node.stop()
    assert not node.alive()


def test_a_session_in_a_program_of_its_own() -> None:
    stack = templates.Scratch(LOCAL)
    try:
        stack.start()
        assert run(CLASSIC, stack).strip() == "[(0, 300), (1, 300), (2, 300)] local[2]"
        first, second = read(Path(stack.environment()["SPARK_EVENTS"])).jobs(group="counted")[0].stages
        assert first.written == sum(second.read) == 6  # PySpark sends batches: from each of three tasks one to each of two
        assert first.written_bytes == sum(task.read_bytes for task in second.tasks) > 0
        assert second.result_bytes > 0
        assert len(second.tasks) == 2
        assert Path(run(TEMPORARY, stack).strip()).is_relative_to(stack.folder)  # what a killed program leaves goes with the stack
    finally:
        stack.destroy()


def test_half_a_line_is_left_out(tmp_path: Path) -> None:
    start = {"Event": "SparkListenerJobStart", "Job ID": 0, "Stage IDs": [0], "Properties": {"spark.jobGroup.id": "x"}}
    (tmp_path / "app").write_text(json.dumps(start) + '\n{"Event": "SparkListenerJobE')
    (job,) = read(tmp_path).jobs(group="x")
    assert not job.succeeded
    assert job.stages == ()


def test_bytes_of_a_stage_are_those_of_its_tasks(tmp_path: Path) -> None:
    def ended(partition: int, written: int, result: int) -> dict[str, object]:
        about = {"Partition ID": partition, "Index": partition, "Launch Time": 0, "Finish Time": 1000}
        metrics = {"Result Size": result, "Shuffle Write Metrics": {"Shuffle Bytes Written": written, "Shuffle Records Written": 1}}
        common = {"Stage ID": 0, "Stage Attempt ID": 0, "Task End Reason": {"Reason": "Success"}}
        return {"Event": "SparkListenerTaskEnd", **common, "Task Info": about, "Task Metrics": metrics}

    stage = {"Stage ID": 0, "Stage Attempt ID": 0, "Stage Name": "reduceByKey"}
    told = [
        {"Event": "SparkListenerJobStart", "Job ID": 0, "Stage IDs": [0], "Properties": {}},
        *(ended(partition, 100 + partition, 2000) for partition in range(3)),
        {"Event": "SparkListenerStageCompleted", "Stage Info": stage},
    ]
    (tmp_path / "app").write_text("\n".join(json.dumps(event) for event in told))
    (found,) = read(tmp_path).stages()
    assert (found.written_bytes, found.result_bytes, found.written) == (303, 6000, 3)


def test_lengths_are_written_in_groups_of_seven_bits() -> None:
    assert [length(number) for number in (1, 127, 128, 300)] == [b"\x01", b"\x7f", b"\x80\x01", b"\xac\x02"]

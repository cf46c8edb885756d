"""Each further kind of service in its container, where its image has been built (scripts/check-compose does)."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from delab import engine, process, python, templates, wait
from delab.checks import Database
from delab.checks.flink import CLIENT, Flink
from delab.checks.kafka import Kafka, Record
from delab.checks.program import Limits, Program
from delab.checks.spark import events
from delab.errors import Blocked
from delab.services import make
from delab.services.base import Service

pytestmark = [pytest.mark.timeout(600), pytest.mark.filterwarnings("ignore::DeprecationWarning")]


def lacking(kind: str) -> str:
    """What is in the way of tests with a kind of service; empty if nothing is."""
    try:
        return "" if engine.built(kind) else f"the image of {kind} is not built: scripts/check-compose builds it"
    except Blocked as problem:
        return f"no containers here: {problem.message}"


def needs(kind: str) -> Any:
    """Marks a test that needs an image."""
    return pytest.mark.skipif(bool(lacking(kind)), reason=lacking(kind))


@contextmanager
def started(monkeypatch: pytest.MonkeyPatch, *services: Service) -> Iterator[Any]:
    """A scratch stack on containers, lazy services and all."""
    monkeypatch.setenv("LAB_RUNTIME", "compose")
    for one in services:
        if not one.embedded:
            engine.image(one.kind())  # after a change of the files in it: not in the time for a start
    made = templates.scratch(templates.Plan("kinds", services))
    made.starts_lazy = True
    try:
        made.start()
        yield made
    finally:
        made.destroy()
    assert engine.containers(made.name) == []


def ends_and_comes_back(node: Any) -> None:
    """Stop and kill are seen at once, whatever the service leaves behind; a start brings it back."""
    for end in (node.stop, node.kill):
        before = process.tree(node.running())
        end()
        assert not node.alive()
        assert not node.ready()
        assert all(process.gone(one) for one in before)
        assert process.all_inside(node.place.folder) == []
        node.start()
        assert node.ready()


@needs("airflow")
def test_airflow_stops_dies_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    services = (make("warehouse", {"kind": "postgres"}), make("airflow", {"database": "warehouse"}))
    with started(monkeypatch, *services) as stack:
        ends_and_comes_back(stack["airflow"])
        assert Database(stack["warehouse"]).value("SELECT 1") == 1
        stack["airflow"].pause()
        assert stack["airflow"].alive()
        assert not stack["airflow"].ready()
        stack["airflow"].stop()  # also while paused
        assert not stack["airflow"].alive()


@needs("kafka")
def test_kafka_stops_dies_and_comes_back_with_its_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    from kafka import KafkaConsumer, KafkaProducer

    with started(monkeypatch, make("kafka", {})) as stack:
        at = f"127.0.0.1:{stack['kafka'].endpoint.port}"
        with KafkaProducer(bootstrap_servers=at, compression_type="zstd") as producer:  # the broker unpacks it to check it
            producer.send("seen", b"one").get(timeout=30)
        ends_and_comes_back(stack["kafka"])
        with KafkaConsumer("seen", bootstrap_servers=at, auto_offset_reset="earliest", consumer_timeout_ms=30000) as consumer:
            assert next(iter(consumer)).value == b"one"
        wait.until(stack["kafka"].ready, seconds=10, what="Kafka")


@needs("spark")
def test_spark_answers_and_runs_functions_of_this_python(monkeypatch: pytest.MonkeyPatch) -> None:
    with started(monkeypatch, make("spark", {})) as stack:
        code = (
            "from pyspark.sql import SparkSession, functions as sf; spark = SparkSession.builder.getOrCreate(); "
            "double = sf.udf(lambda x: x * 2, 'long'); print(spark.range(2, 3).select(double('id')).first()[0]); "
            f"spark.range(3).write.parquet('{stack['spark'].data}/out')"
        )
        variables = {**os.environ, **stack.environment()}
        done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=False)
        assert done.stdout.strip() == "4", done.stderr[-2000:]
        assert events(stack).queries
        ends_and_comes_back(stack["spark"])


FUNCTION = """
from pyflink.table import DataTypes, EnvironmentSettings, TableEnvironment
from pyflink.table.expressions import col
from pyflink.table.udf import udf

env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
double = udf(lambda x: x * 2, result_type=DataTypes.BIGINT())
made = env.from_elements([(1,), (20,)], ["n"]).select(double(col("n")))
print(sorted(row[0] for row in made.execute().collect()))
"""
COPY = """
from pyflink.table import EnvironmentSettings, TableEnvironment

env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
env.get_config().set("execution.checkpointing.interval", "500 ms")
for name in ("seen", "copied"):
    at = f"'connector'='kafka','topic'='{name}','properties.bootstrap.servers'='KAFKA','scan.startup.mode'='earliest-offset'"
    env.execute_sql(f"CREATE TABLE {name} (word STRING) WITH ({at},'format'='raw','sink.delivery-guarantee'='at-least-once')")
env.execute_sql("INSERT INTO copied SELECT UPPER(word) FROM seen").wait()
"""


@needs("flink")
@needs("kafka")
def test_flink_runs_jobs_and_functions_of_this_python(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    """A job of the host's reads and writes the broker in its own container, and leaves checkpoints where the host sees them."""
    with started(monkeypatch, make("kafka", {}), make("flink", {})) as stack:
        kafka, flink, variables = Kafka(stack), Flink(stack), {**os.environ, **stack.environment()}
        kafka.create("seen")
        kafka.create("copied")
        kafka.send("seen", [Record(b"one")])
        (place / "job.py").write_text(COPY.replace("KAFKA", f"127.0.0.1:{stack['kafka'].endpoint.port}"))
        bounds: Any = {"mark": place, "limits": Limits(**CLIENT), "stdin": None}
        with Program(["flink-python", "job.py"], folder=place, environment=variables, **bounds) as job:
            wait.until(lambda: kafka.read("copied"), seconds=90, what="the copy")
            flink.wait_checkpoint(flink.wait_running(alive=job))
        assert [record.value for record in kafka.read("copied")] == [b"ONE"]
        assert flink.latest()
        flink.cancel_all()
        done = subprocess.run(["flink-python", "-c", FUNCTION], env=variables, capture_output=True, text=True, check=False)
        assert done.stdout.strip().endswith("[2, 40]"), done.stderr[-2000:]
        ends_and_comes_back(stack["flink"])


@needs("base")
def test_a_session_in_the_learners_program_needs_no_container(monkeypatch: pytest.MonkeyPatch) -> None:
    with started(monkeypatch, make("spark", {"kind": "spark_local"})) as stack:
        assert {one.name.rpartition("-")[2] for one in engine.containers(stack.name)} == {"pod"}
        assert "SPARK_EVENTS" in stack.environment()


def test_this_python_is_whole_without_its_environment() -> None:
    """A container gets only these places, and none of this machine's links."""
    code = "import sys, pyarrow; print(sys.version_info[:2])"
    clean = {**python.variables(), "PATH": ""}
    done = subprocess.run([python.program(), "-S", "-c", code], env=clean, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == str(sys.version_info[:2]), done.stderr
    assert not any(path.is_symlink() for path in python.places()[:1])
    assert Path(os.__file__).parent in python.places()

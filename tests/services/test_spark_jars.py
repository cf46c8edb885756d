"""What is added to Spark by a lock of jars: found by a session, behind what Spark itself brings."""

import os
import subprocess
import sys
from pathlib import Path

from delab import jars, spark, templates
from delab.services import make

ADDED = templates.Plan("spark-added", (make("spark", {"kind": "spark_local", "jars": ["kafka"], "settings": {"spark.x": "a b"}}),))
SESSION = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
print(spark.conf.get("spark.x"))
print(spark.readStream.format("kafka").option("kafka.bootstrap.servers", "localhost:1").option("subscribe", "a").load().columns)
print(spark.sparkContext._jvm.java.lang.System.getProperty("java.class.path"))
"""


def test_a_session_has_the_jars_behind_its_own_and_the_settings() -> None:
    stack = templates.Scratch(ADDED)
    try:
        stack.start()
        environment = {**os.environ, **stack.environment()}
        command = [sys.executable, "-c", SESSION]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        setting, columns, path = done.stdout.splitlines()
        assert setting == "a b"
        assert "timestampType" in columns
        last = [Path(place).name for place in path.split(os.pathsep)][-4:]
        assert sorted(last) == sorted(jar.file for jar in jars.lock("spark-kafka"))
    finally:
        stack.destroy()


def test_a_server_is_given_them_behind_its_own_class_path() -> None:
    stack = templates.Scratch(templates.Plan("spark-added-server", (make("spark", {"jars": ["kafka"]}),)))
    try:
        command = stack["spark"].service.command(stack["spark"].place)
        assert command[command.index("-cp") + 1] == f"{spark.class_path()}{os.pathsep}{jars.class_path('spark-kafka')}"
    finally:
        stack.destroy()


def test_a_lock_for_spark_leaves_out_what_pyspark_carries() -> None:
    carried = {path.name for path in (spark.home() / "jars").iterdir()}
    for path in jars.LOCKS.glob("spark-*.lock"):
        assert not {f"{jar.artifact}-{jar.version}.jar" for jar in jars.lock(path.stem)} & carried

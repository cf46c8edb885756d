"""One Spark session for the jobs' tests, with the jars of Kafka and Delta; and jobs as modules."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from delab import jars, java, spark

JOBS = Path(__file__).parent.parent.parent / "spark_jobs"


@pytest.fixture(scope="session")
def session() -> Iterator[Any]:
    """A small local Spark, found by the jobs' getOrCreate()."""
    if not importlib.util.find_spec("pyspark") or not (java.system() or java.packaged()):
        pytest.skip("the packs spark and jdk are needed")
    from pyspark.sql import SparkSession

    needed = [str(jar) for name in ("spark-kafka", "spark-delta") for jar in sorted(jars.folder(name).glob("*.jar"))]
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.databricks.delta.snapshotPartitions": "2",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.jars": ",".join(needed),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_HOME", str(spark.java_home()))
        made = SparkSession.builder.master("local[2]").config(map=settings).getOrCreate()
        made.sparkContext.setLogLevel("ERROR")
        yield made
        made.stop()


@pytest.fixture(scope="session")
def job(session: Any) -> Iterator[Callable[[str], ModuleType]]:
    """A job's module by its name."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, JOBS / f"{name}.py")
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    sys.path.insert(0, str(JOBS))
    yield load
    sys.path.remove(str(JOBS))

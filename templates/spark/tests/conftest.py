"""A small Spark in this process; the job finds it, as it finds the cluster's under spark-submit."""

from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

SMALL = {
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.session.timeZone": "UTC",
}


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    made = SparkSession.builder.master("local[2]").config(map=SMALL).getOrCreate()
    yield made
    made.stop()

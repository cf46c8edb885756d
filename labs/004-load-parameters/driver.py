"""Runs in the learner's place: one Spark session, in which transform gets each case, and its result is written as Parquet."""

import json
import sys
import traceback
from pathlib import Path

import tables
from pyspark.sql import SparkSession

COLUMNS = ("page", "section", "clicks", "users", "revenue", "longest")
SETTINGS = {
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.autoBroadcastJoinThreshold": "-1",
    "spark.sql.shuffle.partitions": "8",
    "spark.sql.execution.pythonUDF.arrow.enabled": "false",
    "spark.sql.files.openCostInBytes": "0",
    "spark.sql.files.minPartitionNum": "8",
}


def case(spark, job, folder):
    """Give the case's tables to transform, and write what comes; the settings that are others then."""
    for name, value in SETTINGS.items():
        spark.conf.set(name, value)
    clicks, pages = (spark.read.parquet(str(folder / name)) for name in ("clicks", "pages"))
    before = spark.conf.getAll
    frame = job.transform(spark, clicks, pages)
    frame.select(*COLUMNS).write.parquet(str(folder / "result"))
    return {name: value for name, value in spark.conf.getAll.items() if before.get(name) != value}


def main():
    """Each case in a job group of its own; one that raises does not hide the others."""
    answer, folder = Path(sys.argv[1]), Path(sys.argv[2])
    builder = SparkSession.builder
    for name, value in SETTINGS.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    import job  # now: what it makes when it is imported may need a session

    found = {}
    for name in tables.CASES:
        spark.sparkContext.setJobGroup(name, name)
        try:
            found[name] = {"changed": case(spark, job, folder / name)}
        except Exception as error:
            found[name] = {"raised": f"{type(error).__name__}: {str(error)[:500]}\n{traceback.format_exc(limit=-2)[-400:]}"}
    spark.stop()
    answer.write_text(json.dumps(found))


if __name__ == "__main__":
    main()

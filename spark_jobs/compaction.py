"""Small files made into few: of a Delta table by its own transaction, of a folder of Parquet partition by partition.

    spark-submit [--packages …] compaction.py --path PATH [--format delta] [--where "day >= '2025-03-01'"]
        [--target 128] [--vacuum HOURS]

Delta: readers and writers go on meanwhile. `--vacuum` then deletes files that no version of these hours needs; without it, none.

Parquet has no transactions: let nobody read or write the folder meanwhile. Partitions whose files are smaller than half the target
on average are written beside it first, into PATH + ".compacting"; when all are there, each takes the place of its partition. A run
that finds them goes on: whatever dies, the rows are in one of the two places.
"""

import argparse
from collections.abc import Sequence
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

MEBIBYTE = 1 << 20
LIST = "folders"  # of the partitions that were written beside: it is there when all of them are


def transform(files: DataFrame, target: int) -> DataFrame:
    """Which partitions need it: `folder`, `files`, `bytes`, and `wanted`, how many files they should be.

    `files` has `path` and `length` (bytes) of each file; `target` is in bytes.
    """
    folders = files.groupBy(f.regexp_replace("path", "/[^/]+$", "").alias("folder")).agg(
        f.count("*").alias("files"), f.sum("length").alias("bytes")
    )
    wanted = f.greatest(f.lit(1), f.ceil(f.col("bytes") / target)).cast("int")
    return folders.withColumn("wanted", wanted).where(
        (f.col("files") > f.col("wanted")) & (f.col("bytes") < f.col("files") * target / 2)
    )


class Files:
    """What a job does with whole files and folders, wherever they are: Hadoop's file systems."""

    def __init__(self, spark: SparkSession, path: str) -> None:
        jvm: Any = spark.sparkContext._jvm
        self.made = jvm.org.apache.hadoop.fs.Path
        self.system = self.made(path).getFileSystem(spark.sparkContext._jsc.hadoopConfiguration())

    def exists(self, path: str) -> bool:
        """Whether there is one."""
        return bool(self.system.exists(self.made(path)))

    def remove(self, path: str) -> None:
        """Delete a folder with all that is in it."""
        self.system.delete(self.made(path), True)

    def move(self, path: str, to: str) -> None:
        """Put a folder in the place of another. Raises OSError if the file system refuses."""
        self.remove(to)
        if not self.system.rename(self.made(path), self.made(to)):
            raise OSError(f"{path} could not be renamed to {to}: the rows are in the first")


def small(spark: SparkSession, path: str, target: int) -> list[tuple[str, int]]:
    """The partitions that need it: their folder below `path`, and how many files they should be."""
    found = spark.read.format("binaryFile").options(pathGlobFilter="*.parquet", recursiveFileLookup=True).load(path)
    root = path.rstrip("/").rpartition(":")[2]
    rows = transform(found.select("path", "length"), target).orderBy("folder").collect()
    return [(row["folder"].partition(root)[2].strip("/"), row["wanted"]) for row in rows]


def compact_parquet(spark: SparkSession, path: str, target: int) -> int:
    """Rewrite the partitions that need it; how many. Goes on with what an earlier run has left."""
    beside, path = path.rstrip("/") + ".compacting", path.rstrip("/")
    files = Files(spark, path)
    if not files.exists(f"{beside}/{LIST}"):
        files.remove(beside)
        wanted = small(spark, path, target)
        if not wanted:
            return 0
        for number, (folder, count) in enumerate(wanted):
            spark.read.parquet(f"{path}/{folder}").coalesce(count).write.parquet(f"{beside}/{number}")
        listed = [(number, folder) for number, (folder, _) in enumerate(wanted)]
        spark.createDataFrame(listed, "number int, folder string").coalesce(1).write.parquet(f"{beside}/{LIST}")
    folders = spark.read.parquet(f"{beside}/{LIST}").collect()
    for row in folders:
        if files.exists(f"{beside}/{row['number']}"):
            files.move(f"{beside}/{row['number']}", f"{path}/{row['folder']}".rstrip("/"))
    files.remove(beside)
    return len(folders)


def compact_delta(spark: SparkSession, path: str, where: str, vacuum: float | None) -> int:
    """Delta's own compaction; how many files are gone from the newest version."""
    from delta.tables import DeltaTable

    table = DeltaTable.forPath(spark, path)
    chosen = table.optimize().where(where) if where else table.optimize()
    removed = chosen.executeCompaction().select("metrics.numFilesRemoved").first()
    if vacuum is not None:
        table.vacuum(vacuum)
    return int(removed[0]) if removed else 0


def main(arguments: Sequence[str] | None = None) -> None:
    """Compact, say how much."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--path", required=True, help="of the table or folder")
    parser.add_argument("--format", default="delta", choices=("delta", "parquet"), help="(default: %(default)s)")
    parser.add_argument("--where", default="", help="which partitions, for Delta (default: all)")
    parser.add_argument("--target", type=float, default=128, metavar="MIB", help="size of a file (default: %(default)s)")
    parser.add_argument("--vacuum", type=float, metavar="HOURS", help="for Delta: also delete what no version of these hours needs")
    told = parser.parse_args(arguments)
    settings = {"spark.databricks.delta.optimize.maxFileSize": str(int(told.target * MEBIBYTE))}
    spark = SparkSession.builder.appName("compaction").config(map=settings).getOrCreate()
    if told.format == "delta":
        print(f"{compact_delta(spark, told.path, told.where, told.vacuum)} small files replaced")
    else:
        print(f"{compact_parquet(spark, told.path, int(told.target * MEBIBYTE))} partitions rewritten")


if __name__ == "__main__":
    main()

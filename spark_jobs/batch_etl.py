"""Batch ETL: orders and their lines into completed sales by day (UTC) and currency, as Parquet, a folder a day.

    spark-submit batch_etl.py --orders PATH --lines PATH --output PATH [--format csv] [--first DAY] [--last DAY]

Paths are whatever the cluster reads: local, hdfs://, s3a://. Master, memory and credentials are spark-submit's; none is named here.
A run replaces the days that it has sales of, and leaves the other days as they are: it can be repeated, and days can come in any
order. All of a day must be in the input.
"""

import argparse
from collections.abc import Mapping, Sequence

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

ORDERS = {"order_id": "bigint", "ordered_at": "timestamp", "currency": "string", "status": "string"}
LINES = {"line_id": "bigint", "order_id": "bigint", "quantity": "bigint", "amount": "decimal(14,2)"}


def transform(orders: DataFrame, lines: DataFrame) -> DataFrame:
    """Sales by day and currency: `day`, `currency`, `orders`, `lines`, `quantity`, `amount`. Rows delivered twice count once."""
    completed = orders.where(f.col("status") == "completed").dropDuplicates(["order_id"])
    return (
        completed.join(lines.dropDuplicates(["line_id"]), "order_id")
        .groupBy(f.to_date("ordered_at").alias("day"), "currency")
        .agg(
            f.countDistinct("order_id").alias("orders"),
            f.count("*").alias("lines"),
            f.sum("quantity").alias("quantity"),
            f.sum("amount").cast("decimal(18,2)").alias("amount"),
        )
    )


def read(spark: SparkSession, path: str, kind: str, columns: Mapping[str, str]) -> DataFrame:
    """These columns of files of a kind. A value that is not of its column's type ends the job."""
    found = spark.read.format(kind).options(header=True).load(path)
    return found.select(*(f.col(name).cast(of).alias(name) for name, of in columns.items()))


def write(sales: DataFrame, path: str) -> None:
    """Put the days in place of those that are there; one file a day, for they are small."""
    by_day = sales.repartition("day").sortWithinPartitions("currency")
    by_day.write.mode("overwrite").option("partitionOverwriteMode", "dynamic").partitionBy("day").parquet(path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read, transform, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    for name in ("orders", "lines", "output"):
        parser.add_argument(f"--{name}", required=True, metavar="PATH")
    parser.add_argument("--format", default="parquet", choices=("parquet", "csv", "json"), help="of the input")
    parser.add_argument("--first", metavar="DAY", help="leave out earlier days")
    parser.add_argument("--last", metavar="DAY", help="leave out later days")
    told = parser.parse_args(arguments)
    # Days are UTC's, wherever the cluster is.
    spark = SparkSession.builder.appName("batch_etl").config("spark.sql.session.timeZone", "UTC").getOrCreate()
    sales = transform(read(spark, told.orders, told.format, ORDERS), read(spark, told.lines, told.format, LINES))
    if told.first:
        sales = sales.where(f.col("day") >= f.lit(told.first).cast("date"))
    if told.last:
        sales = sales.where(f.col("day") <= f.lit(told.last).cast("date"))
    write(sales, told.output)


if __name__ == "__main__":
    main()

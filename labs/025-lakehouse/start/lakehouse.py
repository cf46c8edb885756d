"""A lakehouse table: changes that come doubled, late and at once, its past, its files, and the same in Iceberg."""

from pyspark.sql import functions as F  # noqa: N812


def apply_changes(spark, table, changes):
    """Bring a batch of changes (a Parquet file) into the Delta table, in one commit."""
    batch = spark.read.parquet(changes)
    batch = batch.withColumn("deleted", F.col("op") == "delete").drop("op")
    batch.write.format("delta").mode("append").save(table)


def report(spark, table, version=None, at=None):
    """{status: (orders, amount)} without the deleted, as of a version or a time (a datetime with a zone)."""
    return {}


def compact(spark, table):
    """Bring small files together, without a change of the data."""


def vacuum(spark, table):
    """Remove the files that no version needs that was valid within the table's retention."""


def to_iceberg(spark, table, catalog, versions):
    """A snapshot of the Iceberg table shop.orders for each of these versions of the Delta table, tagged v0, v1, …"""


def rename_amount(catalog):
    """Call the column amount of shop.orders total."""


if __name__ == "__main__":  # lab run 25 -- python lakehouse.py
    import pyarrow
    from pyarrow import parquet
    from pyspark.sql import SparkSession

    changes = [
        {"order_id": 1, "op": "upsert", "status": "new", "amount": 12.5, "seq": 1},
        {"order_id": 1, "op": "upsert", "status": "paid", "amount": 12.5, "seq": 4},
        {"order_id": 2, "op": "delete", "status": None, "amount": None, "seq": 3},
        {"order_id": 2, "op": "upsert", "status": "new", "amount": 9.0, "seq": 2},
    ]
    parquet.write_table(pyarrow.Table.from_pylist(changes), "changes.parquet")
    spark = SparkSession.builder.getOrCreate()
    apply_changes(spark, "orders", "changes.parquet")
    spark.read.format("delta").load("orders").orderBy("order_id").show()
    spark.stop()

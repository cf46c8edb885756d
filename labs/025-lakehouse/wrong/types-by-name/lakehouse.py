"""A lakehouse table: changes merged in single commits, old versions for reports, files kept in order, and the same in Iceberg."""

from delta.tables import DeltaTable
from pyspark.sql import Window
from pyspark.sql import functions as F  # noqa: N812

ATTEMPTS = 20
KEY, ORDER = "order_id", "seq"
CONFLICTS = ("DELTA_CONCURRENT", "ConcurrentModification", "ConcurrentAppend", "ConcurrentDelete", "DELTA_METADATA_CHANGED")


def apply_changes(spark, table, changes):
    """Bring a batch of changes into the table, in one commit. Raises TypeError for a column of another type."""
    batch = newest(spark.read.parquet(changes))
    for attempt in range(ATTEMPTS):
        try:
            return merge(spark, table, batch)
        except Exception as error:
            lost = any(word in f"{type(error).__name__} {error}" for word in CONFLICTS)
            if not lost or attempt == ATTEMPTS - 1:
                raise


def newest(batch):
    """One row for each order: its newest change; a deletion becomes a mark."""
    of_order = Window.partitionBy(KEY).orderBy(F.col(ORDER).desc())
    last = batch.withColumn("n", F.row_number().over(of_order)).where("n = 1").drop("n")
    return last.withColumn("deleted", F.col("op") == "delete").drop("op")


def merge(spark, table, batch):
    """One attempt, which reads the table anew."""
    if not DeltaTable.isDeltaTable(spark, table):
        batch.limit(0).write.format("delta").mode("ignore").save(table)
    target = DeltaTable.forPath(spark, table)
    refuse_other_types(target.toDF().schema, batch.schema)
    (
        target.alias("t")
        .merge(batch.alias("s"), f"t.{KEY} = s.{KEY}")
        .withSchemaEvolution()
        .whenMatchedUpdateAll(f"s.{ORDER} > t.{ORDER}")
        .whenNotMatchedInsertAll()
        .execute()
    )


def refuse_other_types(mine, theirs):
    """Raise TypeError if a column that the table has comes with another type."""
    known = {field.name: field.dataType for field in mine if field.name in ("order_id", "status", "amount", "seq", "deleted")}
    for field in theirs:
        if known.get(field.name.lower(), field.dataType) != field.dataType:
            raise TypeError(f"{field.name} is {field.dataType.simpleString()}, in the table it is {known[field.name.lower()]}")


def report(spark, table, version=None, at=None):
    """Number of orders and their amount for each status, as of a version or a time."""
    option = ("versionAsOf", version) if at is None else ("timestampAsOf", at.isoformat())
    rows = spark.read.format("delta").option(*option).load(table).where("NOT deleted").groupBy("status")
    return {row.status: (row.n, row.total) for row in rows.agg(F.count("*").alias("n"), F.sum("amount").alias("total")).collect()}


def compact(spark, table):
    """Bring small files together, without a change of the data."""
    DeltaTable.forPath(spark, table).optimize().executeCompaction()


def vacuum(spark, table):
    """Remove the files that no version needs that was valid within the table's retention."""
    DeltaTable.forPath(spark, table).vacuum()


def to_iceberg(spark, table, catalog, versions):
    """A snapshot of the Iceberg table shop.orders for each of these versions, tagged v0, v1, …"""
    catalog.create_namespace_if_not_exists("shop")
    made = None
    for version in versions:
        rows = spark.read.format("delta").option("versionAsOf", version).load(table).toArrow()
        made = made or catalog.create_table("shop.orders", schema=rows.schema)
        with made.update_schema() as update:
            update.union_by_name(rows.schema)
        made.overwrite(rows)
        made.manage_snapshots().create_tag(made.current_snapshot().snapshot_id, f"v{version}").commit()


def rename_amount(catalog):
    """Call the column `amount` `total`, without touching a file of data."""
    with catalog.load_table("shop.orders").update_schema() as update:
        update.rename_column("amount", "total")

"""In SQL, with a table in folders, and a compaction by hand."""

import random
import time

from pyiceberg.expressions import AlwaysTrue


def apply_changes(spark, table, changes):
    spark.read.parquet(changes).createOrReplaceTempView("changes")
    named = [name for name in spark.table("changes").columns if name not in ("order_id", "op")]
    spark.sql(f"""CREATE OR REPLACE TEMP VIEW batch AS SELECT order_id, last.* FROM (
        SELECT order_id,
        max_by(struct({", ".join(named)}, op = 'delete' AS deleted), seq) AS last FROM changes GROUP BY order_id)""")
    spark.sql(f"""CREATE TABLE IF NOT EXISTS delta.`{table}`
        (order_id BIGINT NOT NULL, status STRING, amount DOUBLE, seq BIGINT, deleted BOOLEAN)
        USING delta PARTITIONED BY (deleted)""")
    while True:
        known = dict(spark.table(f"delta.`{table}`").dtypes)
        for name, kind in spark.table("batch").dtypes:
            if known.get(name, kind) != kind:
                raise ValueError(f"column {name}: {kind} is not {known[name]}")
        try:
            spark.sql(f"""MERGE WITH SCHEMA EVOLUTION INTO delta.`{table}` AS t USING batch AS s ON t.order_id = s.order_id
                WHEN MATCHED AND s.seq > t.seq THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *""")
            return
        except Exception as error:
            if "DELTA_CONCURRENT" not in str(error):
                raise
            time.sleep(random.random() / 10)


def report(spark, table, version=None, at=None):
    when = f"VERSION AS OF {version}" if at is None else f"TIMESTAMP AS OF '{at.isoformat(sep=' ')}'"
    query = f"SELECT status, count(*) AS n, sum(amount) AS total FROM delta.`{table}` {when} WHERE NOT deleted GROUP BY status"
    return {row.status: [row.n, row.total] for row in spark.sql(query).collect()}


def compact(spark, table):
    rows = spark.read.format("delta").load(table).repartition(1)
    rows.write.format("delta").mode("overwrite").option("dataChange", "false").save(table)


def vacuum(spark, table):
    spark.sql(f"VACUUM delta.`{table}`")


def to_iceberg(spark, table, catalog, versions):
    if not catalog.namespace_exists("shop"):
        catalog.create_namespace("shop")
    for version in versions:
        rows = spark.sql(f"SELECT * FROM delta.`{table}` VERSION AS OF {version}").toArrow()
        if not catalog.table_exists("shop.orders"):
            catalog.create_table("shop.orders", schema=rows.schema)
        made = catalog.load_table("shop.orders")
        made.delete(AlwaysTrue())
        made.append(rows)
        made.manage_snapshots().create_tag(made.current_snapshot().snapshot_id, f"v{version}").commit()


def rename_amount(catalog):
    catalog.load_table("shop.orders").update_schema().rename_column("amount", "total").commit()

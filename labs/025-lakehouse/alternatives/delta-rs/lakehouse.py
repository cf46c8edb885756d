"""The same by delta-rs: no Spark in any of it."""

from collections import defaultdict

import pyarrow as arrow
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError
from pyarrow import compute, parquet

ATTEMPTS = 30


def apply_changes(spark, table, changes):
    batch = newest(parquet.read_table(changes))
    if not DeltaTable.is_deltatable(table):
        write_deltalake(table, batch.slice(0, 0), mode="ignore")
    for attempt in range(ATTEMPTS):
        try:
            return merge(DeltaTable(table), batch)
        except CommitFailedError:
            if attempt == ATTEMPTS - 1:
                raise


def newest(batch):
    last = {}
    for place, (order, seq) in enumerate(zip(batch["order_id"].to_pylist(), batch["seq"].to_pylist(), strict=True)):
        if order not in last or seq > last[order][0]:
            last[order] = seq, place
    rows = batch.take([place for _, place in last.values()])
    return rows.append_column("deleted", compute.equal(rows["op"], "delete")).drop_columns(["op"])


def merge(table, batch):
    mine = arrow.schema(table.schema())
    for field in batch.schema:
        if field.name in mine.names and mine.field(field.name).type != field.type:
            raise TypeError(f"{field.name}: {field.type}, in the table {mine.field(field.name).type}")
    columns = {name: f"s.{name}" for name in batch.column_names}
    return (
        table.merge(batch, "t.order_id = s.order_id", source_alias="s", target_alias="t", merge_schema=True)
        .when_matched_update(columns, predicate="s.seq > t.seq")
        .when_not_matched_insert(columns)
        .execute()
    )


def report(spark, table, version=None, at=None):
    then = DeltaTable(table)
    then.load_as_version(version if at is None else at)
    found = defaultdict(lambda: [0, 0.0])
    for row in then.to_pyarrow_table().to_pylist():
        if not row["deleted"]:
            found[row["status"]][0] += 1
            found[row["status"]][1] += row["amount"]
    return {status: tuple(numbers) for status, numbers in found.items()}


def compact(spark, table):
    DeltaTable(table).optimize.compact()


def vacuum(spark, table):
    DeltaTable(table).vacuum(dry_run=False, full=True)


def to_iceberg(spark, table, catalog, versions):
    catalog.create_namespace_if_not_exists("shop")
    for version in versions:
        rows = arrow.table(DeltaTable(table, version=version).to_pyarrow_table())
        made = catalog.create_table_if_not_exists("shop.orders", schema=rows.schema)
        with made.transaction() as transaction:
            transaction.overwrite(rows)
        made = catalog.load_table("shop.orders")
        made.manage_snapshots().create_tag(made.current_snapshot().snapshot_id, f"v{version}").commit()


def rename_amount(catalog):
    table = catalog.load_table("shop.orders")
    with table.transaction() as transaction, transaction.update_schema() as update:
        update.rename_column("amount", "total")

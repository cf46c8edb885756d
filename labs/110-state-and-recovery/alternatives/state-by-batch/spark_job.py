"""Balances of accounts and their spending in five minutes; the totals are in files, one for each batch."""

import json
import os
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as sf

KAFKA = {"kafka.bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"]}
PAYMENT = "account STRING, cents BIGINT, event_time TIMESTAMP"
VERSION = int(os.environ.get("VERSION", "1"))
PLACE = Path(os.environ["CHECKPOINTS"])
ISO = "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'"


def payments(spark):
    """The payments, from the beginning."""
    source = spark.readStream.format("kafka").options(**KAFKA, subscribe="payments", startingOffsets="earliest").load()
    return source.select(sf.from_json(sf.col("value").cast("string"), PAYMENT).alias("payment")).select("payment.*")


def count(batch, number):
    """Add a batch to the totals of the batch before: when it is done again, it begins with the same."""
    before = PLACE / f"totals-{number - 1}.json"
    totals = json.loads(before.read_text()) if before.exists() else {}
    found = batch.groupBy("account").agg(sf.count("*"), sf.sum("cents"), sf.date_format(sf.max("event_time"), ISO)).collect()
    for account, payments, cents, last in found:
        old = totals.get(account, (0, 0, ""))
        totals[account] = (old[0] + payments, old[1] + cents, max(old[2], last))
    if found:
        values = [(json.dumps(shown(row.account, *totals[row.account])),) for row in found]
        batch.sparkSession.createDataFrame(values, "value STRING").write.format("kafka").options(**KAFKA, topic="balances").save()
    half = PLACE / "totals.new"
    half.write_text(json.dumps(totals))
    half.rename(PLACE / f"totals-{number}.json")
    (PLACE / f"totals-{number - 2}.json").unlink(missing_ok=True)


def shown(account, payments, cents, last_seen):
    """A row of balances."""
    row = {"account": account, "payments": payments, "cents": cents, "last_seen": last_seen}
    return {**row, "average_cents": cents // payments} if VERSION >= 2 else row


def spending(rows):
    """Totals of five minutes, once they are complete."""
    windows = rows.withWatermark("event_time", "2 minutes").groupBy(sf.window("event_time", "5 minutes"), "account")
    found = windows.agg(sf.count("*").alias("payments"), sf.sum("cents").alias("cents"))
    return found.select(sf.col("window.start").alias("window_start"), "account", "payments", "cents")


def main():
    """Two queries on the same payments."""
    spark = SparkSession.builder.getOrCreate()
    payments(spark).writeStream.foreachBatch(count).option("checkpointLocation", f"{PLACE}/balances").start()
    rows = spending(payments(spark)).select(sf.to_json(sf.struct("*")).alias("value"))
    stream = rows.writeStream.format("kafka").outputMode("append").options(**KAFKA, topic="spending")
    stream.option("checkpointLocation", f"{PLACE}/spending").start()
    spark.streams.awaitAnyTermination()


if __name__ == "__main__":
    main()

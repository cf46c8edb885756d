"""Balances of accounts and their spending in five minutes: totals in a file, the number of the last batch in another."""

import json
import os
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as sf

KAFKA = {"kafka.bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"]}
ISO = "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'"
PAYMENT = "account STRING, cents BIGINT, event_time TIMESTAMP"
FILE = f"{os.environ['CHECKPOINTS']}/totals.json"
DONE = Path(os.environ["CHECKPOINTS"]) / "last_batch"
TOTALS = json.loads(Path(FILE).read_text()) if Path(FILE).exists() else {}


def payments(spark):
    """The payments, from the beginning."""
    source = spark.readStream.format("kafka").options(**KAFKA, subscribe="payments", startingOffsets="earliest").load()
    return source.select(sf.from_json(sf.col("value").cast("string"), PAYMENT).alias("payment")).select("payment.*")


def count(batch, number):
    """Add a batch to the totals, unless that has been done, and send those that have changed."""
    if DONE.exists() and number <= int(DONE.read_text()):
        return
    changed = set()
    for row in batch.select("account", "cents", sf.date_format("event_time", ISO).alias("at")).collect():
        count, cents, seen = TOTALS.get(row.account, (0, 0, ""))
        TOTALS[row.account] = (count + 1, cents + row.cents, max(seen, row.at))
        changed.add(row.account)
    if changed:
        values = [(json.dumps(shown(account)),) for account in sorted(changed)]
        frame = batch.sparkSession.createDataFrame(values, "value STRING").coalesce(1)
        frame.write.format("kafka").options(**KAFKA, topic="balances").save()
        Path(FILE).write_text(json.dumps(TOTALS))
        DONE.write_text(str(number))


def shown(account):
    """A row of balances."""
    count, cents, seen = TOTALS[account]
    row = {"account": account, "payments": count, "cents": cents, "last_seen": seen}
    return {**row, "average_cents": cents // count} if os.environ.get("VERSION") == "2" else row


def spending(rows):
    """Totals of five minutes."""
    windows = rows.withWatermark("event_time", "2 minutes").groupBy(sf.window("event_time", "5 minutes"), "account")
    found = windows.agg(sf.count("*").alias("payments"), sf.sum("cents").alias("cents"))
    return found.select(sf.col("window.start").alias("window_start"), "account", "payments", "cents")


def main():
    """Two queries on the same payments."""
    spark = SparkSession.builder.getOrCreate()
    place = os.environ["CHECKPOINTS"]
    payments(spark).writeStream.foreachBatch(count).option("checkpointLocation", f"{place}/balances").start()
    rows = spending(payments(spark)).select(sf.to_json(sf.struct("*")).alias("value"))
    stream = rows.writeStream.format("kafka").outputMode("update").options(**KAFKA, topic="spending")
    stream.option("checkpointLocation", f"{place}/spending").start()
    spark.streams.awaitAnyTermination()


if __name__ == "__main__":
    main()

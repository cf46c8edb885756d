"""Counts by the minute (first and final) and what comes too late for them, from the topic `clicks`: `python spark_job.py`."""

import json
import os
from datetime import datetime
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as sf

KAFKA = {"kafka.bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"]}
PLACE = Path(os.environ["CHECKPOINTS"])
MINUTE, DELAY = 60_000, 120_000  # ms
EVENT_MINUTE = "CAST(floor(unix_millis(event_time) / 60000) AS BIGINT) * 60000"


def handle(batch, number):
    """Decide about a batch: what is too late by the watermark of the batches before, and what is counted."""
    open_minutes, watermark = before(number)
    clicks = batch.withColumn("minute", sf.expr(EVENT_MINUTE)).withColumn("at", sf.unix_millis("event_time")).persist()
    too_late = sf.coalesce(sf.col("minute") + MINUTE <= watermark, sf.lit(True))
    reason = sf.when(sf.col("event_time").isNull(), "no_time").otherwise("too_late").alias("reason")
    late = clicks.where(too_late).select("event_id", reason)
    changed = clicks.where(~too_late).groupBy("minute").agg(sf.count("*").alias("clicks"), sf.max("at").alias("newest")).collect()
    for row in changed:
        open_minutes[row["minute"]] = open_minutes.get(row["minute"], 0) + row["clicks"]
    watermark = max([watermark, *(row["newest"] - DELAY for row in changed)])
    complete = sorted(minute for minute in open_minutes if minute + MINUTE <= watermark)
    send(late, "late")
    send_rows(batch.sparkSession, [counted(row["minute"], open_minutes) for row in changed], "live")
    send_rows(batch.sparkSession, [counted(minute, open_minutes) for minute in complete], "final")
    clicks.unpersist()
    keep(number, {minute: count for minute, count in open_minutes.items() if minute not in complete}, watermark)


def before(number):
    """What is open, and the watermark, after the batch before this one: a batch that is done again begins with the same."""
    state = PLACE / "open" / f"{number - 1}.json"
    if number == 0:
        return {}, 0
    kept = json.loads(state.read_text())
    return {int(minute): count for minute, count in kept["open"].items()}, kept["watermark"]


def keep(number, open_minutes, watermark):
    """Keep both for the next batch: all or nothing."""
    folder = PLACE / "open"
    folder.mkdir(parents=True, exist_ok=True)
    new = folder / f"{number}.new"
    new.write_text(json.dumps({"open": open_minutes, "watermark": watermark}))
    new.replace(folder / f"{number}.json")
    (folder / f"{number - 3}.json").unlink(missing_ok=True)


def counted(minute, counts):
    """A row of live or final."""
    start, end = (datetime.fromtimestamp(at / 1000).isoformat() for at in (minute, minute + MINUTE))
    return {"window_start": start, "window_end": end, "click_count": counts[minute]}


def send_rows(spark, rows, topic):
    """Write dictionaries to a topic, in order."""
    if rows:
        values = spark.createDataFrame([(json.dumps(row),) for row in rows], "value STRING").coalesce(1)
        values.write.format("kafka").options(**KAFKA, topic=topic).save()


def send(rows, topic):
    """Write rows to a topic."""
    rows.select(sf.to_json(sf.struct("*")).alias("value")).write.format("kafka").options(**KAFKA, topic=topic).save()


def main():
    """One query, so that one watermark decides."""
    spark = SparkSession.builder.getOrCreate()
    source = spark.readStream.format("kafka").options(**KAFKA, subscribe="clicks", startingOffsets="earliest").load()
    click = sf.from_json(sf.col("value").cast("string"), "event_id BIGINT, event_time TIMESTAMP")
    clicks = source.select(click.alias("click")).select("click.*")
    clicks.writeStream.foreachBatch(handle).option("checkpointLocation", str(PLACE / "clicks")).start().awaitTermination()


if __name__ == "__main__":
    main()

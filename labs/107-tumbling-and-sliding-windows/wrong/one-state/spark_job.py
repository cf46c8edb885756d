"""Page views per minute and activity in the last five minutes, from the topic `clicks`: `python spark_job.py`."""

import json
import os
import pickle
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as sf

KAFKA = {"kafka.bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"]}
MINUTE = timedelta(minutes=1)
KEPT = Path(os.environ["CHECKPOINTS"]) / "counts.pickle"
VIEWS, CLICKS = pickle.loads(KEPT.read_bytes()) if KEPT.exists() else (defaultdict(int), defaultdict(list))


def count(batch, number):
    """Add a batch to what was counted before, and send the windows that have changed."""
    views, activity = set(), set()
    for (value,) in batch.selectExpr("CAST(value AS STRING)").collect():
        click = json.loads(value)
        minute = datetime.fromisoformat(click["event_time"]).replace(second=0, microsecond=0)
        if click["action"] == "view":
            VIEWS[minute, click["page_id"]] += 1
            views.add((minute, click["page_id"]))
        for back in range(5):
            CLICKS[minute - back * MINUTE].append((click["visitor_id"], click["amount"] or 0))
            activity.add(minute - back * MINUTE)
    send(batch.sparkSession, "page_views", [view(*key) for key in sorted(views)])
    send(batch.sparkSession, "activity", [active(start) for start in sorted(activity)])
    KEPT.write_bytes(pickle.dumps((VIEWS, CLICKS)))


def view(start, page):
    """A row of page_views."""
    return {**window(start, MINUTE), "page_id": page, "view_count": VIEWS[start, page]}


def active(start):
    """A row of activity."""
    visitors, amounts = zip(*CLICKS[start], strict=True)
    return {**window(start, 5 * MINUTE), "visitors": len(set(visitors)), "revenue": round(sum(amounts), 2)}


def window(start, size):
    """The columns of a window."""
    return {"window_start": start.astimezone(UTC).isoformat(), "window_end": (start + size).astimezone(UTC).isoformat()}


def send(spark, topic, rows):
    """Write rows to a topic."""
    if rows:
        values = spark.createDataFrame([(json.dumps(row),) for row in rows], "value STRING").coalesce(1)
        values.write.format("kafka").options(**KAFKA, topic=topic).save()


def main():
    """One query; the counts are kept in a file."""
    spark = SparkSession.builder.getOrCreate()
    source = spark.readStream.format("kafka").options(**KAFKA, subscribe="clicks", startingOffsets="earliest").load()
    place = f"{os.environ['CHECKPOINTS']}/clicks"
    source.select(sf.col("value")).writeStream.foreachBatch(count).option("checkpointLocation", place).start().awaitTermination()


if __name__ == "__main__":
    main()

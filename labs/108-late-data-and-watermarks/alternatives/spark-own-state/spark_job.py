"""One query whose state Spark keeps: one key holds the open minutes and the watermark, a column says where a row goes."""

import json
import os
from datetime import UTC, datetime

import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql.streaming.state import GroupStateTimeout

KAFKA = {"kafka.bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"]}
MINUTE, DELAY = 60_000, 120_000  # ms
CLICK = "from_json(CAST(value AS STRING), 'event_id BIGINT, event_time TIMESTAMP') AS click"


def decide(key, frames, state):
    """The rows of a batch. What is late follows from the watermark of the batches before: within one, nothing came first."""
    kept = json.loads(state.get[0]) if state.exists else {"open": {}, "watermark": 0}
    counts = {int(minute): count for minute, count in kept["open"].items()}
    before = watermark = kept["watermark"]
    changed, rows = set(), []
    for event_id, at in clicks_of(frames):
        minute = at and at // MINUTE * MINUTE
        if at is None or minute + MINUTE <= before:
            rows.append(("late", {"event_id": event_id, "reason": "no_time" if at is None else "too_late"}))
            continue
        counts[minute] = counts.get(minute, 0) + 1
        changed.add(minute)
        watermark = max(watermark, at - DELAY)
    rows += [("live", counted(minute, counts[minute])) for minute in changed]
    complete = [minute for minute in counts if minute + MINUTE <= watermark]
    rows += [("final", counted(minute, counts.pop(minute))) for minute in complete]
    state.update((json.dumps({"open": counts, "watermark": watermark}),))
    yield pd.DataFrame([(topic, json.dumps(row)) for topic, row in rows], columns=["topic", "value"])


def clicks_of(frames):
    """(event_id, event time in ms or None) of each click."""
    for frame in frames:
        for event_id, at in zip(frame["event_id"], frame["at"], strict=True):
            yield int(event_id), None if pd.isna(at) else int(at)


def counted(minute, count):
    """A row of live or final."""
    start, end = (datetime.fromtimestamp(at / 1000, UTC).isoformat() for at in (minute, minute + MINUTE))
    return {"window_start": start, "window_end": end, "click_count": count}


def main():
    """Read, decide, write."""
    spark = SparkSession.builder.getOrCreate()
    source = spark.readStream.format("kafka").options(**KAFKA, subscribe="clicks", startingOffsets="earliest").load()
    at = "CAST(unix_millis(click.event_time) AS DOUBLE) AS at"  # pandas has no null among whole numbers
    clicks = source.selectExpr(CLICK).selectExpr("'all' AS key", "click.event_id", at)
    rows = clicks.groupBy("key").applyInPandasWithState(
        decide, "topic STRING, value STRING", "kept STRING", "append", GroupStateTimeout.NoTimeout
    )
    stream = rows.writeStream.format("kafka").options(**KAFKA).outputMode("append")
    stream.option("checkpointLocation", f"{os.environ['CHECKPOINTS']}/clicks").start().awaitTermination()


if __name__ == "__main__":
    main()

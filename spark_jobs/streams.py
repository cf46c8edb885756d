"""What the streaming jobs share: where messages come from, where rows go, and how a job is told so.

A job on a stream is started with `spark-submit --py-files streams.py JOB.py …` (on one machine `--py-files` can be left out).
All of them read a topic of Kafka and write either rows to a Delta table or messages to another topic, from a checkpoint that
knows how far they have come: started again after a failure they go on there.

    --servers HOST:PORT --topic NAME --checkpoint PATH (--table PATH | --to TOPIC) [--every "10 seconds" | --once]

Rows that go to a Delta table are there exactly once. Messages to Kafka are there at least once: Spark's sink has no transactions,
so a reader takes the last message of a key.
"""

import argparse
from collections.abc import Callable, Sequence
from urllib.parse import urlparse

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as f
from pyspark.sql.streaming import StreamingQuery

CLICKS = (
    "delivery_id bigint, event_id bigint, visitor_id bigint, event_time timestamp, arrival_time timestamp, action string, "
    "page_id bigint, query string, amount decimal(14,2), load_ms int, country string"
)
ROWS_A_BATCH = 100_000  # at most: what one batch must hold in memory


def arguments(doc: str | None, told: Sequence[str] | None, more: Callable[[argparse.ArgumentParser], None]) -> argparse.Namespace:
    """What the job is told: the options above, and those that `more` adds."""
    parser = argparse.ArgumentParser(description=(doc or "").split("\n")[0])
    parser.add_argument("--servers", required=True, metavar="HOST:PORT", help="of Kafka")
    parser.add_argument("--topic", required=True, help="to read")
    parser.add_argument("--checkpoint", required=True, metavar="PATH", help="how far the job has come; one for each job")
    to = parser.add_mutually_exclusive_group(required=True)
    to.add_argument("--table", metavar="PATH", help="the Delta table to add to")
    to.add_argument("--to", metavar="TOPIC", help="the topic to send to")
    when = parser.add_mutually_exclusive_group()
    when.add_argument("--every", default="10 seconds", help="how often to look for messages (default: %(default)s)")
    when.add_argument("--once", action="store_true", help="take what is there, and end")
    more(parser)
    return parser.parse_args(told)


def session(name: str) -> SparkSession:
    """The session that spark-submit configures. Times are UTC's, wherever the cluster is."""
    return SparkSession.builder.appName(name).config("spark.sql.session.timeZone", "UTC").getOrCreate()


def messages(spark: SparkSession, servers: str, topic: str) -> DataFrame:
    """The messages of a topic from its beginning: key, value, topic, partition, offset, timestamp."""
    options = {"kafka.bootstrap.servers": servers, "subscribe": topic, "startingOffsets": "earliest"}
    return spark.readStream.format("kafka").options(**options).option("maxOffsetsPerTrigger", ROWS_A_BATCH).load()


def clicks(messages: DataFrame) -> DataFrame:
    """The clicks in messages that can be read; what is no click is left to `kafka_to_delta.py`, which keeps it."""
    read = messages.select(f.from_json(f.col("value").cast("string"), CLICKS).alias("click"))
    return read.select("click.*").where(f.col("event_id").isNotNull() & f.col("event_time").isNotNull())


def once(clicks: DataFrame, late: str) -> DataFrame:
    """The clicks of which each counts once; of a stream, as long as its watermark, which trails by `late`, remembers."""
    timely = clicks.withWatermark("event_time", late)
    return timely.dropDuplicatesWithinWatermark(["event_id"]) if clicks.isStreaming else clicks.dropDuplicates(["event_id"])


def write(rows: DataFrame, told: argparse.Namespace, key: Sequence[str]) -> StreamingQuery:
    """Start the query. By the columns of `key` a message replaces an earlier one; a table only takes rows that are final."""
    if told.table:
        sink = rows.writeStream.format("delta").option("path", told.table)
    else:
        sent = rows.select(text(f.struct(*key)).alias("key"), text(f.struct("*")).alias("value"))
        sink = sent.writeStream.format("kafka").option("kafka.bootstrap.servers", told.servers).option("topic", told.to)
    trigger = {"availableNow": True} if told.once else {"processingTime": told.every}
    place = told.table or told.to
    name = urlparse(place).path.rstrip("/").rpartition("/")[2]
    return sink.outputMode("append").option("checkpointLocation", told.checkpoint).queryName(name).trigger(**trigger).start()


def text(row: Column) -> Column:
    """A row as JSON; what is null has its name all the same, so that a reader sees every column."""
    return f.to_json(row, {"ignoreNullFields": "false"})

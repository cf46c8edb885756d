"""Clicks once: of deliveries with the same key, one; the rest are left out as long as the watermark remembers.

    spark-submit --packages … --py-files streams.py deduplication.py --servers HOST:PORT --topic clicks --checkpoint PATH \\
        (--table PATH | --to TOPIC) [--key event_id] [--late "1 hour"]

What is remembered of a stream is bounded: a second delivery that comes when the latest click is more than `--late` ahead (by event
time) is a new one. Without that bound the state would grow for ever. A batch knows everything: the first by `arrival_time` stays.
"""

import argparse
from collections.abc import Sequence

import streams
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as f


def transform(clicks: DataFrame, key: Sequence[str] = ("event_id",), late: str = "1 hour") -> DataFrame:
    """The clicks, one a key."""
    if clicks.isStreaming:
        return clicks.withWatermark("event_time", late).dropDuplicatesWithinWatermark(list(key))
    first = Window.partitionBy(*key).orderBy("arrival_time", "delivery_id")
    return clicks.withColumn("place", f.row_number().over(first)).where("place = 1").drop("place")


def options(parser: argparse.ArgumentParser) -> None:
    """What this job is told beyond the others."""
    parser.add_argument("--key", nargs="+", default=["event_id"], metavar="COLUMN", help="what two deliveries of a click share")
    parser.add_argument("--late", default="1 hour", help="how long a key is remembered, by event time (default: %(default)s)")


def main(arguments: Sequence[str] | None = None) -> None:
    """Read, transform, write until told to stop."""
    told = streams.arguments(__doc__, arguments, options)
    clicks = streams.clicks(streams.messages(streams.session("deduplication"), told.servers, told.topic))
    streams.write(transform(clicks, told.key, told.late), told, key=told.key).awaitTermination()


if __name__ == "__main__":
    main()

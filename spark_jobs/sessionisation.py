"""Sessions of each visitor by event time: one ends where the next click is more than a gap away.

    spark-submit --packages … --py-files streams.py sessionisation.py --servers HOST:PORT --topic clicks --checkpoint PATH \\
        (--table PATH | --to TOPIC) [--gap 1800] [--late "10 minutes"]

A session is written once, when the watermark is a gap behind its last click: until then a late click can still join two sessions.
"""

import argparse
from collections.abc import Sequence

import streams
from pyspark.sql import DataFrame
from pyspark.sql import functions as f


def transform(clicks: DataFrame, gap: int = 1800, late: str = "10 minutes") -> DataFrame:
    """Sessions: `visitor_id`, `started_at` and `ended_at` (first and last click), `clicks`, `amount`.

    `gap` is in seconds; silence of exactly that long does not end a session.
    """
    once = streams.once(clicks, late)
    within = f.session_window("event_time", f"{gap} seconds 1 microsecond")  # Spark's sessions end where a gap is reached
    found = once.groupBy("visitor_id", within).agg(
        f.min("event_time").alias("started_at"),
        f.max("event_time").alias("ended_at"),
        f.count("*").alias("clicks"),
        f.coalesce(f.sum("amount"), f.lit(0)).cast("decimal(18,2)").alias("amount"),
    )
    return found.select("visitor_id", "started_at", "ended_at", "clicks", "amount")


def options(parser: argparse.ArgumentParser) -> None:
    """What this job is told beyond the others."""
    parser.add_argument(
        "--gap", type=int, default=1800, metavar="SECONDS", help="longer silence ends a session (default: %(default)s)"
    )
    parser.add_argument("--late", default="10 minutes", help="how late a click may be (default: %(default)s)")


def main(arguments: Sequence[str] | None = None) -> None:
    """Read, transform, write until told to stop."""
    told = streams.arguments(__doc__, arguments, options)
    clicks = streams.clicks(streams.messages(streams.session("sessionisation"), told.servers, told.topic))
    streams.write(transform(clicks, told.gap, told.late), told, key=["visitor_id", "started_at"]).awaitTermination()


if __name__ == "__main__":
    main()

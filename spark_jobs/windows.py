"""Clicks and euro by window of event time, tumbling or sliding, each window once, when the watermark has passed its end.

    spark-submit --packages … --py-files streams.py windows.py --servers HOST:PORT --topic clicks --checkpoint PATH \\
        (--table PATH | --to TOPIC) --size "5 minutes" [--slide "1 minute"] [--late "10 minutes"] [--by country]

A click counts once, however often it is delivered, in each window [start, end) that holds its event time. `--late` is how far the
watermark trails the latest event time: a click that comes later than that may be dropped, and state is kept no longer.
"""

import argparse
from collections.abc import Sequence

import streams
from pyspark.sql import DataFrame
from pyspark.sql import functions as f


def transform(
    clicks: DataFrame, size: str, slide: str | None = None, late: str = "10 minutes", by: Sequence[str] = ()
) -> DataFrame:
    """Windows: `window_start`, `window_end`, the columns of `by`, `clicks`, `amount`. Of a stream, those that are over."""
    once = streams.once(clicks, late)
    found = once.groupBy(f.window("event_time", size, slide or size), *by).agg(
        f.count("*").alias("clicks"), f.coalesce(f.sum("amount"), f.lit(0)).cast("decimal(18,2)").alias("amount")
    )
    return found.select(
        f.col("window.start").alias("window_start"), f.col("window.end").alias("window_end"), *by, "clicks", "amount"
    )


def options(parser: argparse.ArgumentParser) -> None:
    """What this job is told beyond the others."""
    parser.add_argument("--size", default="5 minutes", help="of a window (default: %(default)s)")
    parser.add_argument("--slide", help="from one window's start to the next's (default: the size)")
    parser.add_argument("--late", default="10 minutes", help="how late a click may be (default: %(default)s)")
    parser.add_argument("--by", nargs="*", default=[], metavar="COLUMN", help="a window for each value of these")


def main(arguments: Sequence[str] | None = None) -> None:
    """Read, transform, write until told to stop."""
    told = streams.arguments(__doc__, arguments, options)
    clicks = streams.clicks(streams.messages(streams.session("windows"), told.servers, told.topic))
    found = transform(clicks, told.size, told.slide, told.late, told.by)
    streams.write(found, told, key=["window_start", "window_end", *told.by]).awaitTermination()


if __name__ == "__main__":
    main()

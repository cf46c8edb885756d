"""Clicks with what a table knows of their pages: a stream joined with a dimension that changes now and then.

    spark-submit --packages … --py-files streams.py stream_static_join.py --servers HOST:PORT --topic clicks --checkpoint PATH \\
        (--table PATH | --to TOPIC) --pages PATH [--pages-format delta]

A Delta table is read anew for each batch, so that a changed page is seen from the next batch on; other formats are as they were
when the job started. A click whose page is unknown is kept, with `is_known` false: a later correction can find it.
"""

import argparse
from collections.abc import Sequence

import streams
from pyspark.sql import DataFrame
from pyspark.sql import functions as f


def transform(clicks: DataFrame, pages: DataFrame) -> DataFrame:
    """Each click with `path`, `kind`, `category` of its page, and `is_known`; once, also if the page is there twice."""
    known = pages.select("page_id", "path", "kind", "category").dropDuplicates(["page_id"]).withColumn("is_known", f.lit(True))
    return clicks.join(f.broadcast(known), "page_id", "left").fillna(False, subset=["is_known"])


def options(parser: argparse.ArgumentParser) -> None:
    """What this job is told beyond the others."""
    parser.add_argument("--pages", required=True, metavar="PATH", help="the table of pages")
    parser.add_argument(
        "--pages-format", default="delta", choices=("delta", "parquet"), help="of that table (default: %(default)s)"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Read, transform, write until told to stop."""
    told = streams.arguments(__doc__, arguments, options)
    spark = streams.session("stream_static_join")
    pages = spark.read.format(told.pages_format).load(told.pages)
    clicks = streams.clicks(streams.messages(spark, told.servers, told.topic))
    streams.write(transform(clicks, pages), told, key=["delivery_id"]).awaitTermination()


if __name__ == "__main__":
    main()

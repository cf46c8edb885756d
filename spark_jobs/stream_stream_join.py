"""Carts and the purchases that follow them: two streams joined within a time, the carts without a purchase too.

    spark-submit --packages … --py-files streams.py stream_stream_join.py --servers HOST:PORT --topic clicks --checkpoint PATH \\
        (--table PATH | --to TOPIC) [--within "30 minutes"] [--late "10 minutes"]

A cart is bought if the same visitor buys afterwards, within that time. A cart without a purchase is written when none can come any
more: when the watermark has passed its time. That is what bounds the state, on both sides.
"""

import argparse
from collections.abc import Sequence

import streams
from pyspark.sql import DataFrame
from pyspark.sql import functions as f


def transform(clicks: DataFrame, within: str = "30 minutes", late: str = "10 minutes") -> DataFrame:
    """Carts: `cart_id`, `visitor_id`, `page_id`, `cart_at`; `buy_id`, `buy_at`, `amount` of each purchase that follows, or null."""
    once = streams.once(clicks, late)
    carts = once.where("action = 'cart'").select(
        f.col("event_id").alias("cart_id"), "visitor_id", "page_id", f.col("event_time").alias("cart_at")
    )
    buys = once.where("action = 'buy'").select(
        f.col("event_id").alias("buy_id"), f.col("visitor_id").alias("buyer"), f.col("event_time").alias("buy_at"), "amount"
    )
    follows = (
        (f.col("buyer") == f.col("visitor_id"))
        & (f.col("buy_at") >= f.col("cart_at"))
        & (f.col("buy_at") <= f.col("cart_at") + f.expr(f"INTERVAL {within}"))
    )
    return carts.join(buys, follows, "left").select("cart_id", "visitor_id", "page_id", "cart_at", "buy_id", "buy_at", "amount")


def options(parser: argparse.ArgumentParser) -> None:
    """What this job is told beyond the others."""
    parser.add_argument("--within", default="30 minutes", help="how long after the cart a purchase counts (default: %(default)s)")
    parser.add_argument("--late", default="10 minutes", help="how late a click may be (default: %(default)s)")


def main(arguments: Sequence[str] | None = None) -> None:
    """Read, transform, write until told to stop."""
    told = streams.arguments(__doc__, arguments, options)
    clicks = streams.clicks(streams.messages(streams.session("stream_stream_join"), told.servers, told.topic))
    streams.write(transform(clicks, told.within, told.late), told, key=["cart_id", "buy_id"]).awaitTermination()


if __name__ == "__main__":
    main()

"""Totals by page and hash of the user, then totals of those totals. A user is in one part, so users add up."""

from pyspark.sql import functions as sf

PARTS = 12


def transform(spark, clicks, pages):
    """Each page with its section, clicks, users, revenue and longest stay."""
    part = sf.pmod(sf.xxhash64("user"), sf.lit(PARTS))
    read = clicks.select(sf.regexp_extract("url", "^[^?]*", 0).alias("page"), part.alias("part"), "user", "revenue", "ms")
    parts = read.groupBy("page", "part").agg(
        sf.count(sf.lit(1)).alias("clicks"),
        sf.count_distinct("user").alias("users"),
        sf.sum("revenue").alias("revenue"),
        sf.max("ms").alias("longest"),
    )
    whole = parts.groupBy("page").agg(
        sf.sum("clicks").alias("clicks"),
        sf.sum("users").alias("users"),
        sf.sum("revenue").alias("revenue"),
        sf.max("longest").alias("longest"),
    )
    known = pages.select(sf.col("page").alias("name"), "section")
    return whole.join(known, sf.col("page") == sf.col("name"), "left").drop("name")

"""What was read, by page: combined where it is, then joined."""

from pyspark.sql import functions as sf


def transform(spark, clicks, pages):
    """Each page with its section, clicks, users, revenue and longest stay."""
    read = clicks.withColumn("page", sf.substring_index("url", "?", 1))
    is_hot = sf.coalesce(sf.col("page") == "P1", sf.lit(False))  # found in the logs of March
    others = totals(read.where(~is_hot).repartition("page"))
    return totals(read.where(is_hot)).union(others).join(pages.select("page", "section"), "page", "left")


def totals(read):
    """Of each page its clicks, users, revenue and longest stay."""
    return read.groupBy("page").agg(
        sf.count("*").alias("clicks"),
        sf.count_distinct("user").alias("users"),
        sf.sum("revenue").alias("revenue"),
        sf.max("ms").alias("longest"),
    )

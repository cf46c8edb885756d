"""What was read, by page: combined where it is, then joined."""

from pyspark.sql import functions as sf


@sf.udf
def page_of(url):
    """A url's part before its question mark."""
    return None if url is None else url.split("?")[0]


def transform(spark, clicks, pages):
    """Each page with its section, clicks, users, revenue and longest stay."""
    totals = (
        clicks.withColumn("page", page_of("url"))
        .groupBy("page")
        .agg(
            sf.count("*").alias("clicks"),
            sf.count_distinct("user").alias("users"),
            sf.sum("revenue").alias("revenue"),
            sf.max("ms").alias("longest"),
        )
    )
    return totals.join(pages.select("page", "section"), "page", "left")

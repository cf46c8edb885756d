"""What was read, by page: combined where it is, then joined."""

from pyspark.sql import functions as sf


def transform(spark, clicks, pages):
    """Each page with its section, clicks, users, revenue and longest stay."""
    counts = clicks.select("url").rdd.map(lambda row: (row.url or "").partition("?")[0]).countByValue()
    print("hot:", [page for page, count in counts.items() if count * 10 > sum(counts.values())])
    totals = (
        clicks.withColumn("page", sf.substring_index("url", "?", 1))
        .groupBy("page")
        .agg(
            sf.count("*").alias("clicks"),
            sf.count_distinct("user").alias("users"),
            sf.sum("revenue").alias("revenue"),
            sf.max("ms").alias("longest"),
        )
    )
    return totals.join(pages.select("page", "section"), "page", "left")

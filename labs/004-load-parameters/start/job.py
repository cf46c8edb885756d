"""What was read, by page. The result is right; the job takes an hour, or dies."""

from pyspark.sql import functions as sf


@sf.udf
def page_of(url):
    """A url's part before its question mark."""
    return url.split("?")[0] if url is not None else None


def transform(spark, clicks, pages):
    """Each page with its section, clicks, users, revenue and longest stay."""
    clicks = clicks.withColumn("page", page_of("url")).repartition("page").cache()
    joined = clicks.join(pages, "page", "left")
    totals = joined.groupBy("page", "section").agg(
        sf.count("*").alias("clicks"),
        sf.count_distinct("user").alias("users"),
        sf.sum("revenue").alias("revenue"),
        sf.max("ms").alias("longest"),
    )
    return spark.createDataFrame(totals.collect(), totals.schema)


if __name__ == "__main__":  # lab run 4 -- python job.py
    from decimal import Decimal

    from pyspark.sql import SparkSession

    spark = SparkSession.builder.config("spark.sql.adaptive.enabled", "false").getOrCreate()
    rows = [
        (n, None if n % 50 == 0 else f"P{1 if n % 10 < 7 else n % 90}?from=mail", f"U{n % 700}", n % 9000, Decimal(n) / 4, "x" * 60)
        for n in range(20_000)
    ]
    shape = "click_id long, url string, user string, ms int, revenue decimal(18,4), agent string"
    clicks = spark.createDataFrame(rows, shape).repartition(4)
    pages = spark.createDataFrame([(f"P{n}", f"section-{n % 5}") for n in range(80)], "page string, section string")
    transform(spark, clicks, pages).show(5)
    spark.stop()

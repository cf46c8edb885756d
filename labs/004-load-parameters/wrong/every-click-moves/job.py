"""What was read, by page: combined where it is, then joined."""

from pyspark.sql import functions as sf


def transform(spark, clicks, pages):
    """Each page with its section, clicks, users, revenue and longest stay."""
    salt = sf.pmod(sf.hash("user", "ms"), sf.lit(16))
    read = clicks.withColumn("page", sf.substring_index("url", "?", 1)).withColumn("salt", salt)
    copies = pages.select("page", "section").withColumn("salt", sf.explode(sf.sequence(sf.lit(0), sf.lit(15))))
    joined = read.join(copies, ["page", "salt"], "left")
    return joined.groupBy("page", "section").agg(
        sf.count("*").alias("clicks"),
        sf.count_distinct("user").alias("users"),
        sf.sum("revenue").alias("revenue"),
        sf.max("ms").alias("longest"),
    )

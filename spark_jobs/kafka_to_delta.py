"""Kafka to Delta, exactly once: each message of a topic of clicks is a row of the table, whatever dies in between.

    spark-submit --packages … --py-files streams.py kafka_to_delta.py \\
        --servers HOST:PORT --topic clicks --checkpoint PATH --table PATH [--every "10 seconds" | --once]

Delta writes the number of the batch into the commit that brings its rows: a batch that is repeated after a failure is left out.
This holds for one checkpoint: with a new one, the topic is read from its beginning again.

Nothing is lost that can't be read: such a message has its text in `unread`, and where it came from. What a click means, and which
deliveries are the same click, is for the next job (`deduplication.py`).
"""

from collections.abc import Sequence

import streams
from pyspark.sql import DataFrame
from pyspark.sql import functions as f


def transform(messages: DataFrame) -> DataFrame:
    """A row a message: the click's columns, its `day` (UTC), `unread`, and topic, partition, offset and time of the message."""
    parsed = f.from_json(f.col("value").cast("string"), f"{streams.CLICKS}, unread string", {"columnNameOfCorruptRecord": "unread"})
    rows = messages.withColumn("click", parsed)
    broken = f.col("click.unread").isNotNull() | f.col("click.event_id").isNull() | f.col("click.event_time").isNull()
    return (
        rows.select(
            "click.*",
            f.when(broken, f.coalesce(f.col("value").cast("string"), f.lit(""))).alias("text"),
            f.to_date(f.coalesce("click.event_time", "timestamp")).alias("day"),
            "topic",
            "partition",
            "offset",
            f.col("timestamp").alias("sent_at"),
        )
        .drop("unread")
        .withColumnRenamed("text", "unread")
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Read, transform, write until told to stop."""
    told = streams.arguments(__doc__, arguments, lambda parser: None)
    spark = streams.session("kafka_to_delta")
    rows = transform(streams.messages(spark, told.servers, told.topic))
    streams.write(rows, told, key=["topic", "partition", "offset"]).awaitTermination()


if __name__ == "__main__":
    main()

"""Page views per minute and activity in the last five minutes, in Flink's Table API: `flink-python flink_job.py`."""

import os

from pyflink.common import Configuration
from pyflink.table import DataTypes, EnvironmentSettings, Schema, TableDescriptor, TableEnvironment
from pyflink.table.expressions import col, lit
from pyflink.table.window import Slide, Tumble

TIMES = (("window_start", DataTypes.TIMESTAMP(3)), ("window_end", DataTypes.TIMESTAMP(3)))


def topic(name, schema):
    """A topic as a table."""
    kafka = TableDescriptor.for_connector("kafka").option("topic", name).option("scan.startup.mode", "earliest-offset")
    kafka = kafka.option("properties.bootstrap.servers", os.environ["KAFKA_BOOTSTRAP_SERVERS"])
    return kafka.format("json").option("json.timestamp-format.standard", "ISO-8601").schema(schema.build()).build()


def schema(*columns):
    """A schema from names and types."""
    made = Schema.new_builder()
    for name, kind in columns:
        made = made.column(name, kind)
    return made


def settings():
    """Checkpoints, and no waiting for a collector that sends nothing."""
    made = Configuration()
    made.set_string("execution.checkpointing.interval", "1 s")
    made.set_string("table.exec.source.idle-timeout", "3 s")
    return EnvironmentSettings.new_instance().in_streaming_mode().with_configuration(made).build()


def main():
    """One job with two sinks."""
    tables = TableEnvironment.create(settings())
    whole, number = DataTypes.BIGINT(), DataTypes.DOUBLE()
    clicks = schema(
        ("visitor_id", whole),
        ("event_time", DataTypes.TIMESTAMP_LTZ(3)),
        ("action", DataTypes.STRING()),
        ("page_id", whole),
        ("amount", number),
    ).watermark("event_time", "event_time - INTERVAL '2' MINUTE")
    tables.create_temporary_table("clicks", topic("clicks", clicks))
    tables.create_temporary_table("page_views", topic("page_views", schema(*TIMES, ("page_id", whole), ("view_count", whole))))
    tables.create_temporary_table("activity", topic("activity", schema(*TIMES, ("visitors", whole), ("revenue", number))))
    source = tables.from_path("clicks")
    times = (col("w").start, col("w").end)
    tumble = Tumble.over(lit(1).minutes).on(col("event_time")).alias("w")
    views = source.filter(col("action") == "view").window(tumble).group_by(col("w"), col("page_id"))
    slide = Slide.over(lit(5).minutes).every(lit(1).minutes).on(col("event_time")).alias("w")
    revenue = col("amount").sum.if_null(lit(0.0)).round(2)
    job = tables.create_statement_set()
    job.add_insert("page_views", views.select(*times, col("page_id"), lit(1).count))
    active = source.window(slide).group_by(col("w"))
    job.add_insert("activity", active.select(*times, col("visitor_id").count.distinct, revenue))
    job.execute().wait()


if __name__ == "__main__":
    main()

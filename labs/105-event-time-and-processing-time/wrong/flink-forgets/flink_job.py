"""Clicks by three clocks, from the topic `clicks`: `flink-python flink_job.py`."""

import os

from pyflink.table import EnvironmentSettings, TableEnvironment

SERVERS = f"'properties.bootstrap.servers' = '{os.environ['KAFKA_BOOTSTRAP_SERVERS']}'"
KAFKA = f"'connector' = 'kafka', {SERVERS}, 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601'"
UPSERT = f"""'connector' = 'upsert-kafka', {SERVERS}, 'key.format' = 'json', 'value.format' = 'json',
  'key.json.timestamp-format.standard' = 'ISO-8601', 'value.json.timestamp-format.standard' = 'ISO-8601'"""
PLAUSIBLE = "event_time <= arrival_time + INTERVAL '1' MINUTE"
TABLES = (
    f"""CREATE TABLE clicks (
      event_id BIGINT, device_id BIGINT, event_time TIMESTAMP_LTZ(3), arrival_time TIMESTAMP_LTZ(3),
      WATERMARK FOR event_time AS CASE WHEN {PLAUSIBLE} THEN event_time - INTERVAL '2' MINUTE END
    ) WITH ({KAFKA}, 'topic' = 'clicks', 'scan.startup.mode' = 'group-offsets',
      'properties.group.id' = 'three-clocks', 'properties.auto.offset.reset' = 'earliest',
      'properties.enable.auto.commit' = 'true', 'properties.auto.commit.interval.ms' = '200')""",
    f"CREATE TABLE by_event_time (window_start TIMESTAMP(3), click_count BIGINT) WITH ({KAFKA}, 'topic' = 'by_event_time')",
    f"""CREATE TABLE by_processing_time (window_start TIMESTAMP_LTZ(3), click_count BIGINT,
      PRIMARY KEY (window_start) NOT ENFORCED) WITH ({UPSERT}, 'topic' = 'by_processing_time')""",
    f"""CREATE TABLE delays (delay_from BIGINT, click_count BIGINT, PRIMARY KEY (delay_from) NOT ENFORCED)
      WITH ({UPSERT}, 'topic' = 'delays')""",
    f"CREATE TABLE implausible (event_id BIGINT, device_id BIGINT) WITH ({KAFKA}, 'topic' = 'implausible')",
)
QUERIES = (
    f"""INSERT INTO by_event_time
    SELECT window_start, COUNT(*) FROM TUMBLE(TABLE clicks, DESCRIPTOR(event_time), INTERVAL '1' MINUTE)
    WHERE {PLAUSIBLE} GROUP BY window_start, window_end""",
    """INSERT INTO by_processing_time SELECT stretch, COUNT(*)
    FROM (SELECT TO_TIMESTAMP_LTZ(UNIX_TIMESTAMP() / 10 * 10, 0) AS stretch FROM clicks) GROUP BY stretch""",
    """INSERT INTO delays SELECT delay_from, COUNT(*) FROM (
      SELECT CAST(FLOOR(TIMESTAMPDIFF(SECOND, event_time, arrival_time) / CAST(10 AS DOUBLE)) * 10 AS BIGINT) AS delay_from
      FROM clicks
    ) GROUP BY delay_from""",
    f"INSERT INTO implausible SELECT event_id, device_id FROM clicks WHERE NOT ({PLAUSIBLE})",
)


def main():
    """One job with four sinks. A click from the future has no watermark, so that it does not move time on."""
    tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    tables.get_config().set("table.exec.source.idle-timeout", "5 s")
    for statement in TABLES:
        tables.execute_sql(statement)
    job = tables.create_statement_set()
    for statement in QUERIES:
        job.add_insert_sql(statement)
    job.execute().wait()


if __name__ == "__main__":
    main()

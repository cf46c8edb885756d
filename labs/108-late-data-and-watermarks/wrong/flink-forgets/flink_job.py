"""Counts by the minute (first and final) and what comes too late for them: `flink-python flink_job.py`."""

import os

from pyflink.table import EnvironmentSettings, TableEnvironment

SERVERS = f"'properties.bootstrap.servers' = '{os.environ['KAFKA_BOOTSTRAP_SERVERS']}'"
KAFKA = f"'connector' = 'kafka', {SERVERS}, 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601'"
UPSERT = f"""'connector' = 'upsert-kafka', {SERVERS}, 'key.format' = 'json', 'value.format' = 'json',
  'key.json.timestamp-format.standard' = 'ISO-8601', 'value.json.timestamp-format.standard' = 'ISO-8601'"""
# the last millisecond of its minute has been reached by the watermark: the same that closes Flink's windows
TOO_LATE = """CURRENT_WATERMARK(happened) IS NOT NULL
  AND FLOOR(happened TO MINUTE) + INTERVAL '59.999' SECOND <= CURRENT_WATERMARK(happened)"""
TABLES = (
    f"""CREATE TABLE clicks (
      event_id BIGINT, event_time TIMESTAMP_LTZ(3),
      happened AS COALESCE(event_time, TO_TIMESTAMP_LTZ(0, 3)),
      WATERMARK FOR happened AS happened - INTERVAL '2' MINUTE
    ) WITH ({KAFKA}, 'topic' = 'clicks', 'scan.startup.mode' = 'group-offsets',
      'properties.group.id' = 'minutes', 'properties.auto.offset.reset' = 'earliest',
      'properties.enable.auto.commit' = 'true', 'properties.auto.commit.interval.ms' = '500')""",
    f"""CREATE TABLE live (window_start TIMESTAMP_LTZ(3), window_end TIMESTAMP_LTZ(3), click_count BIGINT,
      PRIMARY KEY (window_start) NOT ENFORCED) WITH ({UPSERT}, 'topic' = 'live')""",
    f"""CREATE TABLE `final` (window_start TIMESTAMP(3), window_end TIMESTAMP(3), click_count BIGINT)
      WITH ({KAFKA}, 'topic' = 'final')""",
    f"CREATE TABLE late (event_id BIGINT, reason STRING) WITH ({KAFKA}, 'topic' = 'late')",
)
QUERIES = (
    f"""INSERT INTO live SELECT window_start, window_start + INTERVAL '1' MINUTE, COUNT(*)
    FROM (SELECT FLOOR(happened TO MINUTE) AS window_start FROM clicks WHERE event_time IS NOT NULL AND NOT ({TOO_LATE}))
    GROUP BY window_start""",
    """INSERT INTO `final` SELECT window_start, window_end, COUNT(*)
    FROM TUMBLE(TABLE clicks, DESCRIPTOR(happened), INTERVAL '1' MINUTE)
    WHERE event_time IS NOT NULL GROUP BY window_start, window_end""",
    f"""INSERT INTO late SELECT event_id, CASE WHEN event_time IS NULL THEN 'no_time' ELSE 'too_late' END
    FROM clicks WHERE event_time IS NULL OR ({TOO_LATE})""",
)


def main():
    """One job with three sinks."""
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

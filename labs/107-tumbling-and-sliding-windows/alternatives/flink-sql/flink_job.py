"""Page views per minute and activity in the last five minutes, from the topic `clicks`: `flink-python flink_job.py`."""

import os

from pyflink.table import EnvironmentSettings, TableEnvironment

KAFKA = f"'connector' = 'kafka', 'properties.bootstrap.servers' = '{os.environ['KAFKA_BOOTSTRAP_SERVERS']}'"
JSON = "'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601'"
CLICKS = f"""
CREATE TABLE clicks (
  visitor_id BIGINT, event_time TIMESTAMP_LTZ(3), action STRING, page_id BIGINT, amount DOUBLE,
  WATERMARK FOR event_time AS event_time - INTERVAL '2' MINUTE
) WITH ({KAFKA}, {JSON}, 'topic' = 'clicks', 'scan.startup.mode' = 'earliest-offset')"""
SINK = "window_start TIMESTAMP(3), window_end TIMESTAMP(3)"
PAGE_VIEWS = f"CREATE TABLE page_views ({SINK}, page_id BIGINT, view_count BIGINT) WITH ({KAFKA}, {JSON}, 'topic' = 'page_views')"
ACTIVITY = f"CREATE TABLE activity ({SINK}, visitors BIGINT, revenue DOUBLE) WITH ({KAFKA}, {JSON}, 'topic' = 'activity')"
TUMBLING = """
INSERT INTO page_views
SELECT window_start, window_end, page_id, COUNT(*)
FROM TUMBLE(TABLE clicks, DESCRIPTOR(event_time), INTERVAL '1' MINUTE)
WHERE action = 'view' GROUP BY window_start, window_end, page_id"""
SLIDING = """
INSERT INTO activity
SELECT window_start, window_end, COUNT(DISTINCT visitor_id), ROUND(COALESCE(SUM(amount), 0), 2)
FROM HOP(TABLE clicks, DESCRIPTOR(event_time), INTERVAL '1' MINUTE, INTERVAL '5' MINUTE)
GROUP BY window_start, window_end"""


def main():
    """One job with two sinks."""
    tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    tables.get_config().set("execution.checkpointing.interval", "2 s")
    tables.get_config().set("table.exec.source.idle-timeout", "5 s")
    for statement in (CLICKS, PAGE_VIEWS, ACTIVITY):
        tables.execute_sql(statement)
    job = tables.create_statement_set()
    for statement in (TUMBLING, SLIDING):
        job.add_insert_sql(statement)
    job.execute().wait()


if __name__ == "__main__":
    main()

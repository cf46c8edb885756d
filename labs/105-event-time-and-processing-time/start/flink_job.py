"""Clicks by three clocks, from the topic `clicks`: `flink-python flink_job.py`."""

import os

from pyflink.table import EnvironmentSettings, TableEnvironment

KAFKA = f"'connector' = 'kafka', 'properties.bootstrap.servers' = '{os.environ['KAFKA_BOOTSTRAP_SERVERS']}'"
JSON = "'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601'"  # times with T and Z
BOUNDED = "'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset'"
CLICKS = f"""
CREATE TABLE clicks (event_id BIGINT, device_id BIGINT, event_time TIMESTAMP_LTZ(3), arrival_time TIMESTAMP_LTZ(3))
WITH ({KAFKA}, {JSON}, 'topic' = 'clicks', {BOUNDED})"""


def main():
    """Show some clicks, and end. It should go on, and write the four topics."""
    tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    tables.execute_sql(CLICKS)
    tables.execute_sql("SELECT * FROM clicks LIMIT 10").print()


if __name__ == "__main__":
    main()

"""Count the customers of each segment, as a change log again: `flink-python flink_job.py`."""

import os

from pyflink.table import EnvironmentSettings, TableEnvironment

KAFKA = f"'properties.bootstrap.servers' = '{os.environ['KAFKA_BOOTSTRAP_SERVERS']}'"
FORMATS = "'key.format' = 'raw', 'value.format' = 'json'"
CUSTOMERS = f"""
CREATE TABLE customers (segment STRING)
WITH ('connector' = 'kafka', {KAFKA}, 'format' = 'json', 'topic' = 'customers', 'scan.startup.mode' = 'earliest-offset')"""
SEGMENTS = f"""
CREATE TABLE segments (segment STRING, customers BIGINT, PRIMARY KEY (segment) NOT ENFORCED)
WITH ('connector' = 'upsert-kafka', {KAFKA}, {FORMATS}, 'topic' = 'segments')"""
COUNT = "INSERT INTO segments SELECT segment, COUNT(*) FROM customers GROUP BY segment"


def main():
    """A stream of messages, counted."""
    tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    tables.get_config().set("execution.checkpointing.interval", "2 s")
    tables.execute_sql(CUSTOMERS)
    tables.execute_sql(SEGMENTS)
    tables.execute_sql(COUNT).wait()


if __name__ == "__main__":
    main()

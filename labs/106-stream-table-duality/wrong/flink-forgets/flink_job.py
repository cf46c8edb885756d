"""Count the customers of each segment, as a change log again: `flink-python flink_job.py`."""

import os

from pyflink.table import EnvironmentSettings, TableEnvironment

KAFKA = f"'connector' = 'upsert-kafka', 'properties.bootstrap.servers' = '{os.environ['KAFKA_BOOTSTRAP_SERVERS']}'"
FORMATS = "'key.format' = 'raw', 'value.format' = 'json'"
CUSTOMERS = f"""
CREATE TABLE customers (id STRING, segment STRING, PRIMARY KEY (id) NOT ENFORCED)
WITH ({KAFKA}, {FORMATS}, 'topic' = 'customers', 'value.fields-include' = 'EXCEPT_KEY')"""
SEGMENTS = f"""
CREATE TABLE segments (segment STRING, customers BIGINT, PRIMARY KEY (segment) NOT ENFORCED)
WITH ({KAFKA}, {FORMATS}, 'topic' = 'segments')"""
COUNT = "INSERT INTO segments SELECT segment, COUNT(*) FROM customers GROUP BY segment"


def main():
    """Change log to table, table to table, table to change log: one statement each."""
    tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    tables.execute_sql(CUSTOMERS)
    tables.execute_sql(SEGMENTS)
    tables.execute_sql(COUNT).wait()


if __name__ == "__main__":
    main()

"""Count the customers of each segment, as a change log again: `flink-python flink_job.py`."""

import os

from pyflink.table import EnvironmentSettings, TableEnvironment

KAFKA = f"'connector' = 'kafka', 'properties.bootstrap.servers' = '{os.environ['KAFKA_BOOTSTRAP_SERVERS']}'"
BOUNDED = "'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset'"
CUSTOMERS = f"CREATE TABLE customers (segment STRING) WITH ({KAFKA}, 'format' = 'json', 'topic' = 'customers', {BOUNDED})"


def main():
    """Show some messages, as a stream in which each is a row of its own. A change log is something else."""
    tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    tables.execute_sql(CUSTOMERS)
    tables.execute_sql("SELECT * FROM customers LIMIT 10").print()


if __name__ == "__main__":
    main()

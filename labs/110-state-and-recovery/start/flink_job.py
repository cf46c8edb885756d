"""Balances of accounts and their spending in five minutes, from the topic `payments`: `flink-python flink_job.py`."""

import os

from pyflink.table import EnvironmentSettings, TableEnvironment

KAFKA = f"'connector' = 'kafka', 'properties.bootstrap.servers' = '{os.environ['KAFKA_BOOTSTRAP_SERVERS']}'"
JSON = "'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601'"  # times with T and Z
BOUNDED = "'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset'"
PAYMENTS = f"""
CREATE TABLE payments (account STRING, cents BIGINT, event_time TIMESTAMP_LTZ(3))
WITH ({KAFKA}, {JSON}, 'topic' = 'payments', {BOUNDED})"""


def main():
    """Show some payments, and end. It should go on, and write `balances` and `spending`."""
    tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    tables.execute_sql(PAYMENTS)
    tables.execute_sql("SELECT * FROM payments LIMIT 10").print()


if __name__ == "__main__":
    main()

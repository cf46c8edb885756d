"""Payments into the ledger, each once, from the topic `payments`: `flink-python flink_job.py`."""

import os

from pyflink.table import EnvironmentSettings, TableEnvironment

KAFKA = f"'connector' = 'kafka', 'properties.bootstrap.servers' = '{os.environ['KAFKA_BOOTSTRAP_SERVERS']}'"
BOUNDED = "'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset'"
PAYMENTS = f"CREATE TABLE payments (line STRING) WITH ({KAFKA}, 'format' = 'raw', 'topic' = 'payments', {BOUNDED})"


def main():
    """Show some payments, and end. It should go on, and write each to `ledger` once."""
    tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    tables.execute_sql(PAYMENTS)
    tables.execute_sql("SELECT * FROM payments LIMIT 10").print()


if __name__ == "__main__":
    main()

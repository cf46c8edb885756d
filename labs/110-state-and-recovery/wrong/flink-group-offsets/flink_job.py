"""Balances of accounts and their spending in five minutes, in Flink SQL; without a checkpoint it begins where the group is."""

import os

from pyflink.table import EnvironmentSettings, TableEnvironment

SERVERS = f"'properties.bootstrap.servers' = '{os.environ['KAFKA_BOOTSTRAP_SERVERS']}'"
KAFKA = f"'connector' = 'kafka', {SERVERS}"
AVERAGE = "SUM(cents) / COUNT(*)" if os.environ.get("VERSION") == "2" else "CAST(NULL AS BIGINT)"
JSON = "'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601'"
UPSERT = f"'connector' = 'upsert-kafka', {SERVERS}, 'key.format' = 'json', 'value.format' = 'json'"
PAYMENTS = f"""
CREATE TABLE payments (
  account STRING, cents BIGINT, event_time TIMESTAMP_LTZ(3), WATERMARK FOR event_time AS event_time - INTERVAL '2' MINUTE
) WITH ({KAFKA}, {JSON}, 'topic' = 'payments', 'scan.startup.mode' = 'group-offsets',
  'properties.group.id' = 'bank', 'properties.auto.offset.reset' = 'earliest')"""
BALANCES = f"""
CREATE TABLE balances (
  account STRING, payments BIGINT, cents BIGINT, last_seen TIMESTAMP_LTZ(3), average_cents BIGINT,
  PRIMARY KEY (account) NOT ENFORCED
) WITH ({UPSERT}, 'value.json.timestamp-format.standard' = 'ISO-8601', 'topic' = 'balances')"""
SPENDING = f"""
CREATE TABLE spending (window_start TIMESTAMP(3), account STRING, payments BIGINT, cents BIGINT)
WITH ({KAFKA}, {JSON}, 'topic' = 'spending')"""
TOTALS = f"""
INSERT INTO balances
SELECT account, COUNT(*), SUM(cents), MAX(CAST(event_time AS TIMESTAMP_LTZ(3))), {AVERAGE}
FROM payments GROUP BY account"""
WINDOWS = """
INSERT INTO spending
SELECT window_start, account, COUNT(*), SUM(cents)
FROM TUMBLE(TABLE payments, DESCRIPTOR(event_time), INTERVAL '5' MINUTE) GROUP BY window_start, window_end, account"""


def main():
    """One job with two sinks, whose plan is the same in both versions: so its state fits."""
    tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    tables.get_config().set("execution.checkpointing.interval", "2 s")
    tables.get_config().set("table.exec.source.idle-timeout", "5 s")
    for statement in (PAYMENTS, BALANCES, SPENDING):
        tables.execute_sql(statement)
    job = tables.create_statement_set()
    for statement in (TOTALS, WINDOWS):
        job.add_insert_sql(statement)
    job.execute().wait()


if __name__ == "__main__":
    main()

"""Payments into the ledger, each once: Flink's transactional sink, committed with each checkpoint."""

import os

from pyflink.table import EnvironmentSettings, TableEnvironment

KAFKA = f"'connector' = 'kafka', 'properties.bootstrap.servers' = '{os.environ['KAFKA_BOOTSTRAP_SERVERS']}'"
ONCE = "'sink.delivery-guarantee' = 'at-least-once', 'properties.transaction.timeout.ms' = '600000'"
GROUP = """
  'properties.isolation.level' = 'read_committed', 'properties.group.id' = 'ledger', 'properties.auto.offset.reset' = 'earliest',
  'properties.enable.auto.commit' = 'true', 'properties.auto.commit.interval.ms' = '200'"""
PAYMENTS = f"""
CREATE TABLE payments (line STRING)
WITH ({KAFKA}, 'format' = 'raw', 'topic' = 'payments', 'scan.startup.mode' = 'group-offsets', {GROUP})"""
LEDGER = f"""
CREATE TABLE ledger (payment_id STRING, account STRING, cents BIGINT)
WITH ({KAFKA}, 'format' = 'json', 'topic' = 'ledger', 'sink.transactional-id-prefix' = 'ledger', {ONCE})"""
REJECTED = f"""
CREATE TABLE rejected (line STRING)
WITH ({KAFKA}, 'format' = 'raw', 'topic' = 'rejected', 'sink.transactional-id-prefix' = 'rejected', {ONCE})"""
BOOKED = """
INSERT INTO ledger
SELECT JSON_VALUE(line, '$.payment_id'), JSON_VALUE(line, '$.account'), CAST(JSON_VALUE(line, '$.cents') AS BIGINT)
FROM payments WHERE line IS JSON OBJECT"""
PUT_ASIDE = "INSERT INTO rejected SELECT line FROM payments WHERE line IS NOT JSON OBJECT"


def main():
    """One job with two sinks."""
    tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    for statement in (PAYMENTS, LEDGER, REJECTED):
        tables.execute_sql(statement)
    job = tables.create_statement_set()
    for statement in (BOOKED, PUT_ASIDE):
        job.add_insert_sql(statement)
    job.execute().wait()


if __name__ == "__main__":
    main()

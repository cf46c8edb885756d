"""Payments into the ledger, each once: the transactions of Flink's sink last for a minute."""

import os

from pyflink.table import EnvironmentSettings, TableEnvironment

KAFKA = f"'connector' = 'kafka', 'properties.bootstrap.servers' = '{os.environ['KAFKA_BOOTSTRAP_SERVERS']}'"
ONCE = "'sink.delivery-guarantee' = 'exactly-once', 'properties.transaction.timeout.ms' = '60000'"
PAYMENTS = f"""
CREATE TABLE payments (line STRING)
WITH ({KAFKA}, 'format' = 'raw', 'topic' = 'payments', 'scan.startup.mode' = 'earliest-offset',
  'properties.isolation.level' = 'read_committed')"""
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
    tables.get_config().set("execution.checkpointing.interval", "2 s")
    for statement in (PAYMENTS, LEDGER, REJECTED):
        tables.execute_sql(statement)
    job = tables.create_statement_set()
    for statement in (BOOKED, PUT_ASIDE):
        job.add_insert_sql(statement)
    job.execute().wait()


if __name__ == "__main__":
    main()

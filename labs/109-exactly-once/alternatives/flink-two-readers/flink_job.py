"""Payments into the ledger, each once: one reader takes what is JSON, another one what is none."""

import os

from pyflink.table import EnvironmentSettings, TableEnvironment

KAFKA = f"'connector' = 'kafka', 'properties.bootstrap.servers' = '{os.environ['KAFKA_BOOTSTRAP_SERVERS']}'"
ONCE = "'sink.delivery-guarantee' = 'exactly-once', 'properties.transaction.timeout.ms' = '600000'"
SOURCE = "'topic' = 'payments', 'scan.startup.mode' = 'earliest-offset', 'properties.isolation.level' = 'read_committed'"
PAYMENTS = f"""
CREATE TABLE payments (payment_id STRING, account STRING, cents BIGINT)
WITH ({KAFKA}, 'format' = 'json', 'json.ignore-parse-errors' = 'true', {SOURCE})"""
LINES = f"CREATE TABLE lines (line STRING) WITH ({KAFKA}, 'format' = 'raw', {SOURCE})"
LEDGER = f"""
CREATE TABLE ledger (payment_id STRING, account STRING, cents BIGINT)
WITH ({KAFKA}, 'format' = 'json', 'topic' = 'ledger', 'sink.transactional-id-prefix' = 'ledger', {ONCE})"""
REJECTED = f"""
CREATE TABLE rejected (line STRING)
WITH ({KAFKA}, 'format' = 'raw', 'topic' = 'rejected', 'sink.transactional-id-prefix' = 'rejected', {ONCE})"""
BOOKED = "INSERT INTO ledger SELECT payment_id, account, cents FROM payments WHERE payment_id IS NOT NULL"
PUT_ASIDE = "INSERT INTO rejected SELECT line FROM lines WHERE line IS NOT JSON OBJECT"


def main():
    """One job with two sinks."""
    tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    tables.get_config().set("execution.checkpointing.interval", "5 s")
    for statement in (PAYMENTS, LINES, LEDGER, REJECTED):
        tables.execute_sql(statement)
    job = tables.create_statement_set()
    for statement in (BOOKED, PUT_ASIDE):
        job.add_insert_sql(statement)
    job.execute().wait()


if __name__ == "__main__":
    main()

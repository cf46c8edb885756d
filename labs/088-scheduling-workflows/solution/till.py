"""The store's till. This file is not yours to change: the verification brings its own copy."""

from datetime import datetime

from airflow.providers.postgres.hooks.postgres import PostgresHook


def fetch(begin, end):
    """Empty the table stage_orders and fill it with the orders from `begin` (inclusive) to `end` (exclusive).

    Both are moments with a time zone: datetime, or text like 2025-03-26T00:00:00+01:00.
    """
    begin, end = moment(begin), moment(end)
    with PostgresHook("warehouse").get_conn() as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM stage_orders")
        cursor.execute("INSERT INTO stage_orders SELECT * FROM orders WHERE ordered_at >= %s AND ordered_at < %s", (begin, end))
        print(f"the till: {cursor.rowcount} orders from {begin} to {end}")


def moment(value):
    """A moment with its zone, of a datetime or of text."""
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(found, datetime) or found.tzinfo is None:
        raise ValueError(f"the till wants moments with a time zone, not {value!r}")
    return found

"""The PostgreSQL behind the Airflow connection `warehouse`: sessions, and files into tables, repeatably."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
from airflow.sdk import BaseHook

CONNECTION = "warehouse"


@contextmanager
def session(connection: str = CONNECTION) -> Iterator[Any]:
    """A psycopg2 cursor in one transaction: committed at the end, undone on an error."""
    at = BaseHook.get_connection(connection)
    opened = psycopg2.connect(
        host=at.host, port=at.port or 5432, user=at.login, password=at.password, dbname=at.schema, options="-c timezone=UTC"
    )
    try:
        with opened, opened.cursor() as cursor:
            yield cursor
    finally:
        opened.close()


def libpq(connection: str = CONNECTION) -> dict[str, str]:
    """The connection as libpq's variables, for programs such as dbt and psql."""
    at = BaseHook.get_connection(connection)
    values = {"PGHOST": at.host, "PGPORT": at.port or 5432, "PGUSER": at.login, "PGPASSWORD": at.password, "PGDATABASE": at.schema}
    return {name: str(value) for name, value in values.items() if value is not None}


def copy_file(cursor: Any, file: Path, table: str) -> int:
    """COPY a CSV file with a header into a new temporary table `incoming` of the same columns; returns its rows."""
    columns = file.open().readline().strip()
    cursor.execute(f"CREATE TEMP TABLE incoming ON COMMIT DROP AS SELECT {columns} FROM {table} WHERE false")
    with file.open() as text:
        cursor.copy_expert(f"COPY incoming ({columns}) FROM STDIN (FORMAT csv, HEADER)", text)
    return int(cursor.rowcount)


def replace_by_key(cursor: Any, file: Path, table: str, key: Sequence[str]) -> int:
    """Put a file's rows in place of those with the same key: a file twice, or files out of order, end the same.

    Rows of one key must come in one file only, or their order matters. Returns the rows of the file.
    """
    columns = file.open().readline().strip()
    rows = copy_file(cursor, file, table)
    same = " AND ".join(f"old.{name} = incoming.{name}" for name in key)
    cursor.execute(f"DELETE FROM {table} AS old USING incoming WHERE {same}")
    cursor.execute(f"INSERT INTO {table} ({columns}) SELECT DISTINCT {columns} FROM incoming")
    return rows

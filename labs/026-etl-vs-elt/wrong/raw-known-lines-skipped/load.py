"""WRONG: a version of an order that is in raw is not loaded again, so a delivery that repeats it lacks a line."""

import os
import sys
from pathlib import Path

import psycopg2

KNOWN = {
    "orders": "(old.order_id, old.updated_at) = (new.order_id, new.updated_at)",
    "customers": "old.customer_id IS NOT DISTINCT FROM new.customer_id AND old._delivery = new._delivery",
}

folder = Path(sys.argv[1])
with psycopg2.connect(os.environ["WAREHOUSE_DSN"]) as connection, connection.cursor() as cursor:
    cursor.execute("CREATE SCHEMA IF NOT EXISTS raw")
    for table, known in KNOWN.items():
        file = folder / f"{table}.csv"
        names = file.read_text(encoding="utf-8").splitlines()[0]
        typed = ", ".join(f"{name} text" for name in names.split(","))
        cursor.execute(f"CREATE TABLE IF NOT EXISTS raw.{table} ({typed}, _delivery text)")
        cursor.execute(f"CREATE TEMPORARY TABLE new_{table} ({typed}, _delivery text)")
        with file.open(encoding="utf-8") as stream:
            cursor.copy_expert(f"COPY new_{table} ({names}) FROM STDIN (FORMAT csv, HEADER)", stream)
        cursor.execute(f"UPDATE new_{table} SET _delivery = %s", [folder.name])
        unknown = f"SELECT * FROM new_{table} AS new WHERE NOT EXISTS (SELECT FROM raw.{table} AS old WHERE {known})"
        cursor.execute(f"INSERT INTO raw.{table} {unknown}")

"""The EL of ELT: each line of a delivery as it is, once, with the delivery it came in."""

import csv
import os
import sys
from pathlib import Path

import psycopg2
from psycopg2.extras import execute_values

TABLES = {
    "orders": ("order_id", "customer_id", "ordered_at", "amount", "status", "updated_at"),
    "customers": ("customer_id", "name", "country"),
}


def lines(file, columns):
    """The lines of a file as text; nothing is interpreted."""
    with file.open(newline="", encoding="utf-8") as stream:
        return [tuple(row[column] for column in columns) for row in csv.DictReader(stream)]


def main(place):
    """Put the delivery in the place of an earlier load of the same one, both tables in one transaction."""
    folder, delivery = Path(place), os.path.basename(place)
    with psycopg2.connect(os.environ["WAREHOUSE_DSN"]) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA IF NOT EXISTS raw")
        for table, columns in TABLES.items():
            typed = ", ".join(f"{column} text" for column in (*columns, "_delivery"))
            cursor.execute(f"CREATE TABLE IF NOT EXISTS raw.{table} ({typed})")
            cursor.execute(f"DELETE FROM raw.{table} WHERE _delivery = %s", [delivery])
            rows = [(*line, delivery) for line in lines(folder / f"{table}.csv", columns)]
            execute_values(cursor, f"INSERT INTO raw.{table} VALUES %s", rows)


main(sys.argv[1])

"""The same load by COPY: the server reads the file's lines, and types nothing."""

import os
import sys
from pathlib import Path

import psycopg2

folder = Path(sys.argv[1])

with psycopg2.connect(os.environ["WAREHOUSE_DSN"]) as connection, connection.cursor() as cursor:
    cursor.execute("CREATE SCHEMA IF NOT EXISTS raw")
    for table in ("orders", "customers"):
        file = folder / f"{table}.csv"
        columns = file.read_text(encoding="utf-8").splitlines()[0].split(",")
        typed = ", ".join(f"{column} varchar" for column in columns)
        cursor.execute(
            f"CREATE TABLE IF NOT EXISTS raw.{table} ({typed}, _delivery varchar, _loaded_at varchar DEFAULT now()::text)"
        )
        cursor.execute(f"DELETE FROM raw.{table} WHERE _delivery = %s", [folder.name])
        cursor.execute(f"CREATE TEMPORARY TABLE incoming_{table} ({typed})")
        with file.open(encoding="utf-8") as stream:
            cursor.copy_expert(f"COPY incoming_{table} FROM STDIN (FORMAT csv, HEADER)", stream)
        names = ", ".join(columns)
        cursor.execute(f"INSERT INTO raw.{table} ({names}, _delivery) SELECT {names}, %s FROM incoming_{table}", [folder.name])

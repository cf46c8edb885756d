"""Load each file of /inbox (sale_id,day,product,quantity,price) into the table `sales`, then end. Can be repeated."""

import csv
from pathlib import Path

from psycopg2.extras import execute_values
from shop import connect

TABLE = "CREATE TABLE IF NOT EXISTS sales (sale_id text PRIMARY KEY, day date, product text, quantity int, price numeric(10, 2))"
COLUMNS = ("sale_id", "day", "product", "quantity", "price")

with connect() as session, session.cursor() as cursor:
    cursor.execute(TABLE)
    for path in sorted(Path("/inbox").glob("*.csv"))[-1:]:
        with path.open(newline="") as file:
            rows = [tuple(row[column] for column in COLUMNS) for row in csv.DictReader(file)]
        execute_values(cursor, "INSERT INTO sales VALUES %s ON CONFLICT (sale_id) DO NOTHING", rows)
        print(f"{path.name}: {len(rows)} sales")

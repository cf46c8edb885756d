"""Load each file of /inbox (sale_id,day,product,quantity,price) into the table `sales`, then end."""

import csv
from pathlib import Path

from shop import connect

TABLE = "CREATE TABLE IF NOT EXISTS sales (sale_id text, day date, product text, quantity int, price numeric(10, 2))"

with connect() as session, session.cursor() as cursor:
    cursor.execute(TABLE)
    for path in sorted(Path("/inbox").glob("*.csv")):
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                cursor.execute(
                    "INSERT INTO sales VALUES (%(sale_id)s, %(day)s, %(product)s, %(quantity)s, %(price)s)",
                    row,
                )
        print(f"{path.name}: loaded")

"""ETL: `python etl.py FOLDER` reads a delivery, transforms it with pandas, and loads the result. Nothing is loaded yet."""

import os
import sys
from pathlib import Path

import pandas as pd
import psycopg2

folder = Path(sys.argv[1])
orders = pd.read_csv(folder / "orders.csv")
customers = pd.read_csv(folder / "customers.csv")
print(orders.merge(customers, on="customer_id").head())

with psycopg2.connect(os.environ["WAREHOUSE_DSN"]) as connection, connection.cursor() as cursor:
    cursor.execute("CREATE SCHEMA IF NOT EXISTS etl")

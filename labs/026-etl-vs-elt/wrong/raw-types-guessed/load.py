"""The EL of ELT, by pandas."""

import os
import sys
from pathlib import Path

import pandas as pd
import sqlalchemy as sa

folder = Path(sys.argv[1])
engine = sa.create_engine(os.environ["WAREHOUSE_URL"])

with engine.begin() as connection:
    connection.execute(sa.text("CREATE SCHEMA IF NOT EXISTS raw"))
    for table in ("orders", "customers"):
        lines = pd.read_csv(folder / f"{table}.csv")
        lines["_delivery"] = folder.name
        if connection.execute(sa.text(f"SELECT to_regclass('raw.{table}')")).scalar():
            connection.execute(sa.text(f"DELETE FROM raw.{table} WHERE _delivery = :name"), {"name": folder.name})
        lines.to_sql(table, connection, schema="raw", if_exists="append", index=False)

"""The EL of ELT: `python load.py FOLDER` loads a delivery into the schema raw, as it is. Nothing is loaded yet."""

import os
import sys
from pathlib import Path

import psycopg2

folder = Path(sys.argv[1])

with psycopg2.connect(os.environ["WAREHOUSE_DSN"]) as connection, connection.cursor() as cursor:
    cursor.execute("CREATE SCHEMA IF NOT EXISTS raw")

"""Fill the table numbers with 1 … $N."""

import os

import psycopg2

session = psycopg2.connect(os.environ["PRIMARY_DSN"])
session.autocommit = True
session.cursor().execute("INSERT INTO numbers SELECT generate_series(1, %s)", (int(os.environ["N"]),))

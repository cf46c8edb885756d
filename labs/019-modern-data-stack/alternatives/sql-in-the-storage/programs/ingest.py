"""Load the files of /inbox that were not loaded before, each in a transaction with the note that it was."""

from pathlib import Path

from shop import connect

SETUP = """
CREATE TABLE IF NOT EXISTS sales (sale_id text PRIMARY KEY, day date, product text, quantity int, price numeric(10, 2));
CREATE TABLE IF NOT EXISTS loaded (name text PRIMARY KEY);
CREATE TEMP TABLE staging (LIKE sales);
"""

session = connect()
with session, session.cursor() as cursor:
    cursor.execute(SETUP)
for path in sorted(Path("/inbox").glob("*.csv")):
    with session, session.cursor() as cursor, path.open() as file:
        cursor.execute("INSERT INTO loaded VALUES (%s) ON CONFLICT DO NOTHING", (path.name,))
        if cursor.rowcount:
            cursor.execute("TRUNCATE staging")
            cursor.copy_expert("COPY staging FROM STDIN (FORMAT csv, HEADER)", file)
            cursor.execute("INSERT INTO sales SELECT * FROM staging ON CONFLICT DO NOTHING")

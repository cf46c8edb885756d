"""Load the files of /inbox whose names are new."""

from pathlib import Path

from shop import connect

SETUP = """
CREATE TABLE IF NOT EXISTS sales (sale_id text, day date, product text, quantity int, price numeric(10, 2));
CREATE TABLE IF NOT EXISTS loaded (name text PRIMARY KEY);
"""

session = connect()
with session, session.cursor() as cursor:
    cursor.execute(SETUP)
for path in sorted(Path("/inbox").glob("*.csv")):
    with session, session.cursor() as cursor, path.open() as file:
        cursor.execute("INSERT INTO loaded VALUES (%s) ON CONFLICT DO NOTHING", (path.name,))
        if cursor.rowcount:
            cursor.copy_expert("COPY sales FROM STDIN (FORMAT csv, HEADER)", file)

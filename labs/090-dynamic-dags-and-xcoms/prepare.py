"""The landing zone: each day some stores deliver a file, others don't. And the tables that the DAG writes."""

import random
from dataclasses import dataclass
from datetime import date, timedelta

from delab.services.postgres import connect

TABLES = """
CREATE SCHEMA landing;
CREATE TABLE landing.files (name text PRIMARY KEY, day date NOT NULL, delimiter text NOT NULL, content text NOT NULL);
CREATE FUNCTION landing.listing(wanted date) RETURNS TABLE (name text, delimiter text) LANGUAGE sql
AS $$ SELECT f.name, f.delimiter FROM landing.files f WHERE f.day = wanted ORDER BY f.name $$;
CREATE TABLE sales (day date NOT NULL, file text NOT NULL, order_id int NOT NULL, amount numeric(10, 2) NOT NULL);
CREATE INDEX ON sales (day);
CREATE TABLE deliveries (day date PRIMARY KEY, files int NOT NULL, rows int NOT NULL, rejected int NOT NULL);
"""
EXAMPLES = (3, 6, 2, 0, 1, 7, 4, 0, 5, 3)  # files a day, from 2025-03-01 on; that of the 9th's last store is broken
BROKEN_DAY = 8


@dataclass(frozen=True)
class File:
    """One delivery. `rows` are (order_id, amount as text), `rejected` counts the lines without a usable amount."""

    name: str
    day: date
    delimiter: str
    rows: tuple[tuple[int, str], ...]
    rejected: int
    content: str


def prepare(stack, seed):
    """Ten days of deliveries: many files, one, none, and a broken one."""
    chance = random.Random(seed)
    with connect(stack["warehouse"].endpoint) as session, session.cursor() as cursor:
        cursor.execute(TABLES)
        for number, stores in enumerate(EXAMPLES):
            day = date(2025, 3, 1) + timedelta(days=number)
            for store in range(1, stores + 1):
                broken = number == BROKEN_DAY and store == stores
                deliver(cursor, make(chance, day, store, kind="broken" if broken else ""))


def make(chance, day, store, kind=""):
    """A store's file: 200 to 400 lines, a few of them unusable; or one that is `empty` but for its header, or `broken`."""
    delimiter = ",;|"[store % 3]
    first = (day.toordinal() % 1000) * 1_000_000 + store * 10_000 + chance.randrange(5_000)
    rows = tuple((first + n, f"{chance.randint(100, 90_000) / 100:.2f}") for n in range(chance.randint(200, 400)))
    rows = () if kind == "empty" else rows
    unusable = 0 if kind == "empty" else chance.randint(1, 5)
    lines = [f"{order}{delimiter}{amount}" for order, amount in rows]
    for n in range(unusable):
        lines.insert(chance.randrange(len(lines)), f"{first + 5_000 + n}{delimiter}{chance.choice(['', 'n/a', '12.x'])}")
    head = "<html><body>502 Bad Gateway</body>" if kind == "broken" else f"order_id{delimiter}amount"
    return File(f"{day}/store_{store:02d}.csv", day, delimiter, rows, unusable, "\n".join([head, *lines]) + "\n")


def deliver(cursor, file, table="landing.files"):
    """Put a file where it belongs; one of the same name is replaced."""
    cursor.execute(f"DELETE FROM {table} WHERE name = %s", [file.name])
    cursor.execute(f"INSERT INTO {table} VALUES (%s, %s, %s, %s)", [file.name, file.day, file.delimiter, file.content])

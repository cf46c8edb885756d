"""Orders of a store in Berlin: around both changes of the clocks in 2025, and of the last days; the tables that the DAG fills."""

import random
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from delab.services.postgres import connect

BERLIN = ZoneInfo("Europe/Berlin")
CHANGES = (date(2025, 3, 30), date(2025, 10, 26))  # days of 23 and of 25 hours
AROUND, RECENT = 12, 9  # days loaded on each side of a change, and before today
TABLES = """
CREATE TABLE orders (order_id int PRIMARY KEY, ordered_at timestamptz NOT NULL, amount numeric(10, 2) NOT NULL);
CREATE INDEX ON orders (ordered_at);
CREATE TABLE stage_orders (order_id int, ordered_at timestamptz, amount numeric(10, 2));
CREATE TABLE daily_revenue (day date NOT NULL, orders int NOT NULL, amount numeric(12, 2) NOT NULL);
"""


def prepare(stack, seed):
    """Fill the till; the store is also open at midnight, when it matters whose midnight."""
    chance = random.Random(seed)
    rows = [row for day in days() for row in of_day(chance, day)]
    numbered = [(number, *row) for number, row in enumerate(rows, 1)]
    with connect(stack["warehouse"].endpoint) as session, session.cursor() as cursor:
        cursor.execute(TABLES)
        cursor.executemany("INSERT INTO orders VALUES (%s, %s, %s)", numbered)


def days():
    """The days with orders, each once."""
    today = datetime.now(BERLIN).date()
    around = [change + timedelta(days=n) for change in CHANGES for n in range(-AROUND, AROUND + 1)]
    return sorted({*around, *(today - timedelta(days=n) for n in range(RECENT + 1))})


def of_day(chance, day):
    """Some orders in the first and in the last hours of the day, up to its last moment, some in between: moment and amount."""
    first = datetime(day.year, day.month, day.day, tzinfo=BERLIN).timestamp()
    after = day + timedelta(days=1)
    last = datetime(after.year, after.month, after.day, tzinfo=BERLIN).timestamp()
    early = [first, *(first + chance.randrange(60, 3000) for _ in range(chance.randint(2, 5)))]
    late = [last - chance.randrange(2, 55), *(last - chance.randrange(60, 3000) for _ in range(chance.randint(2, 5)))]
    between = [chance.uniform(first + 9000, last - 9000) for _ in range(chance.randint(10, 20))]
    moments = [datetime.fromtimestamp(int(at), BERLIN) for at in (*early, *between, *late)]
    at_last = datetime.fromtimestamp(last, BERLIN) - datetime.resolution
    return [(at, chance.randint(250, 25_000) / 100) for at in (*moments, at_last)]

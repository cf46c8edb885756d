"""Three channels and their sales; on one day a channel has sent a line without an amount. And the tables of the steps."""

import random
from datetime import date, timedelta

from delab.services.postgres import connect

SOURCES = ("shop", "market", "till")
DAYS = 24
BAD = (6, "market")  # the day's number and the channel
TABLES = """
CREATE TABLE source_lines (source text NOT NULL, day date NOT NULL, line int, amount numeric(10, 2));
CREATE SCHEMA stage;
CREATE TABLE stage.lines (source text NOT NULL, day date NOT NULL, line int, amount numeric(10, 2));
CREATE TABLE days (day date PRIMARY KEY);
CREATE TABLE channel_sales (day date NOT NULL, source text NOT NULL, amount numeric(12, 2) NOT NULL, PRIMARY KEY (day, source));
CREATE TABLE published (day date PRIMARY KEY, sources int NOT NULL, amount numeric(12, 2) NOT NULL);
CREATE TABLE reports (day date PRIMARY KEY, amount numeric(12, 2) NOT NULL);
"""


def prepare(stack, seed):
    """Fill the channels' tables."""
    chance = random.Random(seed)
    with connect(stack["warehouse"].endpoint) as session, session.cursor() as cursor:
        cursor.execute(TABLES)
        for number in range(DAYS):
            for source in SOURCES:
                sell(cursor, chance, date(2025, 3, 1) + timedelta(days=number), source, bad=(number, source) == BAD)


def sell(cursor, chance, day, source, bad=False):
    """A channel's lines of a day, in place of those that are there; a bad one has a line without an amount."""
    lines = [(source, day, n, chance.randint(100, 50_000) / 100) for n in range(chance.randint(5, 20))]
    if bad:
        lines[chance.randrange(len(lines))] = (source, day, 99, None)
    cursor.execute("DELETE FROM source_lines WHERE source = %s AND day = %s", [source, day])
    cursor.executemany("INSERT INTO source_lines VALUES (%s, %s, %s, %s)", lines)

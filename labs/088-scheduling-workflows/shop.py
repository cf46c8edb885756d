"""The verification's store: seasons in other years than the learner's, their orders, and a till that notes what it is asked for."""

import random
import shutil
from datetime import date, datetime, time, timedelta
from pathlib import Path

from prepare import BERLIN, of_day

from delab.checks import Database

TILL = Path(__file__).parent / "start" / "till.py"
DAY = timedelta(days=1)
YEARS = range(2016, 2025)  # of the changes of the clocks: all of them over, none with the dates of 2025
CHANGE_AT_THE_END = (2019, 2024)  # years in which the last day of March is the one with 23 hours
AROUND = 9  # days with orders on each side of a change
ORDERS = "INSERT INTO orders SELECT * FROM unnest(%s::int[], %s::timestamptz[], %s::numeric[])"
ASKED = "CREATE TABLE asked (number serial, task text, begins timestamptz, ends timestamptz)"
NOTES = '''

the_till = fetch


def fetch(begin, end):
    """Do it, and note what was asked for, and by which task (none if Airflow knows of none)."""
    the_till(begin, end)
    from airflow.sdk import get_current_context

    try:
        task = get_current_context()["ti"].task_id
    except Exception:
        task = ""
    with PostgresHook("warehouse").get_conn() as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO asked (task, begins, ends) VALUES (%s, %s, %s)", (task, moment(begin), moment(end)))
'''


def changes_of(seed):
    """A change of the clocks in spring and one in autumn: {name: the Sunday}, in any order."""
    chance = random.Random(seed)
    found = {name: last_sunday(chance.choice(YEARS), month) for name, month in (("spring", 3), ("autumn", 10))}
    return dict(chance.sample(list(found.items()), 2))


def last_sunday(year, month):
    """The last Sunday of a month of 31 days: Europe changes its clocks on those of March and October."""
    last = date(year, month, 31)
    return last - (last.weekday() + 1) % 7 * DAY


def seasons_around(changes, seed):
    """A season around each change, and one that opens on a day of 23 hours and closes with a month: {name: (first, last)}."""
    chance = random.Random(seed)
    found = {name: (day - chance.randint(3, 6) * DAY, day + chance.randint(2, 5) * DAY) for name, day in changes.items()}
    year = chance.choice(CHANGE_AT_THE_END)
    return {**found, "long": (date(year, 3, 31), date(year, 4, 30))}


def opened(node, changes=(), seed=0):
    """The tables of a stack, with orders around these changes of the clocks."""
    shop, chance = Database(node, kept=True), random.Random(seed)
    days = sorted({change + n * DAY for change in changes for n in range(-AROUND, AROUND + 1)})
    moments, amounts = zip(*(row for day in days for row in of_day(chance, day)), strict=True) if days else ((), ())
    shop.execute(ASKED)
    shop.execute(ORDERS, [1_000_000 + n for n in range(len(moments))], list(moments), list(amounts))
    return shop


def open_in(work, season):
    """Put a season in place, and the till, which notes what it is asked for."""
    lines = ("from datetime import date", "", *(f"{n} = {day!r}" for n, day in zip(("OPENS", "CLOSES"), season, strict=True)))
    text = "\n".join(lines).replace("datetime.date(", "date(")
    shutil.rmtree(work.folder / "__pycache__", ignore_errors=True)
    (work.folder / "season.py").write_text(text + "\n")
    (work.folder / "till.py").write_text(TILL.read_text() + NOTES)


def midnights(day):
    """Where a day begins and ends in Berlin."""
    return tuple(datetime.combine(one, time(), BERLIN) for one in (day, day + DAY))

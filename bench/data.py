"""How fast the data sets are made: `python bench/data.py [--large]`. Exits 1 if a bound is broken.

Rates are rows a second of one core (time of the process's own CPU use, so that other work on the machine does not count).
`--large` also writes 100,000,000 rows of each large table and tells the memory that took.
"""

import multiprocessing
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from table import Row, report

from delab.data import Recipe, dataset, names
from delab.data.files import Folder
from delab.data.model import Dataset

ROWS_A_SECOND, TIMES_FAKER, TIMES_COPY, LARGE_ROWS, LARGE_MB = 1_000_000, 200, 1.3, 100_000_000, 600
FAKER_ROWS, TURNS = 1000, 12


def core_seconds(work: Callable[[], Any], *, best_of: int = 5) -> float:
    """CPU seconds of this process for the work, all threads together; the best of some runs."""

    def once() -> float:
        before = time.process_time()
        work()
        return time.process_time() - before

    return min(once() for _ in range(best_of))


def main() -> int:
    """Print the table; 1 if a bound is broken."""
    rows = [*parquet_rows(), *faker_rows(), copy_row()]
    if "--large" in sys.argv:
        rows += [large_row(name, table) for name, (table, _) in BIG.items() if name in names()]
    return report("Data sets", rows)


BIG = {"retail": ("order_lines", 400.0), "clickstream": ("clicks", 400.0)}


def parquet_rows() -> list[Row]:
    """Rows into Parquet."""
    rates = {name: parquet_rate(dataset(name), table, Recipe(scale)) for name, (table, scale) in BIG.items() if name in names()}
    return [
        Row(f"{name}: {BIG[name][0]} into Parquet, rows/s a core", rate, ROWS_A_SECOND, least=True) for name, rate in rates.items()
    ]


def parquet_rate(data: Dataset, table: str, recipe: Recipe) -> float:
    """Rows a CPU second, made and written."""
    with tempfile.TemporaryDirectory() as place:
        counts: list[int] = []

        def work() -> None:
            shutil.rmtree(f"{place}/out", ignore_errors=True)
            counts.append(Folder(data, recipe, "parquet", Path(place, "out")).make([table])[table])

        return counts_a_second(work, counts)


def counts_a_second(work: Callable[[], None], counts: list[int]) -> float:
    """Rows a CPU second of a work that appends its rows to `counts`."""
    seconds = core_seconds(work)
    return counts[0] / seconds


def faker_rows() -> list[Row]:
    """The same columns made by Faker; both in memory, in turns, the best of each."""
    return [
        Row(f"{name}: {table}, times as fast as Faker", times_faker(dataset(name), table, maker), TIMES_FAKER, least=True)
        for (name, table), maker in FAKERS.items()
        if name in names()
    ]


def times_faker(data: Dataset, table: str, maker: Callable[[Any, int], tuple[Any, ...]]) -> float:
    """Seconds a row of Faker over seconds a row of ours."""
    from faker import Faker

    recipe, fake = Recipe(1000), Faker()
    page = data.table(table).page
    starts = range(0, 24 * page, page)
    fake.seed_instance(1)

    def ours() -> int:
        return sum(data.clean(table, recipe, start, start + page).num_rows for start in starts)

    rows = ours()
    turns = [
        (core_seconds(ours, best_of=1), core_seconds(lambda: [maker(fake, number) for number in range(FAKER_ROWS)], best_of=1))
        for _ in range(TURNS)
    ]
    return (min(theirs for _, theirs in turns) / FAKER_ROWS) / (min(mine for mine, _ in turns) / rows)


def faker_order_line(fake: Any, number: int) -> tuple[Any, ...]:
    """An order line as one makes it with Faker."""
    quantity = fake.random_int(1, 12)
    price = fake.pydecimal(left_digits=4, right_digits=2, positive=True)
    discount = fake.pydecimal(left_digits=2, right_digits=2, positive=True)
    order = fake.random_int(1, 1_000_000)
    return number, order, fake.random_int(1, 8), fake.random_int(1, 2000), quantity, price, discount, quantity * price - discount


def faker_customer(fake: Any, number: int) -> tuple[Any, ...]:
    """A customer as one makes it with Faker."""
    segment = fake.random_element(("consumer", "family", "small business", "corporate"))
    who = fake.name(), fake.email(), fake.date_of_birth(), fake.country_code(), fake.city(), fake.postcode(), segment
    return number, *who, fake.date_time_between("-5y"), fake.date_time_between("-1y")


def faker_click(fake: Any, number: int) -> tuple[Any, ...]:
    """A click as one makes it with Faker."""
    action = fake.random_element(("view", "search", "cart", "checkout", "buy"))
    at = fake.date_time_between("-1d")
    keys = number, fake.random_int(1, 1_000_000), fake.random_int(1, 8192), fake.random_int(1, 3)
    what = action, fake.random_int(1, 616), fake.word() if action == "search" else None
    amount = fake.pydecimal(left_digits=3, right_digits=2, positive=True) if action == "buy" else None
    country, campaign = fake.country_code(), fake.random_element((None, "newsletter", "social"))
    arrival = at + timedelta(milliseconds=fake.random_int(20, 900_000))
    return *keys, at, arrival, *what, amount, fake.random_int(40, 4000), country, None, campaign, fake.user_agent()


FAKERS: dict[tuple[str, str], Callable[[Any, int], tuple[Any, ...]]] = {
    ("retail", "order_lines"): faker_order_line,
    ("retail", "customers"): faker_customer,
    ("clickstream", "clicks"): faker_click,
}


def copy_row() -> Row:
    """Into PostgreSQL, against a bare COPY of the same bytes made beforehand; runs take turns."""
    from delab import templates
    from delab.services import make
    from delab.services.postgres import dsn

    stack = templates.Scratch(templates.Plan("bench-data", (make("primary", {"kind": "postgres"}),)))
    stack.start()
    try:
        ratio, seconds, rows = copy_ratio(dsn(stack["primary"].endpoint))
    finally:
        stack.destroy()
    return Row(f"retail: {rows:,} order lines into PostgreSQL ({seconds:.2f} s), times a bare COPY", ratio, TIMES_COPY)


def copy_ratio(server: str, rounds: int = 5) -> tuple[float, float, int]:
    """Median seconds of load / median seconds of the bare COPY, the former, and the rows."""
    import io
    from statistics import median

    import psycopg2

    from delab.data.sinks.postgres import create_statement, load
    from delab.data.strings import csv_bytes

    data, recipe, table = dataset("retail"), Recipe(350), "order_lines"
    whole = b"".join(bytes(csv_bytes(page.rows)) for page in data.pages(table, recipe))
    ours, bare, rows = [], [], 0
    for _ in range(rounds):
        started = time.monotonic()
        rows = load(server, "retail", scale=350, tables=[table], schema="ours", keys=False)[table]
        ours.append(time.monotonic() - started)
        started = time.monotonic()
        with psycopg2.connect(server) as session, session.cursor() as cursor:
            cursor.execute("CREATE SCHEMA IF NOT EXISTS bare; DROP TABLE IF EXISTS bare.order_lines")
            cursor.execute(create_statement(data, data.table(table), recipe, "bare"))
            cursor.copy_expert("COPY bare.order_lines FROM STDIN (FORMAT csv)", io.BytesIO(whole), size=1 << 18)
            cursor.execute("ANALYZE bare.order_lines")
        session.close()
        bare.append(time.monotonic() - started)
    return median(ours) / median(bare), median(ours), rows


LARGE_SCALE = {"retail": 34_700.0, "clickstream": 28_000.0}


def large_row(name: str, table: str) -> Row:
    """100,000,000 rows into Parquet, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as place, context.Pool(1) as pool:
        rows, seconds, megabytes = pool.apply(large, (place, name, table))
    assert rows >= LARGE_ROWS
    return Row(f"{name}: {rows:,} rows of {table} ({seconds:.0f} s), peak memory, MB", megabytes, LARGE_MB)


def large(place: str, name: str, table: str) -> tuple[int, float, float]:
    """Rows, seconds and the peak of resident memory in MB of this process."""
    started = time.monotonic()
    rows = Folder(dataset(name), Recipe(LARGE_SCALE[name]), "parquet", Path(place, "out")).make([table])[table]
    unit = 1 if sys.platform == "darwin" else 1024
    return rows, time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


if __name__ == "__main__":
    sys.exit(main())

"""Checks of lab 26: the same mart by two ways, after one night, a repetition, corrections, and a change of rule."""

from collections import Counter
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

import pytest
import yaml
from exports import CUSTOMERS, ORDERS, Shop
from marts import BERLIN, in_zone, mart, mistake

from delab.checks import Database, expect, fail, main, show
from delab.checks.warm import Warm

ETL, LOAD, MODEL = "etl.py", "load.py", "daily_revenue"
QUERY = "SELECT day, country, orders, revenue FROM {}"
TYPE = """
SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = 'revenue' AND NOT attisdropped
"""
COLUMNS = """
SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped
"""
TEXT = ("text", "character varying")
CLOCKS = ("Australia/Adelaide", "America/St_Johns", "Asia/Kolkata", "Pacific/Auckland", "America/Sao_Paulo", "Asia/Tokyo")
# As in lab.toml: imported once for all runs. No part that a program has to import by itself, such as psycopg2.extras.
MODULES = ("pandas", "psycopg2", "sqlalchemy")
HIDDEN = "raise ImportError('there is no pandas in this run')\n"


@pytest.fixture(scope="module")
def shop(seed):
    """Three nights of this verification's own."""
    return Shop(seed)


@pytest.fixture(scope="module")
def warehouse(stack):
    """The server that both ways write to."""
    return Database(stack["warehouse"], kept=True)


class Night:
    """Runs a program on one delivery. Nothing else is there: no earlier delivery, and no file that a run has written."""

    def __init__(self, work, warm):
        self.work, self.warm, self.count, self.left = work, warm, 0, ""

    def __call__(self, program, delivery, end=""):
        """Run it; fails the check if it does not end well."""
        self.count += 1
        folder = f"{delivery.write(self.work.run_folder / f'exports-{self.count}')}{end}"
        told = f"`python {program}` of the delivery {delivery.name}{end} ends well"
        before = self.files()
        self.warm.run(program, folder, seconds=60).succeeded(told if delivery.orders else f"{told}; it has no orders")
        for file in sorted(self.files() - before):
            self.left = f"; {program} left {file.relative_to(self.work.folder)}, and later nights had no such file"
            file.unlink(missing_ok=True)

    def files(self):
        """The files in the learner's folder."""
        paths = self.work.folder.rglob("*")
        return {path for path in paths if "__pycache__" not in path.parts and (path.is_file() or path.is_symlink())}


@pytest.fixture(scope="module")
def night(work, warehouse):
    """Runs the programs, in a process that has imported pandas."""
    with Warm(work, MODULES) as warm:
        yield Night(work, warm)


@pytest.fixture(scope="module")
def etl_first(night, shop, warehouse):
    """ETL of the first night."""
    night(ETL, shop.first)
    return rows_of_etl(warehouse)


@pytest.fixture(scope="module")
def loaded(night, shop):
    """The first night in raw."""
    night(LOAD, shop.first)


def rows_of_etl(warehouse):
    """The mart that ETL has made."""
    return warehouse.rows(QUERY.format("etl.daily_revenue"))


def rows_of_elt(dbt, **variables):
    """The mart that dbt makes now."""
    dbt.build(**variables)
    return dbt.rows(QUERY.format("{daily_revenue}"))


# Comparing a mart with the truth


def as_mart(rows, what, exact):
    """Rows as {(day, country): (orders, revenue)}, rounded to cents unless exact; fails the check if they can't be that."""
    found = {}
    for day, country, orders, revenue in rows:
        try:
            key, value = (as_day(day), str(country)), (int(orders), amount(revenue, exact))
        except (ValueError, TypeError, OverflowError, InvalidOperation):
            fail(expected=f"{what}: day, country, orders, revenue", seen=f"{day!r}, {country!r}, {orders!r}, {revenue!r}")
        twice = f"{key[0]}, {key[1]} has more than one: was the day added again, or joined with two lines of a customer?"
        expect(key not in found, expected=f"{what}: one row for each day and country", seen=twice)
        found[key] = value
    return found


def amount(value, exact):
    """A finite amount. Raises ValueError or InvalidOperation."""
    found = Decimal(str(value))
    if not found.is_finite():
        raise ValueError(value)
    return found if exact else found.quantize(Decimal("0.01"))


def as_day(value):
    """A day, however it is stored."""
    if isinstance(value, datetime):
        return value.date()
    return value if isinstance(value, date) else date.fromisoformat(str(value)[:10])


def compare(rows, deliveries, what, zone=BERLIN, exact=False, left=""):
    """Fail unless the rows are the mart of these deliveries; names the mistake if it is known, and a file that was left."""
    seen, wanted = as_mart(rows, what, exact), mart(deliveries, in_zone(zone))
    if seen == wanted:
        return
    told = f"{what}: {total(wanted)}"
    expect(seen, expected=told, seen=f"no row{left}")
    fail(expected=told, seen=f"{total(seen)}; {mistake(seen, deliveries, zone) or difference(seen, wanted)}{left}")


def total(found):
    """A mart in short."""
    return f"{len(found)} rows, {sum(n for n, _ in found.values())} orders, {sum(amount for _, amount in found.values())}"


def difference(seen, wanted):
    """The first row that differs."""
    key = min(key for key in seen.keys() | wanted.keys() if seen.get(key) != wanted.get(key))
    had, due = ("{} orders, {}".format(*found[key]) if key in found else "no row" for found in (seen, wanted))
    return f"for {key[0]}, {key[1]}: {had}, where it should be {due}"


def raw_is(warehouse, deliveries, what):
    """raw holds each line of these deliveries as it is in the file, once."""
    for table, columns in (("orders", ORDERS), ("customers", CUSTOMERS)):
        rows = warehouse.rows(f"SELECT {', '.join(columns)}, _delivery FROM raw.{table}")
        seen = Counter(tuple("" if value is None else str(value) for value in row) for row in rows)
        lines = [(*(row[name] for name in columns), delivery.name) for delivery in deliveries for row in getattr(delivery, table)]
        wanted, told = Counter(lines), f"{what}: raw.{table} has the {len(lines)} lines as they were delivered, each once"
        types = dict(warehouse.rows(COLUMNS, f"raw.{table}"))
        typed = ", ".join(f"{name} is {kind}" for name, kind in types.items() if kind not in TEXT)
        expect(not typed, expected=f"{what}: all columns of raw.{table} are text", seen=typed)
        others = ", ".join(name for name in types if name not in columns and not name.startswith("_"))
        expected = f"{what}: raw.{table} has the file's columns, and others begin with _"
        expect(not others, expected=expected, seen=f"a column {others}")
        missing, more = list((wanted - seen).elements()), list((seen - wanted).elements())
        if missing and more:
            fail(
                expected=told,
                seen=f"{shown(closest(missing[0], more))} instead of {shown(missing[0])}: a value was changed on the way",
            )
        expect(not missing, expected=told, seen=f"{len(missing)} lines are missing, such as {shown(missing[0]) if missing else ''}")
        expect(
            not more,
            expected=told,
            seen=f"{len(more)} lines too many: they are loaded once more, such as {shown(more[0]) if more else ''}",
        )


def shown(line):
    """A line for a message."""
    return show(",".join(line))


def closest(line, others):
    """The line that looks most like another one."""
    return max(others, key=lambda other: sum(a == b for a, b in zip(line, other, strict=True)))


# The checks


def test_etl_one_night(etl_first, work, shop):
    """After `etl.py` of one delivery, `etl.daily_revenue` has its completed orders by day and country. pandas has made it so."""
    compare(etl_first, [shop.first], "etl.daily_revenue after one night")
    hidden = work.run_folder / "hidden"
    (hidden / "pandas").mkdir(parents=True)
    (hidden / "pandas" / "__init__.py").write_text(HIDDEN)
    run = work.run(ETL, str(shop.first.write(work.run_folder / "exports-hidden")), env={"PYTHONPATH": str(hidden)}, seconds=60)
    expect(
        run.code,
        expected="etl.py transforms with pandas, and can't do without it",
        seen="it ends well where pandas can't be imported",
    )


def test_raw_as_delivered(loaded, shop, warehouse):
    """After `load.py`, `raw.orders` and `raw.customers` hold every line of the files as text, unchanged, with its delivery."""
    raw_is(warehouse, [shop.first], "after one night")


def test_second_run(etl_first, loaded, night, shop, warehouse):
    """The same delivery once more, its folder typed with a `/` at the end, changes nothing, in either way."""
    night(ETL, shop.first, "/")
    compare(rows_of_etl(warehouse), [shop.first], "etl.daily_revenue after the same delivery once more")
    night(LOAD, shop.first, "/")
    raw_is(warehouse, [shop.first], "after the same delivery once more")


def test_elt_one_night(loaded, dbt, shop):
    """`dbt build` makes the same mart from raw, as the model `daily_revenue`."""
    compare(rows_of_elt(dbt), [shop.first], "daily_revenue after one night")


def test_corrections(etl_first, loaded, night, shop, warehouse, dbt):
    """Later nights bring customers and correct orders; one comes late, and old ones that come again change nothing.

    Neither way leans on the other: now one is the first to know, now the other.
    """
    come, what = [shop.first, shop.quiet], "after a night without orders, with new customers"
    night(ETL, shop.quiet)
    compare(rows_of_etl(warehouse), come, f"etl.daily_revenue {what}", left=night.left)
    night(LOAD, shop.quiet)
    raw_is(warehouse, come, what)

    come, what = [*come, shop.second], "after corrections"
    night(LOAD, shop.second)
    raw_is(warehouse, come, what)
    compare(rows_of_elt(dbt), come, f"daily_revenue {what}")
    night(ETL, shop.second)
    compare(rows_of_etl(warehouse), come, f"etl.daily_revenue {what}", left=night.left)

    come, what = [*come, shop.late], "after a night that was late, and an old delivery that came once more"
    for delivery in (shop.late, shop.first):
        night(ETL, delivery)
    compare(rows_of_etl(warehouse), come, f"etl.daily_revenue {what}", left=night.left)
    for delivery in (shop.late, shop.quiet, shop.first):
        night(LOAD, delivery)
    raw_is(warehouse, come, what)
    compare(rows_of_elt(dbt), come, f"daily_revenue {what}")


def test_rule_changes(dbt, shop, work, seed):
    """`dbt build` makes the whole mart anew by the clocks that `timezone` names, from raw alone; dbt_project.yml names Berlin's."""
    zone = CLOCKS[seed % len(CLOCKS)]
    elsewhere = dbt.on(dbt.node, CLOCKS=zone)  # dbt writes to another folder: what it has parsed with Berlin's clocks is kept
    compare(rows_of_elt(elsewhere, timezone=zone), before_last(shop), f"daily_revenue with timezone: {zone}", zone)
    project = yaml.safe_load(work.text("dbt_project.yml"))
    told = project.get("vars") or {}
    own = told.get(project.get("name"))
    named = [*told, *(own if isinstance(own, dict) else ())]
    expect(
        "timezone" in named, expected="dbt_project.yml sets the variable `timezone`", seen=f"its vars: {', '.join(named) or 'none'}"
    )


def test_exact_money(night, shop, warehouse, dbt):
    """`revenue` is numeric and exact to the cent in both, also for very large amounts; `dbt build` is back at Berlin's clocks."""

    def exact(name, table, rows, what):
        kind = warehouse.value(TYPE, table)
        expect(kind == "numeric", expected=f"{name}: revenue is numeric", seen=f"it is {kind}")
        compare(rows, [*before_last(shop), shop.third], f"{name} {what}", exact=True)

    night(ETL, shop.third)
    exact("etl.daily_revenue", "etl.daily_revenue", rows_of_etl(warehouse), "with a very large order")
    night(LOAD, shop.third)
    exact("daily_revenue", dbt.relation(MODEL), rows_of_elt(dbt), "by the shop's clocks again, with a very large order")


def before_last(shop):
    """All nights but the last, as they were delivered."""
    return [shop.first, shop.quiet, shop.second, shop.late]


if __name__ == "__main__":
    main(__file__)

"""Checks of lab 26: the same mart by two ways, after one night, a repetition, corrections, and a change of rule."""

from collections import Counter
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

import pytest
from exports import (
    BERLIN,
    CUSTOMERS,
    ORDERS,
    Shop,
    every_line,
    first_come,
    in_zone,
    last_come,
    mart,
    newest_usable,
    of_first_delivery,
    of_last_delivery,
)

from delab.checks import Database, expect, fail, main, show

ETL, LOAD, MODEL = "etl.py", "load.py", "daily_revenue"
QUERY = "SELECT day, country, orders, revenue FROM {}"
TYPE = """
SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = 'revenue' AND NOT attisdropped
"""
TEXT = """
SELECT attname, format_type(atttypid, NULL) FROM pg_attribute
WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped
AND format_type(atttypid, NULL) NOT IN ('text', 'character varying')
"""
NEW_RULE = "America/New_York"


@pytest.fixture(scope="module")
def shop(seed):
    """Three nights of this verification's own."""
    return Shop(seed)


@pytest.fixture(scope="module")
def warehouse(stack):
    """The server that both ways write to."""
    return Database(stack["warehouse"])


@pytest.fixture(scope="module")
def night(work, shop):
    """Runs a program on one delivery, which lies alone in its folder: earlier ones are no longer there."""
    made = iter(range(1000))

    def run(program, delivery):
        place = work.run_folder / f"exports-{next(made)}"
        folder = delivery.write(place)
        work.run(program, str(folder), seconds=60).succeeded(f"`python {program}` of the delivery {delivery.name} ends well")

    return run


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


def compare(rows, deliveries, what, zone=BERLIN, exact=False):
    """Fail unless the rows are the mart of these deliveries; names the mistake if it can be recognised."""
    seen, wanted = as_mart(rows, what, exact), mart(deliveries, in_zone(zone))
    if seen == wanted:
        return
    told = f"{what}: {total(wanted)}"
    expect(seen, expected=told, seen="no row")
    fail(expected=told, seen=f"{total(seen)}; {mistake(seen, deliveries, zone) or difference(seen, wanted)}")


def total(found):
    """A mart in short."""
    return f"{len(found)} rows, {sum(n for n, _ in found.values())} orders, {sum(amount for _, amount in found.values())}"


def difference(seen, wanted):
    """The first row that differs."""
    key = min(key for key in seen.keys() | wanted.keys() if seen.get(key) != wanted.get(key))
    had, due = ("{} orders, {}".format(*found[key]) if key in found else "no row" for found in (seen, wanted))
    return f"for {key[0]}, {key[1]}: {had}, where it should be {due}"


def mistake(seen, deliveries, zone):
    """A mart that is wrong in a known way."""
    day = in_zone(zone)
    right = mart(deliveries, day)
    known = {
        "the days are those of UTC, not of the shop's clock": mart(deliveries, in_zone("UTC")),
        "the days are those of Berlin, whatever the variable says": mart(deliveries, in_zone(BERLIN)),
        "the day is cut from the text, in which each till has its own offset": mart(
            deliveries, lambda text: date.fromisoformat(text[:10])
        ),
        "the clock is an hour ahead of UTC all year; since 30 March it is two": mart(deliveries, in_zone("Etc/GMT-1")),
        "each line counts as an order, also second deliveries and older versions": mart(deliveries, day, every_line),
        "an order whose newest version has no usable amount counts by an older one": mart(deliveries, day, newest_usable),
        "of an order with several versions the first line counts": mart(deliveries, day, first_come),
        "of an order with several versions the last line counts, though it is older": mart(deliveries, day, last_come),
        "corrections of orders that were known are not in it": mart(deliveries, day, of_first_delivery),
        "what was delivered last counts, though it is older than what was known": mart(deliveries, day, of_last_delivery),
        "orders without a number have met the customer without a number": mart(deliveries, day, nameless="DE"),
        "an order's country is what was known when it came; its customer came a night later": mart(deliveries, day, frozen=True),
        "only the last delivery is in it": mart(deliveries[-1:], day),
        "what was delivered later is not in it": mart(deliveries[:1], day),
        "orders without a known customer are missing: an inner join, or groupby, drops them": without(right, "unknown"),
        "Namibia (NA) is missing: pandas reads NA as no value": without(right, "NA"),
        "Namibia (NA) is among the unknown: pandas reads NA as no value": moved(right, "NA", "unknown"),
    }
    for words, made in known.items():
        if seen == made and made != right:
            return words
    doubled = sum(n for n, _ in seen.values()) > 1.2 * sum(n for n, _ in right.values())
    if doubled and seen.keys() == right.keys():
        return (
            "orders are counted more than once: loaded again, several versions, or joined with a customer's line of each delivery"
        )
    if all(seen.get(key, (0, 0))[1] == right.get(key, (0, 0))[1] for key in seen.keys() | right.keys()):
        return "the revenue is right, the number of orders is not: those without a usable amount (NaN is not NULL) count too?"
    if seen.keys() != right.keys():
        return ""
    close = all(seen[key][0] == right[key][0] and abs(seen[key][1] - right[key][1]) < Decimal("0.02") for key in right)
    return "a few cents are missing: the amounts went through floating point" if close else ""


def without(found, country):
    """A mart without a country."""
    return {key: value for key, value in found.items() if key[1] != country}


def moved(found, country, other):
    """A mart in which one country's orders are another's."""
    made = without(found, country)
    for (day, name), (orders, amount) in found.items():
        if name == country:
            had = made.get((day, other), (0, Decimal(0)))
            made[day, other] = (had[0] + orders, had[1] + amount)
    return made


def raw_is(warehouse, deliveries, what):
    """raw holds each line of these deliveries as it is in the file, once."""
    for table, columns in (("orders", ORDERS), ("customers", CUSTOMERS)):
        rows = warehouse.rows(f"SELECT {', '.join(columns)}, _delivery FROM raw.{table}")
        seen = Counter(tuple("" if value is None else str(value) for value in row) for row in rows)
        lines = [(*(row[name] for name in columns), delivery.name) for delivery in deliveries for row in getattr(delivery, table)]
        wanted, told = Counter(lines), f"{what}: raw.{table} has the {len(lines)} lines as they were delivered, each once"
        typed = warehouse.rows(TEXT, f"raw.{table}")
        expect(not typed, expected=f"{what}: all columns of raw.{table} are text", seen=", ".join(f"{n} is {t}" for n, t in typed))
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


def test_etl_one_night(etl_first, shop):
    """After `etl.py` of one delivery, `etl.daily_revenue` has the completed orders' revenue by day and country."""
    compare(etl_first, [shop.first], "etl.daily_revenue after one night")


def test_raw_as_delivered(loaded, shop, warehouse):
    """After `load.py`, `raw.orders` and `raw.customers` hold every line of the files as text, unchanged, with its delivery."""
    raw_is(warehouse, [shop.first], "after one night")


def test_elt_one_night(loaded, dbt, shop):
    """`dbt build` makes the same mart from raw, as the model `daily_revenue`."""
    compare(rows_of_elt(dbt), [shop.first], "daily_revenue after one night")


def test_second_run(etl_first, loaded, night, shop, warehouse, dbt):
    """The same delivery once more changes nothing, in either way."""
    night(ETL, shop.first)
    compare(rows_of_etl(warehouse), [shop.first], "etl.daily_revenue after the same delivery once more")
    night(LOAD, shop.first)
    raw_is(warehouse, [shop.first], "after the same delivery once more")
    compare(rows_of_elt(dbt), [shop.first], "daily_revenue after the same delivery once more")


def test_corrections(etl_first, loaded, night, shop, warehouse, dbt):
    """The next delivery corrects orders and brings customers; an old one that comes again changes nothing."""
    both = [shop.first, shop.second]
    for delivery, what in ((shop.second, "after corrections"), (shop.first, "after an old delivery came once more")):
        night(ETL, delivery)
        compare(rows_of_etl(warehouse), both, f"etl.daily_revenue {what}")
        night(LOAD, delivery)
        raw_is(warehouse, both, what)
        compare(rows_of_elt(dbt), both, f"daily_revenue {what}")


def test_exact_money(night, shop, warehouse, dbt):
    """`revenue` is numeric and exact to the cent in both, also for very large amounts."""
    every = [shop.first, shop.second, shop.third]
    night(ETL, shop.third)
    night(LOAD, shop.third)
    marts = {"etl.daily_revenue": rows_of_etl(warehouse), "daily_revenue": rows_of_elt(dbt)}
    tables = {"etl.daily_revenue": "etl.daily_revenue", "daily_revenue": dbt.relation(MODEL)}
    for name, rows in marts.items():
        kind = warehouse.value(TYPE, tables[name])
        expect(kind == "numeric", expected=f"{name}: revenue is numeric", seen=f"it is {kind}")
        compare(rows, every, f"{name} with a very large order", exact=True)


def test_rule_changes(dbt, shop):
    """`dbt build --vars 'timezone: America/New_York'` makes the whole mart anew by that clock, from raw alone."""
    every = [shop.first, shop.second, shop.third]
    compare(rows_of_elt(dbt, timezone=NEW_RULE), every, f"daily_revenue with timezone: {NEW_RULE}", NEW_RULE)
    compare(rows_of_elt(dbt), every, "daily_revenue by the shop's clock again")


if __name__ == "__main__":
    main(__file__)

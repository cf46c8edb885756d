"""Checks of lab 70: two business processes, each at its grain, with shared dimensions and facts that may be added up."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from prepare import Shop, add, later, shop
from truth import Found, Key, by_month, kept, sold
from values import CENT, alike, number, plain, same, words

from delab.checks import CheckFailed, expect, fail, main
from delab.checks.dbt import Project

CALENDAR = date(2024, 1, 1), date(2025, 12, 31)
MODELS = ("dim_date", "dim_product", "dim_store", "fct_sales", "fct_stock_daily", "stock_by_month")
MEASURES = {
    "fct_sales": {
        "quantity": "additive",
        "unit_price": "non additive",
        "gross_amount": "additive",
        "discount_amount": "additive",
        "net_amount": "additive",
        "shipping_amount": "additive",
    },
    "fct_stock_daily": {
        "quantity_received": "additive",
        "quantity_sold": "additive",
        "quantity_written_off": "additive",
        "quantity_on_hand": "semi additive",
    },
}
WHY = {
    "non additive": "the sum of two prices is the price of nothing",
    "semi additive": "it may be added up over shops and products, and over days not: yesterday's pieces are today's",
    "additive": "it may be added up over every dimension",
}


@pytest.fixture(scope="module")
def delivered(seed) -> Shop:
    """What lies in the sources."""
    return shop(seed)


def test_builds(dbt: Project):
    """`dbt build` builds the six models on a new database, and all the tests that you wrote pass: there are some."""
    warned = dbt.fired(dbt.build(), "warn")
    expect(not warned, expected="all your tests pass", seen=f"{warned[0].name} warns" if warned else "")
    manifest = dbt.manifest()
    for name in MODELS:
        manifest.model(name)
    tests = [*manifest.tests(), *manifest.unit_tests]
    expect(tests, expected="tests of your own, which `dbt build` runs", seen="there is no test in the project: nothing was tested")


def dates(dbt: Project, _: Shop) -> None:
    """The calendar: each day once, with its attributes."""
    rows = dbt.rows(
        "SELECT date_day::date, date_key, year, quarter, month, weekday, is_weekend FROM {dim_date} WHERE date_day IS NOT NULL"
    )
    days = Counter(row[0] for row in rows)
    wanted = {CALENDAR[0] + timedelta(days=n) for n in range((CALENDAR[1] - CALENDAR[0]).days + 1)}
    missing, twice = sorted(wanted - days.keys()), sorted(day for day, times in days.items() if times > 1)
    seen = f"{len(missing)} days are missing, {missing[0]} first: a day without a sale is a day too" if missing else ""
    expect(not missing, expected=f"all {len(wanted)} days of 2024 and 2025", seen=seen)
    expect(not twice, expected="each day once", seen=f"{twice[:1]} has {days[twice[0]] if twice else 0} rows")
    keys = Counter(plain(row[1]) for row in rows)
    expect(
        len(keys) == len(rows) and None not in keys,
        expected="a date_key for each day, another one for each",
        seen="some are the same, or NULL",
    )
    for day, _, *said in rows:
        truth = [day.year, (day.month + 2) // 3, day.month, day.isoweekday(), day.isoweekday() > 5]
        for name, value, right in zip(("year", "quarter", "month", "weekday", "is_weekend"), said, truth, strict=True):
            hint = " (Monday is 1, Sunday 7)" if name == "weekday" else ""
            expect(alike(value, right), expected=f"{day:%A}, {day}: {name} is {right}{hint}", seen=f"{value}")


def test_dates(dbt, delivered):
    """`dim_date` has each day of 2024 and 2025 once, with the attributes that the task names."""
    dates(dbt, delivered)


MEMBERS = {
    "dim_product": (
        "products",
        "product",
        ("sku", "product_name", "department", "category"),
        ("sku", "name", "department", "category"),
    ),
    "dim_store": ("stores", "store", ("store_name", "channel", "country", "city"), ("name", "channel", "country", "city")),
}


def members(dbt: Project, delivered: Shop) -> None:
    """Products and stores."""
    for model in MEMBERS:
        judge_members(dbt, delivered, model)


def judge_members(dbt: Project, delivered: Shop, model: str) -> None:
    """One dimension: a row for each member of the source, with its attributes."""
    table, thing, names, columns = MEMBERS[model]
    rows = dbt.rows(f"SELECT {thing}_id, {thing}_key, {', '.join(names)} FROM {{{model}}} WHERE {thing}_id IS NOT NULL")
    truth = {str(row[f"{thing}_id"]): tuple(row[column] for column in columns) for row in getattr(delivered, table)}
    there = Counter(str(row[0]) for row in rows)
    for key, times in there.items():
        expect(times == 1, expected=f"{model}: one row a {thing}", seen=f"{thing} {key} has {times} rows")
    missing = sorted(truth.keys() - there.keys(), key=int)
    seen = f"{len(missing)} are missing, {thing} {missing[0]} first: also what was never sold is a {thing}" if missing else ""
    expect(not missing, expected=f"{model} has all {len(truth)} {table}", seen=seen)
    more = sorted(there.keys() - truth.keys())
    expect(not more, expected=f"{model} has the {table} of the source and no other", seen=f"{thing} {more[:1]}")
    keys = Counter(plain(row[1]) for row in dbt.rows(f"SELECT {thing}_id, {thing}_key FROM {{{model}}}"))
    shared = [key for key, times in keys.items() if times > 1 or key is None]
    expect(
        not shared, expected=f"{model}: each row has a {thing}_key of its own", seen=f"{shared[:1]} is the key of several, or NULL"
    )
    for natural, _, *said in rows:
        for name, value, right in zip(names, said, truth[str(natural)], strict=True):
            expect(value == right, expected=f"{model}: {name} of {thing} {natural} is {right!r}", seen=f"{value!r}")


def test_products_and_stores(dbt, delivered):
    """`dim_product` and `dim_store` have one row for each product and each store of the source, sold or not."""
    members(dbt, delivered)


def compare_grain(rows: list[Key], truth: Found, what: str, causes: Mapping[str, bool]) -> None:
    """The rows of a fact table are those that the grain asks for; `causes` name mistakes that were recognised."""
    there = Counter(rows)
    cause = next((f": {text}" for text, holds in causes.items() if holds), "")
    twice = [(key, times) for key, times in there.items() if times > 1]
    seen = (
        f"{len(twice)} of them are there more than once, {twice[0][0]} {twice[0][1]} times: a join multiplies rows" if twice else ""
    )
    missing, more = truth.keys() - there.keys(), there.keys() - truth.keys()
    expected = f"{len(truth):,} rows: {what}"
    expect(not more, expected=expected, seen=f"{len(more):,} that should not be there, such as {next(iter(more), '')}{cause}")
    expect(
        not missing,
        expected=expected,
        seen=f"{len(rows):,} rows; {len(missing):,} are missing, such as {next(iter(missing), '')}{cause}",
    )
    expect(not twice, expected=expected, seen=seen)


def sales_grain(dbt: Project, delivered: Shop) -> None:
    """Each line of each completed order, once."""
    truth, rows = sold(delivered), [key_of(row) for row in dbt.rows("SELECT order_id, line_number FROM {fct_sales}")]
    orders = {order for order, _ in truth}
    products = {(order, values[2]) for (order, _), values in truth.items()}
    causes = {
        "orders that were cancelled are no sales": {order for order, _ in rows} > orders,
        "that is one row an order": len(rows) == len(orders),
        "that is one row an order and product; an order may name a product twice": len(rows) == len(products) < len(truth),
    }
    compare_grain(rows, truth, "one for each line (order_id, line_number) of each completed order", causes)


def key_of(row: tuple[Any, ...]) -> Key:
    """Numbers as numbers, however they are stored."""
    return tuple(int(part) if isinstance(part, str | Decimal) and str(part).isdigit() else part for part in row)


def test_sales_grain(dbt, delivered):
    """`fct_sales` has one row for each line of each completed order."""
    sales_grain(dbt, delivered)


SALES = """
SELECT f.order_id, f.line_number, d.date_day::date, s.store_id, p.product_id,
       f.quantity, f.unit_price, f.gross_amount, f.discount_amount, f.net_amount
FROM {fct_sales} AS f LEFT JOIN {dim_date} AS d ON d.date_key = f.date_key
LEFT JOIN {dim_store} AS s ON s.store_key = f.store_key LEFT JOIN {dim_product} AS p ON p.product_key = f.product_key
"""


def sales_facts(dbt: Project, delivered: Shop) -> None:
    """Each line leads to its day, store and product, and its measures are right."""
    truth, recorded = sold(delivered), {row["order_id"]: row["recorded_at"].date() for row in delivered.orders}
    for row in dbt.rows(SALES):
        order, line = key_of(row[:2])
        day, store, product, *measures = truth[order, line]
        where = f"order {order}, line {line}"
        cause = ": that is the day on which it was recorded" if row[2] == recorded[order] != day else ""
        expect(
            row[2] == day,
            expected=f"{where}: its date_key leads to {day}, the day of the order",
            seen=f"{row[2] or 'no day'}{cause}",
        )
        for what, seen, right in (("store", row[3], store), ("product", row[4], product)):
            expect(str(seen) == str(right), expected=f"{where}: its {what}_key leads to {what} {right}", seen=f"{what} {seen}")
        for name, seen, right in zip(list(MEASURES["fct_sales"]), row[5:], measures, strict=False):
            expect(same(seen, right, f"{where}: {name}"), expected=f"{where}: {name} is {right}", seen=f"{seen}")


def test_sales_facts(dbt, delivered):
    """Each sale leads to its day, store and product; quantity, price, gross, discount and net are right."""
    sales_facts(dbt, delivered)


def shipping(dbt: Project, delivered: Shop) -> None:
    """The fees of an order are spread over its lines by quantity, and none is lost."""
    fees = {row["order_id"]: row["shipping_fee"] for row in delivered.orders}
    shares: dict[int, list[tuple[Decimal, Decimal]]] = defaultdict(list)
    for order, quantity, share in dbt.rows(
        "SELECT order_id, quantity, shipping_amount FROM {fct_sales} ORDER BY order_id, line_number"
    ):
        where = f"order {order}"
        shares[int(order)].append((number(quantity, f"quantity of {where}"), number(share, f"shipping_amount of {where}")))
    for order, lines in shares.items():
        fee, total, pieces = fees[order], sum(share for _, share in lines), sum(quantity for quantity, _ in lines)
        cause = ": the whole fee is on each line" if len(lines) > 1 and total == fee * len(lines) != 0 else ""
        cause = cause or (": a cent is lost or won by rounding" if abs(total - fee) < Decimal("0.05") else "")
        expect(
            abs(total - fee) < CENT,
            expected=f"order {order}: the shares of its {len(lines)} lines add up to {fee}",
            seen=f"{total}{cause}",
        )
        for quantity, share in lines:
            right = fee * quantity / pieces
            near = abs(share - right) <= Decimal("0.01") * len(lines)
            expected = (
                f"order {order}: a line of {quantity} of {pieces} pieces bears {right:.2f} of {fee}, give or take the rounding"
            )
            expect(near, expected=expected, seen=f"{share}")


def test_shipping(dbt, delivered):
    """The shipping fee of an order is spread over its lines by quantity; the shares add up to the fee, to the cent."""
    shipping(dbt, delivered)


STOCK = """
SELECT s.store_id, p.product_id, d.date_day::date, f.quantity_received, f.quantity_sold, f.quantity_written_off, f.quantity_on_hand
FROM {fct_stock_daily} AS f LEFT JOIN {dim_date} AS d ON d.date_key = f.date_key
LEFT JOIN {dim_store} AS s ON s.store_key = f.store_key LEFT JOIN {dim_product} AS p ON p.product_key = f.product_key
"""


def stock_rows(dbt: Project) -> list[tuple[Any, ...]]:
    """The snapshots, with store, product and day."""
    return [(*key_of(row[:2]), *row[2:]) for row in dbt.rows(STOCK)]


def stock_grain(dbt: Project, delivered: Shop) -> None:
    """Each day of each product kept in a store, once."""
    truth, rows = kept(delivered), [row[:3] for row in stock_rows(dbt)]
    moved = {(row["store_id"], row["product_id"], row["moved_at"].date()) for row in delivered.stock_movements}
    starts: dict[Key, date] = {}
    for store, product, day in sorted(moved):
        starts.setdefault((store, product), day)
    early = [row for row in rows if row[:2] not in starts or (row[2] is not None and row[2] < starts[row[:2]])]
    causes = {
        "these are the days on which something moved; what lies still is stock as well": set(rows) == moved,
        "a store and a product before their first movement": bool(early),
    }
    what = (
        "one for each day, store and product, from the first movement of the product in the store to the last day of all movements"
    )
    compare_grain(rows, truth, what, causes)


def test_stock_grain(dbt, delivered):
    """`fct_stock_daily` has a row for each day, store and product from its first movement on, also for still days."""
    stock_grain(dbt, delivered)


def stock_facts(dbt: Project, delivered: Shop) -> None:
    """What came, what went, and what is there."""
    truth, over_stores = kept(delivered), Counter[Key]()
    for (_, product, day), values in truth.items():
        over_stores[product, day] += values[3]
    for store, product, day, *said in stock_rows(dbt):
        where = f"store {store}, product {product}, {day}"
        for name, seen, right in zip(MEASURES["fct_stock_daily"], said, truth[store, product, day], strict=True):
            came, went, lost, _ = truth[store, product, day]
            cause = ""
            if name == "quantity_on_hand" and seen is not None:
                cause = ": that is the change of the day, not what is there" if seen == came - went - lost else ""
                cause = cause or (": that is the stock of all stores together" if seen == over_stores[product, day] else "")
            expect(same(seen, right, f"{where}: {name}"), expected=f"{where}: {name} is {right}", seen=f"{seen}{cause}")


def test_stock_facts(dbt, delivered):
    """Received, sold and written off are those of the day; on hand is what is there at its end."""
    stock_facts(dbt, delivered)


BY_MONTH = """
SELECT m.month::date, s.store_id, m.closing_quantity, m.average_quantity
FROM {stock_by_month} AS m LEFT JOIN {dim_store} AS s ON s.store_key = m.store_key
"""


def stock_by_month(dbt: Project, delivered: Shop) -> None:
    """The stock at the end of the month, and its average."""
    truth = by_month(kept(delivered))
    rows = {(month, int(store)): values for month, store, *values in dbt.rows(BY_MONTH) if store is not None}
    count = dbt.rows("SELECT count(*) FROM {stock_by_month}")[0][0]
    expect(
        rows.keys() == truth.keys() and count == len(truth),
        expected=f"{len(truth)} rows: one a month (its first day) and store that has stock",
        seen=f"{count} rows, for {len(rows.keys() & truth.keys())} of them",
    )
    for key, (closing, average) in rows.items():
        where, (end, mean, added, of_rows) = f"{key[0]:%B %Y}, store {key[1]}", truth[key]
        cause = ": the stock of all days added up; it may not be added up over days" if same(closing, added, where) else ""
        expect(same(closing, end, where), expected=f"{where}: closing_quantity is {end}", seen=f"{closing}{cause}")
        cause = (
            ": the average over products and days; the products of a day are to be added up first"
            if abs(number(average, where) - of_rows) < CENT
            else ""
        )
        near = abs(number(average, where) - mean) <= Decimal("0.01")
        expect(near, expected=f"{where}: average_quantity is {mean:.2f}", seen=f"{average}{cause}")


def test_stock_by_month(dbt, delivered):
    """`stock_by_month` has by month and store the stock on the last day, and the average of the store's stock over the days."""
    stock_by_month(dbt, delivered)


def test_declared(dbt):
    """Both fact tables declare their business process, type, grain and how each fact may be added up, and it is true."""
    for model, kind in (("fct_sales", "transaction"), ("fct_stock_daily", "periodic snapshot")):
        element = dbt.manifest().model(model)
        meta = element.meta_data()
        expect(words(meta.get("business_process")), expected=f"{model}: meta names its business_process", seen="it is not there")
        said = words(meta.get("fact_type"))
        expect(
            said.removesuffix(" fact table") in (kind, f"{kind} fact"),
            expected=f"{model}: fact_type is {kind}",
            seen=said or "nothing",
        )
        judge_grain(dbt, model, meta.get("grain"))
        columns = {column.name.lower(): column for column in element.columns.values()}
        for name, right in MEASURES[model].items():
            said = words(columns[name].meta_data().get("additivity")) if name in columns else ""
            said = {"nonadditive": "non additive", "semiadditive": "semi additive"}.get(said, said)
            expected = f"{model}: additivity of {name} is {right.replace(' a', '-a')}: {WHY[right]}"
            expect(said == right, expected=expected, seen=said.replace(" ", "-") or "nothing is declared")


def judge_grain(dbt: Project, model: str, grain: Any) -> None:
    """The declared columns tell the rows apart, and none of them is too many."""
    grain = [grain] if isinstance(grain, str) else grain
    whole = isinstance(grain, list) and grain and all(isinstance(column, str) and column.isidentifier() for column in grain)
    expect(whole, expected=f"{model}: grain is a list of its columns", seen=f"{grain!r}")
    alike = rows_alike(dbt, model, grain)
    seen = f"{alike} rows have the same {', '.join(grain)} as another one"
    expect(not alike, expected=f"{model}: no two rows have the same {', '.join(grain)}, its declared grain", seen=seen)
    for fewer in itertools.combinations(grain, len(grain) - 1):
        idle = [column for column in grain if column not in fewer]
        seen = f"{', '.join(fewer)} alone tell all rows apart: {idle[0]} says nothing more"
        expect(not fewer or rows_alike(dbt, model, list(fewer)), expected=f"{model}: its grain names no column too many", seen=seen)


def rows_alike(dbt: Project, model: str, columns: list[str]) -> int:
    """How many rows share these columns with another one."""
    return int(dbt.rows(f"SELECT count(*) - count(DISTINCT ({', '.join(columns)})) FROM {{{model}}}")[0][0])


def test_grows(dbt, delivered, seed):
    """When more products, stores, orders and movements have come, late ones too, the next `dbt build` has all, nothing twice."""
    more = later(delivered, seed)
    with dbt.database.session() as session:
        add(session, more)
    dbt.build(expected="a second `dbt build`, with more rows in the sources, ends well")
    for look in (dates, members, sales_grain, sales_facts, shipping, stock_grain, stock_facts, stock_by_month):
        try:
            look(dbt, delivered.and_then(more))
        except CheckFailed as error:
            come = "orders have come, with days long past and numbers in between; movements, two of them before the first of their"
            seen = f"{error.failure.seen} ({come} product in their store; products and stores)"
            fail(expected=f"after the second build: {error.failure.expected}", seen=seen)


if __name__ == "__main__":
    main(__file__)

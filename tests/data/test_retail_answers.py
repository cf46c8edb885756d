"""Retail's answer key against DuckDB on the delivered rows."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delab.data import Recipe, answer_key, dataset
from delab.data.retail import zones
from delab.data.retail.places import COUNTRIES

RECIPES = [Recipe(0.01, 3), Recipe(1, 1), Recipe(70, 7)]  # the last has more than one batch of orders
Ask = Callable[[str], list[tuple[Any, ...]]]
LINES = "order_lines JOIN orders USING (order_id) JOIN stores USING (store_id)"


@pytest.fixture(scope="module", params=RECIPES, ids=str)
def recipe(request: pytest.FixtureRequest) -> Recipe:
    assert isinstance(request.param, Recipe)
    return request.param


@pytest.fixture(scope="module")
def ask(recipe: Recipe, open_warehouse: Callable[..., Ask]) -> Ask:
    return open_warehouse("retail", recipe)


def truth(recipe: Recipe, name: str, **parameters: Any) -> list[tuple[Any, ...]]:
    table = answer_key("retail", name, scale=recipe.scale, seed=recipe.seed, **parameters)
    return [tuple(row.values()) for row in table.to_pylist()]


def test_order_totals(recipe: Recipe, ask: Ask) -> None:
    theirs = ask("SELECT order_id, count(*), sum(amount)::decimal(14,2) FROM order_lines GROUP BY 1 ORDER BY 1")
    assert truth(recipe, "order_totals") == theirs


@pytest.mark.parametrize(
    ("answer", "day"), [("daily_sales", "ordered_at"), ("local_daily_sales", "timezone(time_zone, ordered_at)")]
)
def test_sales_by_day(recipe: Recipe, ask: Ask, answer: str, day: str) -> None:
    theirs = ask(f"""
        SELECT {day}::date AS day, stores.currency, count(DISTINCT order_id), count(*), sum(quantity)::bigint,
               sum(amount)::decimal(14,2)
        FROM {LINES} WHERE status = 'completed' GROUP BY 1, 2""")
    assert sorted(truth(recipe, answer)) == sorted(theirs)


def test_sales_by_store(recipe: Recipe, ask: Ask) -> None:
    theirs = ask(f"""
        SELECT store_id, stores.currency, count(DISTINCT order_id), count(*), sum(quantity)::bigint, sum(amount)::decimal(14,2)
        FROM {LINES} WHERE status = 'completed' GROUP BY 1, 2 ORDER BY 1""")
    assert truth(recipe, "store_sales") == theirs


def test_sales_by_area(recipe: Recipe, ask: Ask) -> None:
    theirs = ask(f"""
        WITH RECURSIVE up (area_id, above) AS (
            SELECT area_id, area_id FROM areas
            UNION ALL SELECT up.area_id, areas.parent_id FROM up JOIN areas ON areas.area_id = up.above
            WHERE areas.parent_id IS NOT NULL)
        SELECT above, count(DISTINCT order_id), count(order_id), coalesce(sum(quantity), 0)::bigint
        FROM up LEFT JOIN (SELECT * FROM {LINES} WHERE status = 'completed') AS sold USING (area_id)
        GROUP BY 1 ORDER BY 1""")
    assert truth(recipe, "area_sales") == theirs


def test_sales_by_product(recipe: Recipe, ask: Ask) -> None:
    theirs = ask("""
        SELECT product_id, count(*), sum(order_lines.quantity)::bigint, coalesce(sum(returns.quantity), 0)::bigint
        FROM order_lines JOIN orders USING (order_id) LEFT JOIN returns USING (line_id)
        WHERE status = 'completed' GROUP BY 1 ORDER BY 1""")
    assert truth(recipe, "product_sales") == theirs


def test_monthly_revenue_in_euro(recipe: Recipe, ask: Ask) -> None:
    theirs = ask("""
        SELECT date_trunc('month', ordered_at)::date, sum(amount::double / per_euro::double)
        FROM order_lines JOIN orders USING (order_id)
        JOIN exchange_rates ON exchange_rates.currency = orders.currency AND day = ordered_at::date
        WHERE status = 'completed' GROUP BY 1 ORDER BY 1""")
    mine = truth(recipe, "monthly_revenue")
    assert [month for month, _ in mine] == [month for month, _ in theirs]
    assert all(abs(float(euro) - other) < 0.006 for (_, euro), (_, other) in zip(mine, theirs, strict=True))


def test_sales_by_segment(recipe: Recipe, ask: Ask) -> None:
    theirs = ask("""
        WITH done AS (SELECT * FROM orders WHERE status = 'completed'),
        was AS (SELECT c.segment, count(*) AS n FROM done ASOF JOIN customer_changes c
                ON c.customer_id = done.customer_id AND c.changed_at <= done.ordered_at GROUP BY 1),
        now AS (SELECT segment, count(*) AS n FROM done JOIN customers USING (customer_id) GROUP BY 1),
        first AS (SELECT segment, count(*) AS n FROM done JOIN customer_changes USING (customer_id) WHERE version = 1 GROUP BY 1)
        SELECT segment, coalesce(was.n, 0), coalesce(now.n, 0), coalesce(first.n, 0)
        FROM was FULL JOIN now USING (segment) FULL JOIN first USING (segment)""")
    mine = [row for row in truth(recipe, "segment_sales") if any(row[1:])]
    assert sorted(mine) == sorted(theirs)


def test_pairs_bought_together(recipe: Recipe, ask: Ask) -> None:
    theirs = ask("""
        SELECT a.product_id AS one, b.product_id AS other, count(DISTINCT a.order_id) AS n
        FROM order_lines a JOIN order_lines b ON a.order_id = b.order_id AND a.product_id < b.product_id
        GROUP BY 1, 2 ORDER BY n DESC, 1, 2 LIMIT 30""")
    assert truth(recipe, "bought_together", top=30) == theirs


def test_clean_totals(recipe: Recipe, ask: Ask) -> None:
    for table, column, total in truth(recipe, "clean_totals"):
        [(theirs,)] = ask(f"SELECT {f'sum({column})' if column else 'count(*)'} FROM {table}")
        assert abs(float(theirs or 0) - total) < 0.005 + 1e-12 * abs(total)


def history(subject: str, columns: str) -> str:
    return f"""
        SELECT {subject}_id, version, {columns}, changed_at AS valid_from,
               lead(changed_at) OVER versions AS valid_to, lead(changed_at) OVER versions IS NULL AS is_current
        FROM {subject}_changes WINDOW versions AS (PARTITION BY {subject}_id ORDER BY version) ORDER BY 1, 2"""


def test_customer_history(recipe: Recipe, ask: Ask) -> None:
    assert truth(recipe, "customer_history") == ask(history("customer", "city, postal_code, segment"))


def test_product_history(recipe: Recipe, ask: Ask) -> None:
    named = answer_key("retail", "product_history", scale=recipe.scale, seed=recipe.seed)
    order = ["product_id", "version", "department", "category", "price", "valid_from", "valid_to", "is_current"]
    assert [tuple(row.values()) for row in named.select(order).to_pylist()] == ask(
        history("product", "department, category, price")
    )


def test_previous_city_and_segment(recipe: Recipe, ask: Ask) -> None:
    theirs = ask("""
        WITH steps AS (SELECT *, lag(city) OVER v AS old_city, lag(segment) OVER v AS old_segment FROM customer_changes
                       WINDOW v AS (PARTITION BY customer_id ORDER BY version))
        SELECT customer_id, any_value(customers.city), max_by(old_city, version) FILTER (old_city <> steps.city),
               any_value(customers.segment), max_by(old_segment, version) FILTER (old_segment <> steps.segment)
        FROM steps JOIN customers USING (customer_id) GROUP BY 1 ORDER BY 1""")
    assert truth(recipe, "customer_previous") == theirs


@pytest.mark.parametrize("day", [dt.date(2023, 12, 31), dt.date(2024, 7, 3), dt.date(2025, 12, 31)])
def test_the_snapshot_of_a_day(recipe: Recipe, ask: Ask, day: dt.date) -> None:
    theirs = ask(f"""
        SELECT DATE '{day}', customer_id, city, postal_code, segment, changed_at FROM customer_changes
        WHERE changed_at < DATE '{day}' + 1
        QUALIFY row_number() OVER (PARTITION BY customer_id ORDER BY version DESC) = 1 ORDER BY 2""")
    assert truth(recipe, "customers_on", day=day) == theirs


@given(scale=st.sampled_from([0.003, 0.05, 0.4, 2.0]), seed=st.integers(0, 2**63 - 1))
@settings(max_examples=8, deadline=None)
def test_every_answer_holds_at_any_scale_and_seed(open_warehouse: Callable[..., Ask], scale: float, seed: int) -> None:
    recipe = Recipe(scale, seed)
    ask = open_warehouse("retail", recipe)
    plain = (test_order_totals, test_sales_by_store, test_sales_by_area, test_sales_by_product, test_monthly_revenue_in_euro)
    histories = (test_customer_history, test_product_history, test_previous_city_and_segment)
    for check in (*plain, *histories, test_sales_by_segment, test_pairs_bought_together, test_clean_totals):
        check(recipe, ask)
    test_sales_by_day(recipe, ask, "local_daily_sales", "timezone(time_zone, ordered_at)")
    test_the_snapshot_of_a_day(recipe, ask, dt.date(2024, 7, 3))


@given(seed=st.integers(0, 2**63 - 1), rate=st.sampled_from([0.01, 0.2, 1.0]))
@settings(max_examples=8, deadline=None)
def test_a_repaired_load_comes_to_the_clean_totals(open_warehouse: Callable[..., Ask], seed: int, rate: float) -> None:
    data = dataset("retail")
    recipe = data.recipe(0.5, seed, dict.fromkeys(data.faults, rate))
    ask = open_warehouse("retail", recipe, planted=True)
    for table, column, total in truth(recipe, "clean_totals"):
        key = data.table(table).identity
        value = f"coalesce(was, rows.{column}::varchar)::decimal(14,2)" if column else "1"
        [(repaired,)] = ask(f"""
            SELECT sum({value}) FROM (SELECT DISTINCT ON ({key}) * FROM {table}) AS rows
            LEFT JOIN planted ON planted.key = rows.{key} AND planted."table" = '{table}' AND planted."column" = '{column}'
            AND planted.fault <> 'duplicate'""")
        assert abs(float(repaired or 0) - total) < 0.005


def test_faults_do_not_change_the_truth() -> None:
    data = dataset("retail")
    for answer in data.answers().values():
        faulty = data.recipe(1, 1, dict.fromkeys(data.faults, 0.1))
        assert answer.compute(faulty, **answer.parameters).equals(answer.compute(Recipe(1, 1), **answer.parameters))


def test_local_time_is_what_the_time_zone_database_says() -> None:
    hours = np.arange(dt.datetime(2024, 1, 1).timestamp(), dt.datetime(2026, 1, 1).timestamp(), 1800).astype(np.int64)
    for number, country in enumerate(COUNTRIES):
        try:
            zone = ZoneInfo(country.zone)
        except ZoneInfoNotFoundError:
            pytest.skip("this machine has no time zone database")
        mine = zones.local_offset(np.full(len(hours), number), hours * 1_000_000) // 1_000_000
        for hour, offset in zip(hours.tolist(), mine.tolist(), strict=True):
            assert dt.datetime.fromtimestamp(hour, zone).utcoffset() == dt.timedelta(seconds=offset), (country.code, hour)


def test_money_is_exact() -> None:
    assert all(isinstance(row["total"], Decimal) for row in answer_key("retail", "order_totals").slice(0, 5).to_pylist())

"""Retail: keys, rules between tables, growth, and the same bytes for ever."""

import hashlib
import json
from collections import Counter
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delab.data import Recipe, dataset
from delab.data.strings import csv_bytes

RETAIL = dataset("retail")
SCALES = st.sampled_from([0.001, 0.02, 0.25, 1.0, 2.7])
SEEDS = st.integers(0, 2**63 - 1)
GROWING = ("customers", "customer_changes", "products", "product_changes", "areas", "stores", "promotions", "exchange_rates")
FACTS = ("orders", "order_lines", "returns", "payments")


def rows(table: str, scale: float = 1, seed: int = 1) -> pa.Table:
    return RETAIL.rows(table, Recipe(scale, seed))


@given(SCALES, SEEDS)
@settings(max_examples=25, deadline=None)
def test_keys_hold(scale: float, seed: int) -> None:
    tables = {name: rows(name, scale, seed) for name in RETAIL.tables}
    for name, table in RETAIL.tables.items():
        key = tables[name].select(list(table.key)).to_pylist()
        assert len({tuple(row.values()) for row in key}) == len(key)
        assert len(set(tables[name][table.identity].to_pylist())) == len(key)
        for column in table.columns:
            values = tables[name][column.name]
            assert column.nullable or values.null_count == 0
            if column.references:
                parent, _, parent_key = column.references.partition(".")
                assert set(values.drop_null().to_pylist()) <= set(tables[parent][parent_key].to_pylist())


@given(SCALES, SEEDS, st.data())
@settings(max_examples=40, deadline=None)
def test_blocks_put_together_give_the_table_however_it_is_cut(scale: float, seed: int, data: st.DataObject) -> None:
    recipe, table = Recipe(scale, seed), data.draw(st.sampled_from(sorted(RETAIL.tables)))
    units = RETAIL.units(table, recipe)
    cuts = sorted({0, units, *data.draw(st.lists(st.integers(0, units), max_size=5))})
    blocks = [RETAIL.clean(table, recipe, start, stop) for start, stop in pairwise(cuts)]
    assert pa.Table.from_batches(blocks).equals(rows(table, scale, seed))


@given(SEEDS, st.sampled_from([(0.25, 1), (1, 2.7), (2.7, 30)]))
@settings(max_examples=10, deadline=None)
def test_what_is_promised_to_grow_keeps_its_earlier_rows(seed: int, scales: tuple[float, float]) -> None:
    for table in GROWING:
        small, large = (rows(table, scale, seed) for scale in scales)
        assert large.slice(0, small.num_rows).equals(small), table


def test_sizes_are_as_described() -> None:
    for scale in (1, 10):
        assert rows("orders", scale).num_rows == 1000 * scale
        assert rows("customers", scale).num_rows == 200 * scale
        assert abs(rows("order_lines", scale).num_rows / (2890 * scale) - 1) < 0.05
    assert rows("products", 1).num_rows == 300
    assert rows("products", 100).num_rows == 1200


def test_orders_come_in_the_order_of_time_and_after_their_customers_and_stores() -> None:
    orders = rows("orders", 20)
    times = orders["ordered_at"].to_pylist()
    assert times == sorted(times)
    assert orders["order_id"].to_pylist() == list(range(1, 20_001))
    registered = dict(zip(*(rows("customers", 20)[name].to_pylist() for name in ("customer_id", "registered_at")), strict=True))
    opened = dict(zip(*(rows("stores")[name].to_pylist() for name in ("store_id", "opened_on")), strict=True))
    for order in orders.to_pylist():
        assert registered[order["customer_id"]] <= order["ordered_at"]
        assert opened[order["store_id"]] <= order["ordered_at"].date()
        assert order["recorded_at"] > order["ordered_at"]


def test_captured_payments_add_up_to_the_lines_of_orders_that_were_not_cancelled() -> None:
    totals: Counter[int] = Counter()
    for line in rows("order_lines", 3).to_pylist():
        assert line["amount"] == line["quantity"] * line["unit_price"] - line["discount"]
        assert 0 <= line["discount"] < line["quantity"] * line["unit_price"]
        totals[line["order_id"]] += line["amount"]
    paid: Counter[int] = Counter()
    for payment in rows("payments", 3).to_pylist():
        assert payment["amount"] > 0
        paid[payment["order_id"]] += payment["amount"] if payment["status"] == "captured" else Decimal(0)
    done = {order["order_id"] for order in rows("orders", 3).to_pylist() if order["status"] == "completed"}
    assert +paid == {order: total for order, total in totals.items() if order in done}
    assert set(rows("returns", 3)["order_id"].to_pylist()) < done


def test_prices_are_those_of_the_time() -> None:
    changes: dict[int, list[tuple[object, Decimal]]] = {}
    for change in rows("product_changes", 3).to_pylist():
        changes.setdefault(change["product_id"], []).append((change["changed_at"], change["price"]))
    orders = {order["order_id"]: order for order in rows("orders", 3).to_pylist()}
    euro = [line for line in rows("order_lines", 3).to_pylist() if orders[line["order_id"]]["currency"] == "EUR"]
    assert len(euro) > 500
    for line in euro:
        history = [price for since, price in changes[line["product_id"]] if since <= orders[line["order_id"]]["ordered_at"]]
        assert line["unit_price"] == history[-1]


def test_versions_change_something_and_end_in_the_current_row() -> None:
    for subject, columns in (("customer", ("city", "postal_code", "segment")), ("product", ("department", "category", "price"))):
        last: dict[int, dict[str, object]] = {}
        for change in rows(f"{subject}_changes", 10).to_pylist():
            before = last.get(change[f"{subject}_id"])
            if before:
                assert any(before[column] != change[column] for column in columns)
                assert before["changed_at"] < change["changed_at"]
                assert before["version"] + 1 == change["version"]  # type: ignore[operator]
            last[change[f"{subject}_id"]] = change
        for row in rows(f"{subject}s", 10).to_pylist():
            assert all(row[column] == last[row[f"{subject}_id"]][column] for column in columns)
            assert row["updated_at"] == last[row[f"{subject}_id"]]["changed_at"]


def test_the_three_kinds_of_dimension_differ() -> None:
    counts = Counter(rows("customer_changes", 10)["version"].to_pylist())
    assert counts[1] > counts[2] > counts[3] > counts[4] > 50


def test_there_are_seasons_long_tails_and_baskets() -> None:
    orders, lines = rows("orders", 100), rows("order_lines", 100)
    months = Counter(time.strftime("%Y-%m") for time in orders["ordered_at"].to_pylist())
    assert months["2024-12"] > 1.5 * months["2024-09"]
    assert months["2025-06"] > 1.2 * months["2024-06"]
    sold = [count for _, count in Counter(lines["product_id"].to_pylist()).most_common()]
    assert sum(sold[:12]) > 0.3 * sum(sold)
    baskets: dict[int, set[int]] = {}
    for order, product in zip(lines["order_id"].to_pylist(), lines["product_id"].to_pylist(), strict=True):
        baskets.setdefault(order, set()).add(product)
    with_101 = [basket for basket in baskets.values() if 101 in basket]
    together = sum(102 in basket for basket in with_101) / len(with_101)
    assert together > 5 * sum(102 in basket for basket in baskets.values()) / len(baskets)


def test_names_are_in_seven_scripts_and_ten_currencies_are_used() -> None:
    names = "".join(rows("customers", 5)["name"].to_pylist())
    for low, high in (("A", "z"), ("А", "я"), ("Α", "ω"), ("؀", "ۿ"), ("ऀ", "ॿ"), ("一", "鿿"), ("가", "힣")):
        assert any(low <= letter <= high for letter in names), low
    assert len(set(rows("orders", 5)["currency"].to_pylist())) == 10
    assert pc.all(pc.match_substring_regex(rows("customers")["postal_code"], r"^\d{5,8}$")).as_py()


def test_the_hierarchy_is_ragged_and_has_one_root() -> None:
    areas = {area["area_id"]: area for area in rows("areas").to_pylist()}
    assert [area["name"] for area in areas.values() if area["parent_id"] is None] == ["World"]
    above = {areas[area["parent_id"]]["level"] for area in areas.values() if area["level"] == "city"}
    assert above == {"country", "district"}


CHECKSUMS: dict[str, list[str]] = json.loads(Path(__file__).with_name("retail_checksums.json").read_text())


def checksum(table: str, faults: dict[str, float]) -> str:
    """Of the bytes that COPY, CSV and everything else are made of."""
    digest = hashlib.sha256()
    for page in RETAIL.pages(table, RETAIL.recipe(0.5, 42, faults)):
        digest.update(csv_bytes(page.rows))
        digest.update(csv_bytes(page.planted))
    return digest.hexdigest()[:16]


@pytest.mark.parametrize("table", sorted(RETAIL.tables))
def test_the_same_recipe_gives_the_same_bytes_for_ever(table: str) -> None:
    clean, faulty = checksum(table, {}), checksum(table, dict.fromkeys(RETAIL.faults, 0.05))
    assert [clean, faulty] == CHECKSUMS[table], "if this is meant, raise the version in schema.toml"

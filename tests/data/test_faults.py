"""Planted faults: exactly what is recorded, nothing else; and the score of a validator."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delab.data import Recipe, dataset
from delab.data.faults import NOWHERE, Score, misread, score

RETAIL = dataset("retail")
RATES = st.dictionaries(st.sampled_from(sorted(RETAIL.faults)), st.sampled_from([0.001, 0.02, 0.3, 1.0]), max_size=9)
RECIPES = st.builds(RETAIL.recipe, st.sampled_from([0.02, 0.3, 1.0]), st.integers(0, 2**63 - 1), RATES)
TABLES = st.sampled_from(sorted(RETAIL.tables))


def clean(table: str, recipe: Recipe) -> pa.Table:
    return RETAIL.rows(table, Recipe(recipe.scale, recipe.seed))


def texts(rows: pa.Table, column: str) -> list[str | None]:
    return rows[column].cast(pa.string()).to_pylist()


@given(RECIPES, TABLES)
@settings(max_examples=60, deadline=None)
def test_every_difference_is_recorded_and_every_record_is_a_difference(recipe: Recipe, table: str) -> None:
    before, after = clean(table, recipe), RETAIL.rows(table, recipe)
    identity = RETAIL.table(table).identity
    originals = dict(zip(before[identity].to_pylist(), range(before.num_rows), strict=True))
    keys = after[identity].to_pylist()
    seen: set[tuple[str, int, str | None, str | None]] = set()
    for column in before.column_names:
        was, now = texts(before, column), texts(after, column)
        seen |= {(column, key, was[originals[key]], now[row]) for row, key in enumerate(keys) if was[originals[key]] != now[row]}
    seen |= {("", key, None, None) for key, times in zip(*np.unique(keys, return_counts=True), strict=True) if times == 2}
    planted = RETAIL.planted(recipe, [table]).to_pylist()
    assert seen == {(row["column"], row["key"], row["was"], row["is"]) for row in planted}
    assert len(seen) == len(planted)
    assert set(keys) == set(originals)
    assert after.schema.equals(RETAIL.schema(table, recipe))


@given(st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_a_higher_rate_only_adds_faults(seed: int) -> None:
    few, many = (RETAIL.planted(RETAIL.recipe(1, seed, {"orphan_key": rate})).to_pylist() for rate in (0.02, 0.2))
    assert few
    assert {(row["table"], row["key"], row["is"]) for row in few} < {(row["table"], row["key"], row["is"]) for row in many}


@pytest.mark.parametrize("fault", sorted(RETAIL.faults))
def test_the_rate_is_met_in_every_target(fault: str) -> None:
    recipe = RETAIL.recipe(20, 5, {fault: 0.1})
    planted = RETAIL.planted(recipe)
    for target in RETAIL.faults[fault].targets:
        table, _, column = target.partition(".")
        rows = clean(table, recipe)
        can = rows.num_rows
        if fault == "encoding_damage":
            can = sum(not text.isascii() for text in rows[column].to_pylist())
        hits = sum(row["table"] == table and row["column"] == column for row in planted.to_pylist())
        assert abs(hits - 0.1 * can) < 4 * (0.09 * can) ** 0.5 + 1 + 0.01 * can, target


def test_orphans_point_nowhere_and_late_rows_are_late() -> None:
    planted = RETAIL.planted(RETAIL.recipe(1, 3, {"orphan_key": 0.1, "late": 0.1})).to_pylist()
    assert {row["fault"] for row in planted} == {"orphan_key", "late"}
    assert all(int(row["is"]) >= NOWHERE for row in planted if row["fault"] == "orphan_key")
    assert all(row["is"] > row["was"] for row in planted if row["fault"] == "late")


def test_a_second_delivery_comes_later_but_near() -> None:
    rows = RETAIL.rows("orders", RETAIL.recipe(20, 3, {"duplicate": 0.05}))["order_id"].to_pylist()
    first: dict[int, int] = {}
    gaps = [place - first[key] for place, key in enumerate(rows) if first.setdefault(key, place) != place]
    assert 800 < len(gaps) < 1200
    assert min(gaps) >= 1
    assert max(gaps) > 500
    assert max(gaps) < 1200
    assert [key for place, key in enumerate(rows) if first[key] == place] == sorted(first)


def test_encoding_damage_is_what_windows_1252_makes_of_utf_8() -> None:
    assert misread("José Łaska") == "JosÃ© Å\x81aska"
    assert misread("plain") == "plain"
    assert misread("€") == "â‚¬"


def test_what_a_fault_breaks_is_known() -> None:
    recipe = RETAIL.recipe(faults={"duplicate": 0.1, "orphan_key": 0.1, "wrong_type": 0.1, "missing": 0.1})
    assert not RETAIL.unique("orders", recipe)
    assert RETAIL.unique("stores", recipe)
    assert not RETAIL.sound("orders", "store_id", recipe)
    assert RETAIL.sound("orders", "customer_id", recipe)
    schema = RETAIL.schema("order_lines", recipe)
    assert schema.field("quantity").type == pa.string()
    assert schema.field("unit_price").nullable
    assert not schema.field("amount").nullable


def test_a_score_counts_what_was_found_missed_and_made_up() -> None:
    planted = RETAIL.planted(RETAIL.recipe(1, 1, {"orphan_key": 0.05}))
    truth = {row["key"] for row in planted.to_pylist() if row["table"] == "orders"}
    perfect = score(truth, planted, "orphan_key", "orders")
    assert (perfect.recall, perfect.precision) == (1.0, 1.0)
    half = score(set(sorted(truth)[::2]) | {-1}, planted, "orphan_key", "orders")
    assert half.found + half.missed == len(truth)
    assert half.false == 1
    assert 0 < half.recall < 1
    assert 0 < half.precision < 1
    assert Score(0, 0, 0).recall == Score(0, 0, 0).precision == 1.0

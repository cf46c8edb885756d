"""The warehouse against the answer key, and against itself after a second run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from delab.data import dataset

HERE = Path(__file__).parent
ANSWERS = {path.stem: path.read_text() for path in sorted(HERE.glob("answers/*.sql"))}  # as the key has them, column by column
AGREEMENTS = {path.stem: path.read_text() for path in sorted(HERE.glob("agreements/*.sql"))}  # what must hold beside: no rows
RECIPES = [(0.02, 5), (1, 1), (6, 23)]
Recipe = tuple[float, int]


@pytest.fixture(scope="module", params=RECIPES, ids=str)
def recipe(request: pytest.FixtureRequest, house: Any) -> Recipe:
    """Clean sources, built."""
    scale, seed = request.param
    house.load(scale=scale, seed=seed, keys=True)
    built = house.build()
    assert built.with_status("warn") == []
    return scale, seed


@pytest.mark.parametrize("answer", ANSWERS)
def test_the_answer_key(house: Any, recipe: Recipe, truth: Callable[..., Any], in_order: Callable[..., Any], answer: str) -> None:
    scale, seed = recipe
    expected = truth(answer, scale, seed)
    seen = in_order(house.rows(ANSWERS[answer]))
    assert len(seen) == len(expected)
    assert seen == expected


@pytest.mark.parametrize("agreement", AGREEMENTS)
def test_the_marts_agree(house: Any, recipe: Recipe, agreement: str) -> None:
    assert house.rows(AGREEMENTS[agreement]) == []


def test_customers_are_counted_once(house: Any, recipe: Recipe) -> None:
    data = dataset("retail")
    people = data.rows("customers", data.recipe(*recipe)).num_rows
    versions = data.rows("customer_changes", data.recipe(*recipe)).num_rows
    question = "SELECT count(*), count(DISTINCT customer_id), count(*) FILTER (WHERE is_current) FROM retail_marts.dim_customer"
    assert house.rows(question) == [(versions + 1, people, people + 1)]
    assert house.rows("SELECT count(*) FROM retail_marts.dim_customer_current") == [(people,)]


def contents(house: Any) -> dict[str, Any]:
    """Rows and a checksum of every table of marts and snapshots."""
    tables = house.rows("SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('retail_marts', 'retail_snapshots')")
    sum_of = "SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) FROM {}.{} AS t"
    return {f"{schema}.{table}": house.rows(sum_of.format(schema, table)) for schema, table in tables}


def test_a_second_run_changes_nothing(house: Any, recipe: Recipe) -> None:
    before = contents(house)
    assert len(before) >= 19
    house.build()
    assert contents(house) == before
    assert house.dbt.run("run", "--full-refresh").success
    assert contents(house) == before

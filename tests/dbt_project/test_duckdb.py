"""The same project on DuckDB, by configuration alone."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from delab import warehouse
from delab.data import dataset
from delab.warehouse import Warehouse, Worker

SCALE, SEED = 1, 3
HERE = Path(__file__).parent
ANSWERS = {path.stem: path.read_text() for path in sorted(HERE.glob("answers/*.sql"))}
AGREEMENTS = {path.stem: path.read_text() for path in sorted(HERE.glob("agreements/*.sql"))}


@pytest.fixture(scope="module")
def lake(worker: Worker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Warehouse, Path]]:
    """A DuckDB file with the sources, built twice: the second run must change nothing."""
    file = tmp_path_factory.mktemp("duckdb") / "retail.duckdb"
    data = dataset("retail")
    with duckdb.connect(str(file)) as session:
        session.execute("SET TimeZone = 'UTC'; CREATE SCHEMA public")
        for table in data.tables:
            session.register("delivered", data.rows(table, data.recipe(SCALE, SEED)))
            session.execute(f"CREATE TABLE public.{table} AS SELECT * FROM delivered")
            session.unregister("delivered")
    house = Warehouse(worker, tmp_path_factory.mktemp("dbt-duckdb"), warehouse.duckdb(file))
    built = house.build()
    assert built.success, [built.exception, *built.bad()]
    yield house, file


def rows(file: Path, question: str) -> list[tuple[Any, ...]]:
    """The answer to one query, times in UTC."""
    with duckdb.connect(str(file), read_only=True) as session:
        session.execute("SET TimeZone = 'UTC'")
        return [tuple(row.values()) for row in session.sql(question).to_arrow_table().to_pylist()]


@pytest.mark.parametrize("answer", ANSWERS)
def test_the_answer_key(lake: Any, truth: Callable[..., Any], in_order: Callable[..., Any], answer: str) -> None:
    assert in_order(rows(lake[1], ANSWERS[answer])) == truth(answer, SCALE, SEED)


@pytest.mark.parametrize("agreement", AGREEMENTS)
def test_the_marts_agree(lake: Any, agreement: str) -> None:
    assert rows(lake[1], AGREEMENTS[agreement]) == []


def test_a_second_run_changes_nothing(lake: Any) -> None:
    house, file = lake
    facts = ("fct_order_lines", "fct_orders", "fct_returns", "fct_payments", "monthly_revenue", "dim_customer")
    sums = {fact: f"SELECT count(*), sum(hash(t)) FROM retail_marts.{fact} AS t" for fact in facts}
    before = {fact: rows(file, question) for fact, question in sums.items()}
    built = house.build()
    assert built.success, [built.exception, *built.bad()]
    assert {fact: rows(file, question) for fact, question in sums.items()} == before

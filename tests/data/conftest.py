"""The rows of a recipe in DuckDB: the other way to compute what the answer key says."""

from collections.abc import Callable
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, settings

from delab.data import Recipe, dataset

settings.register_profile("delab", deadline=None, suppress_health_check=[HealthCheck.too_slow])  # slow machines are no failure
settings.load_profile("delab")

Ask = Callable[[str], list[tuple[Any, ...]]]


def warehouse(name: str, recipe: Recipe, *, planted: bool = False) -> Ask:
    """All tables of a data set as delivered, and the record of faults if asked; returns what asks a question of them."""
    data, session = dataset(name), duckdb.connect()
    session.execute("SET TimeZone = 'UTC'")
    for table in data.tables:
        session.register(table, data.rows(table, recipe))
    if planted:
        session.register("planted", data.planted(recipe))

    def ask(question: str) -> list[tuple[Any, ...]]:
        answer = session.sql(question).to_arrow_table()
        return [tuple(row.values()) for row in answer.to_pylist()]

    return ask


@pytest.fixture(scope="session")
def open_warehouse() -> Callable[..., Ask]:
    return warehouse

"""One server a module, one warehouse on it: a test loads the sources that it wants, and builds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from delab import templates, warehouse
from delab.data import answer_key
from delab.data.sinks import postgres
from delab.runtime import Endpoint
from delab.services import make
from delab.services.postgres import connect, dsn
from delab.warehouse import Build, Warehouse, Worker

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class House:
    """The warehouse, and what a test does with its database."""

    at: Endpoint
    dbt: Warehouse

    def rows(self, question: str) -> Rows:
        """The answer to one query, times in UTC."""
        with psycopg2.connect(dsn(self.at), options="-c timezone=UTC") as session, session.cursor() as cursor:
            cursor.execute(question)
            found = cursor.fetchall()
        session.close()
        return found

    def execute(self, *statements: str) -> None:
        """Change something."""
        with connect(self.at, seconds=60) as session, session.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def load(self, *, keys: bool = False, **recipe: Any) -> None:
        """Drop the warehouse, and put these sources in place of those before."""
        ours = "nspname LIKE 'retail%' OR nspname = 'all_rows'"
        drop = f"SELECT format('DROP SCHEMA %I CASCADE', nspname) FROM pg_namespace WHERE {ours}"
        self.execute(*(statement for (statement,) in self.rows(drop)))
        postgres.load(dsn(self.at), "retail", keys=keys, **recipe)

    def build(self, *arguments: str, **variables: Any) -> Build:
        """Build all of it and see that it went well."""
        built = self.dbt.build(*arguments, **variables)
        assert built.success, [built.exception, *built.bad(), built.log[-3000:] if built.exception else ""]
        return built


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with warehouse.worker() as opened:
        yield opened


@pytest.fixture(scope="module")
def house(worker: Worker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    stack = templates.Scratch(templates.Plan("dbt", (make("primary", {"kind": "postgres"}),)))
    stack.start()
    at = stack["primary"].endpoint
    yield House(at, Warehouse(worker, tmp_path_factory.mktemp("dbt"), warehouse.postgres(at)))
    stack.destroy()


def key(answer: str, scale: float, seed: int, **parameters: Any) -> Rows:
    """One truth of the answer key, sorted."""
    table = answer_key("retail", answer, scale=scale, seed=seed, **parameters)
    return ordered([tuple(row.values()) for row in table.to_pylist()])


def ordered(rows: Rows) -> Rows:
    """Rows in an order that nulls and mixed types do not disturb."""
    return sorted(rows, key=repr)


@pytest.fixture(scope="session")
def truth() -> Callable[..., Rows]:
    return key


@pytest.fixture(scope="session")
def in_order() -> Callable[[Rows], Rows]:
    return ordered


@pytest.fixture(scope="session")
def project() -> Path:
    return warehouse.PROJECT

"""What the learner's dbt tests say of rows that a check plants: each test's own SQL, in a transaction that is rolled back.

dbt compiles the tests once; a hundred planted mistakes then cost no run of dbt. The verdict of a test follows dbt's rule: with
severity `error`, it fails if `error_if` holds for what `fail_calc` counts; else it warns if `warn_if` holds; else it passes. The
rows must be seen by the tests at once, so the models between them and the source must be views.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import psycopg2

from delab.checks.database import Database
from delab.checks.dbt import Element, Project
from delab.checks.failing import fail

Said = Literal["pass", "warn", "fail"]


@dataclass(frozen=True)
class Told:
    """What one test said: its verdict and how many rows it found."""

    name: str
    said: Said
    failures: int
    model: str = ""


def judge(project: Project, database: Database, plant: str = "", tests: Sequence[Element] = ()) -> list[Told]:
    """What each test says while `plant` (SQL statements, or nothing) has changed the rows; nothing of it stays.

    Fails the check if a test's SQL does not run, which is the learner's. Raises ValueError if the planting itself does not.
    """
    with database.session() as session:
        session.autocommit = False
        try:
            with session.cursor() as cursor:
                if plant:
                    sow(cursor, plant)
                return [ask(cursor, test) for test in tests or project.manifest().tests()]
        finally:
            session.rollback()


def sow(cursor: Any, plant: str) -> None:
    """Change the rows, and see that it did: a mistake that was not planted proves nothing."""
    try:
        cursor.execute(plant)
    except psycopg2.Error as error:
        raise ValueError(f"the mistake could not be planted: {plant}: {error}") from error
    if cursor.rowcount == 0:
        raise ValueError(f"the mistake was planted nowhere: {plant}")


def ask(cursor: Any, test: Element) -> Told:
    """Run one test as dbt would."""
    config = test.config
    rows = f"{test.compiled_code}\n{limit(config)}"
    count = config.get("fail_calc") or "count(*)"
    warns, errs = (f"f {config.get(name) or '!= 0'}" for name in ("warn_if", "error_if"))
    question = f"SELECT f, {warns}, {errs} FROM (SELECT {count} AS f FROM (\n{rows}\n) AS t) AS c"
    try:
        cursor.execute(question)
    except psycopg2.Error as error:
        fail(expected=f"the test {test.name} runs", seen=f"it ends with: {str(error).strip()}")
    failures, warned, failed = cursor.fetchone()
    severe = str(config.get("severity") or "error").lower() == "error"
    said: Said = "fail" if severe and failed else "warn" if warned else "pass"
    return Told(test.name, said, int(failures or 0), (test.attached_node or "").rpartition(".")[2])


def limit(config: dict[str, Any]) -> str:
    """dbt's `limit` of a test."""
    return f"LIMIT {int(config['limit'])}" if config.get("limit") is not None else ""

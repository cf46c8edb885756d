"""What the learner's dbt tests say of rows that a check plants: each test's own SQL, in a transaction that is rolled back.

dbt compiles the tests once; a hundred planted mistakes then cost no run of dbt. A test that asks the database in its Jinja is
compiled for the rows of that moment: where its answer matters, `ask_dbt` plants for real and lets dbt run the tests.

The verdict of a test follows dbt's rule: with severity `error`, it fails if `error_if` holds for what `fail_calc` counts; else it
warns if `warn_if` holds; else it passes. The rows must be seen by the tests at once, so the models between them and the source must
be views.
"""

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import psycopg2

from delab.checks.database import Database
from delab.checks.dbt import UNCHECKED, Element, Project
from delab.checks.failing import expect, fail

Said = Literal["pass", "warn", "fail"]
ASKS = re.compile(r"\b(run_query|statement|adapter|load_result)\b")  # how Jinja looks at rows while dbt compiles
CHANGES = re.compile(r'(?:UPDATE|INSERT INTO|DELETE FROM) ((?:"[^"]+"|\w+)\.(?:"[^"]+"|\w+))')


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


def asks_early(project: Project) -> bool:
    """Whether the SQL of a test may depend on the rows that are there when dbt compiles it."""
    files = [*project.work.folder.rglob("*.sql"), *project.work.folder.rglob("*.yml")]
    return any(ASKS.search(file.read_text(errors="replace")) for file in files if file.is_file())


def ask_dbt(project: Project, plant: str, tests: Sequence[Element] = ()) -> list[Told]:
    """The same as `judge`, from `dbt test` itself, which compiles the tests on the planted rows and takes a second or two.

    Each table that `plant` changes (`UPDATE schema.table …`) is as before afterwards. What dbt has compiled is not: give `judge`
    the tests of an earlier manifest then.
    """
    names = {test.unique_id for test in tests}
    with contextlib.ExitStack() as stack:
        for table in changed(plant):
            stack.enter_context(project.planted(table))
        project.database.execute(f"{UNCHECKED}; {plant}")
        nodes = project.run("test").nodes
    for node in nodes:
        expect(node.status in get_args(Said), expected=f"the test {node.name} runs", seen=project.describe(node))
    asked = [node for node in nodes if not names or node.id in names]
    return [Told(node.name, cast("Said", node.status), node.failures) for node in asked]


def spoken(told: Sequence[Told]) -> list[str]:
    """The tests that are not silent, for a message: `unique_orders (fail)`."""
    return [f"{each.name} ({each.said})" for each in told if each.said != "pass"]


def changed(plant: str) -> list[str]:
    """The tables that statements change, each once."""
    return list(dict.fromkeys(CHANGES.findall(plant)))


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

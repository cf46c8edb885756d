"""An Airflow of the tests' own, and a table in the warehouse that goes again."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

HOME = Path(tempfile.mkdtemp(prefix="airflow-"))
DAGS = Path(__file__).parent.parent / "dags"
# Before Airflow is imported: it reads them then.
os.environ.update(
    AIRFLOW_HOME=str(HOME),
    AIRFLOW__CORE__DAGS_FOLDER=str(DAGS),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{HOME}/airflow.db",
)


def pytest_unconfigure() -> None:
    shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def airflow() -> None:
    """Airflow's metadata, in a file."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture
def table() -> Iterator[str]:
    """A table `events` under a name of its own; skips where there is no warehouse."""
    if "AIRFLOW_CONN_WAREHOUSE" not in os.environ:
        pytest.skip("no PostgreSQL: set AIRFLOW_CONN_WAREHOUSE=postgres://user:password@host:5432/database")
    from dag_parts import warehouse

    name = f"events_{uuid.uuid4().hex[:8]}"
    with warehouse.session() as cursor:
        cursor.execute(f"CREATE TABLE {name} (event_id int, name text)")
    yield name
    with warehouse.session() as cursor:
        cursor.execute(f"DROP TABLE {name}")

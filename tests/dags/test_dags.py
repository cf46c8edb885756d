"""The reusable DAGs: they parse quickly, do no work meanwhile, and end the same however often and in whatever order they run."""

import importlib.util
import json
import shutil
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from delab import templates
from delab.checks import Database
from delab.checks.airflow import Airflow, DagRun
from delab.checks.work import Work
from delab.data import answer_key
from delab.data.sinks import postgres
from delab.services import make
from delab.services.airflow import DAGS
from delab.services.postgres import dsn

wanted = ("airflow", "dbt")
pytestmark = pytest.mark.skipif(not all(map(importlib.util.find_spec, wanted)), reason="the packs airflow and dbt are needed")
SERVICES = (make("warehouse", {"kind": "postgres"}), make("airflow", {"database": "warehouse"}))
FILES = sorted(path.name for path in DAGS.glob("*.py"))
SCALE, SEED, BEGIN, DAYS = 8, 5, date(2025, 5, 12), 7
# The day of a file in which a row is delivered; the other tables come whole.
DELIVERED = {
    "orders": "SELECT t.*, recorded_at::date AS d FROM full_.orders AS t",
    "order_lines": "SELECT t.*, recorded_at::date AS d FROM full_.order_lines AS t JOIN full_.orders USING (order_id)",
    "payments": "SELECT t.*, paid_at::date AS d FROM full_.payments AS t",
    "returns": "SELECT t.*, returned_at::date AS d FROM full_.returns AS t",
}
COLUMNS = """
SELECT column_name FROM information_schema.columns WHERE table_schema = 'full_' AND table_name = %s ORDER BY ordinal_position
"""
EARLIER = ("customers", "customer_changes", "product_changes", "exchange_rates")  # here all of it comes with every day
WHOLE = ("areas", "stores", "products", "promotions")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dags")


@pytest.fixture(scope="module")
def stack() -> Iterator[templates.Scratch]:
    made = templates.Scratch(templates.Plan("airflow-dags", SERVICES))
    made.start()
    yield made
    made.destroy()


@pytest.fixture(scope="module")
def airflow(place: Path, stack: templates.Scratch) -> Iterator[Airflow]:
    shutil.copytree(DAGS, place / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    subject: Any = SimpleNamespace(about=SimpleNamespace(files=()), start=place / "none")
    made = Airflow(Work(subject, place / "dags", place))
    yield made.use(stack)
    made.close()


@pytest.fixture(scope="module")
def db(stack: templates.Scratch) -> Database:
    return Database(stack["warehouse"], seconds=60)


@pytest.mark.parametrize("file", FILES)
def test_a_file_parses_quickly_and_does_no_work(airflow: Airflow, file: str) -> None:
    airflow.parse(file)  # the first one compiles
    found = airflow.parse(file)
    assert found.dags
    assert found.work == ()
    assert found.seconds["processor"] < 1
    for dag in found.dags.values():
        assert not dag.catchup
        assert all(task.has_failure_callback for task in dag.tasks.values()) or "errors" in dag.tags


# Retail


@pytest.fixture(scope="module")
def landing(place: Path, stack: templates.Scratch, db: Database) -> Path:
    folder = place / "landing"
    at = dsn(stack["warehouse"].endpoint)
    db.execute("CREATE SCHEMA full_")
    postgres.load(at, "retail", scale=SCALE, seed=SEED, schema="full_", keys=False)
    for table in (*WHOLE, *EARLIER, *DELIVERED):
        db.execute(f"CREATE TABLE {table} (LIKE full_.{table})")
        (folder / table).mkdir(parents=True)
    for table in WHOLE:
        export(db, f"SELECT * FROM full_.{table}", folder / table / "all.csv")
    for day in (BEGIN + timedelta(days=n) for n in range(DAYS)):
        for table in EARLIER:
            export(db, f"SELECT * FROM full_.{table}", folder / table / f"{day}.csv")
        for table, question in DELIVERED.items():
            columns = ", ".join(row[0] for row in db.rows(COLUMNS, table))
            export(db, f"SELECT {columns} FROM ({question}) AS x WHERE d = '{day}'", folder / table / f"{day}.csv")
    return folder


def export(db: Database, question: str, file: Path) -> None:
    with db.session() as session, session.cursor() as cursor, file.open("w") as out:
        cursor.execute("SET timezone = 'UTC'")
        cursor.copy_expert(f"COPY ({question}) TO STDOUT (FORMAT csv, HEADER)", out)


@pytest.fixture(scope="module")
def elt(airflow: Airflow, landing: Path, place: Path) -> Callable[..., DagRun]:
    env = {
        "AIRFLOW_VAR_RETAIL_LANDING": str(landing),
        "AIRFLOW_VAR_RETAIL_DBT_SELECT": "+daily_sales",
        "AIRFLOW_VAR_RETAIL_DBT_STATE": str(place / "dbt"),
        "AIRFLOW_VAR_DBT_PROJECT": str(DAGS.parent / "dbt_project"),
    }
    patience = {"task_seconds": 400, "seconds": 900}
    return lambda day, **more: airflow.run("retail_elt.py", "retail_elt", day, env=env, once=True, **patience, **more)


def published(db: Database) -> list[tuple[Any, ...]]:
    return db.rows("SELECT day, currency, orders, lines, quantity, amount FROM published.daily_sales ORDER BY 1, 2")


@pytest.mark.timeout(1500)
def test_a_week_out_of_order_and_a_day_twice_give_the_answer_keys_totals(elt: Callable[..., DagRun], db: Database) -> None:
    days = [BEGIN + timedelta(days=n) for n in range(DAYS)]
    for number in (4, 0, 6, 2, 5, 1, 3):
        assert set(elt(days[number]).succeeded().states.values()) == {"success"}
    key = answer_key("retail", "daily_sales", scale=SCALE, seed=SEED).to_pylist()
    truth = [tuple(row.values()) for row in key if row["day"] in days[:-1]]
    seen = published(db)
    assert [row for row in seen if row[0] in days[:-1]] == sorted(truth)
    elt(days[1]).succeeded()
    assert published(db) == seen


def test_a_day_without_files_stops_the_run_before_anything_changes(elt: Callable[..., DagRun]) -> None:
    run = elt(date(2030, 1, 1))
    assert run.state == "failed"
    assert "the shop has delivered nothing for 2030-01-01" in run.event("ingest.daily_tables").why
    assert not run.ran("publish")


def test_a_closed_gate_publishes_nothing(elt: Callable[..., DagRun], db: Database, landing: Path) -> None:
    day = BEGIN + timedelta(days=1)
    file = landing / "order_lines" / f"{day}.csv"
    kept = file.read_text()
    file.write_text(kept.splitlines()[0] + "\n")
    before = published(db)
    db.execute("DELETE FROM order_lines")
    run = elt(day, unreal=["transform.staging", "transform.marts"])
    file.write_text(kept)
    assert run.states["quality_gate"] == "failed"
    assert "every order of the day has its lines" in run.event("quality_gate").why
    assert published(db) == before


# The others


def test_files_are_ingested_once_and_again(airflow: Airflow, db: Database, place: Path) -> None:
    folder = place / "incoming" / "events"
    folder.mkdir(parents=True)
    (folder / "2025-01-01-a.csv").write_text("event_id,name\n1,a\n2,b\n")
    (folder / "2025-01-01-b.csv").write_text("event_id,name\n2,c\n3,d\n")
    db.execute("CREATE TABLE events (event_id int, name text)")
    told = {"folder": str(folder.parent), "tables": {"events": ["event_id"]}}
    env = {"AIRFLOW_VAR_BATCH_INGEST": json.dumps(told)}
    for _ in range(2):
        run = airflow.run("batch_ingest.py", "batch_ingest", date(2025, 1, 1), env=env, once=True).succeeded()
        assert run.xcoms["note"] == 4
        assert {row[0] for row in db.rows("SELECT event_id FROM events")} == {1, 2, 3}
        assert db.value("SELECT count(*) FROM events") == 3
    assert airflow.run("batch_ingest.py", "batch_ingest", date(2025, 1, 2), env=env).succeeded().xcoms["note"] == 0


def test_compaction_keeps_every_row_and_repairs(airflow: Airflow, place: Path) -> None:
    folder = place / "lake" / "day=1"
    folder.mkdir(parents=True)
    for number in range(6):
        pq.write_table(pa.table({"n": list(range(number * 10, number * 10 + 10))}), folder / f"{number}.parquet")
    (folder.parent / "day=2").mkdir()
    (folder.parent / ".compact-day=2").mkdir()
    shutil.copytree(folder, folder.parent / ".before-day=3")
    env = {"AIRFLOW_VAR_COMPACTION": json.dumps({"folder": str(folder.parent), "rows": 40})}
    airflow.run("compaction.py", "compaction", date(2025, 1, 1), env=env, once=True).succeeded()
    for name in ("day=1", "day=3"):
        files = sorted((folder.parent / name).glob("*.parquet"))
        assert sorted(pa.concat_tables(pq.read_table(file) for file in files)["n"].to_pylist()) == list(range(60))
        assert len(files) == 2
    assert not [path for path in folder.parent.iterdir() if path.name.startswith(".")]


def test_a_pipeline_of_yaml_and_one_that_is_wrong(airflow: Airflow, db: Database) -> None:
    pipelines = airflow.work.folder / "pipelines"
    step = "INSERT INTO made VALUES (%(day)s)"
    text = {"steps": {"forget": {"sql": "DELETE FROM made WHERE day = %(day)s"}, "fill": {"sql": step, "after": ["forget"]}}}
    (pipelines / "fine.yaml").write_text(json.dumps({**text, "checks": {"one": "SELECT 1 FROM made HAVING count(*) <> 1"}}))
    (pipelines / "wrong.yaml").write_text('steps: {a: {sql: "SELECT 1", after: [b]}}')
    db.execute("CREATE TABLE made (day date)")
    found = airflow.parse("from_yaml.py").dags
    assert {"fine", "top_products", "pipelines_with_errors"} <= set(found)
    for seed in range(2):
        airflow.run("from_yaml.py", "fine", date(2025, 1, 1), seed=seed, once=True).succeeded()
    assert db.value("SELECT count(*) FROM made") == 1
    failed = airflow.run("from_yaml.py", "pipelines_with_errors", None, once=True)
    assert "step a comes after b, which is not there" in failed.event("tell").why
    (pipelines / "wrong.yaml").unlink()

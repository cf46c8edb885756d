"""Runs carried out for a verdict: Airflow's decisions, one process a task, and what is told of mistakes."""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from delab import templates
from delab.checks import CheckFailed, Database
from delab.checks.airflow import Airflow
from delab.checks.work import Work
from delab.services import make

pytestmark = pytest.mark.skipif(not importlib.util.find_spec("airflow"), reason="the pack airflow is not installed")
SERVICES = (make("warehouse", {"kind": "postgres"}), make("airflow", {"database": "warehouse"}))
HEAD = """
import os
from datetime import timedelta

import pendulum
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.sdk import Variable, dag, task, task_group

SEEN = []


@dag(schedule="@daily", start_date=pendulum.datetime(2025, 1, 1), catchup=False, default_args={"retries": 0})
def shop():
"""
TAIL = "\n\nshop()\n"
AT_THE_TOP = """
import contextlib, psycopg, time
os.system("true")
time.sleep(0.01)
with contextlib.suppress(psycopg.OperationalError):
    psycopg.Connection.connect("host=127.0.0.1 port=1")
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("judge")
    (folder / "learner").mkdir()
    return folder


@pytest.fixture(scope="module")
def judge(place: Path) -> Iterator[Airflow]:
    subject: Any = SimpleNamespace(about=SimpleNamespace(files=("shop.py",)), start=place / "none")
    made = Airflow(Work(subject, place / "learner", place))
    stack = templates.Scratch(templates.Plan("airflow-judge", SERVICES))
    stack.start()
    Database(stack["warehouse"]).execute("CREATE TABLE orders AS SELECT generate_series(1, 7) AS n")
    yield made.use(stack)
    made.close()
    stack.destroy()


@pytest.fixture
def written(judge: Airflow) -> Callable[[str], Airflow]:
    def write(body: str) -> Airflow:
        lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
        (judge.work.folder / "shop.py").write_text(HEAD + lines + TAIL)
        return judge

    return write


CHAIN = """
@task
def count():
    return PostgresHook("warehouse").get_first("SELECT count(*) FROM orders")[0]

@task
def double(n):
    return 2 * n

@task(trigger_rule="all_done")
def clean():
    pass

double(count()) >> clean()
"""


def test_tasks_run_in_the_order_of_their_dependencies(written: Callable[[str], Airflow]) -> None:
    run = written(CHAIN).run("shop.py", "shop", "2025-03-01T00:00:00Z", hold=["count"]).succeeded()
    assert run.order == ["count", "double", "clean"]
    assert run.xcoms == {"count": 7, "double": 14}


def test_a_failure_is_seen_by_trigger_rules(written: Callable[[str], Airflow]) -> None:
    run = written(CHAIN).run("shop.py", "shop", "2025-03-02T00:00:00Z", fail_tasks={"count": 9})
    assert run.states == {"count": "failed", "double": "upstream_failed", "clean": "success"}
    assert "made to fail by the verification" in run.event("count").why


def test_retries_are_made_without_the_wait(written: Callable[[str], Airflow]) -> None:
    body = "@task(retries=2, retry_delay=timedelta(minutes=5))\ndef a():\n    return 1\na()"
    run = written(body).run("shop.py", "shop", "2025-03-03T00:00:00Z", fail_tasks={"a": 2}).succeeded()
    assert run.order == ["a", "a", "a"]
    assert run.retry_delays == {"a": (300.0, 300.0)}


def test_nothing_gets_from_task_to_task_through_memory(written: Callable[[str], Airflow]) -> None:
    body = "@task\ndef a():\n    SEEN.append(1)\n@task\ndef b():\n    return len(SEEN)\na() >> b()"
    assert written(body).run("shop.py", "shop", "2025-03-04T00:00:00Z").xcoms == {"b": 0}


FILES = """
@task
def a(name):
    scratch = open(name, "w+")
    open("note", "a").write("seen\\n")
    if name != "kept":
        open(name).read()
        os.remove(name)

@task
def b():
    return open("kept").read()

a.override(task_id="c")("of its own") >> a.override(task_id="d")("of its own") >> a("kept") >> b()
"""


def test_a_file_that_goes_from_task_to_task_is_known(written: Callable[[str], Airflow]) -> None:
    judge = written(FILES)
    run = judge.run("shop.py", "shop", "2025-03-05T00:00:00Z").succeeded()
    assert run.handed_on() == [(str(judge.work.folder / "kept"), "a", "b")]


def test_no_fork_misses_a_thread_of_what_was_rehearsed(written: Callable[[str], Airflow]) -> None:
    judge = written(CHAIN)
    judge.parse("shop.py")
    assert psutil.Process(judge.program.child.pid).num_threads() == 1


def test_held_tasks_run_last(written: Callable[[str], Airflow]) -> None:
    body = "@task\ndef slow(): pass\n@task\ndef a(): pass\n@task\ndef b(): pass\na() >> b()\nslow()"
    for seed in range(3):
        assert written(body).run("shop.py", "shop", f"2025-04-0{seed + 1}T00:00:00Z", hold=["slow"], seed=seed).order[-1] == "slow"


def test_the_schedule_is_the_timetables(written: Callable[[str], Airflow]) -> None:
    due = written(CHAIN).schedule("shop.py", "shop", "2025-03-01T00:00:00Z", "2025-03-03T12:00:00Z")
    assert [run.logical_date[:10] for run in due] == ["2025-03-01", "2025-03-02", "2025-03-03"]


def test_a_schedule_that_counts_from_the_start_date_does(written: Callable[[str], Airflow]) -> None:
    judge = written("@task(end_date=pendulum.datetime(2025, 3, 3))\ndef a(): pass\na()")
    file = judge.work.folder / "shop.py"
    daily = '"@daily", start_date=pendulum.datetime(2025, 1, 1)'
    assert daily in file.read_text()
    file.write_text(file.read_text().replace(daily, "timedelta(days=1), start_date=pendulum.datetime(2025, 1, 1, 12)"))
    due = judge.schedule("shop.py", "shop", "2025-03-01T00:00:00Z", "2025-03-09T00:00:00Z")
    assert [run.start[:16] for run in due] == ["2025-03-01 12:00", "2025-03-02 12:00"]  # none after the end of all its tasks


def test_the_structure(written: Callable[[str], Airflow]) -> None:
    found = written(CHAIN).dag("shop.py", "shop")
    assert found.tasks["clean"].ancestors == ("count", "double")
    assert (found.catchup, found.tasks["clean"].trigger_rule) == (False, "all_done")


def test_work_at_the_top_level_is_seen(written: Callable[[str], Airflow]) -> None:
    judge = written(CHAIN)
    file = judge.work.folder / "shop.py"
    file.write_text(f"{file.read_text()}\n{AT_THE_TOP}")
    told = {text.split(":")[0].split(" for")[0] for text in judge.parse("shop.py").work}
    assert told == {"starts a program", "sleeps", "connects to PostgreSQL"}


@pytest.mark.parametrize(
    ("end", "says"),
    [
        ("\nimport no_such_module\n", "no_such_module"),
        ("\nos._exit(3)\n", "ended by itself with code 3"),
        ("\n1 / 0\n", "ZeroDivisionError"),
    ],
)
def test_files_that_cannot_be_parsed(written: Callable[[str], Airflow], end: str, says: str) -> None:
    judge = written(CHAIN)
    file = judge.work.folder / "shop.py"
    file.write_text(file.read_text() + end)
    with pytest.raises(CheckFailed, match=says):
        judge.parse("shop.py")


def test_a_dag_that_is_not_there(written: Callable[[str], Airflow]) -> None:
    with pytest.raises(CheckFailed, match="it has shop"):
        written(CHAIN).run("shop.py", "shopp", "2025-03-01T00:00:00Z")


def test_a_task_that_never_ends_and_one_that_kills_itself(written: Callable[[str], Airflow]) -> None:
    body = "@task\ndef a():\n    while True: pass\n@task\ndef b():\n    os._exit(9)\na(); b()"
    run = written(body).run("shop.py", "shop", "2025-03-05T00:00:00Z", task_seconds=3)
    assert run.states == {"a": "failed", "b": "failed"}
    assert "still ran" in run.event("a").why
    assert "code 9" in run.event("b").why

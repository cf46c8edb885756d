"""Airflow as a service: all components, a run by the real scheduler, and the faults."""

import contextlib
import importlib.util
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from delab import process, stack_commands, templates, wait
from delab.checks import Database
from delab.checks.airflow_api import RestApi
from delab.services import make
from delab.services.airflow import COMPONENTS, health

pytestmark = pytest.mark.skipif(not importlib.util.find_spec("airflow"), reason="the pack airflow is not installed")
SERVICES = (make("warehouse", {"kind": "postgres"}), make("airflow", {"database": "warehouse"}))
DAG = '''
"""Counts what is in the warehouse."""

import pendulum
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.sdk import dag, task


@dag(schedule=None, start_date=pendulum.datetime(2025, 1, 1), catchup=False)
def shop():
    @task
    def count():
        return PostgresHook("warehouse").get_first("SELECT count(*) FROM orders")[0]

    @task
    def note(found):
        print(f"found {found}")

    note(count())


shop()
'''


@pytest.fixture(scope="module")
def stack() -> Iterator[templates.Scratch]:
    made = templates.Scratch(templates.Plan("airflow-service", SERVICES))
    made.start()
    Database(made["warehouse"]).execute("CREATE TABLE orders AS SELECT generate_series(1, 7)")
    yield made
    made.destroy()
    assert process.all_inside(made.folder) == []


@pytest.fixture(scope="module")
def api(stack: templates.Scratch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestApi]:
    work = tmp_path_factory.mktemp("work")
    (work / "shop.py").write_text(DAG)
    with RestApi.started(stack["airflow"], work) as found:
        yield found


def healthy(stack: templates.Scratch) -> bool:
    return stack["airflow"].ready()


def test_it_is_not_started_with_a_scratch_stack(stack: templates.Scratch) -> None:
    assert [node.name for node in stack.supervised()] == ["warehouse"]


def test_all_components_are_healthy_on_loopback(stack: templates.Scratch, api: RestApi) -> None:
    assert {health(stack["airflow"].endpoint.port)[name] for name in COMPONENTS} == {"healthy"}
    members = process.tree(stack["airflow"].running())
    listening = {line.laddr.ip for one in members for line in one.net_connections("inet") if line.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}
    assert stack_commands.memory(stack["airflow"].running()) < 1300


def test_a_run_of_a_dag_that_reads_the_warehouse(api: RestApi) -> None:
    assert api.wait_for_dag("shop")["is_paused"]
    api.pause("shop", False)
    run_id = api.trigger("shop")
    assert api.wait_for("shop", run_id).state == "success"
    assert api.xcom("shop", run_id, "count") == 7
    assert {task.task_id: task.state for task in api.tasks("shop", run_id)} == {"count": "success", "note": "success"}
    assert "found 7" in api.log("shop", run_id, "note")


def test_the_dag_processor_logs_in_the_stack_and_not_where_its_template_was_made(stack: templates.Scratch, api: RestApi) -> None:
    api.wait_for_dag("shop")
    assert list(stack["airflow"].place.folder.glob("logs/dag_processor/*/work/shop.py.log"))


def scheduler(main: psutil.Process) -> psutil.Process | None:
    for child in main.children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.status() != psutil.STATUS_ZOMBIE and "scheduler" in " ".join(child.cmdline()):
                return child
    return None


def test_a_component_that_dies_is_started_again(stack: templates.Scratch, api: RestApi) -> None:
    main = stack["airflow"].running()
    victim = scheduler(main)
    assert victim
    workers = victim.children()
    assert workers
    victim.kill()
    wait.until(lambda: (now := scheduler(main)) and now.pid != victim.pid, seconds=30, what="another scheduler")
    assert all(process.gone(worker) for worker in workers)


def test_a_paused_airflow_does_not_answer(stack: templates.Scratch, api: RestApi) -> None:
    stack["airflow"].pause()
    assert stack["airflow"].alive()
    assert not stack["airflow"].ready()
    stack["airflow"].resume()
    wait.until(lambda: healthy(stack), seconds=30, what="Airflow to go on")


def test_cut_from_its_database_and_healed(stack: templates.Scratch, api: RestApi) -> None:
    stack.cut("airflow", "warehouse")
    wait.until(lambda: not healthy(stack), seconds=40, what="Airflow to miss its database")
    assert Database(stack["warehouse"]).value("SELECT count(*) FROM orders") == 7
    stack.heal("airflow", "warehouse")
    wait.until(lambda: healthy(stack), seconds=60, what="Airflow to find its database again")


def test_a_parent_killed_alone_leaves_nothing_in_the_way(stack: templates.Scratch, api: RestApi) -> None:
    main = stack["airflow"].running()
    children = process.tree(main)[1:]
    os.kill(main.pid, signal.SIGKILL)
    wait.until(lambda: not stack["airflow"].alive(), seconds=10, what="the parent to end")
    stack["airflow"].start()
    assert healthy(stack)
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    assert Path(stack["airflow"].data / "passwords.json").stat().st_mode & 0o077 == 0

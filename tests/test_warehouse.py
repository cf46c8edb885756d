"""The worker that runs dbt: on a project of two models in a DuckDB file."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from delab import forks, wait, warehouse
from delab.errors import Blocked
from delab.warehouse import Warehouse, Worker

PROFILE = "tiny: {target: duckdb, outputs: {duckdb: {type: duckdb, path: \"{{ env_var('DUCKDB_PATH') }}\", schema: main}}}\n"
ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}select 1 as n"
REHEARSAL = """
import threading
import dbt.clients.jinja_static as static, dbt.parser.models as models
from delab import dbt_worker

def asked(*_):
    print("the static parser was asked")

static.py_extract_from_source = models.py_extract_from_source = asked
rehearsed = dbt_worker.rehearse()
print(rehearsed, any("create_table_as" in text for text in static._TESTING_MACRO_CACHE), threading.active_count())
"""
FLAGS = "flags: {send_anonymous_usage_stats: false}\n"


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with warehouse.worker() as opened:
        yield opened


@pytest.fixture
def tiny(worker: Worker, tmp_path: Path) -> Warehouse:
    project = tmp_path / "project"
    (project / "models").mkdir(parents=True)
    (project / "dbt_project.yml").write_text(f"name: tiny\nprofile: tiny\n{FLAGS}")
    (project / "profiles.yml").write_text(PROFILE)
    (project / "models" / "one.sql").write_text("select {{ var('number', 1) }} as n")
    (project / "models" / "two.sql").write_text("select n + 1 as n from {{ ref('one') }}")
    (project / "models" / "two.yml").write_text("models: [{name: two, columns: [{name: n, data_tests: [not_null]}]}]")
    return Warehouse(worker, tmp_path / "out", warehouse.duckdb(tmp_path / "tiny.duckdb"), project)


def test_a_build_tells_of_each_node(tiny: Warehouse) -> None:
    built = tiny.build()
    assert built.success
    assert built.with_status("success") == ["one", "two"]
    assert built["not_null_two_n"].status == "pass"
    assert "Completed successfully" in built.log
    assert built.bad() == []


def test_variables_go_through(tiny: Warehouse) -> None:
    (tiny.project / "models" / "two.yml").write_text(
        "models: [{name: two, columns: [{name: n, data_tests: [{accepted_values: {arguments: {values: [8]}}}]}]}]"
    )
    assert tiny.build(number=7).success
    failed = tiny.build(number=8)
    assert not failed.success
    assert [(node.status, node.failures) for node in failed.bad()] == [("fail", 1)]


def test_an_error_of_sql_is_that_of_its_model(tiny: Warehouse) -> None:
    (tiny.project / "models" / "one.sql").write_text("select nothing as n")
    built = tiny.build()
    assert not built.success
    assert [node.name for node in built.bad()] == ["one"]
    assert "nothing" in built["one"].message
    assert built.with_status("skipped") == ["not_null_two_n", "two"]


def test_an_error_of_the_project_is_told(tiny: Warehouse) -> None:
    (tiny.project / "models" / "one.sql").write_text("select {{ ref('nowhere') }}")
    built = tiny.build()
    assert not built.success
    assert "nowhere" in built.exception
    assert built.nodes == ()


def test_builds_do_not_see_each_others_variables(tiny: Warehouse, worker: Worker, tmp_path: Path) -> None:
    other = Warehouse(worker, tmp_path / "other", {}, tiny.project)
    assert tiny.build().success
    built = other.build()
    assert not built.success
    assert "DUCKDB_PATH" in built.exception


def test_what_takes_too_long_is_killed(tiny: Warehouse, worker: Worker) -> None:
    (tiny.project / "models" / "one.sql").write_text(ENDLESS)
    built = tiny.run("run", seconds=3)
    assert built.exception == "it took longer than 3 s"
    assert psutil.Process(worker.child.pid).children(recursive=True) == []
    (tiny.project / "models" / "one.sql").write_text("select 1 as n")
    assert tiny.build().success


def test_a_build_that_is_killed_is_told(tiny: Warehouse, worker: Worker) -> None:
    (tiny.project / "models" / "one.sql").write_text(ENDLESS)

    def kill() -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            for child in psutil.Process(worker.child.pid).children():
                child.kill()
                return

    killer = threading.Thread(target=kill)
    killer.start()
    built = tiny.run("run")
    killer.join()
    assert not built.success
    assert built.exception == f"dbt ended with status {int(signal.SIGKILL)} and said nothing"


def test_a_build_ends_with_its_asker(tiny: Warehouse) -> None:
    (tiny.project / "models" / "one.sql").write_text(ENDLESS)
    own = Worker()
    where = ["--project-dir", str(tiny.project), "--profiles-dir", str(tiny.project)]
    rest = {"environment": dict(tiny.environment), "log": str(tiny.project / "log"), "seconds": 100}
    request = {"arguments": ["run", *where], **rest}
    assert own.child.stdin is not None
    own.child.stdin.write(json.dumps(request).encode() + b"\n")
    own.child.stdin.flush()
    found = psutil.Process(own.child.pid)
    end = time.monotonic() + 60
    while not (children := found.children()) and time.monotonic() < end:
        pass
    assert len(children) == 1
    own.close()
    assert own.child.returncode == 0, "and without a traceback"
    psutil.wait_procs(children, timeout=10)
    assert not any(child.is_running() for child in children)


def test_a_worker_that_has_ended_blocks(tiny: Warehouse) -> None:
    own = Worker()
    os.kill(own.child.pid, signal.SIGKILL)
    own.child.wait()
    with pytest.raises(Blocked, match="its process has ended"):
        Warehouse(own, tiny.folder, tiny.environment, tiny.project).build()
    own.close()


def test_a_build_leaves_no_semaphore(tiny: Warehouse) -> None:
    """Other programs of the machine may have some: in their memory, and for an instant longer. One that was left stays."""

    def named() -> set[Path]:
        return set(Path("/dev/shm").glob("sem.*"))

    def mapped() -> str:
        said = []
        for maps in Path("/proc").glob("[0-9]*/maps"):
            with suppress(OSError):
                said.append(maps.read_text())
        return "".join(said)

    before = named()
    assert tiny.build().success
    new = named() - before

    def left() -> set[Path]:
        used = mapped()
        return {one for one in new & named() if str(one) not in used}

    wait.until(lambda: not left(), seconds=30, what="semaphores to be taken away")


def test_the_worker_has_parsed_dbts_macros_and_forks_neither_threads_nor_locks() -> None:
    done = subprocess.run([sys.executable, "-c", REHEARSAL], capture_output=True, text=True, check=True)
    assert done.stdout == "True True 1\n"


def test_verifications_share_a_worker(tiny: Warehouse) -> None:
    with forks.serving(["delab.dbt_worker", "duckdb"]):
        one, other = Worker(["duckdb"]), Worker(["duckdb"])
        assert isinstance(one.child, forks.Forked)
        assert Warehouse(one, tiny.folder, tiny.environment, tiny.project).build().success
        one.close()
        assert Warehouse(other, tiny.folder, tiny.environment, tiny.project).build().success
        other.close()
    alone = Worker(["duckdb"])
    assert not isinstance(alone.child, forks.Forked)
    alone.close()

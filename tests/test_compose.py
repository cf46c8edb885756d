"""The Compose runtime, with a real engine; without one only its messages are tested."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from delab import doctor, engine, inside, lab, process, runtime, templates, verify, wait
from delab.checks import Database
from delab.checks.result import Verdict
from delab.errors import Blocked, LabError
from delab.services import make

SERVICES = (make("primary", {"kind": "postgres"}), make("replica1", {"kind": "postgres", "follows": "primary"}))
PLAN = templates.Plan("local", SERVICES)


def why_not() -> str:
    """What is in the way of the tests with containers; empty if nothing is."""
    try:
        engine.client()
    except Blocked as problem:
        return problem.message
    return ""


containers = pytest.mark.skipif(bool(why_not()), reason=f"no containers here: {why_not()}")


@pytest.fixture(scope="module")
def stack() -> Iterator[Any]:
    before, os.environ["LAB_RUNTIME"] = os.environ.get("LAB_RUNTIME"), "compose"
    made = templates.scratch(PLAN)
    os.environ.pop("LAB_RUNTIME") if before is None else os.environ.update(LAB_RUNTIME=before)
    try:
        made.start()
        yield made
    finally:
        made.destroy()
    assert engine.containers(made.name) == []
    assert process.all_inside(made.folder) == []


@pytest.fixture
def primary(stack: Any) -> Database:
    return Database(stack["primary"])


@pytest.fixture
def replica(stack: Any) -> Database:
    return Database(stack["replica1"])


def write(primary: Database) -> int:
    """Write a row; returns how many there are."""
    primary.execute("CREATE TABLE IF NOT EXISTS seen (n serial)")
    primary.execute("INSERT INTO seen DEFAULT VALUES")
    return int(primary.value("SELECT count(*) FROM seen"))


def arrives(replica: Database, rows: int) -> None:
    """Wait until the replica has the rows."""
    there = "SELECT count(*) FROM pg_class WHERE relname = 'seen'"
    wait.until(lambda: replica.value(there) and replica.value("SELECT count(*) FROM seen") == rows, seconds=15, what="the rows")


@containers
def test_each_service_is_in_a_container_and_the_replica_streams(stack: Any, primary: Database, replica: Database) -> None:
    arrives(replica, write(primary))
    assert {one.name.rpartition("-")[2] for one in engine.containers(stack.name)} == {"pod", "primary", "replica1"}


@containers
def test_a_service_has_no_rights_and_is_bounded(stack: Any) -> None:
    status = Path(f"/proc/{stack['primary'].running().pid}/status").read_text()
    values = {line.split(":")[0]: line.split(":")[1].split() for line in status.splitlines()}
    assert values["Uid"][0] != "0"
    assert int(values["CapEff"][0], 16) == 0
    assert values["NoNewPrivs"] == ["1"]
    about = stack.find("primary").attrs["HostConfig"]
    assert about["ReadonlyRootfs"]
    assert about["Memory"] == 2048 << 20
    assert about["LogConfig"]["Config"]["max-size"]


@containers
def test_ports_are_published_on_loopback_alone(stack: Any) -> None:
    published = stack.find("pod").attrs["NetworkSettings"]["Ports"]
    assert {binding["HostIp"] for bindings in published.values() for binding in bindings} == {"127.0.0.1"}


@containers
def test_a_paused_server_keeps_its_connections_and_does_not_answer(stack: Any) -> None:
    node = stack["replica1"]
    at = node.endpoint
    with psycopg2.connect(host=at.host, port=at.port, user=at.user, password=at.password, dbname=at.database) as session:
        node.pause()
        assert node.paused()
        assert node.alive()
        assert not node.ready()
        node.resume()
        with session.cursor() as cursor:
            cursor.execute("SELECT 1")
    assert node.ready()


@containers
def test_a_cut_holds_back_and_healing_lets_through(stack: Any, primary: Database, replica: Database) -> None:
    arrives(replica, write(primary))
    stack.cut("primary", "replica1")
    rows = write(primary)
    assert replica.value("SELECT pg_last_wal_receive_lsn() < %s::pg_lsn", primary.value("SELECT pg_current_wal_lsn()"))
    stack.heal("replica1", "primary")
    arrives(replica, rows)


@containers
def test_a_server_that_was_killed_while_paused_comes_back_with_its_data(stack: Any, primary: Database, replica: Database) -> None:
    rows = write(primary)
    stack["primary"].pause()
    stack["primary"].kill()
    assert not stack["primary"].alive()
    with pytest.raises(Blocked, match="primary does not answer"):
        primary.value("SELECT 1")
    stack["primary"].start()
    assert primary.value("SELECT count(*) FROM seen") == rows
    arrives(replica, write(primary))


@containers
def test_a_container_that_was_killed_comes_back(stack: Any, primary: Database) -> None:
    rows = write(primary)
    stack.find("primary").kill()
    wait.until(lambda: not stack["primary"].alive(), seconds=10, what="the container to end")
    stack.start()
    assert primary.value("SELECT count(*) FROM seen") == rows


@containers
def test_the_network_comes_back_when_its_container_was_removed(stack: Any, primary: Database, replica: Database) -> None:
    stack.find("pod").remove(force=True)
    stack.start()
    arrives(replica, write(primary))


SLOW = """
import os, pathlib, time, psycopg2
pathlib.Path("MARKER").touch()
time.sleep(4)
with psycopg2.connect(os.environ["PRIMARY_DSN"]) as session:
    session.cursor().execute("CREATE TABLE numbers AS SELECT generate_series(1, %s) AS n", [os.environ["N"]])
"""


@containers
@pytest.mark.parametrize("service", ["pod", "primary", "none"])
def test_a_container_that_is_killed_is_not_blamed_on_the_learner(
    service: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The learner's program then ends with an error; of a container that lives, that error is its own."""
    monkeypatch.setenv("LAB_RUNTIME", "compose")
    subject, marker = lab.get(902), place / "marker"
    (place / "work").mkdir()
    wrong = SLOW.replace("MARKER", str(marker)).replace("PRIMARY_DSN", "PRIMARY_DSN" if service != "none" else "NO_SUCH_DSN")
    (place / "work" / "fill.py").write_text(wrong)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(verify.run, subject, work=place / "work")
        wait.until(lambda: marker.exists() or asked.done(), seconds=60, what="the learner's program")
        mine = [one for one in engine.containers() if one.labels["delab.stack"].startswith(subject.slug)]
        victims = [one for one in mine if one.name.endswith(f"-{service}")]
        for one in victims:
            one.kill()
        result = asked.result()
    assert len(victims) == (service != "none")
    assert result.verdict == (Verdict.BLOCKED if victims else Verdict.FAILED), result
    if victims:
        assert service in next(check.because for check in result.checks if check.outcome == "blocked")


@containers
def test_a_learners_pg_ctl_works_on_the_server_in_its_container(stack: Any, primary: Database) -> None:
    variables = {**os.environ, **stack.environment()}
    script = (
        'pg_ctl -D "$PRIMARY_DATA" -m fast -w stop && pg_ctl -D "$PRIMARY_DATA" -l "$PRIMARY_LOG" -o "-p $PRIMARY_PORT" -w start'
    )
    subprocess.run(["bash", "-c", script], env=variables, check=True, capture_output=True)
    assert primary.value("SELECT 1") == 1
    assert Path(f"/proc/{stack['primary'].running().pid}/root").exists()
    status = Path(f"/proc/{stack['primary'].running().pid}/status").read_text()
    assert len(next(line for line in status.splitlines() if line.startswith("NSpid")).split()) == 3  # here, and in the container


@containers
def test_a_taken_port_is_left_to_its_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_RUNTIME", "compose")
    made = templates.scratch(templates.Plan("local", SERVICES[:1]))
    try:
        with socket.create_server(("127.0.0.1", made.layout.services["primary"])) as other:
            made.start()
            assert made["primary"].ready()
            assert made["primary"].endpoint.port != other.getsockname()[1]
    finally:
        made.destroy()


@containers
def test_what_a_killed_command_left_is_removed_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "from delab import templates; from tests.test_compose import PLAN; s = templates.scratch(PLAN); s.start(); print(s.name); "
    )
    variables = {**os.environ, "LAB_RUNTIME": "compose", "PYTHONPATH": str(engine.ROOT)}
    command = [sys.executable, "-u", "-c", code.replace("tests.test_compose", "test_compose") + "input()"]
    variables["PYTHONPATH"] += os.pathsep + str(Path(__file__).parent)
    child = subprocess.Popen(command, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout
    name = child.stdout.readline().strip()
    assert len(engine.containers(name)) == 3
    child.send_signal(signal.SIGKILL)
    child.communicate()
    templates.repair()
    assert engine.containers(name) == []


@containers
def test_a_lasting_stack_moves_from_processes_to_containers_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = templates.Plan("moving", SERVICES[:1])
    monkeypatch.delenv("LAB_RUNTIME", raising=False)
    made = templates.live(plan)
    made.start()
    rows = write(Database(made["primary"]))
    for kind in ("compose", "local"):
        monkeypatch.setenv("LAB_RUNTIME", kind)
        made = templates.live(plan)
        made.start()
        assert made.runtime == kind
        monkeypatch.delenv("LAB_RUNTIME")
        assert templates.live(plan).runtime == kind  # nobody asks for another: it stays
        assert made["primary"].running()
        rows += 1
        assert write(Database(made["primary"])) == rows
    assert engine.containers("moving") == []
    made.destroy()


@pytest.mark.parametrize(
    ("said", "message", "fix"),
    [
        ("PermissionError(13, 'Permission denied')", "you may not use", "usermod"),
        ("ConnectionRefusedError(111, 'Connection refused')", "is not running", "systemctl start docker"),
        ("FileNotFoundError(2, 'No such file or directory')", "is not running", "systemctl start docker"),
        ("something else", "does not answer: something else", "docker info"),
    ],
)
def test_an_engine_that_does_not_answer_is_told_with_the_fix(
    said: str, message: str, fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    told, do = engine.unreachable(said)
    assert message in told
    assert fix in do
    assert "LAB_RUNTIME" in do


def test_no_engine_is_told_with_the_fix(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(engine, "SOCKET", tmp_path / "none")
    assert engine.unreachable("FileNotFoundError(2, 'No such file or directory')")[0] == "there is no Docker engine"


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"ServerVersion": "19.03.8"}, "too old: 19.03.8"),
        ({"ServerVersion": "27.1.1", "OperatingSystem": "Docker Desktop"}, "virtual machine"),
        ({"ServerVersion": "27.1.1", "MemTotal": 1 << 30}, "1.1 GB of memory"),
    ],
)
def test_an_engine_that_is_unfit_is_told(about: dict[str, Any], message: str) -> None:
    assert message in engine.unfit(about)[0]  # type: ignore[index]


def test_an_engine_of_today_is_fit() -> None:
    assert engine.unfit({"ServerVersion": "20.10.24+dfsg1", "MemTotal": 8 << 30, "OperatingSystem": "Debian GNU/Linux 12"}) is None


def test_doctor_says_what_is_in_the_way_of_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_RUNTIME", "compose")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    monkeypatch.setattr(engine, "client", engine.client.__wrapped__)  # not the one that is known already
    found = doctor.docker()
    assert (found.state, "DOCKER_HOST=unix:///nowhere" in found.seen) == ("wrong", True)
    assert "correct or unset it" in found.fix


def test_doctor_names_a_port_that_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_RUNTIME", "compose")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        monkeypatch.setenv("PRIMARY_PORT", str(port))
        found = doctor.compose_ports()
    assert found.state == "note"
    assert f"PRIMARY_PORT={port}" in found.seen
    assert {"PRIMARY_PORT", "KAFKA_PORT", "AIRFLOW_PORT"} <= {name for name, _ in doctor.published()}


def test_an_unknown_runtime_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_RUNTIME", "podman")
    with pytest.raises(LabError, match="LAB_RUNTIME=podman is no runtime"):
        runtime.chosen()


def test_the_verdict_is_blocked_where_there_is_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "from delab import templates; templates.scratch(templates.Plan('local', ()))"
    variables = {**os.environ, "LAB_RUNTIME": "compose", "DOCKER_HOST": "unix:///nowhere/docker.sock"}
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=False)
    assert "delab.errors.Blocked: no Docker engine answers at DOCKER_HOST=unix:///nowhere/docker.sock" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "folder"),
    [
        (["-D", "/d", "start"], "/d"),
        (["start", "-D/d"], "/d"),
        (["--pgdata=/d", "stop"], "/d"),
        (["--pgdata", "/d"], "/d"),
        (["status"], "/from-variable"),
        (["start", "-D"], ""),
    ],
)
def test_a_tool_finds_its_data_folder(arguments: list[str], folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGDATA", "/from-variable")
    assert inside.data_folder(arguments) == folder


def test_paths_for_a_tool_in_a_container_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = ["-D", "data", "-l", "log", "-o", "-p 1", "--pgdata=data", "-Ddata", "start"]
    here = str(tmp_path)
    wanted = ["-D", f"{here}/data", "-l", f"{here}/log", "-o", "-p 1", f"--pgdata={here}/data", f"-D{here}/data", "start"]
    assert inside.absolute(given) == wanted

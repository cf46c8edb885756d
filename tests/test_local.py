"""The local runtime, with real servers."""

import os
import signal
from collections.abc import Iterator

import psutil
import pytest

from delab import process, templates, wait
from delab.checks import Database
from delab.errors import Blocked
from delab.services import make

SERVICES = (make("primary", {"kind": "postgres"}), make("replica1", {"kind": "postgres", "follows": "primary"}))


@pytest.fixture(scope="module")
def stack() -> Iterator[templates.Scratch]:
    made = templates.Scratch(templates.Plan("local", SERVICES))
    made.start()
    yield made
    made.destroy()
    assert process.all_inside(made.folder) == []


@pytest.fixture
def primary(stack: templates.Scratch) -> Database:
    return Database(stack["primary"])


@pytest.fixture
def replica(stack: templates.Scratch) -> Database:
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


def test_replica_streams_through_its_slot(primary: Database, replica: Database) -> None:
    arrives(replica, write(primary))
    assert primary.rows("SELECT slot_name, active FROM pg_replication_slots") == [("replica1", True)]
    assert primary.value("SELECT usename FROM pg_stat_replication") == "replicator"


def test_servers_listen_on_loopback_only_and_not_as_root(stack: templates.Scratch) -> None:
    for node in stack:
        main = node.running()
        assert {line.laddr.ip for line in main.net_connections("inet") if line.status == psutil.CONN_LISTEN} == {"127.0.0.1"}
        assert main.uids().real != 0


def test_a_password_is_asked_for(stack: templates.Scratch) -> None:
    import psycopg2

    at = stack["primary"].endpoint
    with pytest.raises(psycopg2.OperationalError, match="password"):
        psycopg2.connect(host=at.host, port=at.port, user=at.user, dbname=at.database, passfile=os.devnull)


def test_a_paused_server_keeps_its_connections_and_does_not_answer(stack: templates.Scratch) -> None:
    node = stack["replica1"]
    node.pause()
    assert node.alive()
    assert not node.ready()
    node.resume()
    assert node.ready()


def test_a_cut_holds_back_and_healing_lets_through(stack: templates.Scratch, primary: Database, replica: Database) -> None:
    arrives(replica, write(primary))
    stack.cut("primary", "replica1")
    rows = write(primary)
    sent = primary.value("SELECT pg_current_wal_lsn()")
    behind = "SELECT pg_last_wal_receive_lsn() < %s::pg_lsn"
    assert replica.value(behind, sent)
    assert primary.value("SELECT count(*) FROM seen") == rows
    stack.heal("replica1", "primary")
    arrives(replica, rows)


def test_there_is_no_link_between_strangers(stack: templates.Scratch) -> None:
    with pytest.raises(ValueError, match="no link between primary and primary"):
        stack.cut("primary", "primary")


def test_a_killed_server_comes_back_with_its_data(stack: templates.Scratch, primary: Database, replica: Database) -> None:
    rows = write(primary)
    stack["primary"].kill()
    assert not stack["primary"].alive()
    with pytest.raises(Blocked, match="primary does not answer"):
        primary.value("SELECT 1")
    stack["primary"].start()
    assert primary.value("SELECT count(*) FROM seen") == rows
    arrives(replica, write(primary))


def test_a_postmaster_killed_alone_leaves_nothing_in_the_way(stack: templates.Scratch, primary: Database) -> None:
    os.kill(stack["primary"].running().pid, signal.SIGKILL)
    wait.until(lambda: not stack["primary"].alive(), seconds=10, what="the postmaster to end")
    stack["primary"].start()
    assert primary.value("SELECT 1") == 1


def test_the_forwarder_is_replaced_when_it_was_killed(stack: templates.Scratch, primary: Database, replica: Database) -> None:
    forwarder = stack.links().forwarder()
    assert forwarder
    process.kill([forwarder])
    stack.start()
    arrives(replica, write(primary))


def test_a_taken_port_is_left_to_its_owner(place: object) -> None:
    import socket

    made = templates.Scratch(templates.Plan("local", SERVICES[:1]))
    try:
        with socket.create_server(("127.0.0.1", made.layout.services["primary"])) as other:
            made.start()
            assert made["primary"].ready()
            assert made["primary"].endpoint.port != other.getsockname()[1]
    finally:
        made.destroy()


def test_a_server_that_cannot_start_says_why() -> None:
    made = templates.Scratch(templates.Plan("local", SERVICES[:1]))
    try:
        with (made["primary"].data / "postgresql.conf").open("a") as file:
            file.write("\nshared_buffers = 'nonsense'\n")
        with pytest.raises(Blocked, match='invalid value for parameter "shared_buffers"'):
            made.start()
    finally:
        made.destroy()

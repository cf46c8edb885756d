"""Questions to a server in kept sessions: each is answered as if it had a session of its own."""

from collections.abc import Iterator

import psycopg2
import pytest

from delab import templates
from delab.checks import CheckFailed, Database
from delab.services import make


@pytest.fixture(scope="module")
def node() -> Iterator[object]:
    stack = templates.Scratch(templates.Plan("kept", (make("primary", {"kind": "postgres"}),)))
    stack.start()
    yield stack["primary"]
    stack.destroy()


@pytest.fixture
def kept(node) -> Database:
    return Database(node, kept=True)


def backend(database: Database) -> int:
    """The process that answers."""
    return int(database.value("SELECT pg_backend_pid()"))


def test_questions_share_a_session(kept: Database, node) -> None:
    assert backend(kept) == backend(kept)
    assert backend(Database(node)) != backend(Database(node))


def test_nothing_is_left_of_a_question(kept: Database) -> None:
    first = backend(kept)
    kept.execute("SET timezone = 'Asia/Tokyo'; CREATE TEMPORARY TABLE mine (); SELECT pg_advisory_lock(1)")
    assert kept.value("SHOW timezone") != "Asia/Tokyo"
    assert kept.value("SELECT to_regclass('mine')") is None
    assert kept.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0
    assert kept.value("SHOW statement_timeout") == "20s"
    assert backend(kept) == first


def test_what_was_not_committed_is_undone(kept: Database) -> None:
    kept.execute("CREATE TABLE counted (n int)")
    with kept.session() as session, session.cursor() as cursor:
        session.autocommit = False
        cursor.execute("INSERT INTO counted VALUES (1)")
    assert kept.value("SELECT count(*) FROM counted") == 0
    kept.execute("INSERT INTO counted VALUES (1)")
    assert kept.value("SELECT count(*) FROM counted") == 1


def test_a_question_within_a_question_has_its_own_session(kept: Database) -> None:
    with kept.session() as outer, outer.cursor() as cursor:
        outer.autocommit = False
        cursor.execute("SELECT pg_backend_pid()")
        assert backend(kept) != cursor.fetchone()[0]
        assert backend(kept) != outer.info.backend_pid


def test_a_mistake_is_told_and_the_session_stays(kept: Database) -> None:
    first = backend(kept)
    with pytest.raises(CheckFailed):
        kept.value("SELECT * FROM not_there")
    assert backend(kept) == first


def test_a_session_that_was_ended_is_replaced(kept: Database, node) -> None:
    first = backend(kept)
    Database(node).execute("SELECT pg_terminate_backend(%s)", first)
    assert backend(kept) != first


def test_another_database_is_asked_anew(kept: Database) -> None:
    first = backend(kept)
    assert kept.value("SELECT current_database()", database="template1") == "template1"
    with kept.session("template1") as session, pytest.raises(psycopg2.Error), session.cursor() as cursor:
        cursor.execute("SELECT 1/0")
    assert backend(kept) == first


def test_passwords_cost_no_time(node) -> None:
    """Passwords are generated and long, so their hash needs no iterations (PostgreSQL 16 and later)."""
    stored = Database(node).value("SELECT rolpassword FROM pg_authid WHERE rolname = current_user")
    wanted = "SCRAM-SHA-256$1:" if int(Database(node).value("SHOW server_version_num")) >= 160000 else "SCRAM-SHA-256$4096:"
    assert stored.startswith(wanted)

"""Loading into a real PostgreSQL."""

from collections.abc import Iterator

import psycopg2
import pytest
from typer.testing import CliRunner

from delab import templates
from delab.data import Recipe, dataset
from delab.data.commands import app
from delab.data.sinks import postgres
from delab.data.sinks.postgres import load
from delab.errors import Blocked, LabError
from delab.services import make
from delab.services.postgres import dsn

RETAIL = dataset("retail")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    stack = templates.Scratch(templates.Plan("data", (make("primary", {"kind": "postgres"}),)))
    stack.start()
    yield dsn(stack["primary"].endpoint)
    stack.destroy()


@pytest.fixture
def session(server: str) -> Iterator[psycopg2.extensions.connection]:
    opened = psycopg2.connect(server)
    yield opened
    opened.close()


def rows(session: psycopg2.extensions.connection, question: str) -> list[tuple[object, ...]]:
    with session.cursor() as cursor:
        cursor.execute(question)
        return cursor.fetchall()


def constraints(session: psycopg2.extensions.connection, kind: str, schema: str = "public") -> int:
    question = f"SELECT count(*) FROM pg_constraint WHERE contype = '{kind}' AND connamespace = '{schema}'::regnamespace"
    return int(str(rows(session, question)[0][0]))


def test_every_row_arrives_as_it_is(server: str, session: psycopg2.extensions.connection) -> None:
    counts = load(server, "retail", scale=0.5, seed=9)
    for table, about in RETAIL.tables.items():
        expected = RETAIL.rows(table, Recipe(0.5, 9))
        assert counts[table] == expected.num_rows
        got = rows(session, f"SELECT * FROM {table} ORDER BY {about.identity}")
        place = expected.column_names.index(about.identity)
        assert got == sorted((tuple(row.values()) for row in expected.to_pylist()), key=lambda row: row[place])
    assert constraints(session, "p") == len(RETAIL.tables)
    assert constraints(session, "f") == sum(bool(column.references) for table in RETAIL.tables.values() for column in table.columns)


def test_loading_again_replaces(server: str, session: psycopg2.extensions.connection) -> None:
    load(server, "retail", scale=0.5)
    assert load(server, "retail", scale=0.1, tables=["orders", "order_lines"])["orders"] == 100
    assert rows(session, "SELECT count(*) FROM orders") == [(100,)]


def test_what_faults_break_is_left_out_and_the_rest_kept(server: str, session: psycopg2.extensions.connection) -> None:
    faults = dict.fromkeys(RETAIL.faults, 0.2)
    counts = load(server, "retail", scale=0.5, schema="dirty", faults=faults)
    recipe = RETAIL.recipe(0.5, 1, faults)
    for table in RETAIL.tables:
        assert counts[table] == RETAIL.rows(table, recipe).num_rows
    assert constraints(session, "p", "dirty") == sum(RETAIL.unique(table, recipe) for table in RETAIL.tables)
    [(kind,)] = rows(session, "SELECT pg_typeof(quantity)::text FROM dirty.order_lines LIMIT 1")
    assert kind == "text"


def test_a_connection_is_the_callers_to_commit(session: psycopg2.extensions.connection) -> None:
    load(session, "retail", scale=0.1, schema="mine", tables=["products"])
    assert rows(session, "SELECT count(*) FROM mine.products") == [(RETAIL.units("products", Recipe(0.1)),)]
    session.rollback()
    assert rows(session, "SELECT to_regclass('mine.products')") == [(None,)]


def test_keys_can_be_left_to_the_learner(server: str, session: psycopg2.extensions.connection) -> None:
    load(server, "retail", scale=0.1, schema="bare", tables=["orders", "customers"], keys=False)
    assert constraints(session, "p", "bare") == constraints(session, "f", "bare") == 0
    load(server, "retail", scale=0.1, schema="bare", tables=["orders", "customers"], references=False)
    assert constraints(session, "p", "bare") == 2
    assert constraints(session, "f", "bare") == 0
    load(server, "retail", scale=0.1, schema="bare", tables=["orders", "customers"])
    assert constraints(session, "f", "bare") == 1


def test_many_pages_are_made_ahead_in_a_thread(server: str, session: psycopg2.extensions.connection) -> None:
    seen: list[int] = []
    counts = load(server, "retail", scale=140, tables=["orders"], keys=False, report=lambda table, units, rows: seen.append(rows))
    assert counts == {"orders": 140_000}
    assert len(seen) == 18
    assert sum(seen) == 140_000


def test_an_error_while_rows_are_made_is_the_one_that_is_raised(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object, **options: object) -> object:
        raise ZeroDivisionError

    monkeypatch.setattr(postgres, "csv_bytes", broken)
    for scale in (0.1, 140):
        with pytest.raises((ZeroDivisionError, psycopg2.Error)) as seen:
            load(server, "retail", scale=scale, tables=["orders"])
        assert isinstance(seen.value, ZeroDivisionError) or "ZeroDivisionError" in str(seen.value)


def test_a_server_that_fails_ends_the_thread_too(server: str) -> None:
    import threading

    before = threading.active_count()
    with psycopg2.connect(server) as session, session.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE orders (order_id bigint)")
        with pytest.raises(psycopg2.Error):
            postgres.copy(cursor, RETAIL, RETAIL.table("orders"), Recipe(140), "pg_temp")
    session.close()
    assert threading.active_count() == before


def test_any_schema_name_will_do(server: str, session: psycopg2.extensions.connection) -> None:
    load(server, "retail", scale=0.1, schema='User "X"', tables=["areas", "stores"])
    assert rows(session, 'SELECT count(*) FROM "User ""X"""."stores"') == [(72,)]


def test_a_refusal_is_explained_and_changes_nothing(server: str, session: psycopg2.extensions.connection) -> None:
    rows(session, "CREATE ROLE guest LOGIN PASSWORD 'guest'; SELECT 1")
    session.commit()
    at = psycopg2.extensions.make_dsn(server, user="guest", password="guest")
    done = CliRunner().invoke(app, ["make", "retail", "--scale", "0.1", "--to", "postgres", "--at", at, "--schema", "closed"])
    assert isinstance(done.exception, Blocked)
    assert "permission denied" in done.exception.message
    assert rows(session, "SELECT to_regnamespace('closed')") == [(None,)]


def test_no_server_is_explained() -> None:
    with pytest.raises(Blocked, match="PostgreSQL does not answer") as seen:
        load("host=127.0.0.1 port=1 connect_timeout=2", "retail")
    assert seen.value.fix


def test_an_unknown_table_is_explained(server: str) -> None:
    with pytest.raises(LabError, match="has no table 'order'"):
        load(server, "retail", tables=["order"])

"""Text in a real PostgreSQL, and as messages."""

import json
from collections.abc import Iterator

import psycopg2
import pytest

from delab import templates
from delab.data import Recipe, answer_key, dataset
from delab.data.sinks.kafka import messages
from delab.data.sinks.postgres import load
from delab.services import make
from delab.services.postgres import dsn

TEXT = dataset("text")


@pytest.fixture(scope="module")
def session() -> Iterator[psycopg2.extensions.connection]:
    stack = templates.Scratch(templates.Plan("data", (make("primary", {"kind": "postgres"}),)))
    stack.start()
    server = dsn(stack["primary"].endpoint)
    load(server, "text", scale=0.5, seed=9)
    load(server, "text", scale=0.5, seed=9, schema="dirty", faults=dict.fromkeys(TEXT.faults, 0.1))
    opened = psycopg2.connect(server)
    yield opened
    opened.close()
    stack.destroy()


def rows(session: psycopg2.extensions.connection, question: str) -> list[tuple[object, ...]]:
    with session.cursor() as cursor:
        cursor.execute(question)
        return cursor.fetchall()


@pytest.mark.parametrize("table", sorted(TEXT.tables))
def test_every_row_arrives_as_it_is(session: psycopg2.extensions.connection, table: str) -> None:
    identity = TEXT.table(table).identity
    expected = TEXT.rows(table, Recipe(0.5, 9)).to_pylist()
    assert rows(session, f"SELECT * FROM {table} ORDER BY {identity}") == [tuple(row.values()) for row in expected]


def test_faults_arrive_too(session: psycopg2.extensions.connection) -> None:
    for table in TEXT.tables:
        expected = TEXT.rows(table, TEXT.recipe(0.5, 9, dict.fromkeys(TEXT.faults, 0.1))).to_pylist()
        got = rows(session, f"SELECT * FROM dirty.{table}")
        assert sorted(got, key=repr) == sorted((tuple(row.values()) for row in expected), key=repr)


def test_postgres_counts_the_same_words(session: psycopg2.extensions.connection) -> None:
    theirs = rows(
        session,
        r"""SELECT word COLLATE "C", count(*), count(DISTINCT document_id)
            FROM documents,
                 regexp_split_to_table(lower(body COLLATE "pg_c_utf8"), '[., ]+') AS word WHERE word <> '' GROUP BY 1 ORDER BY 1""",
    )
    mine = answer_key("text", "word_counts", scale=0.5, seed=9)
    assert [tuple(row.values()) for row in mine.to_pylist()] == theirs


def test_documents_are_messages_in_the_order_of_the_crawl() -> None:
    batch = TEXT.clean("documents", Recipe(), 0, 200)
    sent = list(messages(TEXT.table("documents"), batch))
    assert [json.loads(message.value)["body"] for message in sent] == batch.column("body").to_pylist()
    assert [message.at for message in sent] == sorted(message.at for message in sent)
    assert max(len(message.value) for message in sent) < 10_000

"""Asking a PostgreSQL server of the stack, so that a missing table is the learner's failure and a dead server is not."""

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg2

from delab.checks.failing import fail
from delab.errors import Blocked
from delab.runtime import Node
from delab.services.postgres import connect

LEARNERS = ("22", "23", "2B", "42", "55")  # SQLSTATE classes that speak of what is in the database


class Database:
    """One server; every call is a session of its own in autocommit mode, bounded by `seconds`."""

    def __init__(self, node: Node, seconds: int = 20) -> None:
        self.node, self.seconds = node, seconds

    @contextlib.contextmanager
    def session(self, database: str = "") -> Iterator[Any]:
        """A psycopg2 connection. Errors about tables and columns fail the check; a lost server blocks it."""
        at = self.node.endpoint
        at = type(at)(at.host, at.port, at.user, at.password, database or at.database)
        try:
            with connect(at, self.seconds) as session:
                yield session
        except psycopg2.Error as error:
            explain(self.node.name, error)

    def rows(self, query: str, *values: Any, database: str = "") -> list[tuple[Any, ...]]:
        """The rows of a query; `values` fill its %s. A statement without rows gives an empty list."""
        with self.session(database) as session, session.cursor() as cursor:
            cursor.execute(query, values or None)
            return list(cursor.fetchall()) if cursor.description else []

    def value(self, query: str, *values: Any, database: str = "") -> Any:
        """The first value of the first row, or None."""
        rows = self.rows(query, *values, database=database)
        return rows[0][0] if rows else None

    def execute(self, query: str, *values: Any, database: str = "") -> None:
        """Run a statement."""
        self.rows(query, *values, database=database)


def explain(name: str, error: psycopg2.Error) -> None:
    """Turn a database error into a failed check or a blocked one; anything else stays what it is."""
    text = str(error).strip()
    if error.pgcode and error.pgcode[:2] in LEARNERS:
        fail(expected=f"{name} holds what the task asks for", seen=f"{name} answered: {text}")
    if isinstance(error, psycopg2.OperationalError) and not error.pgcode:
        raise Blocked(f"{name} does not answer: {text}", "verify again; `lab doctor` looks at the machine") from error
    raise error

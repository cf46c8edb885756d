"""Asking a PostgreSQL server of the stack, so that a missing table is the learner's failure and a dead server is not."""

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg2

from delab.checks.failing import fail
from delab.errors import Blocked
from delab.runtime import Node
from delab.services.postgres import connection

LEARNERS = ("22", "23", "2B", "42", "55")  # SQLSTATE classes that speak of what is in the database


class Database:
    """One server; every call is a session of its own in autocommit mode, bounded by `seconds`.

    With `kept`, calls one after the other have the same session, which forgets between them what was set: connecting takes longer
    than most questions. Where servers are killed or sessions are counted, keep none.
    """

    def __init__(self, node: Node, seconds: int = 20, *, kept: bool = False) -> None:
        self.node, self.seconds, self.kept = node, seconds, kept
        self.idle = list[Any]()

    @contextlib.contextmanager
    def session(self, database: str = "") -> Iterator[Any]:
        """A psycopg2 connection. Errors about tables and columns fail the check; a lost server blocks it."""
        at = self.node.endpoint
        at = type(at)(at.host, at.port, at.user, at.password, database or at.database)
        keep = self.kept and not database
        try:
            session = (keep and self.free()) or connection(at, self.seconds)
            try:
                yield session
            finally:
                if keep and let_go(session):
                    self.idle.append(session)
                else:
                    session.close()
        except psycopg2.Error as error:
            explain(self.node.name, error)

    def free(self) -> Any:
        """A kept session that nobody has, or None."""
        with contextlib.suppress(IndexError):
            session = self.idle.pop()
            return session if cleaned(session) else None

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


def let_go(session: Any) -> bool:
    """End what a session is in the middle of; False if it is lost."""
    with contextlib.suppress(psycopg2.Error):
        session.rollback()
        session.autocommit = True
    return not session.closed


def cleaned(session: Any) -> bool:
    """Make a session forget its settings, temporary tables and locks; False if it is lost."""
    with contextlib.suppress(psycopg2.Error), session.cursor() as cursor:
        cursor.execute("DISCARD ALL")
        return True
    session.close()
    return False


def explain(name: str, error: psycopg2.Error) -> None:
    """Turn a database error into a failed check or a blocked one; anything else stays what it is."""
    text = str(error).strip()
    if error.pgcode and error.pgcode[:2] in LEARNERS:
        fail(expected=f"{name} holds what the task asks for", seen=f"{name} answered: {text}")
    if isinstance(error, psycopg2.OperationalError) and not error.pgcode:
        raise Blocked(f"{name} does not answer: {text}", "verify again; `lab doctor` looks at the machine") from error
    raise error

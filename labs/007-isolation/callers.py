"""Calls of the learner's functions, each process of them a customer, and ways to make them meet on the real server."""

import json
import random
import sys
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from delab import wait
from delab.checks import Database, fail, show
from delab.checks.program import Program
from delab.errors import Timeout

DRIVER = Path(__file__).parent / "driver.py"
TABLES = ("stock", "shifts", "bookings", "movements", "registers")


def restore(database: Database) -> None:
    """Put the first state back."""
    names = ", ".join(f"public.{table}" for table in TABLES)
    copies = "".join(f"INSERT INTO public.{table} TABLE kept.{table};" for table in reversed(TABLES))
    database.execute(f"TRUNCATE {names}; {copies}")


class Caller:
    """A process that calls functions of the learner's shop.py."""

    def __init__(self, work, name: str, calls: list[list[Any]], seconds: float = 30) -> None:
        self.answer = work.run_folder / f"answer-{name}.json"
        self.answer.unlink(missing_ok=True)
        command = [sys.executable, str(DRIVER), str(self.answer), json.dumps(calls)]
        paths = {"PYTHONPATH": f"{work.folder}", "PYTHONSAFEPATH": "1"}
        self.calls = calls
        self.program: Program = work.start_command(command, env=paths, seconds=seconds)

    def answers(self, expected: str = "every call returns") -> list[list[Any]]:
        """What each call gave, when the process has ended."""
        run = self.program.wait()
        if not self.answer.exists():
            fail(expected=expected, seen=f"{run.ended}; its last words:\n{run.last_words or 'none'}")
        return json.loads(self.answer.read_text())

    def values(self, expected: str) -> list[Any]:
        """The values of calls none of which may raise."""
        for call, (kind, value) in zip(self.calls, self.answers(expected), strict=True):
            if kind == "raised":
                fail(expected=expected, seen=f"{shown(call)} raised {show(value)}")
        return [value for _, value in self.answers(expected)]

    def over(self) -> bool:
        """Whether the process has ended."""
        return not self.program.running()


def shown(call: list[Any]) -> str:
    """A call as one would write it."""
    return f"{call[0]}(dsn{''.join(f', {argument!r}' for argument in call[1:])})"


def call_all(work, calls: list[list[Any]], expected: str = "calls that return") -> list[Any]:
    """Call one after the other in one process."""
    caller = Caller(work, "alone", calls)
    with caller.program:
        return caller.values(expected)


@contextmanager
def gate(database: Database, table: str, event: str, condition: str = ""):
    """Hold back every write to a table (or those to rows that meet a condition) until `open()` is called."""
    key = random.randint(1, 2**30)
    each = f"FOR EACH ROW WHEN ({condition})" if condition else "FOR EACH STATEMENT"
    database.execute(
        f"CREATE FUNCTION lab_gate() RETURNS trigger LANGUAGE plpgsql AS"
        f" 'BEGIN PERFORM pg_advisory_xact_lock_shared({key}, {key}); RETURN NEW; END';"
        f"CREATE TRIGGER lab_gate BEFORE {event} ON {table} {each} EXECUTE FUNCTION lab_gate()"
    )
    with database.session() as holder, holder.cursor() as cursor:
        cursor.execute(f"SELECT pg_advisory_lock({key}, {key})")
        yield lambda: cursor.execute(f"SELECT pg_advisory_unlock({key}, {key})")


def remove_gate(database: Database, table: str) -> None:
    """Take the gate away; sessions that are left over by a program that was ended are ended first."""
    theirs = "application_name <> 'delab' AND backend_type = 'client backend'"
    database.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {theirs}")
    database.execute(f"DROP TRIGGER IF EXISTS lab_gate ON {table}; DROP FUNCTION IF EXISTS lab_gate()")


def waiting(database: Database, condition: str = "wait_event_type = 'Lock'") -> int:
    """How many sessions of the learner's wait for a lock."""
    query = f"""SELECT count(*) FROM pg_stat_activity WHERE {condition}
                AND backend_type = 'client backend' AND application_name <> 'delab'"""
    return int(database.value(query))


def connected(database: Database, callers: list[Caller]) -> bool:
    """Whether every call has a session or is over."""
    return waiting(database, "true") + sum(caller.over() for caller in callers) >= len(callers)


def met(database: Database, callers: list[Caller]) -> bool:
    """Whether every call waits for a lock or is over."""
    return waiting(database) + sum(caller.over() for caller in callers) >= len(callers)


def race(database: Database, work, table: str, event: str, calls: list[list[Any]]) -> list[Any]:
    """Let calls of several processes meet at their first write: all have read before any writes. Returns their values."""
    restore(database)
    callers: list[Caller] = []
    try:
        with gate(database, table, event) as open_gate:
            callers = [Caller(work, str(place), [call]) for place, call in enumerate(calls)]
            with suppress(Timeout):  # they may have their own way of waiting, such as asking again: let them go on
                wait.until(partial(connected, database, callers), seconds=10, what="calls to begin")
                wait.until(partial(met, database, callers), seconds=3, what="calls to meet")
            open_gate()
            return [caller.values("calls that meet are decided one after the other, and none fails")[0] for caller in callers]
    finally:
        for caller in callers:
            caller.program.end()
        remove_gate(database, table)


def what_is_waited_for(database: Database) -> str:
    """The lock that the last waiting session wants."""
    query = """SELECT locktype, relation::regclass::text, mode FROM pg_locks JOIN pg_stat_activity USING (pid)
               WHERE NOT granted AND application_name <> 'delab' ORDER BY query_start DESC LIMIT 1"""
    rows = database.rows(query)
    return f"a lock of the kind {rows[0][0]} ({rows[0][1] or 'no table'}, {rows[0][2]})" if rows else "a lock"

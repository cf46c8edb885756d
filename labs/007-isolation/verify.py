"""Checks of lab 7: schedules that show the anomalies, and functions that survive company."""

import json
import random
import re
from contextlib import suppress
from typing import Any

import pytest
from callers import TABLES, Caller, call_all, gate, race, remove_gate, restore, shown, waiting, what_is_waited_for
from schedules import Played, differ, play, reads, repeated_query

from delab import wait
from delab.checks import Database, expect, fail, main, show
from delab.errors import Timeout

SERIALIZATION = "40001"
DAY = "2026-07-01"


@pytest.fixture(scope="module")
def database(stack) -> Database:
    """The server, with its first state put aside."""
    primary = Database(stack["primary"])
    primary.execute("CREATE SCHEMA kept; " + "".join(f"CREATE TABLE kept.{table} AS TABLE public.{table};" for table in TABLES))
    return primary


# The schedules


def steps_of(work, name: str) -> list[list[str]]:
    """One schedule of schedules.json, checked for its form."""
    expected = f'"{name}": a list of [session, statement] of two sessions, with plain BEGIN and COMMIT'
    try:
        steps = json.loads(work.text("schedules.json"))[name]
    except (ValueError, KeyError, TypeError) as error:
        fail(expected=expected, seen=f"schedules.json: {type(error).__name__}: {error}")
    ok = isinstance(steps, list) and all(isinstance(step, list) and [type(part) for part in step] == [str, str] for step in steps)
    expect(ok, expected=expected, seen=show(json.dumps(steps)))
    expect(steps, expected=expected, seen="an empty list")
    sessions = {step[0] for step in steps}
    expect(len(sessions) == 2, expected=expected, seen=f"sessions {', '.join(sorted(sessions))}")
    expect(len(steps) <= 40, expected="at most 40 steps", seen=f"{len(steps)} steps")
    for _, statement in steps:
        named = re.search(
            r"\b(isolation|set|lock|pg_\w+|dblink|do(?!\s+(nothing|update))|copy|drop|alter|create|truncate|grant)\b(?!\s+\w+\s*=)",
            statement,
            re.I,
        )
        if named and not re.match(r"\s*update\b", statement, re.I):
            fail(
                expected="statements that read and write rows, BEGIN, COMMIT; the level is chosen by the verifier",
                seen=f"{statement!r}",
            )
    return steps


def state(database: Database) -> dict[str, list[Any]]:
    """All rows of all tables."""
    return {table: database.rows(f"SELECT * FROM public.{table} ORDER BY 1, 2") for table in TABLES}


def run(database: Database, steps: list[list[str]], level: str) -> tuple[Played, dict[str, list[Any]]]:
    """Play a schedule from the first state; what it gave, and the state that it left."""
    restore(database)
    played = play(database, steps, level)
    return played, state(database)


def without_errors(played: Played, level: str) -> None:
    """At this level the schedule must run through."""
    for outcome in played.errors():
        fail(expected=f"a schedule that runs through at {level}", seen=f"{outcome.statement!r} failed: {outcome.error}")


def fails_at(database: Database, steps: list[list[str]], level: str) -> None:
    """At this level, the database must refuse the schedule."""
    played, _ = run(database, steps, level)
    states = {outcome.state for outcome in played.errors()}
    seen = f"it ran through at {level} as well: then it does not show this anomaly" if not states else f"it failed with {states}"
    expect(SERIALIZATION in states, expected=f"at {level}, PostgreSQL refuses one of the transactions (SQLSTATE 40001)", seen=seen)


def test_lost_update_shown(database, work):
    """`lost_update`: both sessions read a row of stock and then update it; both commit, and one update is without effect.

    Gone at REPEATABLE READ.
    """
    steps = steps_of(work, "lost_update")
    start = (restore(database), state(database))[1]
    played, end = run(database, steps, "READ COMMITTED")
    without_errors(played, "READ COMMITTED")
    sessions = list(dict.fromkeys(step[0] for step in steps))
    for session in sessions:
        seen = f"session {session} does not read first"
        expect(reads(played, session, "stock"), expected="each session reads stock, then updates it", seen=seen)
        expect(
            played.changed(session, "UPDATE") == 1,
            expected="each session updates one row",
            seen=f"{played.changed(session, 'UPDATE')} by {session}",
        )
    lost = [session for session in sessions if is_lost(database, steps, session, start, end)]
    seen = "both updates are in the final state: on_hand = on_hand - n, for instance, loses nothing"
    expect(lost, expected="a final state in which one of the two updates is missing", seen=seen)
    fails_at(database, steps, "REPEATABLE READ")


def is_lost(database: Database, steps: list[list[str]], session: str, start: dict[str, Any], end: dict[str, Any]) -> bool:
    """Whether a session's update, which alone changes something, leaves no trace in the final state."""
    own = [step for step in steps if step[0] == session]
    rest = [step for step in steps if step[0] != session or not re.match(r"\s*update\b", step[1], re.I)]
    return run(database, own, "READ COMMITTED")[1] != start and run(database, rest, "READ COMMITTED")[1] == end


def two_reads(database: Database, steps: list[list[str]], level: str, verb: str) -> tuple[Played, str, list[Any]]:
    """A schedule in which one session repeats a query in a transaction: the reader, and the results of that query.

    If both do, the reader is the one that has not done `verb`: the other one looked at what it had written.
    """
    played, _ = run(database, steps, level)
    without_errors(played, level)
    sessions = dict.fromkeys(step[0] for step in steps)
    for session in sorted(sessions, key=lambda name: played.changed(name, verb) > 0):
        if (found := repeated_query(played, session)) is not None:
            return played, session, found
    fail(expected="one session runs the same SELECT twice within one transaction", seen="no session does")


def shows_difference(database: Database, work, name: str, verb: str, never: str) -> None:
    """Two equal reads differ at READ COMMITTED because the other session has done `verb`, and agree at REPEATABLE READ."""
    steps = steps_of(work, name)
    played, reader, results = two_reads(database, steps, "READ COMMITTED", verb)
    other = next(step[0] for step in steps if step[0] != reader)
    expected = f"session {other} changes what {reader} reads by {verb}"
    expect(played.changed(other, verb) > 0, expected=expected, seen=f"no row was changed by {verb}")
    expect(
        played.changed(other, never) == 0,
        expected=f"{expected}, not by {never}",
        seen=f"{never} {played.changed(other, never)}: another anomaly",
    )
    expect(differ(results), expected="two equal queries with different results", seen=f"twice {show(results[0])}")
    _, _, results = two_reads(database, steps, "REPEATABLE READ", verb)
    expect(not differ(results), expected="the same results at REPEATABLE READ", seen=f"{show(results)}")


def test_non_repeatable_read_shown(database, work):
    """`non_repeatable_read`: one session runs the same query twice in a transaction and sees other values.

    The reason is that rows were updated in between. Gone at REPEATABLE READ.
    """
    shows_difference(database, work, "non_repeatable_read", "UPDATE", "INSERT")


def test_phantom_shown(database, work):
    """`phantom`: the second of two equal queries sees rows that were inserted in between. Gone at REPEATABLE READ."""
    shows_difference(database, work, "phantom", "INSERT", "UPDATE")


def deserted(database: Database, rows: list[Any]) -> set[int]:
    """The stores with nobody on duty."""
    return {store for store, _, _ in rows} - {store for store, _, on_duty in rows if on_duty}


def test_write_skew_shown(database, work):
    """`write_skew`: both sessions read the shifts and send a clerk off duty; each is allowed alone, together nobody is left.

    This is so even at REPEATABLE READ. Gone at SERIALIZABLE.
    """
    steps = steps_of(work, "write_skew")
    played, end = run(database, steps, "REPEATABLE READ")
    without_errors(played, "REPEATABLE READ")
    for session in dict.fromkeys(step[0] for step in steps):
        expect(
            reads(played, session, "shifts"),
            expected="each session reads shifts before it writes",
            seen=f"session {session} does not",
        )
        alone = run(database, [step for step in steps if step[0] == session], "REPEATABLE READ")[1]
        expect(
            played.changed(session, "UPDATE") > 0,
            expected="each session sends somebody off duty",
            seen=f"session {session} changes no row",
        )
        expect(
            not deserted(database, alone["shifts"]),
            expected=f"session {session} alone leaves somebody on duty",
            seen="it alone leaves nobody",
        )
    expect(
        deserted(database, end["shifts"]),
        expected="a store with nobody on duty in the end",
        seen="somebody is on duty in every store",
    )
    fails_at(database, steps, "SERIALIZABLE")


# The functions


def test_alone(database, work):
    """Alone, each function does what its docstring says: it returns True or False, and changes exactly what it should."""
    restore(database)
    on_hand = database.value("SELECT on_hand FROM stock WHERE product_id = 2")
    calls: list[list[Any]] = [["take", 2, on_hand - 1], ["take", 2, 2], ["take", 2, 1], ["leave", 2, "ana"], ["leave", 2, "ben"]]
    calls += [["book", 1, DAY, number] for number in range(1, 5)] + [["book", 1, "2026-07-02", 5], ["book", 2, DAY, 6]]
    right = [True, False, True, True, False, True, True, True, False, True, True]
    for call, value, wanted in zip(calls, call_all(work, calls), right, strict=True):
        expect(value is wanted, expected=f"{shown(call)} gives {wanted}", seen=f"{value!r}")
    left = database.value("SELECT on_hand FROM stock WHERE product_id = 2")
    expect(left == 0, expected="the goods taken are gone from stock: on_hand 0", seen=f"on_hand {left}")
    rows = database.rows("SELECT clerk, on_duty FROM shifts WHERE store_id = 2 ORDER BY 1")
    expect(rows == [("ana", False), ("ben", True)], expected="ana is off duty, ben on duty", seen=f"{rows}")
    rows = database.rows("SELECT order_id, van, day::text FROM bookings ORDER BY 1")
    wanted_rows = [(1, 1, DAY), (2, 1, DAY), (3, 1, DAY), (5, 1, "2026-07-02"), (6, 2, DAY)]
    expect(rows == wanted_rows, expected=f"bookings {wanted_rows}", seen=f"{rows}")
    for table in ("registers", "movements"):
        expect(
            state(database)[table] == database.rows(f"SELECT * FROM kept.{table} ORDER BY 1"),
            expected=f"{table} as before",
            seen="it was changed",
        )


def test_no_lost_update(database, work):
    """Two calls of `take` for the same product that have both read before either writes: nothing is lost, nor taken twice."""
    on_hand = database.value("SELECT on_hand FROM kept.stock WHERE product_id = 3")
    values = race(database, work, "stock", "UPDATE", [["take", 3, 5], ["take", 3, 7]])
    left = database.value("SELECT on_hand FROM stock WHERE product_id = 3")
    expect(values == [True, True], expected="both calls give True: there is enough", seen=f"{values}")
    seen = f"{left}: {'an update was lost' if left > on_hand - 12 else 'too much was taken'}"
    expect(left == on_hand - 12, expected=f"{on_hand} - 5 - 7 = {on_hand - 12} left", seen=seen)
    values = race(database, work, "stock", "UPDATE", [["take", 3, on_hand - 1], ["take", 3, 2]])
    left = database.value("SELECT on_hand FROM stock WHERE product_id = 3")
    wanted = {(True, False): 1, (False, True): on_hand - 2}.get(tuple(values))
    expected = f"of {on_hand - 1} and 2 out of {on_hand}, one is taken, and the other call gives False"
    sold_twice = ": the last ones were sold twice, by what was read before the other wrote"
    expect(left == wanted, expected=expected, seen=f"on_hand {left}; the calls gave {values}{sold_twice if left < 0 else ''}")


def test_no_write_skew(database, work):
    """Two clerks of a store leave at the same time: one may, the other may not."""
    values = race(database, work, "shifts", "UPDATE", [["leave", 3, "ana"], ["leave", 3, "ben"]])
    on_duty = database.value("SELECT count(*) FROM shifts WHERE store_id = 3 AND on_duty")
    seen = f"{on_duty} on duty; the calls gave {values}" + (": a write skew" if on_duty == 0 else "")
    expect(on_duty == 1 and sorted(values) == [False, True], expected="one clerk on duty, one call True and one False", seen=seen)


def test_no_phantom(database, work):
    """Four orders are booked onto the same van at the same time: three get a place."""
    values = race(database, work, "bookings", "INSERT", [["book", 4, DAY, number] for number in range(11, 15)])
    rows = database.value("SELECT count(*) FROM bookings WHERE van = 4 AND day = %s", DAY)
    seen = f"{rows} bookings; the calls gave {values}" + (": phantoms, which none of them has counted" if rows > 3 else "")
    expect(rows == 3 and sorted(values) == [False, True, True, True], expected="three bookings, three times True", seen=seen)


MOVE = """
WITH moved AS (UPDATE registers SET balance = balance + %s WHERE register_id = %s RETURNING register_id)
INSERT INTO movements (register_id, amount) SELECT register_id, %s FROM moved
"""


def test_consistent_report(database, work):
    """While registers change all the time, `report` gives for each its balance and the equal sum of its movements."""
    restore(database)
    caller = Caller(work, "report", [["report"] for _ in range(60)])
    chance = random.Random(work.lab.number)
    with caller.program, database.session() as session, session.cursor() as cursor:
        moves = 0
        while not caller.over() and moves < 200_000:
            amount, register = chance.randint(1, 9), chance.randint(1, 5)
            cursor.execute(MOVE, (amount, register, amount))
            moves += 1
        reports = caller.values("reports that return")
    registers = {str(register) for (register,) in database.rows("SELECT register_id FROM registers")}
    for told in reports:
        expected = "a dict from register to [balance, sum of movements]"
        ok = isinstance(told, dict) and all(isinstance(pair, list) and len(pair) == 2 for pair in told.values())
        expect(ok, expected=expected, seen=show(told))
        expect({str(key) for key in told} == registers, expected=f"registers {sorted(registers)}", seen=f"{sorted(told)}")
        wrong = {key: pair for key, pair in told.items() if pair[0] != pair[1]}
        expect(
            not wrong, expected="balance and sum of movements agree in each report", seen=f"{show(wrong)}: read from two snapshots"
        )
    first, last = (sum(pair[0] for pair in told.values()) for told in (reports[0], reports[-1]))
    expect(last > first, expected="reports that follow the changes", seen="the first and the last report are the same")
    lock = report_waits_for(database, work)
    expect(
        "relation" not in lock, expected="a report without a lock on a table", seen=f"while a register changes, it waits for {lock}"
    )


def report_waits_for(database: Database, work) -> str:
    """The lock that `report` waits for while a register is being changed, if any."""
    caller = Caller(work, "report-beside-a-writer", [["report"]])
    with caller.program, database.session() as session, session.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(MOVE, (1, 1, 1))
        with suppress(Timeout):
            wait.until(lambda: waiting(database) or caller.over(), seconds=15, what="the report")
        lock = what_is_waited_for(database) if waiting(database) else ""
        cursor.execute("COMMIT")
        caller.values("a report that returns when the register has changed")
    return lock


def test_strangers_do_not_wait(database, work):
    """A call that is held up does not hold up a call about another product, store or van."""
    cases = [
        ("stock", "UPDATE", "NEW.product_id = 5", ["take", 5, 1], ["take", 6, 1]),
        ("shifts", "UPDATE", "NEW.store_id = 4", ["leave", 4, "ana"], ["leave", 5, "ana"]),
        ("bookings", "INSERT", "NEW.van = 7", ["book", 7, DAY, 21], ["book", 8, DAY, 22]),
    ]
    for table, event, condition, held, other in cases:
        stranger_passes(database, work, table, event, condition, held, other)


def stranger_passes(database, work, table, event, condition, held, other) -> None:
    """Hold one call back at its write; the other must get through meanwhile."""
    restore(database)
    callers = []
    try:
        with gate(database, table, event, condition) as open_gate:
            callers.append(Caller(work, "held", [held]))
            with suppress(Timeout):  # who asks for a lock again and again is never seen to wait
                wait.until(lambda: waiting(database) or callers[0].over(), seconds=15, what="the first call to write")
            callers.append(Caller(work, "other", [other]))
            with suppress(Timeout):
                wait.until(lambda: waiting(database) > 1 or callers[1].over(), seconds=15, what="the second call")
            blocked = not callers[1].over()
            lock = what_is_waited_for(database) if waiting(database) > 1 else "a lock, for which it asks again and again"
            open_gate()
            expected = f"{shown(other)} returns while {shown(held)} is held up: they have nothing in common"
            expect(not blocked, expected=expected, seen=f"it waits for {lock}")
            value = callers[1].values(expected)[0]
            expect(value is True, expected=f"{shown(other)} gives True", seen=f"{value!r}")
            callers[0].values("the call that was held up returns in the end")
    finally:
        for caller in callers:
            caller.program.end()
        remove_gate(database, table)


def test_storm(database, work, seed):
    """Three processes call all functions again and again: the sums are right, and no call fails."""
    restore(database)
    chance = random.Random(seed)
    before = dict(database.rows("SELECT product_id, on_hand FROM stock"))
    callers = [Caller(work, f"storm-{place}", storm(chance, place)) for place in range(3)]
    done: list[tuple[list[Any], Any]] = []
    try:
        for caller in callers:
            done += zip(caller.calls, caller.values("calls that collide are repeated until they are decided"), strict=True)
    finally:
        for caller in callers:
            caller.program.end()
    taken: dict[int, int] = {}
    for call, value in done:
        if call[0] == "take" and value:
            taken[call[1]] = taken.get(call[1], 0) + call[2]
    for product, left in database.rows("SELECT product_id, on_hand FROM stock ORDER BY 1"):
        wanted = before[product] - taken.get(product, 0)
        seen = f"{left}, though calls for {taken.get(product, 0)} gave True"
        expect(left == wanted and left >= 0, expected=f"product {product}: {wanted} left", seen=seen)
    booked = sorted(call[3] for call, value in done if call[0] == "book" and value)
    rows = [number for (number,) in database.rows("SELECT order_id FROM bookings ORDER BY 1")]
    expect(rows == booked, expected=f"exactly the bookings whose calls gave True: {booked}", seen=f"{rows}")
    full = database.rows("SELECT van, day::text, count(*) FROM bookings GROUP BY 1, 2 HAVING count(*) > 3")
    expect(not full, expected="at most three orders a van and day", seen=f"{full}")
    off = sorted([call[1], call[2]] for call, value in done if call[0] == "leave" and value)
    rows = [list(row) for row in database.rows("SELECT store_id, clerk FROM shifts WHERE NOT on_duty ORDER BY 1, 2")]
    expect(rows == off, expected=f"off duty are those whose calls gave True: {off}", seen=f"{rows}")
    expect(
        not deserted(database, state(database)["shifts"]), expected="somebody on duty in every store", seen="a store with nobody"
    )


def storm(chance: random.Random, place: int) -> list[list[Any]]:
    """One process's calls: few products, stores and vans, so that they collide."""
    calls: list[list[Any]] = [["take", chance.randint(1, 2), chance.randint(1, 4)] for _ in range(14)]
    calls += [["book", chance.randint(1, 2), DAY, 1000 * (place + 1) + number] for number in range(6)]
    if place < 2:
        calls += [["leave", store, ("ana", "ben")[place]] for store in range(1, 5)]
    chance.shuffle(calls)
    return calls


REFUSED = {
    "stock": ("UPDATE", ["take", 1, 1]),
    "shifts": ("UPDATE", ["leave", 1, "ana"]),
    "bookings": ("INSERT", ["book", 1, DAY, 1]),
}


def test_gives_up(database, work):
    """If the database refuses a transaction every time, the failure reaches the caller as an exception, in less than 20 seconds."""
    restore(database)
    database.execute(
        "CREATE FUNCTION lab_refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN RAISE EXCEPTION 'could not serialize access' USING ERRCODE = '40001'; END$$;"
        + "".join(
            f"CREATE TRIGGER lab_refuse BEFORE {event} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION lab_refuse();"
            for table, (event, _) in REFUSED.items()
        )
    )
    expected = "an exception, after a bounded number of tries"
    callers = [Caller(work, f"refused-{call[0]}", [call], seconds=20) for _, call in REFUSED.values()]
    try:
        for caller in callers:
            ((kind, value),) = caller.answers(f"{caller.calls[0][0]} gives {expected}")
            seen = f"{shown(caller.calls[0])} gave {value!r}, though nothing was written: the failure was swallowed"
            expect(kind == "raised", expected=expected, seen=seen)
    finally:
        for caller in callers:
            caller.program.end()
        database.execute("".join(f"DROP TRIGGER lab_refuse ON {table};" for table in REFUSED) + "DROP FUNCTION lab_refuse()")


if __name__ == "__main__":
    main(__file__)

"""Checks of lab 86: runs of the learner's DAG, carried out by Airflow's own scheduling code on fresh orders."""

import itertools
import json
import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from urllib.parse import quote

import pytest

from delab.checks import Database, expect, fail, main, show

FILE, DAG = "daily_sales.py", "daily_sales"
TASKS = ("check_orders", "summarize", "report")
MOST_BYTES = 1000
LEAST_RETRIES, LEAST_DELAY = 2, 60
PATIENT = 9  # retries up to which a verification waits for the last attempt
SALES = """
SELECT currency, count(DISTINCT order_id), sum(quantity), sum(amount) FROM orders JOIN order_lines USING (order_id)
WHERE {} AND (ordered_at AT TIME ZONE 'UTC')::date = %s GROUP BY currency ORDER BY currency
"""
ROLLING = """
SELECT currency, count(DISTINCT order_id), sum(quantity), sum(amount) FROM orders JOIN order_lines USING (order_id)
WHERE status = 'completed' AND ordered_at >= %s AND ordered_at < %s::timestamptz + interval '1 day'
GROUP BY currency ORDER BY currency
"""
ELSEWHERE = """
SELECT currency, count(DISTINCT order_id), sum(quantity), sum(amount) FROM orders JOIN order_lines USING (order_id)
WHERE status = 'completed' AND (ordered_at AT TIME ZONE %s)::date = %s GROUP BY currency ORDER BY currency
"""
OF_DAY = "(ordered_at AT TIME ZONE 'UTC')::date = %s"
CANCEL = f"UPDATE orders SET status = 'cancelled' WHERE currency = %s AND {OF_DAY}"
ORDER = """
INSERT INTO orders SELECT %(number)s, %(at)s, %(at)s, customer_id, store_id, promotion_id, %(currency)s, %(status)s
FROM orders LIMIT 1
"""
LINE = """
INSERT INTO order_lines SELECT %(number)s, %(number)s, 1, product_id, %(quantity)s, 1.10, 0, 1.10 * %(quantity)s
FROM order_lines LIMIT 1
"""
FIRST_NUMBER = 90_000_000
EDGES = (  # seconds from the day's beginning, quantity, status
    (0, 1, "completed"),
    (86_399.9, 2, "completed"),
    (-0.1, 40, "completed"),
    (86_400, 80, "completed"),
    (43_200, 500, "open"),
)
OTHERS = {days: ("EUR", 7, 8, Decimal(days)) for days in (-1, 1, -8, -40, -400, 400)}  # what is there so many days away
MOVED = """
CREATE TABLE orders (order_id bigint, ordered_at timestamptz, currency text, status text);
CREATE TABLE order_lines (order_id bigint, quantity int, amount numeric(14, 2));
CREATE TABLE daily_sales (
  day date, currency text, orders bigint, quantity bigint, amount numeric(14, 2), PRIMARY KEY (day, currency)
);
"""
# Not the first row that is written is refused, but the second.
REFUSE = """
CREATE SEQUENCE rows_written;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF nextval('rows_written') >= 2 THEN RAISE EXCEPTION 'the disk of daily_sales is full'; END IF;
  RETURN new;
END $$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON daily_sales FOR EACH ROW EXECUTE FUNCTION refuse();
"""
ACCEPT = "DROP FUNCTION refuse CASCADE; DROP SEQUENCE rows_written"
# What each transaction that changes daily_sales leaves of a day, noted as it commits.
NOTE = """
CREATE TABLE commits (place serial, transaction bigint PRIMARY KEY, left_behind text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO commits (transaction, left_behind)
  SELECT txid_current(), string_agg(concat(currency, ' ', orders, '/', quantity, '/', amount), ', ' ORDER BY currency)
  FROM daily_sales WHERE day = '{}' ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON daily_sales
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note();
"""
NOTE_NO_MORE = "DROP FUNCTION note CASCADE"
OUTDATED = f"""
INSERT INTO daily_sales SELECT %s, currency, 1000 + count(*), 1, 1 FROM orders
WHERE status = 'completed' AND {OF_DAY} GROUP BY currency
ON CONFLICT (day, currency) DO UPDATE SET orders = excluded.orders, quantity = excluded.quantity, amount = excluded.amount
"""
HIDE = "ALTER TABLE orders RENAME TO hidden_orders; ALTER TABLE daily_sales RENAME TO hidden_sales"
SHOW = "ALTER TABLE hidden_orders RENAME TO orders; ALTER TABLE hidden_sales RENAME TO daily_sales"
VAULT = "airflow.secrets.local_filesystem.LocalFilesystemBackend"


@pytest.fixture(scope="module")
def shop(stack):
    """The verification's own orders."""
    return Database(stack["warehouse"], kept=True)


@pytest.fixture(scope="module")
def day(shop, seed):
    """A day with sales in several currencies, cancelled orders, and orders at both of its ends, just within and just without."""
    question = """
    SELECT (ordered_at AT TIME ZONE 'UTC')::date FROM orders GROUP BY 1
    HAVING count(*) FILTER (WHERE status <> 'completed') > 0 AND count(DISTINCT currency) FILTER (WHERE status = 'completed') >= 3
    AND count(*) >= 15 ORDER BY 1
    """
    days = [row[0] for row in shop.rows(question) if date(2024, 6, 1) < row[0] < date(2025, 12, 1)]
    day = random.Random(seed).choice(days)
    currency = shop.value(f"SELECT min(currency) FROM orders WHERE status = 'completed' AND {OF_DAY}", day)
    for number, (seconds, quantity, status) in enumerate(EDGES):
        add_order(shop, number, beginning(day) + timedelta(seconds=seconds), currency, quantity, status)
    return day


@pytest.fixture(scope="module")
def night(day):
    """A moment of that day: already the next in Seoul, and in Berlin."""
    return beginning(day) + timedelta(hours=23, minutes=30)


@pytest.fixture(scope="module")
def truth(shop, day):
    """The day's sales: [(currency, orders, quantity, amount), …]."""
    return shop.rows(SALES.format("status = 'completed'"), day)


@pytest.fixture(scope="module")
def tasks(airflow):
    """The tasks of the DAG."""
    return airflow.dag(FILE, DAG).tasks


@pytest.fixture(scope="module")
def first(airflow, shop, tasks, day, night, truth):
    """The first run, with rows of other days in the table; slow tasks must be waited for, and each fails once if it may."""
    for other, row in others(day).items():
        shop.execute("INSERT INTO daily_sales VALUES (%s, %s, %s, %s, %s)", other, *row)
    failing = {name: 1 for name in TASKS if name in tasks and tasks[name].retries}
    return airflow.run(FILE, DAG, night, hold=["check_orders", "summarize"], fail_tasks=failing)


@pytest.fixture(scope="module")
def repeated(airflow, shop, day, first):
    """After late orders and cancellations, a run for an early hour: it, the rows before it, and what each transaction left."""
    before = written(shop, day)
    shop.execute(CANCEL, before[-1][0], day)
    add_order(shop, len(EDGES), beginning(day) + timedelta(hours=14), before[0][0], 3)
    shop.execute(NOTE.format(day))
    try:
        run = airflow.run(FILE, DAG, beginning(day) + timedelta(minutes=15), once=True)
    finally:
        shop.execute(NOTE_NO_MORE)
    return run, before, [row[0] or "no row" for row in shop.rows("SELECT left_behind FROM commits ORDER BY place")]


@pytest.fixture(scope="module")
def empty(airflow, shop, tasks, day, night, repeated):
    """A run for the day without any order; it, and the day's rows before and after."""
    before = written(shop, day)
    shop.execute(f"CREATE TABLE kept AS SELECT * FROM orders WHERE {OF_DAY}", day)
    shop.execute("DELETE FROM orders WHERE order_id IN (SELECT order_id FROM kept)")
    try:
        run = airflow.run(FILE, DAG, night, once=tasks["check_orders"].retries > PATIENT)
    finally:
        shop.execute("INSERT INTO orders SELECT * FROM kept")
    return run, before, written(shop, day)


def beginning(day):
    """Midnight UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def others(day):
    """Rows of other days: {day: row}."""
    return {day + timedelta(days=days): row for days, row in OTHERS.items()}


def add_order(shop, number, at, currency, quantity, status="completed"):
    """An order with one line."""
    values = {"number": FIRST_NUMBER + number, "at": at, "currency": currency, "quantity": quantity, "status": status}
    with shop.session() as session, session.cursor() as cursor:
        cursor.execute(ORDER, values)
        cursor.execute(LINE, values)


def written(database, day):
    """The rows of a day in daily_sales."""
    return database.rows("SELECT currency, orders, quantity, amount FROM daily_sales WHERE day = %s ORDER BY currency", day)


def readable(rows):
    """Rows for a message."""
    return show(", ".join(f"{currency} {orders}/{quantity}/{amount}" for currency, orders, quantity, amount in rows)) or "no row"


def same_sales(shop, day, wanted):
    """Compare a day, and name the mistake if it can be recognised."""
    seen = written(shop, day)
    if seen == wanted:
        return
    what = f"daily_sales of {day}: {readable(wanted)} (currency orders/quantity/amount)"
    if not seen:
        rows = shop.rows("SELECT day, currency, orders, quantity, amount FROM daily_sales ORDER BY 1, 2")
        planted = [(other, *row) for other, row in others(day).items()]
        elsewhere = sorted({str(row[0]) for row in rows if row not in planted})
        where = f"; there are some of {', '.join(elsewhere)}" if elsewhere else ""
        fail(expected=what, seen=f"no row for that day{where}")
    if seen == shop.rows(SALES.format("true"), day):
        fail(expected=what, seen=f"{readable(seen)}: cancelled and open orders are counted too")
    if seen == shop.rows(SALES.format("status <> 'cancelled'"), day):
        fail(expected=what, seen=f"{readable(seen)}: open orders are counted too")
    if seen == shop.rows(ROLLING, f"{day} 23:30+00", f"{day} 23:30+00"):
        fail(expected=what, seen=f"{readable(seen)}: the 24 hours from the logical date on, which was late in the evening (23:30)")
    for zone, why in (("Asia/Seoul", ", which is the session's time zone"), ("Europe/Berlin", "")):
        if seen == shop.rows(ELSEWHERE, zone, day):
            fail(expected=what, seen=f"{readable(seen)}: the day in {zone}{why}, not in UTC")
    fail(expected=what, seen=f"{readable(seen)}; there are orders at {day} 00:00:00 and 23:59:59.9 UTC, and just before and after")


def test_loads(airflow):
    """Airflow imports `daily_sales.py` and finds the DAG `daily_sales` with the three tasks; reading the file does no work."""
    found = airflow.parse(FILE)
    expect(
        not found.work,
        expected="reading the file does no work",
        seen=f"when it is read, it {', '.join(found.work)}; that belongs into a task",
    )
    tasks = airflow.dag(FILE, DAG).tasks
    missing = [name for name in TASKS if name not in tasks]
    expect(
        not missing,
        expected=f"tasks {', '.join(TASKS)}",
        seen=f"there is no {', '.join(missing)}, but {', '.join(tasks) or 'none'}",
    )


def test_runs_in_order(first):
    """`check_orders`, `summarize` and `report` run one after the other, also if an earlier one is slow."""
    for earlier, later in itertools.pairwise(TASKS):
        if first.ran(later) and not (first.ran(earlier) and first.before(earlier, later)):
            fail(expected=f"{later} waits for {earlier}", seen=f"{later} was started although {earlier} had not run yet")


def test_sums_up_the_day(first, shop, day, truth):
    """A run for a late evening writes that UTC day's completed sales, a row for each currency."""
    first.succeeded(f"a run for {day} 23:30 UTC succeeds")
    same_sales(shop, day, truth)


def test_tells_what_it_did(first, day, truth):
    """`report` returns day, orders and rows; no task returns more than 1,000 bytes."""
    for name, value in first.xcoms.items():
        size = len(json.dumps(value, default=str))
        expect(size <= MOST_BYTES, expected=f"values of at most {MOST_BYTES:,} bytes", seen=f"{name} has returned {size:,} bytes")
    reported(first, day, truth)


def reported(run, day, rows, what="report returns"):
    """Compare what `report` has returned."""
    wanted, seen = {"day": str(day), "orders": sum(row[1] for row in rows), "rows": len(rows)}, run.xcoms.get("report")
    expect(seen == wanted, expected=f"{what} {wanted}", seen=show(seen) if seen is not None else "it has returned nothing")


def test_can_be_repeated(shop, day, repeated):
    """After late orders and cancellations a repetition leaves the day as the orders are now, and other days alone."""
    run, before, _ = repeated
    run.succeeded(f"a second run for the same day, for {day} 00:15 UTC, succeeds")
    wanted, seen = shop.rows(SALES.format("status = 'completed'"), day), written(shop, day)
    for other, row in others(day).items():
        rows = written(shop, other)
        lost = f"of another day, {other}, there is now {readable(rows)}"
        expect(rows == [row], expected=f"a repetition leaves other days alone: {readable([row])}", seen=lost)
    what = f"after the repetition {readable(wanted)}"
    expect(seen != before, expected=what, seen=f"as before: {readable(seen)}; the repetition has changed nothing")
    stale = sorted({row[0] for row in seen} - {row[0] for row in wanted})
    expect(
        not stale,
        expected=what,
        seen=f"{', '.join(stale)} is still there, though it has no completed order any longer: it should be there no longer",
    )
    expect(seen == wanted, expected=what, seen=readable(seen))


def test_stops_without_orders(airflow, shop, day, night, empty):
    """Without any order a run fails in `check_orders` and nothing is lost; with cancelled ones only it succeeds and reports 0."""
    run, before, after = empty
    what = "the run for a day without orders fails in check_orders"
    expect(
        run.states.get("check_orders") == "failed",
        expected=what,
        seen=f"check_orders ended as {run.states.get('check_orders')}, the run as {run.state}",
    )
    expect(run.state == "failed", expected=what, seen=f"check_orders failed, but the run ended as {run.state}")
    expect(after == before, expected="what daily_sales had of that day is still there", seen=readable(after))
    shop.execute(f"UPDATE orders SET status = 'cancelled' WHERE {OF_DAY}", day)
    try:
        run = airflow.run(FILE, DAG, night, once=True)
    finally:
        shop.execute("UPDATE orders SET status = kept.status FROM kept WHERE kept.order_id = orders.order_id")
    what = "a day whose orders are all cancelled has orders, but no sales: the run succeeds"
    run.succeeded(what)
    after = written(shop, day)
    expect(not after, expected=f"{what}, and daily_sales has no row of the day", seen=readable(after))
    reported(run, day, [], "all orders of the day are cancelled: report returns")


def test_all_or_nothing(airflow, shop, day, night, repeated):
    """If rows can't be written, `daily_sales` is as it was before the run; if they can, one transaction has written the day."""
    shop.execute(OUTDATED, day, day)
    before = written(shop, day)
    shop.execute(REFUSE)
    try:
        run = airflow.run(FILE, DAG, night, once=True)
    finally:
        shop.execute(ACCEPT)
    expect(run.state == "failed", expected="a run fails if one of its rows is refused", seen=f"it ended as {run.state}")
    failed = {name.partition("[")[0] for name, state in run.states.items() if state == "failed"}
    seen = f"{', '.join(sorted(failed))} failed when daily_sales refused a row: the day is written there"
    expect("summarize" in failed, expected="summarize writes the day", seen=seen)
    seen = written(shop, day)
    became = "has been changed: there is" if seen else "are gone; there is"
    expect(
        seen == before,
        expected=f"the second row that is written is refused: the rows are as before, {readable(before)}",
        seen=f"{'some of the day' if seen else 'they'} {became} {readable(seen)}",
    )
    commits = repeated[2]
    expect(
        len(commits) <= 1,
        expected="the day is written in one transaction",
        seen=f"in {len(commits)}: others could see, one after the other, {show(' | '.join(commits))}",
    )


def test_follows_the_connection(airflow, shop, stack, work, night, day, first):
    """When the connection `warehouse` leads to another database, everything is read and written there."""
    shop.execute("CREATE DATABASE moved")
    shop.rows(MOVED, database="moved")
    shop.rows("INSERT INTO orders VALUES (1, %s, 'CHF', 'completed')", night, database="moved")
    shop.rows("INSERT INTO order_lines VALUES (1, 2, 41.5), (1, 1, 0.5)", database="moved")
    before, vault = written(shop, day), work.run_folder / "connections.json"
    vault.write_text(json.dumps({"warehouse": address(stack["warehouse"].endpoint, "moved")}))
    kept_there = {
        "AIRFLOW__SECRETS__BACKEND": VAULT,
        "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps({"connections_file_path": str(vault)}),
    }
    shop.execute(HIDE)
    try:
        run = airflow.run(FILE, DAG, night, once=True, env=kept_there)
    finally:
        shop.execute(SHOW)
    seen = shop.rows("SELECT currency, orders, quantity, amount FROM daily_sales", database="moved")
    what = "with another connection the rows are written there: CHF 1/3/42.00"
    old = "a task still works on the old server, or fails"
    expect(seen, expected=what, seen=f"nothing there (the run: {run.state}): {old}: {run.failures()}")
    expect(
        [(c, o, q, float(a)) for c, o, q, a in seen] == [("CHF", 1, 3, 42.0)],
        expected=what,
        seen=f"{readable(seen)}: read from the old server?",
    )
    expect(run.state == "success", expected=what, seen=f"they are, but the run: {run.state}; {old}: {run.failures()}")
    reported(run, day, seen, "with another connection report returns")
    expect(written(shop, day) == before, expected="the old server is left alone", seen="daily_sales has changed there")


def address(at, database):
    """A connection as Airflow writes it."""
    return f"postgres://{at.user}:{quote(at.password)}@{at.host}:{at.port}/{database}"


def test_tries_again(tasks, first, empty):
    """Each task that fails is tried again at least twice, after a minute or later."""
    for name, task in tasks.items():
        wanted = f"{name} is tried again twice or more"
        expect(task.retries >= LEAST_RETRIES, expected=wanted, seen=f"retries={task.retries}")
        waits = (*first.retry_delays.get(name, ()), *empty[0].retry_delays.get(name, ()))
        waited = min(waits, default=task.retry_delay)
        seen = f"after a failure it waits for {waited:.0f} s"
        expect(waited >= LEAST_DELAY, expected=f"{name} waits a minute or longer", seen=seen)
    retries = tasks["check_orders"].retries
    attempts = empty[0].order.count("check_orders")
    expect(
        attempts > LEAST_RETRIES or retries > PATIENT,
        expected="on a day without orders (they may be late) check_orders, too, is tried again twice or more",
        seen=f"it was tried {attempts} times in all, though retries={retries}: {empty[0].event('check_orders').why}",
    )


if __name__ == "__main__":
    main(__file__)

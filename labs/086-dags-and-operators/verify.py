"""Checks of lab 86: runs of the learner's DAG, carried out by Airflow's own scheduling code on fresh orders."""

import itertools
import json
import random
from datetime import UTC, date, datetime, timedelta
from urllib.parse import quote

import pytest

from delab.checks import Database, expect, fail, main, show
from delab.data import answer_key

FILE, DAG = "daily_sales.py", "daily_sales"
TASKS = ("check_orders", "summarize", "report")
SCALE = 15  # as in prepare.py
MOST_BYTES = 1000
SALES = """
SELECT currency, count(DISTINCT order_id), sum(quantity), sum(amount) FROM orders JOIN order_lines USING (order_id)
WHERE {} AND (ordered_at AT TIME ZONE 'UTC')::date = %s GROUP BY currency ORDER BY currency
"""
ROLLING = """
SELECT currency, count(DISTINCT order_id), sum(quantity), sum(amount) FROM orders JOIN order_lines USING (order_id)
WHERE status = 'completed' AND ordered_at >= %s AND ordered_at < %s::timestamptz + interval '1 day'
GROUP BY currency ORDER BY currency
"""
CANCEL = "UPDATE orders SET status = 'cancelled' WHERE currency = %s AND (ordered_at AT TIME ZONE 'UTC')::date = %s"
ORDER = """
INSERT INTO orders SELECT 90000001, %s, %s, customer_id, store_id, promotion_id, %s, 'completed' FROM orders LIMIT 1
"""
LINE = "INSERT INTO order_lines SELECT 90000001, 90000001, 1, product_id, 3, 1.10, 0, 3.30 FROM order_lines LIMIT 1"
MOVED = """
CREATE TABLE orders (order_id bigint, ordered_at timestamptz, currency text, status text);
CREATE TABLE order_lines (order_id bigint, quantity int, amount numeric(14, 2));
CREATE TABLE daily_sales (
  day date, currency text, orders bigint, quantity bigint, amount numeric(14, 2), PRIMARY KEY (day, currency)
);
"""
REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the disk of daily_sales is full'; END $$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON daily_sales FOR EACH ROW EXECUTE FUNCTION refuse();
"""


@pytest.fixture(scope="module")
def shop(stack):
    """The verification's own orders."""
    return Database(stack["warehouse"])


@pytest.fixture(scope="module")
def truth(seed):
    """Sales by day, from the generator: {day: [(currency, orders, quantity, amount), …]}."""
    found = {}
    for row in answer_key("retail", "daily_sales", scale=SCALE, seed=seed).to_pylist():
        found.setdefault(row["day"], []).append((row["currency"], row["orders"], row["quantity"], row["amount"]))
    return {day: sorted(rows) for day, rows in found.items()}


@pytest.fixture(scope="module")
def day(shop, truth, seed):
    """A day with sales in several currencies, cancelled orders, and some before and after noon."""
    question = """
    SELECT (ordered_at AT TIME ZONE 'UTC')::date FROM orders GROUP BY 1
    HAVING count(*) FILTER (WHERE status <> 'completed') > 0 AND count(DISTINCT currency) FILTER (WHERE status = 'completed') >= 3
    AND count(*) FILTER (WHERE status = 'completed' AND extract(hour FROM ordered_at AT TIME ZONE 'UTC') < 13) > 0
    AND count(*) >= 15 ORDER BY 1
    """
    return random.Random(seed).choice([row[0] for row in shop.rows(question) if date(2024, 6, 1) < row[0] < date(2025, 12, 1)])


@pytest.fixture(scope="module")
def afternoon(day):
    """A moment of that day."""
    return datetime(day.year, day.month, day.day, 14, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def first(airflow, shop, day, afternoon):
    """The first run, with a row of another day in the table; a slow check_orders must be waited for."""
    shop.execute("INSERT INTO daily_sales VALUES (%s, 'EUR', 7, 8, 9.5)", day - timedelta(days=1))
    return airflow.run(FILE, DAG, afternoon, hold=["check_orders", "summarize"], once=True)


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
        others = shop.rows("SELECT DISTINCT day FROM daily_sales WHERE day <> %s ORDER BY 1", day - timedelta(days=1))
        where = f"; it has rows of {', '.join(str(row[0]) for row in others)}" if others else ""
        fail(expected=what, seen=f"no row for that day{where}")
    if seen == shop.rows(SALES.format("true"), day):
        fail(expected=what, seen=f"{readable(seen)}: cancelled and open orders are counted too")
    if seen == shop.rows(ROLLING, f"{day} 14:30+00", f"{day} 14:30+00"):
        fail(expected=what, seen=f"{readable(seen)}: the 24 hours from the logical date on, which was in the afternoon (14:30)")
    fail(expected=what, seen=readable(seen))


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
    """A run for an afternoon writes that UTC day's completed sales, a row for each currency."""
    first.succeeded(f"a run for {day} 14:30 succeeds")
    same_sales(shop, day, truth[day])


def test_tells_what_it_did(first, day, truth):
    """`report` returns day, orders and rows; no task returns more than 1,000 bytes."""
    for name, value in first.xcoms.items():
        size = len(json.dumps(value, default=str))
        expect(size <= MOST_BYTES, expected=f"values of at most {MOST_BYTES:,} bytes", seen=f"{name} has returned {size:,} bytes")
    wanted = {"day": str(day), "orders": sum(row[1] for row in truth[day]), "rows": len(truth[day])}
    seen = first.xcoms.get("report")
    expect(seen == wanted, expected=f"report returns {wanted}", seen=show(seen) if seen is not None else "it has returned nothing")


def test_can_be_repeated(airflow, shop, day, afternoon, first):
    """After late orders and cancellations a repetition leaves the day as the orders are now, and other days alone."""
    before = written(shop, day)
    shop.execute(CANCEL, before[-1][0], day)
    shop.execute(ORDER, afternoon, afternoon, before[0][0])
    shop.execute(LINE)
    wanted = shop.rows(SALES.format("status = 'completed'"), day)
    airflow.run(FILE, DAG, afternoon, once=True).succeeded("a second run for the same day succeeds")
    seen = written(shop, day)
    other = written(shop, day - timedelta(days=1))
    expect(len(other) == 1, expected="a repetition leaves other days alone", seen="the row of another day has gone or changed")
    what = f"after the repetition {readable(wanted)}"
    expect(seen != before, expected=what, seen=f"as before: {readable(seen)}; the repetition has changed nothing")
    stale = sorted({row[0] for row in seen} - {row[0] for row in wanted})
    expect(
        not stale,
        expected=what,
        seen=f"{', '.join(stale)} is still there, though it has no completed order any longer: it should be there no longer",
    )
    expect(seen == wanted, expected=what, seen=readable(seen))


def test_stops_without_orders(airflow, shop, day, afternoon, first):
    """A run for a day without orders fails in `check_orders`; nothing is written and nothing lost."""
    before = written(shop, day)
    shop.execute("CREATE TABLE kept AS SELECT * FROM orders WHERE (ordered_at AT TIME ZONE 'UTC')::date = %s", day)
    shop.execute("DELETE FROM orders WHERE order_id IN (SELECT order_id FROM kept)")
    try:
        run = airflow.run(FILE, DAG, afternoon, once=True)
    finally:
        shop.execute("INSERT INTO orders SELECT * FROM kept; DROP TABLE kept")
    what = "the run for a day without orders fails in check_orders"
    expect(
        run.states.get("check_orders") == "failed",
        expected=what,
        seen=f"check_orders ended as {run.states.get('check_orders')}, the run as {run.state}",
    )
    expect(run.state == "failed", expected=what, seen=f"check_orders failed, but the run ended as {run.state}")
    expect(
        written(shop, day) == before, expected="what daily_sales had of that day is still there", seen=readable(written(shop, day))
    )


def test_all_or_nothing(airflow, shop, day, afternoon, first):
    """If the rows can't be written, `daily_sales` is as it was before the run."""
    before = written(shop, day)
    shop.execute(REFUSE)
    try:
        run = airflow.run(FILE, DAG, afternoon, once=True)
    finally:
        shop.execute("DROP FUNCTION refuse CASCADE")
    expect(run.state == "failed", expected="a run fails if its rows are refused", seen=f"it ended as {run.state}")
    seen = written(shop, day)
    expect(seen == before, expected=f"the rows from before: {readable(before)}", seen=f"they are gone; there is {readable(seen)}")


def test_follows_the_connection(airflow, shop, stack, afternoon, day, first):
    """When the connection `warehouse` leads to another database, everything is read and written there."""
    shop.execute("CREATE DATABASE moved")
    shop.rows(MOVED, database="moved")
    shop.rows("INSERT INTO orders VALUES (1, %s, 'CHF', 'completed')", afternoon, database="moved")
    shop.rows("INSERT INTO order_lines VALUES (1, 2, 41.5), (1, 1, 0.5)", database="moved")
    before, at = written(shop, day), stack["warehouse"].endpoint
    address = f"postgres://{at.user}:{quote(at.password)}@{at.host}:{at.port}/moved"
    run = airflow.run(FILE, DAG, afternoon, once=True, env={"AIRFLOW_CONN_WAREHOUSE": address})
    seen = shop.rows("SELECT currency, orders, quantity, amount FROM daily_sales", database="moved")
    what = "with another connection the rows are written there: CHF 1/3/42.00"
    expect(
        seen,
        expected=what,
        seen=f"nothing there (the run: {run.state}): a task still works on the old server, or fails: {run.failures()}",
    )
    expect(
        [(c, o, q, float(a)) for c, o, q, a in seen] == [("CHF", 1, 3, 42.0)],
        expected=what,
        seen=f"{readable(seen)}: read from the old server?",
    )
    run.succeeded(what)
    expect(written(shop, day) == before, expected="the old server is left alone", seen="daily_sales has changed there")


def test_tries_again(airflow):
    """Each task that fails is tried again at least twice, after a minute or later."""
    for name, task in airflow.dag(FILE, DAG).tasks.items():
        expect(task.retries >= 2, expected=f"{name} is tried again twice or more", seen=f"retries={task.retries}")
        expect(task.retry_delay >= 60, expected=f"{name} waits a minute or longer", seen=f"retry_delay of {task.retry_delay:.0f} s")


if __name__ == "__main__":
    main(__file__)

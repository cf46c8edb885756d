"""Checks of lab 28: runs of the learner's pipeline on fresh orders, begun in the middle, repeated, and made to fail."""

import itertools
import random
import shutil
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest

from delab.checks import Database, expect, fail, main, show

FILE, DAG = "retail_pipeline.py", "retail_pipeline"
TASKS = ("extract", "stage", "transform", "check", "publish")
STATEMENTS = Path(__file__).parent / "start" / "statements.py"
DAY, LATEST, LEAST_WAIT = timedelta(days=1), time(6), 60
TABLES = (
    "raw.orders",
    "raw.order_lines",
    "stage.sales",
    "stage.by_category",
    "stage.by_store",
    "published.by_category",
    "published.by_store",
)
# What each task fills, from what: the truth, in the verification's own words.
OF_DAY = "(ordered_at AT TIME ZONE 'UTC')::date = %(day)s"
SOURCE = f"FROM shop.orders JOIN shop.order_lines USING (order_id) LEFT JOIN products USING (product_id) WHERE {OF_DAY}"
COMPLETED = f"{SOURCE} AND status = 'completed'"
SALES = f"SELECT %(day)s::date AS day, line_id, order_id, store_id, category, currency, quantity, amount {COMPLETED}"
STAGED = "SELECT * FROM stage.sales WHERE day = %(day)s"
SUMS = "count(DISTINCT order_id), sum(quantity), sum(amount)"
TRUTH = {
    "raw.orders": f"SELECT %(day)s::date, order_id, ordered_at, store_id, currency, status FROM shop.orders WHERE {OF_DAY}",
    "raw.order_lines": f"SELECT %(day)s::date, line_id, order_id, product_id, quantity, amount {SOURCE}",
    "stage.sales": SALES,
    "by_category": f"SELECT day, category, currency, {SUMS} FROM ({{}}) AS s GROUP BY 1, 2, 3",
    "by_store": f"SELECT day, store_id, currency, {SUMS} FROM ({{}}) AS s GROUP BY 1, 2, 3",
}
ENOUGH = """
SELECT (ordered_at AT TIME ZONE 'UTC')::date FROM shop.orders GROUP BY 1
HAVING count(*) FILTER (WHERE status = 'completed') > 3 ORDER BY 1
"""
CANCEL = f"UPDATE shop.orders SET status = 'cancelled' WHERE order_id = (SELECT min(order_id) {COMPLETED})"
LATE_ORDER = f"""
INSERT INTO shop.orders SELECT 90000001, (%(day)s::date + time '23:59') AT TIME ZONE 'UTC', recorded_at, customer_id, store_id,
promotion_id, currency, 'completed' FROM shop.orders WHERE {OF_DAY} LIMIT 1
"""
LATE_LINE = f"INSERT INTO shop.order_lines SELECT 900000011, 90000001, 1, product_id, 3, 1.10, 0, 3.30 {SOURCE} LIMIT 1"
LINE = f"(SELECT max(line_id) {COMPLETED})"
# Days that must not be published: what is planted in the shop.
BAD = {
    "no sale at all": f"UPDATE shop.orders SET ordered_at = ordered_at + interval '20 years' WHERE {OF_DAY}",
    "a product that is not known": f"UPDATE shop.order_lines SET product_id = 99999999 WHERE line_id = {LINE}",
    "a quantity below one": f"UPDATE shop.order_lines SET quantity = -2 WHERE line_id = {LINE}",
}
REFUSE = """
CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the disk is full'; END $$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE OR DELETE ON {} FOR EACH ROW EXECUTE FUNCTION refuse();
"""


@pytest.fixture(scope="module")
def shop(stack):
    """The verification's own shop and warehouse."""
    return Database(stack["warehouse"])


@pytest.fixture(scope="module")
def judge(airflow, work):
    """Airflow, with the statements as they came."""
    shutil.copy(STATEMENTS, work.folder / "statements.py")
    return airflow


@pytest.fixture(scope="module")
def days(shop, seed):
    """Twelve days in a row that have enough sales."""
    there = {row[0] for row in shop.rows(ENOUGH)}
    rows = [[day + n * DAY for n in range(12)] for day in sorted(there) if date(2024, 6, 1) < day < date(2025, 12, 1)]
    return random.Random(seed).choice([row for row in rows if set(row) <= there])


@pytest.fixture(scope="module")
def due(judge, days):
    """The run for each of the days, by the DAG's own schedule."""
    begin, end = days[0].isoformat(), (days[-1] + DAY).isoformat()
    runs = judge.schedule(FILE, DAG, f"{begin}T00:00:00Z", f"{end}T12:00:00Z", most=60)
    found = {}
    for run in runs:
        found.setdefault(moment(run.due).date() - DAY, []).append(run)
    return found


def moment(text):
    """A moment, in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)


def carry_out(judge, due, day, once=True, **options):
    """The run for a day, as the scheduler would have made it."""
    run = due[day][0]
    options = {"once": once, "kind": "scheduled", "interval": (run.start, run.end), **options}
    return judge.run(FILE, DAG, moment(run.logical_date), **options)


def ordered(rows):
    """Rows in an order that does not matter; a column may hold none."""
    return sorted(rows, key=lambda row: tuple((value is not None, str(value)) for value in row))


def of(day, statement):
    """A statement for a day."""
    return statement.replace("%(day)s", f"date '{day}'")


def wanted(shop, table, day, sales=SALES):
    """The rows that a table should have of a day."""
    name = table if table in TRUTH else table.split(".")[1]
    return ordered(shop.rows(of(day, TRUTH[name].format(sales))))


def there(shop, table, day):
    """The rows that a table has of a day."""
    return ordered(shop.rows(f"SELECT * FROM {table} WHERE day = %s", day))


def same(shop, table, day, what, rows):
    """Compare a table's rows of a day."""
    seen = there(shop, table, day)
    if seen == rows:
        return
    much = f"{len(seen)} rows"
    if rows and len(seen) > len(rows) and all(row in seen for row in rows):
        much += ": the right ones were added to those of an earlier attempt"
    elif len(seen) == len(rows):
        much += ", other ones: " + show(str(next(row for row, right in zip(seen, rows, strict=True) if row != right)))
    fail(expected=f"{what}: {table} has {len(rows)} rows of {day}, as it should be", seen=much)


def test_loads(judge):
    """Airflow imports `retail_pipeline.py` and finds the DAG with its five tasks; reading the file does no work."""
    found = judge.parse(FILE)
    seen = f"when it is read, it {', '.join(found.work)}; that belongs into a task"
    expect(not found.work, expected="reading the file does no work", seen=seen)
    tasks = judge.dag(FILE, DAG).tasks
    missing = [name for name in TASKS if name not in tasks]
    seen = f"there is no {', '.join(missing)}, but {', '.join(tasks) or 'none'}"
    expect(not missing, expected=f"the tasks {', '.join(TASKS)}", seen=seen)


def test_in_order(judge):
    """`extract`, `stage`, `transform`, `check` and `publish` wait for one another in this order."""
    tasks = judge.dag(FILE, DAG).tasks
    for earlier, later in itertools.pairwise(TASKS):
        seen = f"{later} does not wait for {earlier}, but for {', '.join(tasks[later].upstream) or 'nothing'}"
        expect(earlier in tasks[later].ancestors, expected=f"{later} waits for {earlier}", seen=seen)


def test_due_each_night(judge, days, due):
    """One run is due for each UTC day, between 00:00 and 06:00 UTC of the next."""
    what = f"one run for each day, due from 00:00 to 06:00 UTC of the next, such as {days[0] + DAY}"
    dag = judge.dag(FILE, DAG)
    schedule = f"{dag.schedule or 'none'}, from {dag.start_date or 'no start_date'} on"
    for day in days:
        runs = due.get(day, [])
        seen = f"{len(runs)} runs on {day + DAY}, by the schedule {schedule}"
        expect(len(runs) == 1, expected=what, seen=seen)
        expect(
            moment(runs[0].due).time() <= LATEST,
            expected=what,
            seen=f"a run is due {moment(runs[0].due)}, by the schedule {schedule}",
        )


def test_works_on_its_day(judge, shop, days, due):
    """A run publishes the UTC day that was over when it was due, long after that; slow tasks are waited for."""
    day = days[0]
    run = carry_out(judge, due, day, hold=TASKS[:-1])
    asked = run.states.get("extract") != "success" or there(shop, "raw.orders", day)
    seen = f"raw.orders has none: extract asks for another day, or for the one on the clock; check ended as {run.states['check']}"
    expect(asked or run.state == "success", expected=f"the run for {day} extracts the orders of that day", seen=seen)
    run.succeeded(f"the run for {day} succeeds")
    for earlier, later in itertools.pairwise(TASKS):
        early = run.ran(later) and not (run.ran(earlier) and run.before(earlier, later))
        expect(not early, expected=f"{later} waits for {earlier}", seen=f"{later} was started although {earlier} was not done")
    for table in TABLES[-2:]:
        others = [row[0] for row in shop.rows(f"SELECT DISTINCT day FROM {table} WHERE day IS DISTINCT FROM %s", day)]
        expect(
            not others,
            expected=f"the run due {due[day][0].due} publishes {day}",
            seen=f"{table} has {named(others, due[day][0], day)}",
        )
        same(shop, table, day, f"the run for {day}", wanted(shop, table, day))


def named(others, run, day):
    """Days that should not be there, and what they look like."""
    text = f"rows of {', '.join(map(str, others[:3]))}"
    if others == [day + DAY]:
        empty = f"; its data interval is empty ({run.start} to {run.end})" if run.start == run.end else ""
        return f"{text}: the day that only began when the run was due{empty}"
    if any(other and abs(other - datetime.now(UTC).date()) <= 2 * DAY for other in others):
        return f"{text}: the day on the clock, not that of the run"
    return text


def test_can_be_repeated(judge, shop, days, due):
    """After a cancelled and a late order, a repetition leaves each table with the day as it is now, and other days alone."""
    day, other = days[0], days[1]
    for table in TABLES:
        values = "(day, category, quantity) VALUES (%s, 'Toys', 1)" if table == "stage.sales" else "(day) VALUES (%s)"
        shop.execute(f"INSERT INTO {table} {values}", other)
    published = {table: there(shop, table, day) for table in TABLES[-2:]}
    for statement in (CANCEL, LATE_ORDER, LATE_LINE):
        shop.execute(of(day, statement))
    carry_out(judge, due, day).succeeded(f"a second run for {day} succeeds")
    for table, before in published.items():
        seen = f"{table} is as before: the repetition has changed nothing"
        expect(there(shop, table, day) != before, expected="a repetition takes up what has changed in the shop", seen=seen)
    for table in TABLES:
        same(shop, table, day, f"after a repetition of {day}", wanted(shop, table, day))
        kept = there(shop, table, other)
        expect(len(kept) == 1, expected=f"other days in {table} are left alone", seen=f"the row of another day ({other}) is gone")
        shop.execute(f"DELETE FROM {table} WHERE day = %s", other)


def test_stops_bad_days(judge, shop, days, due):
    """`check` fails for a day without sales, with an unknown product, or a quantity below one; then nothing is published."""
    for day, (fault, plant) in zip(days[6:9], BAD.items(), strict=True):
        shop.execute(of(day, plant))
        for table in TABLES[-2:]:
            shop.execute(f"INSERT INTO {table} (day, currency) VALUES (%s, 'old')", day)
        run = carry_out(judge, due, day)
        what = f"a day with {fault}"
        state = run.states.get("check")
        expect(
            state == "failed",
            expected=f"{what}: check fails",
            seen=f"check ended as {state}, the run as {run.state}: {run.failures()}",
        )
        for table in TABLES[-2:]:
            seen = [row for row in there(shop, table, day) if "old" not in row]
            kept = len(there(shop, table, day)) - len(seen)
            seen = f"{len(seen)} new rows in {table}, {kept} of 1 old one; publish ended as {run.states['publish']}"
            expect(seen.startswith("0 new") and kept == 1, expected=f"{what}: what is published stays as it was", seen=seen)
        expect(run.state == "failed", expected=f"{what}: the run fails", seen=f"it ended as {run.state}")
    good = "a good day is published, though other days in stage are bad"
    carry_out(judge, due, days[9]).succeeded(good)
    same(shop, TABLES[-1], days[9], good, wanted(shop, TABLES[-1], days[9]))


def test_each_task_does_its_part(judge, shop, days, due):
    """If `stage`, `transform` or `check` fails, what the tasks before it make is there, and nothing else."""
    day = days[2]
    for broken, filled in (("stage", TABLES[:2]), ("transform", TABLES[:3]), ("check", TABLES[:5])):
        for table in TABLES:
            shop.execute(f"DELETE FROM {table} WHERE day = %s", day)
        run = carry_out(judge, due, day, fail_tasks={broken: 99})
        what = f"{broken} fails"
        first = TASKS[TASKS.index(broken) - 1]
        done = run.states.get(first) == "success"
        expect(
            done,
            expected=f"{what}: {first} has succeeded before",
            seen=f"{first} ended as {run.states.get(first)}: {run.failures()}",
        )
        for table in TABLES:
            if table not in filled:
                rows = len(there(shop, table, day))
                seen = f"{rows} rows of {day}: a task does what is a later one's part"
                expect(not rows, expected=f"{what}: {table} has nothing yet", seen=seen)
            else:
                same(shop, table, day, what, wanted(shop, table, day))
        expect(run.state == "failed", expected=f"{what}: the run fails", seen=f"it ended as {run.state}")


def test_goes_on_from_the_tables(judge, shop, days, due):
    """A run that is begun in the middle finds all that it needs in the tables, though the tasks before ran elsewhere."""
    for day, skipped in zip(days[3:6], (1, 2, 3), strict=True):
        right = {table: wanted(shop, table, day) for table in TABLES[-2:]}
        fill(shop, day, skipped)
        run = carry_out(judge, due, day, unreal=TASKS[:skipped])
        what = f"{', '.join(TASKS[:skipped])} had been done, on another machine; the run goes on with {TASKS[skipped]}"
        run.succeeded(what)
        for table, rows in right.items():
            again = there(shop, table, day) == wanted(shop, table, day)
            expect(not again, expected=what, seen=f"{table} has what the shop has now: a later task has read the shop once more")
            same(shop, table, day, what, rows)


def fill(shop, day, tasks):
    """What the first tasks would have left of a day, of which the shop has cancelled an order since."""
    for table in TABLES[:2]:
        shop.execute(of(day, f"INSERT INTO {table} {TRUTH[table]}"))
    if tasks > 1:
        shop.execute(of(day, f"INSERT INTO stage.sales {SALES}"))
    for name in ("by_category", "by_store") if tasks > 2 else ():
        shop.execute(of(day, f"INSERT INTO stage.{name} {TRUTH[name].format(STAGED)}"))
    shop.execute(of(day, CANCEL))


def test_publishes_all_or_nothing(judge, shop, days, due):
    """If one of the published tables can't be written, readers see both as they were."""
    day = days[9]
    for broken in TABLES[-2:]:
        before = {table: there(shop, table, day) for table in TABLES[-2:]}
        for table in ("stage.by_category", "stage.by_store"):
            shop.execute(f"UPDATE {table} SET quantity = quantity + 1 WHERE day = %s", day)
        shop.execute(REFUSE.format(broken))
        try:
            run = carry_out(judge, due, day, unreal=TASKS[:-1])
        finally:
            shop.execute("DROP FUNCTION refuse CASCADE")
        what = f"{broken} refuses its rows while publish is at work: both published tables stay as they were"
        whole = all(there(shop, table, day) == there(shop, table.replace("published", "stage"), day) for table in TABLES[-2:])
        if run.state == "success" and whole:  # it has published by other means, and completely
            continue
        for table, rows in before.items():
            seen = f"{table} has {len(there(shop, table, day))} rows and has changed: the day is half published"
            expect(there(shop, table, day) == rows, expected=what, seen=seen)
        expect(run.state == "failed", expected=f"{broken} refuses its rows: the run fails", seen=f"it ended as {run.state}")


def test_tries_again(judge, days, due):
    """Each task but `check` is tried again twice or more, a minute or longer after; `check`, whose rows stay bad, is not."""
    tasks = judge.dag(FILE, DAG).tasks
    for name in (name for name in TASKS if name != "check"):
        task = tasks[name]
        expect(task.retries >= 2, expected=f"{name} is tried again twice or more", seen=f"{name} has retries={task.retries}")
        seen = f"{name} has a retry_delay of {task.retry_delay:.0f} s"
        expect(task.retry_delay >= LEAST_WAIT, expected=f"{name} waits a minute or longer", seen=seen)
    run = carry_out(judge, due, days[10], once=False, fail_tasks={"extract": 2}, unreal=[])
    run.succeeded("the shop is not reachable at two attempts: the run succeeds at the third")
    run = carry_out(judge, due, days[7], once=False, unreal=TASKS[:3])
    attempts = run.order.count("check")
    seen = f"check was tried {attempts} times, and says so only after them"
    expect(attempts == 1, expected="check, on a bad day, fails at once and is not tried again", seen=seen)


if __name__ == "__main__":
    main(__file__)

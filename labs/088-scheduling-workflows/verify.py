"""Checks of lab 88: when runs are due, what each of them works on, and what the real scheduler makes of it."""

import itertools
import random
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta

import pytest
from prepare import BERLIN
from shop import DAY, ORDERS, changes_of, midnights, open_in, opened, seasons_around

from delab import wait
from delab.checks import expect, fail, main, show
from delab.checks.airflow_api import FINAL, PAUSE, ApiError, RestApi
from delab.errors import Timeout

FILE, DAG = "daily_revenue.py", "daily_revenue"
TASKS = ("fetch", "summarize")
LATEST = time(6)  # in Berlin, on the morning after
HOUR = timedelta(hours=1)
BARE = (
    "; the DAG has a CronTriggerTimetable, which a cron string makes: its runs are due *at* the moment that it names, and their "
    "data interval is empty"
)
BETWEEN = "SELECT count(*)::int, coalesce(sum(amount), 0) FROM orders WHERE ordered_at >= %s AND ordered_at < %s"
FIRST_ORDERS = """
SELECT sum(amount) FROM (SELECT amount FROM orders WHERE ordered_at >= %s AND ordered_at < %s ORDER BY ordered_at LIMIT %s) first
"""
LATE = "INSERT INTO orders SELECT max(order_id) + 1, %s, 1234.56 FROM orders"
AWAY = "DELETE FROM orders WHERE ordered_at >= %s AND ordered_at < %s RETURNING order_id, ordered_at, amount"
NOBODY = " (on which nobody bought anything)"
CUT_SHORT = ": the end of the day is missing; the till stops *before* `end`, which is the next midnight in Berlin"
OTHERS = "INSERT INTO daily_revenue SELECT day, 7, 8.9 FROM unnest(%s::date[]) day"


@pytest.fixture(scope="module")
def changes(seed):
    """Two days on which the clocks are changed: {name: day}."""
    return changes_of(seed)


@pytest.fixture(scope="module")
def seasons(changes, seed):
    """The seasons that are judged: {name: (first day, last day)}."""
    return seasons_around(changes, seed)


@pytest.fixture(scope="module")
def shop(stack, changes, seed):
    """The verification's own tables."""
    return opened(stack["warehouse"], changes.values(), seed)


@pytest.fixture(scope="module")
def due(airflow, work, seasons):
    """The runs that are due in each season."""
    return {name: runs_in(airflow, work, season) for name, season in seasons.items()}


def runs_in(airflow, work, season):
    """The runs that the DAG's timetable makes of a season, if none is left out."""
    open_in(work, season)
    begin, end = (season[0] - 15 * DAY).isoformat(), (season[1] + 15 * DAY).isoformat()
    return airflow.schedule(FILE, DAG, f"{begin}T00:00:00Z", f"{end}T00:00:00Z", most=60)


def local(text):
    """A moment as Berlin's clocks show it."""
    return datetime.fromisoformat(text).astimezone(BERLIN)


def day_of(run):
    """The day that was over when the run was due."""
    return local(run.due).date() - DAY


def clock(run):
    """A due moment for a message."""
    return f"{local(run.due):%d %b %Y %H:%M}"


def carry_out(airflow, work, shop, seasons, due, name, day, which=""):
    """The run for a day of a season, as the scheduler would have made it; it succeeds."""
    run, done = begun(airflow, work, shop, seasons, due, name, day)
    return run, done.succeeded(f"the run for {day}{which} succeeds")


def begun(airflow, work, shop, seasons, due, name, day, **options):
    """The run for a day of a season, however it ends."""
    open_in(work, seasons[name])
    run = next(run for run in due[name] if day_of(run) == day)
    shop.execute("TRUNCATE asked; INSERT INTO stage_orders SELECT 0, now(), 0.01")
    interval, logical = (run.start, run.end), instant(run.logical_date)
    return run, airflow.run(FILE, DAG, logical, interval=interval, kind="scheduled", hold=["fetch"], once=True, **options)


def same_revenue(shop, day, run, done, which=""):
    """Compare the row of a day and what was staged for it, and name the mistake if it can be recognised."""
    count, amount = shop.rows(BETWEEN, *midnights(day))[0]
    what = f"after the run for {day}{which}, daily_revenue has the row {day}, {count} orders, {amount}"
    rows = shop.rows("SELECT day, orders, amount FROM daily_revenue WHERE NOT (orders = 7 AND amount = 8.9) ORDER BY 1")
    if rows == [(day, count, amount)]:
        staged(shop, day, which)
        return
    seen = ", ".join(f"{when} with {orders} orders, {total}" for when, orders, total in rows[:5]) or "no row"
    skipped = [name for name, state in done.states.items() if state == "skipped"]
    if skipped:
        fail(expected=what, seen=f"{seen}; {', '.join(skipped)} was skipped, as a run that is made up for")
    if not rows:
        fail(expected=what, seen="no row")
    fail(expected=what, seen=f"{seen}{recognised(shop, day, run, rows)}")


def staged(shop, day, which):
    """`fetch` has had the till stage the orders of the day."""
    what = f"in the run for {day}{which}, fetch stages the orders of that day through till.fetch"
    calls = shop.rows("SELECT task, begins, ends FROM asked ORDER BY number")
    expect(calls, expected=what, seen="till.fetch was not called: the orders got into the row by another way")
    mine = [bounds for task, *bounds in calls if task in ("fetch", "")]
    expect(mine, expected=what, seen=f"till.fetch was called by {calls[0][0]}, not by fetch")
    truth = shop.rows(BETWEEN, *midnights(day))
    there = shop.rows("SELECT count(*)::int, coalesce(sum(amount), 0) FROM stage_orders")
    seen = shop.rows(BETWEEN, *mine[-1])
    begin, end = (f"{moment.astimezone(BERLIN):%d %b %Y %H:%M}" for moment in mine[-1])
    expect(
        truth in (seen, there),
        expected=f"{what}, {truth[0][0]} orders",
        seen=f"the till was asked for {seen[0][0]} orders, from {begin} to {end} in Berlin",
    )


def recognised(shop, day, run, rows):
    """What the rows look like, if they look like a known mistake."""
    if len(rows) > 1:
        return f": {len(rows)} rows"
    named, orders, total = rows[0]
    if named is None:
        return ": a row without a day"
    if abs(named - datetime.now(UTC).date()) <= 2 * DAY:
        return ": the day on the clock when the task ran, not the day of the run"
    if named != day:
        return misnamed(day, run, named)
    begin, end = midnights(day)
    first = datetime.combine(day, time(), UTC)
    start, stop = begin.astimezone(UTC), end.astimezone(UTC)
    known = {
        ": these are the orders of the UTC day": (first, first + DAY),
        ": these are the orders of 24 hours, but the day has more or less": (start, start + DAY),
        ": these are the orders of the last 24 hours of the day": (stop - DAY, stop),
        ": these are the orders of the day before": midnights(day - DAY),
        ": these are the orders of the day after": midnights(day + DAY),
    }
    for words, bounds in known.items():
        if shop.rows(BETWEEN, *bounds) == [(orders, total)]:
            return words
    if orders == 0 and run.start == run.end:
        return f": the run's data interval is empty, it begins and ends at {run.start}"
    return CUT_SHORT if shop.value(FIRST_ORDERS, begin, end, orders) == total else ""


def misnamed(day, run, named):
    """Why a row could have the name of another day."""
    begin, end = (moment.astimezone(UTC) for moment in midnights(day))
    if instant(run.end) - instant(run.start) == DAY != end - begin:
        hours = f"{(end - begin) / HOUR:.0f}"
        return f": the data interval has 24 hours, from {local(run.start)} to {local(run.end)}, but the day has {hours}"
    if named == day + DAY:
        return f": the day after, named after the end of the data interval, when the run is due ({run.end})"
    if str(named) == datetime.fromisoformat(run.logical_date).astimezone(UTC).date().isoformat():
        return f": the day before. The interval begins at {run.start}, and `ds` is its date in UTC, not in Berlin"
    return ": another day"


def test_loads(airflow, work, seasons):
    """Airflow imports `daily_revenue.py` and finds the DAG with the tasks `fetch` and `summarize`; reading it does no work."""
    open_in(work, seasons["spring"])
    found = airflow.parse(FILE)
    expect(
        not found.work,
        expected="reading the file does no work",
        seen=f"when it is read, it {', '.join(found.work)}; the scheduler's answers then depend on a database",
    )
    tasks = airflow.dag(FILE, DAG).tasks
    missing = [name for name in TASKS if name not in tasks]
    expect(not missing, expected=f"the tasks {', '.join(TASKS)}", seen=f"no {', '.join(missing)}, but {', '.join(tasks) or 'none'}")


def test_due_once_a_day(airflow, work, seasons, due):
    """One run is due for each day of the season, after it, by 06:00 in Berlin and always at the same time of its clocks."""
    for name, (opens, closes) in seasons.items():
        open_in(work, (opens, closes))
        dag = airflow.dag(FILE, DAG)
        dated = "Partition" not in dag.timetable
        expect(dated, expected="each run has a logical date", seen=f"the runs of a {dag.timetable} have a key, but no logical date")
        what = f"season {opens} to {closes}: one run for each day, due on the morning after"
        runs = due[name]
        note = BARE if dag.timetable == "CronTriggerTimetable" and all(run.start == run.end for run in runs) else ""
        some_at_all(dag, runs, what, closes, note)
        once(runs, what)
        in_the_morning(runs, what, opens, closes, note)
        wanted, seen = days(opens, closes), [day_of(run) for run in runs]
        extra, missing = sorted({*seen} - {*wanted}), sorted({*wanted} - {*seen})
        expect(
            not extra,
            expected=what,
            seen=f"{len(runs)} runs, the first due {clock(runs[0])} in Berlin, the last {clock(runs[-1])}: too many, "
            f"no day of the season is over then at {', '.join(clock(run) for run in runs if day_of(run) in extra[:3])}{note}",
        )
        expect(not missing, expected=what, seen=f"{len(runs)} runs; none for {', '.join(map(str, missing[:5]))}{note}")


def days(first, last):
    """All days of a season."""
    return [first + n * DAY for n in range((last - first).days + 1)]


def some_at_all(dag, runs, what, closes, note):
    """There are runs; if not, say why."""
    if runs:
        return
    began = dag.start_date[:10]
    recent = began and abs(date.fromisoformat(began) - datetime.now(UTC).date()) < 10 * DAY
    clock = ", when the season is over: season.py says when it begins" if began > str(closes) else ""
    clock = ": it follows the clock, and moves on whenever the file is read" if recent else clock
    fail(
        expected=what,
        seen=f"no run; the DAG's schedule is {dag.schedule or 'none'}, its start_date {dag.start_date or 'none'}{clock}{note}",
    )


def once(runs, what):
    """No day has two runs, except where one slides across midnight because it follows other clocks."""
    day, number = Counter(map(day_of, runs)).most_common(1)[0]
    first = [clock(run) for run in runs if day_of(run) == day][:3]
    gap = min((instant(two.due) - instant(one.due) for one, two in itertools.pairwise(runs)), default=DAY)
    few = number == 1 or gap > timedelta(hours=20)
    expect(few, expected=what, seen=f"{number} or more runs for {day}: due {', '.join(first)}, … in Berlin")


def in_the_morning(runs, what, opens, closes, note):
    """Runs are due before six, at one time."""
    at = {local(run.due).time() for run in runs}
    inside = [run for run in runs if opens <= day_of(run) <= closes] or runs
    expect(
        len(at) == 1,
        expected=f"{what}, at the same time on Berlin's clocks",
        seen=f"due {clock(inside[0])} and {clock(inside[-1])}: the schedule does not follow Berlin's clocks{note}",
    )
    late = [run for run in runs if local(run.due).time() > LATEST]
    expect(not late, expected=what, seen=f"a run is due {clock(late[0])} in Berlin, after 06:00" if late else "")


def test_works_on_its_day(airflow, work, shop, seasons, changes, due, seed):
    """A run stages its own day in Berlin and writes its row, long after that day, also if nobody bought; `summarize` waits."""
    name = random.Random(seed).choice(list(changes))
    day, none = changes[name] - 2 * DAY, changes[name] + 2 * DAY
    others = [date(2000, 1, 1), *(day + n * DAY for n in (-7, -3, 7, 30))]
    shop.execute("DELETE FROM daily_revenue")
    shop.execute(OTHERS, others)
    run, done = carry_out(airflow, work, shop, seasons, due, name, day)
    early = done.ran("summarize") and done.ran("fetch") and not done.before("fetch", "summarize")
    expect(not early, expected="summarize waits for fetch", seen="summarize was started before fetch was done")
    same_revenue(shop, day, run, done)
    kept = [row[0] for row in shop.rows("SELECT day FROM daily_revenue WHERE orders = 7 AND amount = 8.9 ORDER BY 1")]
    gone = ", ".join(str(other) for other in sorted({*others} - {*kept}))
    expect(not gone, expected=f"the run for {day} leaves the rows of other days alone", seen=f"gone or changed: {gone}")
    shop.execute("DELETE FROM daily_revenue")
    begun(airflow, work, shop, seasons, due, name, day, unreal=["summarize"], fail_tasks={"summarize": 1})
    rows = shop.value("SELECT count(*) FROM daily_revenue")
    expect(not rows, expected="summarize writes the row of the day", seen="it is there though summarize failed: fetch writes it")
    away = shop.rows(AWAY, *midnights(none))
    run, done = carry_out(airflow, work, shop, seasons, due, name, none, NOBODY)
    same_revenue(shop, none, run, done, NOBODY)
    shop.execute(ORDERS, *map(list, zip(*away, strict=True)))


def test_long_and_short_days(airflow, work, shop, seasons, changes, due):
    """The day of 23 hours and the day of 25 hours have their orders, all of them, and no others, in any year."""
    for name, day in changes.items():
        shop.execute("DELETE FROM daily_revenue")
        run, done = carry_out(airflow, work, shop, seasons, due, name, day)
        same_revenue(shop, day, run, done)


def test_can_be_repeated(airflow, work, shop, seasons, changes, due):
    """After late orders a repetition leaves one row, with the late orders in it."""
    day = changes["autumn"] + DAY
    shop.execute("DELETE FROM daily_revenue")
    carry_out(airflow, work, shop, seasons, due, "autumn", day)
    before = shop.rows("SELECT orders, amount FROM daily_revenue WHERE day = %s", day)
    shop.execute(LATE, midnights(day)[0] + timedelta(hours=12))
    run, done = carry_out(airflow, work, shop, seasons, due, "autumn", day)
    seen = shop.rows("SELECT orders, amount FROM daily_revenue WHERE day = %s", day)
    what = f"after a late order and a repetition one row for {day}, with the late order"
    expect(seen != before, expected=what, seen=f"the row is as before: {show(seen)}; the repetition has changed nothing")
    expect(len(seen) < 2, expected=what, seen=f"{len(seen)} rows for {day}: the repetition has doubled the day")
    same_revenue(shop, day, run, done)


def test_one_at_a_time(airflow):
    """At most one run of the DAG is active at a time."""
    most = airflow.dag(FILE, DAG).max_active_runs
    expect(
        most == 1,
        expected="max_active_runs is 1, since all runs share stage_orders",
        seen=f"max_active_runs is {most}: when days are made up for, a run empties the stage that another one is about to sum up",
    )


def test_catches_up(airflow, work, new_stack, seed, evidence):
    """Switched on late, the scheduler makes a run for each day that is over, none for today; a backfill makes a day anew."""
    today = datetime.now(BERLIN).date()
    season = (today - 3 * DAY, today + 20 * DAY)
    begin = datetime.now(UTC)
    planned = {instant(run.logical_date): run for run in runs_in(airflow, work, season)}
    stack = new_stack(seed + 1)
    shop = opened(stack["warehouse"])
    with RestApi.started(stack["airflow"], work.folder) as api:
        api.wait_for_dag(DAG)
        api.pause(DAG, False)
        runs = settled(api)
        made = {instant(run.logical_date) for run in runs if run.logical_date}
        wanted, allowed = over(planned, begin), over(planned, datetime.now(UTC))
        compare(planned, made, wanted, allowed, season)
        evidence.note(f"switched on, the scheduler made {len(runs)} runs: {', '.join(run.dag_run_id for run in runs)}")
        all_done(api, runs)
        same_days(shop, [day_of(planned[moment]) for moment in sorted(made)], "catching up")
        fill_back(api, shop, planned[min(made)])


def instant(text):
    """A moment to compare by."""
    return datetime.fromisoformat(text).astimezone(UTC)


def over(planned, now):
    """The planned runs that are due at a moment."""
    return {moment for moment, run in planned.items() if instant(run.due) <= now}


def settled(api):
    """The runs of the DAG once the scheduler has no more to make and all have ended."""

    def quiet():
        coming = (api.dag(DAG) or {}).get("next_dagrun_run_after")
        runs = api.runs(DAG)
        later = coming and instant(coming) > datetime.now(UTC)
        return runs if later and runs and all(run.state in FINAL for run in runs) else None

    try:
        return wait.until(quiet, seconds=150, what="the runs that are made up for", longest=PAUSE)
    except Timeout:
        runs = api.runs(DAG)
        done = sum(run.state == "success" for run in runs)
        stuck = next((run for run in runs if run.state not in FINAL), None)
        states = {task.task_id: task.state for task in api.tasks(DAG, stuck.dag_run_id)} if stuck else "none"
        fail(
            expected="the scheduler makes the missing runs, and they end",
            seen=f"{len(runs)} runs, {done} of them done; one that has not ended has {states}",
        )


def compare(planned, made, wanted, allowed, season):
    """The scheduler has made the runs of all days that are over."""
    what = f"opened on {season[0]}, switched on later: a run for each day that is over ({len(wanted)})"
    missing = [str(day_of(planned[moment])) for moment in sorted(wanted - made)]
    expect(
        not missing,
        expected=what,
        seen=f"{len(made)} run{'s' * (len(made) != 1)}; none for {', '.join(missing)}: without catchup=True (the default is False) "
        "the scheduler makes only the latest",
    )
    extra = sorted(str(moment) for moment in made - allowed)
    expect(not extra, expected=what, seen=f"{len(made)} runs; one too many for {', '.join(extra[:4])}")


def all_done(api, runs):
    """All of them have succeeded, with their tasks."""
    for run in runs:
        there = {task.task_id for task in api.tasks(DAG, run.dag_run_id)}
        what, has = f"the run {run.dag_run_id} has the tasks {', '.join(TASKS)}", f"it has {', '.join(sorted(there)) or 'none'}"
        late = f"its logical date is {run.logical_date}, and Airflow leaves out a task whose start_date is later"
        expect(there.issuperset(TASKS), expected=what, seen=f"{has}: {late}")
        if run.state != "success":
            failed = [task.task_id for task in api.tasks(DAG, run.dag_run_id) if task.state == "failed"]
            said = api.log(DAG, run.dag_run_id, failed[0])[-500:] if failed else ""
            fail(expected=f"the run {run.dag_run_id} succeeds", seen=f"{', '.join(failed) or 'no task'} failed: {show(said)}")


def same_days(shop, wanted, what):
    """The rows of some days are as their orders are."""
    rows = shop.rows("SELECT day, orders, amount FROM daily_revenue ORDER BY day, orders")
    truth = [(day, *shop.rows(BETWEEN, *midnights(day))[0]) for day in wanted]
    seen = ", ".join(f"{day} with {orders}, {amount}" for day, orders, amount in rows if (day, orders, amount) not in truth)
    expect(
        rows == truth,
        expected=f"{what}: {len(truth)} rows, from {wanted[0]} to {wanted[-1]}",
        seen=f"{len(rows)} rows; wrong are {seen or 'none, but some are missing'}",
    )


def fill_back(api, shop, run):
    """A backfill of a completed day takes up its late order."""
    day, days_there = day_of(run), [row[0] for row in shop.rows("SELECT DISTINCT day FROM daily_revenue ORDER BY 1")]
    shop.execute(LATE, midnights(day)[0] + timedelta(hours=12))
    try:
        api.backfill(DAG, run.logical_date, run.logical_date, again="completed", at_once=1)
    except ApiError as error:
        fail(expected="Airflow accepts a backfill of a completed day", seen=error.said)
    all_done(api, settled(api))
    same_days(shop, days_there, f"after a late order and a backfill of {day}")


if __name__ == "__main__":
    main(__file__)

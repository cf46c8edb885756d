"""Checks of lab 28: runs of the learner's pipeline on fresh orders, begun in the middle, repeated, and made to fail."""

import itertools
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from outage import Outage
from tables import fill, made_from, plant, readable, same, there, wanted
from truth import (
    ALONE,
    BAD,
    EDGES,
    ENOUGH,
    FILLS,
    FROM_RAW,
    KEPT,
    LATER,
    LOST,
    ONE_SALE,
    PUBLISH,
    PUBLISHED,
    REFUSE,
    SALES,
    STAGED,
    SUMMED,
    TABLES,
    TASKS,
    of,
)

from delab.checks import CheckFailed, Database, expect, fail, main
from delab.checks.airflow import Airflow, Dag

FILE, DAG = "retail_pipeline.py", "retail_pipeline"
STATEMENTS = Path(__file__).parent / "start" / "statements.py"
AWAY = {
    "AIRFLOW_CONN_WAREHOUSE": "postgres://nobody@127.0.0.1:1/none",
    "WAREHOUSE_DSN": "host=127.0.0.1 port=1",
    "WAREHOUSE_PORT": "1",
}
DAY, LATEST, LEAST_WAIT = timedelta(days=1), time(6), 60
# The beginning of the shop's data, with the ends of months and of winter time; and their end.
SPANS = (date(2024, 1, 1), date(2024, 4, 10)), (date(2025, 12, 25), date(2025, 12, 31))


@pytest.fixture(scope="module")
def shop(stack):
    """The verification's own shop and warehouse."""
    return Database(stack["warehouse"], kept=True)


@pytest.fixture(scope="module")
def judge(airflow, work):
    """Airflow, with the statements as they came."""
    shutil.copy(STATEMENTS, work.folder / "statements.py")
    return airflow


@pytest.fixture(scope="module")
def parsed(judge):
    """The file as it was read."""
    return judge.parse(FILE)


@pytest.fixture(scope="module")
def dag(judge, parsed):
    """The DAG in it."""
    return parsed.dags.get(DAG) or judge.dag(FILE, DAG)


@pytest.fixture(scope="module")
def days(shop, seed):
    """A winter's day, and twelve in a row of a summer, that have enough sales: where clocks are changed, one of them shows it."""
    there = {row[0] for row in shop.rows(ENOUGH)}
    chance, rows = random.Random(seed), [[day + n * DAY for n in range(12)] for day in sorted(there) if 4 < day.month < 10]
    winter = [day for day in sorted(there) if date(2024, 1, 10) < day < date(2024, 3, 5)]
    return [chance.choice(winter), *chance.choice([row for row in rows if set(row) <= there])]


@pytest.fixture(scope="module")
def due(judge, days):
    """The runs that are due after each of some days, by the DAG's own schedule."""
    found = {}
    for first, last in (*SPANS, (days[1], days[-1])):
        found |= {first + n * DAY: [] for n in range((last - first).days + 1)}
        for run in judge.schedule(FILE, DAG, f"{first}T00:00:00Z", f"{last + DAY}T12:00:00Z", most=500):
            found.get(moment(run.due).date() - DAY, []).append(run)
    return found


@dataclass(frozen=True)
class Pipeline:
    """The learner's DAG, and the runs that are due after each day."""

    judge: Airflow
    dag: Dag
    due: dict

    def run(self, day, begin="extract", unreal=(), **options):
        """The run for a day, as the scheduler would have made it; if it is begun at a later task, those before have been done."""
        due = self.due[day][0]
        done = () if begin == "extract" else self.dag.tasks[begin].ancestors
        options = {"once": True, "kind": "scheduled", "interval": (due.start, due.end), **options}
        return self.judge.run(FILE, DAG, moment(due.logical_date), unreal=[*done, *unreal], **options)


@pytest.fixture(scope="module")
def pipeline(judge, dag, due):
    """The pipeline that is judged."""
    return Pipeline(judge, dag, due)


def moment(text):
    """A moment, in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)


def ended(run, task):
    """How a task ended; a mapped one in all its parts."""
    states = {state for name, state in run.states.items() if name.partition("[")[0] == task}
    return ", ".join(sorted(states)) or "none"


def test_loads(judge, parsed, dag):
    """Airflow imports `retail_pipeline.py` and finds the DAG with its five tasks; reading the file does no work."""
    seen = f"when it is read, it {', '.join(parsed.work)}; that belongs into a task"
    expect(not parsed.work, expected="reading the file does no work", seen=seen)
    try:
        judge.ask("parse", FILE, env=AWAY)
    except CheckFailed as failed:
        fail(expected="reading the file does no work: it is read while the warehouse is away", seen=failed.failure.seen)
    missing = [name for name in TASKS if name not in dag.tasks]
    seen = f"there is no {', '.join(missing)}, but {', '.join(dag.tasks) or 'none'}"
    expect(not missing, expected=f"the tasks {', '.join(TASKS)}", seen=seen)


def test_in_order(dag):
    """`extract`, `stage`, `transform`, `check` and `publish` wait for one another in this order."""
    for earlier, later in itertools.pairwise(TASKS):
        seen = f"{later} does not wait for {earlier}, but for {', '.join(dag.tasks[later].upstream) or 'nothing'}"
        expect(earlier in dag.tasks[later].ancestors, expected=f"{later} waits for {earlier}", seen=seen)


def test_due_each_night(dag, due):
    """One run is due for each UTC day of 2024 and 2025, between 00:00 and 06:00 UTC of the next."""
    schedule = f"{dag.schedule or 'none'}, from {dag.start_date or 'no start_date'} on"
    for day, runs in due.items():
        what = f"one run for each day of 2024 and 2025, due from 00:00 to 06:00 UTC of the next; for {day} on {day + DAY}"
        expect(len(runs) == 1, expected=what, seen=f"{len(runs)} runs on {day + DAY}, by the schedule {schedule}")
        seen = f"a run is due {moment(runs[0].due)}, by the schedule {schedule}"
        expect(moment(runs[0].due).time() <= LATEST, expected=what, seen=seen)


def test_works_on_its_day(pipeline, shop, days):
    """A run publishes the UTC day that was over when it was due, long after that; slow tasks are waited for."""
    day = days[0]
    for statement in EDGES:
        shop.execute(of(day, statement))
    run, due = pipeline.run(day, hold=TASKS[:-1]), pipeline.due[day][0]
    asked = ended(run, "extract") != "success" or there(shop, "raw.orders", day)
    seen = f"raw.orders has none: extract asks for another day, or for the one on the clock; check ended as {ended(run, 'check')}"
    expect(asked or run.state == "success", expected=f"the run for {day} extracts the orders of that day", seen=seen)
    run.succeeded(f"the run for {day} succeeds")
    for earlier, later in itertools.pairwise(TASKS):
        early = run.ran(later) and not (run.ran(earlier) and run.before(earlier, later))
        expect(not early, expected=f"{later} waits for {earlier}", seen=f"{later} was started although {earlier} was not done")
    for table in PUBLISHED:
        others = [row[0] for row in shop.rows(f"SELECT DISTINCT day FROM {table} WHERE day IS DISTINCT FROM %s", day)]
        expect(
            not others,
            expected=f"the run due {due.due} publishes {day}",
            seen=f"{table} has {named(others, due, day)}",
        )
    for table in TABLES:
        same(table, day, f"the run for {day}", wanted(shop, table, day), there(shop, table, day), again=False)


def named(others, run, day):
    """Days that should not be there, and what they look like."""
    text = f"rows of {', '.join(map(str, others[:3]))}"
    if others == [day + DAY]:
        empty = f"; its data interval is empty ({run.start} to {run.end})" if run.start == run.end else ""
        return f"{text}: the day that only began when the run was due{empty}"
    if any(other and abs(other - datetime.now(UTC).date()) <= 2 * DAY for other in others):
        return f"{text}: the day on the clock, not that of the run"
    return text


def test_can_be_repeated(pipeline, shop, days):
    """After a cancelled and a late order, a repetition leaves each table with the day as it is now, and other days alone."""
    day = days[0]
    others = [day + n * DAY for n in (1, -1, -32, 32, -400, 400)]
    planted = {table: plant(shop, table, others) for table in TABLES}
    published = {table: there(shop, table, day) for table in PUBLISHED}
    for statement in LATER:
        shop.execute(of(day, statement))
    pipeline.run(day).succeeded(f"a second run for {day} succeeds")
    for table, before in published.items():
        seen = f"{table} is as before: the repetition has changed nothing"
        expect(there(shop, table, day) != before, expected="a repetition takes up what has changed in the shop", seen=seen)
    for table in TABLES:
        same(table, day, f"after a repetition of {day}", wanted(shop, table, day), there(shop, table, day))
        for other, rows in planted[table].items():
            kept = there(shop, table, other)
            changed = f"has changed: there was {readable(rows[0])}, now {', '.join(map(readable, kept))}"
            now = changed if kept else "is gone"
            told = f"a run for {day} leaves other days in {table} alone"
            expect(kept == rows, expected=told, seen=f"the row of another day ({other}) {now}")
        shop.execute(f"DELETE FROM {table} WHERE day = ANY(%s)", others)


@dataclass(frozen=True)
class Begun:
    """A run begun at a task: what this should have made, what the tables had and have, and what it might have read instead."""

    task: str
    day: date
    run: object
    right: dict
    before: dict
    seen: dict
    others: dict

    def new(self, table):
        """The rows that a table did not have before."""
        return [row for row in self.seen[table] if row not in self.before[table]]


@dataclass(frozen=True)
class Beginning:
    """Begins runs of the pipeline, each on a day of its own."""

    pipeline: Pipeline
    shop: Database
    days: Iterator

    def at(self, task, filled, happens, real=TASKS, fails=(), **options):
        """A run begun at a task, after the tables of `filled` others have been filled and something has happened."""
        shop, day = self.shop, next(self.days)
        fill(shop, day, filled)
        for statement in happens:
            shop.execute(of(day, statement))
        before = {table: there(shop, table, day) for table in TABLES}
        right = {table: made_from(shop, table, day) for table in FILLS[task]}
        unreal = [one for one in TASKS if one not in real]
        run = self.pipeline.run(day, task, unreal=unreal, fail_tasks=dict.fromkeys(fails, 99), **options)
        sources = {"shop": SALES, "raw": FROM_RAW, **({} if task == "stage" else {"stage.sales": STAGED})}
        others = {name: {table: wanted(shop, table, day, sales) for table in FILLS[task]} for name, sales in sources.items()}
        return Begun(task, day, run, right, before, {table: there(shop, table, day) for table in TABLES}, others)


@pytest.fixture(scope="module")
def beginning(pipeline, shop, days):
    """Runs that are begun somewhere."""
    return Beginning(pipeline, shop, iter(days[1:10]))


@pytest.fixture(scope="module")
def bad(beginning):
    """Runs of days that must not be published, though they have been once: {fault: Begun}."""
    return {fault: beginning.at(*begin, once=False) for fault, begin in BAD.items()}


@pytest.fixture(scope="module")
def single(beginning):
    """A run of a good day, begun at check."""
    return beginning.at("check", 1, ONE_SALE, fails=["publish"], real=["check"])


def test_stops_bad_days(dag, bad, single):
    """`check` fails for a day without sales, with an unknown product, or a quantity below one; then nothing is published."""
    past = any(task.depends_on_past for task in dag.tasks.values())
    past = "; with depends_on_past a day that has failed holds up all days after it" if past else ""
    for fault, one in bad.items():
        what, run = f"a day with {fault}", one.run
        if one.task == "transform" and ended(run, one.task) == "failed":  # goes_on_from_the_tables tells
            continue
        for table in TABLES[:5] if fault == next(iter(BAD)) else ():
            same(table, one.day, f"{what}, but with some at an earlier run", [], one.seen[table])
        seen = f"check ended as {ended(run, 'check')}, the run as {run.state}: {run.failures()}{past}"
        expect(ended(run, "check") == "failed", expected=f"{what}: check fails", seen=seen)
        for table in PUBLISHED:
            new = one.new(table)
            kept = len(one.seen[table]) - len(new)
            seen = f"{len(new)} new rows in {table}, {kept} of 1 old one; publish ended as {ended(run, 'publish')}"
            expect(not new and kept == 1, expected=f"{what}: what is published stays as it was", seen=seen)
        stops(run, f"{what}: check fails", ["publish"])
    good = "a good day is published, though it has a single sale, of one piece and free, and other days in stage are bad"
    seen = f"check ended as {ended(single.run, 'check')}, publish as {ended(single.run, 'publish')}: {single.run.failures()}"
    expect(ended(single.run, "check") == "success" and single.run.ran("publish"), expected=good, seen=seen)


@pytest.fixture(scope="module")
def alone(beginning, bad, single):
    """Each task, after those before it were done on another machine; the next one fails: {task: Begun}."""
    begun = {"transform": bad[next(reversed(BAD))], "check": single}
    for task, begin in ALONE.items():
        begun[task] = beginning.at(task, *begin, real=[task], fails=TASKS[TASKS.index(task) + 1 :][:1])
    return {task: begun[task] for task in TASKS}


def test_each_task_does_its_part(pipeline, days, alone):
    """When a task is done and the next one fails, the tables of later ones are empty, none of them runs, and the run fails."""
    for place, (task, one) in enumerate(alone.items()):
        if task == "publish":
            break
        what = f"{TASKS[place + 1]} fails"
        if task == "extract":
            seen = f"{task} ended as {ended(one.run, task)}: {one.run.failures()}"
            expect(ended(one.run, task) == "success", expected=f"{what}: {task} has succeeded before", seen=seen)
            for table, rows in one.right.items():
                same(table, one.day, what, rows, one.seen[table])
        for table in (table for later in TASKS[place + 1 :] for table in FILLS[later]):
            new = one.new(table)
            seen = f"{len(new)} rows of {one.day}: a task does what is a later one's part"
            expect(not new, expected=f"{what}: {table} has nothing yet", seen=seen)
        stops(one.run, what, TASKS[place + 2 :])
    stops(pipeline.run(days[10], unreal=TASKS, fail_tasks={"extract": 99}), "extract fails", TASKS[1:])


def stops(run, what, later):
    """After a failure no later task is started, and the run is red."""
    for name in later:
        seen = f"{name} ran and ended as {ended(run, name)}: its trigger rule does not mind a failure"
        expect(not run.ran(name), expected=f"{what}: {name} does not run", seen=seen)
    expect(run.state == "failed", expected=f"{what}: the run fails", seen=f"it ended as {run.state}")


def test_goes_on_from_the_tables(shop, alone, interrupted):
    """A run that goes on in the middle takes what is in the tables by then, though the tasks before ran earlier and elsewhere."""
    for place, (task, one) in enumerate(alone.items()):
        what = f"{', '.join(TASKS[:place])} had been done, on another machine; the run goes on with {task}"
        if task != "extract":
            seen = f"{task} ended as {ended(one.run, task)}: {one.run.failures()}"
            expect(ended(one.run, task) == "success", expected=what, seen=seen)
        for table, rows in one.right.items() if task != "extract" else ():
            for source, made in one.others.items():
                behind = one.seen[table] == made[table] and made[table] != rows
                expect(not behind, expected=what, seen=f"{table} has what {source} has now: {task} has read that once more")
            same(table, one.day, what, rows, one.seen[table])
    day, run = interrupted
    what = "a connection was lost, and what the task reads had changed when it was tried again"
    for table, columns in KEPT.items() if run.state == "success" else ():
        rows = there(shop, table.replace("published", "stage"), day) if table in PUBLISHED else None
        sales = FROM_RAW if table == "stage.sales" else STAGED
        same(table, day, what, rows or wanted(shop, table, day, sales, columns), there(shop, table, day, columns))


def test_publishes_all_or_nothing(pipeline, shop, days):
    """If the second of the published tables can't be written, readers see both as they were."""
    day = days[11]
    fill(shop, day, 3)
    for statement in PUBLISH:
        shop.execute(of(day, statement))
    before = {table: there(shop, table, day) for table in PUBLISHED}
    for table in SUMMED:
        shop.execute(f"UPDATE {table} SET quantity = quantity + 1 WHERE day = %s", day)
    shop.execute(REFUSE)
    try:
        run = pipeline.run(day, "publish")
    finally:
        shop.execute("DROP FUNCTION refuse CASCADE")
    whole = all(there(shop, table, day) == there(shop, table.replace("published", "stage"), day) for table in PUBLISHED)
    if run.state == "success" and whole:  # it has published by other means, and completely
        return
    what = "the second table that publish writes takes no new rows"
    for table, rows in before.items():
        seen = f"{table} had {len(rows)} rows, has {len(there(shop, table, day))} and has changed: the day is half published"
        expect(there(shop, table, day) == rows, expected=f"{what}: both published tables stay as they were", seen=seen)
    expect(run.state == "failed", expected=f"{what}: the run fails", seen=f"it ended as {run.state}")


@pytest.fixture(scope="module")
def interrupted(pipeline, shop, days):
    """A run in which each task but check loses its connection, extract twice; meanwhile what it reads changes."""
    day = days[12]
    with Outage(shop, {table: [of(day, statement) for statement in statements] for table, statements in LOST.items()}):
        run = pipeline.run(day, once=False, unreal=["check"])
    return day, run


def test_tries_again(dag, interrupted, bad):
    """Each task but `check` is tried again twice or more, a minute or longer after; `check`, whose rows stay bad, is not."""
    _, run = interrupted
    for name in (name for name in TASKS if name != "check"):
        task = dag.tasks[name]
        expect(task.retries >= 2, expected=f"{name} is tried again twice or more", seen=f"{name} has retries={task.retries}")
        seen = f"{name} has a retry_delay of {task.retry_delay:.0f} s"
        expect(task.retry_delay >= LEAST_WAIT, expected=f"{name} waits a minute or longer", seen=seen)
        waited = min(run.retry_delays.get(name, [LEAST_WAIT]))
        seen = f"after a lost connection {name} waited {waited:.0f} s, though its retry_delay is {task.retry_delay:.0f} s"
        expect(waited >= LEAST_WAIT, expected=f"{name} waits a minute or longer", seen=f"{seen} (max_retry_delay?)")
        seen = f"after {attempts(run, name)} of {task.retries + 1} attempts it ended as failed: {run.failures()}"
        expect("failed" not in ended(run, name), expected=f"{name} is tried again when its connection was lost", seen=seen)
    run.succeeded("each task's connection is lost once, that of extract twice: the run succeeds all the same")
    for fault, one in bad.items():
        seen = f"check was tried {attempts(one.run, 'check')} times, and says so only after them"
        expect(attempts(one.run, "check") <= 1, expected=f"check, on a day with {fault}, fails at once", seen=seen)


def attempts(run, task):
    """How many times a task was tried; a mapped one in the part that was tried most."""
    return max((event.attempt for event in run.events if event.task == task), default=0)


if __name__ == "__main__":
    main(__file__)

"""Checks of lab 87: who waits for whom, and what happens when something fails."""

import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from delab.checks import Database, expect, fail, main
from delab.services.airflow import METADATA

FILE, DAG = "settlement.py", "settlement"
STEPS = Path(__file__).parent / "start" / "steps.py"
WAITS = (
    ("load_orders", "prepare_stage"),
    ("load_payments", "prepare_stage"),
    ("reconcile", "load_orders"),
    ("reconcile", "load_payments"),
    ("publish", "reconcile"),
    ("quarantine", "reconcile"),
    ("notify", "publish"),
    ("clean_up", "notify"),
    ("clean_up", "alert"),
)
WATCHED = ("load_orders", "load_payments", "reconcile", "publish", "quarantine")
LOADS = WATCHED[:2]
TASKS = ("prepare_stage", *WATCHED, "notify", "alert", "clean_up")
BREAKS_TOO = "quarantine"  # when this one fails, alert fails as well
ASKS = {"agrees": "reconcile"}  # who calls a step that has not its task's name
# The verification's steps.py does what the given one does, and notes which task has called what.
NOTED = "CREATE TABLE calls (run text, task text, step text)"
NOTING = """

def noted(step):
    @functools.wraps(step)
    def called(*given, **named):
        who = {name: os.environ.get(f"AIRFLOW_CTX_{name}", "") for name in ("DAG_RUN_ID", "TASK_ID")}
        run("INSERT INTO calls VALUES (%(DAG_RUN_ID)s, %(TASK_ID)s, %(step)s)", step=step.__name__, **who)
        return step(*given, **named)

    return called


import functools, os
for step in (prepare_stage, load_orders, load_payments, agrees, publish, quarantine, clean_up):
    globals()[step.__name__] = noted(step)
"""


class Night(NamedTuple):
    """A run, and the tables that it has left in the stage."""

    run: Any
    left: list


@pytest.fixture(scope="module")
def shop(stack):
    """The verification's own orders and payments."""
    made = Database(stack["warehouse"], kept=True)
    made.execute(NOTED)
    return made


@pytest.fixture(scope="module")
def judge(airflow, work):
    """Airflow, with steps that do what the given ones do."""
    (work.folder / "steps.py").write_text(STEPS.read_text() + NOTING)
    return airflow


@pytest.fixture(scope="module")
def days(seed):
    """Days that agree, and days that do not, in random order."""
    chance = random.Random(seed)
    good, bad = ([date(2025, 3, 1) + timedelta(days=n) for n in range(24) if (n % 3 == 2) is wrong] for wrong in (False, True))
    return {"good": chance.sample(good, len(good)), "bad": chance.sample(bad, len(bad))}


def carry_out(judge, shop, day, stage=None, **options):
    """A run that begins without tables in the stage, or with these amounts ordered and paid, whatever an earlier one has left."""
    shop.execute("DROP TABLE IF EXISTS stage.orders, stage.payments")
    for name, amount in zip(("orders", "payments"), stage or (), strict=False):
        shop.execute(f"CREATE TABLE stage.{name} AS SELECT {amount}::numeric(10, 2) AS amount")
    run = judge.run(FILE, DAG, day, once=True, **options)
    return Night(
        run, [name for (name,) in shop.rows("SELECT tablename::text FROM pg_tables WHERE schemaname = 'stage' ORDER BY 1")]
    )


@pytest.fixture(scope="module")
def good(judge, shop, days):
    """A day that agrees; orders come slowly, and publishing takes its time."""
    return carry_out(judge, shop, days["good"][0], hold=["prepare_stage", "load_orders", "publish"])


@pytest.fixture(scope="module")
def bad(judge, shop, days):
    """A day that does not agree; payments come slowly."""
    return carry_out(judge, shop, days["bad"][0], hold=["prepare_stage", "load_payments", "quarantine"])


@pytest.fixture(scope="module")
def failed_load(judge, shop, days, seed):
    """One load fails, the other is slower than all else; which one is drawn. Here alert and clean_up really run."""
    broken, slow = random.Random(seed).sample(LOADS, 2)
    unreal = [task for task in TASKS if task not in ("alert", "clean_up")]
    night = carry_out(judge, shop, days["good"][1], stage=(1, 1), hold=[slow], fail_tasks={broken: 99}, unreal=unreal)
    return night, broken


@pytest.fixture(scope="module")
def broken_nights(judge, shop, days, failed_load):
    """A night for each watched task in which it fails: {task: Night}. Only clean_up really runs, and reconcile for its choice.

    If a load fails, the other is slow; else alert is.
    """
    nights = {}
    for name in WATCHED:
        stage = (1, 2) if name == "quarantine" else (1, 1)
        real = ("clean_up", "reconcile") if name in ("publish", "quarantine") else ("clean_up",)
        unreal = [task for task in TASKS if task not in real]
        slow = [load for load in LOADS if load != name] if name in LOADS else ["alert"]
        failing = {name: 99, **({"alert": 99} if name == BREAKS_TOO else {})}
        if name != failed_load[1]:
            day = days["good"][2 + WATCHED.index(name)]
            nights[name] = carry_out(judge, shop, day, stage=stage, hold=slow, fail_tasks=failing, unreal=unreal)
    return {**nights, failed_load[1]: failed_load[0]}


@pytest.fixture(scope="module")
def failures(broken_nights):
    """Their runs."""
    return {name: night.run for name, night in broken_nights.items()}


def ended(run, what, **wanted):
    """Compare the states of tasks."""
    for task, state in wanted.items():
        seen = run.states.get(task, "never seen")
        seen = "not run" if seen == "none" else seen
        if seen not in state.split("|"):
            why = f": {run.event(task).why}" if seen == "failed" and run.ran(task) else ""
            fail(expected=f"{what}: {task} ends as {state.replace('|', ' or ')}", seen=f"{task} ended as {seen}{why}")


def in_order(run, what):
    """Nobody has started before those that it waits for."""
    for later, earlier in WAITS:
        early = run.ran(earlier) and run.ran(later) and not run.before(earlier, later)
        expect(not early, expected=f"{what}: {later} waits for {earlier}", seen=f"{later} was started before {earlier} was done")


def test_waits(judge):
    """Each task waits for those that it should, and the two loads don't wait for each other."""
    tasks = judge.dag(FILE, DAG).tasks
    expect_tasks(tasks)
    for later, earlier in WAITS:
        expect(
            earlier in tasks[later].ancestors,
            expected=f"{later} waits for {earlier}",
            seen=f"{later} does not wait for {earlier}, but for {', '.join(tasks[later].upstream) or 'nothing'}",
        )
    for one, other in (("load_orders", "load_payments"), ("load_payments", "load_orders")):
        expect(
            one not in tasks[other].ancestors,
            expected="load_orders and load_payments run side by side",
            seen=f"{other} waits for {one}: they don't run side by side",
        )


def expect_tasks(tasks):
    """All nine are there."""
    missing = [name for name in TASKS if name not in tasks]
    expect(not missing, expected=f"the tasks {', '.join(TASKS)}", seen=f"there is no {', '.join(missing)}")


def test_settles_a_good_day(good, shop, days):
    """On a day that agrees, `publish` and `notify` run, `quarantine` and `alert` are skipped, and the run succeeds."""
    what, day, good = "a day that agrees", days["good"][0], good.run
    in_order(good, what)
    ended(good, what, prepare_stage="success", load_orders="success", load_payments="success", reconcile="success")
    ended(good, what, publish="success", quarantine="skipped", notify="success", alert="skipped", clean_up="success")
    expect(good.state == "success", expected=f"{what}: the run succeeds", seen=f"it ended as {good.state}")
    wanted = shop.rows("SELECT count(*)::int, sum(amount) FROM orders WHERE day = %s", day)
    seen = shop.rows("SELECT orders, amount FROM settlements WHERE day = %s", day)
    expect(
        seen == wanted,
        expected=f"{what} is settled: {wanted[0][0]} orders, {wanted[0][1]}",
        seen=f"settlements has {seen or 'no row'}",
    )
    said(shop, day, what, "settlement done", "settlement failed")
    own_steps(shop, good, what)
    at_once = shop.value("SELECT max_active_tasks FROM dag WHERE dag_id = %s", DAG, database=METADATA)
    expect(at_once > 1, expected="the loads run side by side", seen=f"max_active_tasks={at_once}: the DAG does one thing at a time")


def said(shop, day, what, wanted, unwanted):
    """Compare the messages of a day."""
    told = [text for (text,) in shop.rows("SELECT text FROM messages WHERE day = %s ORDER BY 1", day)]
    ok = wanted in told and unwanted not in told
    expect(ok, expected=f"{what}: the message is {wanted}", seen=f"messages has {', '.join(told) or 'none'}")


def own_steps(shop, run, what):
    """Each task has carried out its own step, and reconcile alone has asked."""
    for task, step in shop.rows("SELECT DISTINCT task, step FROM calls WHERE run = %s AND task <> '' ORDER BY 2, 1", run.run_id):
        owner = ASKS.get(step, step)
        expect(task == owner, expected=f"{what}: steps.{step}() is called by {owner} alone", seen=f"{task} calls it, too")


def test_puts_a_bad_day_aside(bad, shop, days):
    """On a day that does not agree, `quarantine` and `notify` run, `publish` and `alert` are skipped, and the run succeeds."""
    what, day, bad = "a day that does not agree", days["bad"][0], bad.run
    in_order(bad, what)
    ended(bad, what, publish="skipped", quarantine="success", notify="success", alert="skipped", clean_up="success")
    late = bad.before("quarantine", "notify")
    expect(late, expected=f"{what}: notify waits for quarantine", seen="notify was started before quarantine was done")
    expect(bad.state == "success", expected=f"{what}: the run succeeds", seen=f"it ended as {bad.state}")
    rows = shop.value("SELECT count(*) FROM discrepancies WHERE day = %s", day)
    expect(rows == 1, expected=f"{what} is in discrepancies", seen="it is not")
    said(shop, day, what, "settlement done", "settlement failed")
    own_steps(shop, bad, what)


def test_stops_after_a_failed_load(failed_load, failures, shop, days):
    """After a failed load nothing is reconciled, published, put aside or notified; `alert` runs and leaves its message."""
    drawn = failed_load[1]
    for broken in sorted(LOADS, key=lambda load: load != drawn):
        run = failures[broken]
        for name in ("reconcile", "publish", "quarantine", "notify"):
            expect(
                not run.ran(name),
                expected=f"{name} does not run after {broken} has failed",
                seen=f"{name} ran and ended as {run.states[name]}",
            )
        ended(run, f"{broken} fails", alert="success")
    said(shop, days["good"][1], f"{drawn} fails", "settlement failed", "settlement done")
    own_steps(shop, failures[drawn], f"{drawn} fails")


def test_alerts_for_every_task(failures):
    """Whichever of the five tasks fails, `alert` runs, and `notify` does not."""
    for name, run in failures.items():
        ended(run, f"{name} fails", **{name: "failed", "alert": "failed" if name == BREAKS_TOO else "success"})
        expect(not run.ran("notify"), expected=f"{name} fails: notify does not run", seen=f"notify ended as {run.states['notify']}")


def test_cleans_up(broken_nights, good, bad):
    """`clean_up` runs in every run, after `notify`, `alert` and all of the work, also if `alert` fails; it leaves no table."""
    nights = {"nothing": good, "no task": bad, **broken_nights}
    for name, (run, _) in nights.items():
        how = "success|failed" if name in broken_nights else "success"  # it may make the run red itself, when it has cleaned up
        ended(run, f"{name} fails{', and then alert' if name == BREAKS_TOO else ''}", clean_up=how)
    for name, (run, left) in nights.items():
        late = [task for task in TASKS[:-1] if run.ran(task) and not run.before(task, "clean_up")]
        expect(not late, expected=f"{name} fails: clean_up is the last", seen=f"{', '.join(late)} ran after it")
        tables = ", ".join(f"stage.{table}" for table in left)
        expect(not left, expected=f"{name} fails: after clean_up no table is left in stage", seen=f"{tables} is there")


def test_stays_red(failures):
    """A run in which one of the five tasks has failed ends as failed, though `alert` has run and `clean_up` has cleaned up."""
    for name, run in failures.items():
        expect(
            run.state == "failed", expected=f"the run ends as failed if {name} fails", seen=f"it ended as {run.state}: {run.states}"
        )


if __name__ == "__main__":
    main(__file__)

"""Checks of lab 91: a group for each channel, what waits for what, one broken channel, and the report that follows."""

import itertools
import random
import shutil
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import date, timedelta

import pytest
from metadata import looking
from noting import HOLD, LET_GO, NOTED, owners, steps_for
from prepare import SOURCES, sell

from delab.checks import CheckFailed, Database, expect, fail, main, show
from delab.checks.airflow_api import FINAL, RestApi, quoted
from delab.services.airflow import METADATA

FILE, DAG, OTHER_FILE, OTHER = "sales.py", "sales", "report.py", "report"
NAMES = ("kiosk", "app", "phone", "export", "outlet", "fair", "staff", *SOURCES[:2])
PARTS = ("extract", "checks.amounts", "checks.lines", "load")
INNER = (("checks.amounts", "extract"), ("checks.lines", "extract"), ("load", "checks.amounts"), ("load", "checks.lines"))
CALLS = {"extract": "extract", "checks.amounts": "check_amounts", "checks.lines": "check_lines", "load": "load"}
SALES_SECONDS, REPORT_SECONDS = 120, 40


@dataclass(frozen=True)
class Story:
    """How runs of sales went in a real Airflow, and the amounts of their days that were due and are in reports after them."""

    sales: str
    due: dict
    seen: dict
    runs: str
    calls: tuple


@pytest.fixture(scope="module")
def shop(stack):
    """The verification's own warehouse."""
    made = Database(stack["warehouse"], kept=True)
    made.execute(NOTED)
    return made


@pytest.fixture(scope="module")
def sources(seed):
    """Channels of this verification."""
    return tuple(random.Random(seed).sample(NAMES, 4))


@pytest.fixture(scope="module")
def judge(airflow, work, sources):
    """Airflow, with steps for these channels."""
    (work.folder / "steps.py").write_text(steps_for(sources))
    return airflow


@pytest.fixture(scope="module")
def tasks(judge):
    """The tasks of sales."""
    return judge.dag(FILE, DAG).tasks


@pytest.fixture(scope="module")
def days(seed):
    """Days of their own for the runs."""
    return [date(2025, 6, 1) + timedelta(days=n) for n in random.Random(seed).sample(range(150), 5)]


@pytest.fixture(scope="module")
def announcers(judge, tasks):
    """The tasks that start the report: by a trigger, or by an asset that it is scheduled on."""
    assets = set(judge.dag(OTHER_FILE, OTHER).assets_in)
    return [name for name, task in tasks.items() if "TriggerDagRunOperator" in task.kinds or assets & set(task.outlets)]


def carry_out(judge, shop, tasks, day, sources, bad="", lost=(), **options):
    """A run with these channels on fresh lines; triggers only pretend, since nobody would carry the other DAG out."""
    chance = random.Random(str(day))
    with shop.session() as session, session.cursor() as cursor:
        for source in sources:
            sell(cursor, chance, day, source, bad=source == bad)
    triggers = [name for name, task in tasks.items() if "TriggerDagRunOperator" in task.kinds]
    unreal = [*triggers, *options.pop("unreal", ())]
    env = {"CHANNELS": " ".join(sources), "LOST": " ".join(lost)}
    return judge.run(FILE, DAG, day, once=not lost, unreal=unreal, env=env, **options)


@pytest.fixture(scope="module")
def good(telling, judge, shop, tasks, days, sources, seed):
    """A good day of two channels; one is slow, since its tasks lose their connections; so do the first task and the last."""
    slow = [f"{sources[0]}.{part}" for part in PARTS]
    return carry_out(judge, shop, tasks, days[0], sources[:2], lost=["open_day", *slow, "publish"], hold=slow, seed=seed)


def sums(shop, day):
    """The channels' sums as they should be."""
    return shop.rows("SELECT source, sum(amount) FROM source_lines WHERE day = %s GROUP BY 1 ORDER BY 1", day)


def loaded(shop, day):
    """The channels' sums as they are."""
    return shop.rows("SELECT source, amount FROM channel_sales WHERE day = %s ORDER BY 1", day)


def readable(rows):
    """Sums for a message."""
    return ", ".join(f"{source} {amount}" for source, amount in rows) or "none"


def test_loads(judge):
    """Airflow 3 imports `sales.py` and `report.py` and finds their DAGs; reading does no work, neither starts by the clock."""
    for file, dag_id in ((FILE, DAG), (OTHER_FILE, OTHER)):
        try:
            found = judge.parse(file)
        except CheckFailed as failed:
            if "subdag" in failed.failure.seen.lower():
                fail(expected=failed.failure.expected, seen=f"SubDagOperator is gone from Airflow 3: {failed.failure.seen}")
            raise
        expect(not found.work, expected=f"reading {file} does no work", seen=f"when it is read, it {', '.join(found.work)}")
        dag = judge.dag(file, dag_id)
        by_itself = dag.timetable == "NullTimetable" or ("Asset" in dag.timetable and dag.timetable != "AssetOrTimeSchedule")
        seen = f"its schedule is {dag.schedule} ({dag.timetable}): a run then begins whether or not there is something to do"
        expect(by_itself, expected=f"{dag_id} does not start by the clock", seen=seen)


def test_has_groups(judge, tasks, sources):
    """For each of `steps.SOURCES` there is a group with `extract`, `load`, and a group `checks` with `amounts` and `lines`."""
    there = show(", ".join(tasks) or "no task")
    for name in ("open_day", "publish"):
        expect(name in tasks, expected=f"a task {name}", seen=there)
    for source, part in itertools.product(sources, PARTS):
        name = f"{source}.{part}"
        if name not in tasks:
            why = misnamed(tasks, source, part)
            fail(expected=f"steps.SOURCES is {', '.join(sources)}: a task {name}", seen=f"{why}; there are {there}")
        group = name.rpartition(".")[0]
        seen = tasks[name].group
        told = f"{name} is in the group {group}"
        expect(seen == group, expected=told, seen=f"it is in {seen or 'no group'}: an id with a dot in it does not make a group")


def misnamed(tasks, source, part):
    """Why a task is not there under its name."""
    last = part.rpartition(".")[2]
    for name, task in tasks.items():
        if task.group.split(".")[0] == source and name.endswith(last):
            return f"{name} in the group {task.group}: the group's prefix is not part of its id (prefix_group_id=False?)"
    if any("__1" in name for name in tasks):
        return "the groups have the same id, and Airflow has numbered them (__1)"
    if not any(name.startswith(source) for name in tasks):
        return f"nothing for {source}: are the channels written into sales.py?"
    return f"there is none in {source}"


def test_waits(tasks, sources, announcers):
    """Channels wait for `open_day`, `publish` for all of them, and what starts the report waits for it."""
    for source in sources:
        pairs = [(f"{source}.{later}", f"{source}.{earlier}") for later, earlier in INNER]
        for later, earlier in [(f"{source}.extract", "open_day"), *pairs, ("publish", f"{source}.load")]:
            waits_for(tasks, later, earlier)
        for later, part in itertools.product((f"{source}.{part}" for part in PARTS), PARTS):
            others = [f"{other}.{part}" for other in sources if other != source and f"{other}.{part}" in tasks[later].ancestors]
            told = f"{source} waits for no other channel"
            expect(
                not others, expected=told, seen=f"{later} waits for {', '.join(others)}: if that one is broken, {source} stops too"
            )
        for one, other in itertools.permutations((f"{source}.checks.amounts", f"{source}.checks.lines")):
            beside = one not in tasks[other].ancestors
            expect(beside, expected=f"the checks of {source} run side by side", seen=f"{other} waits for {one}")
    for name in announcers:
        if name != "publish":
            waits_for(tasks, name, "publish")


def waits_for(tasks, later, earlier):
    """One task waits for another."""
    seen = ", ".join(tasks[later].upstream) or "nothing"
    expect(
        earlier in tasks[later].ancestors,
        expected=f"{later} waits for {earlier}",
        seen=f"{later} does not wait for {earlier}, but for {seen}",
    )


def test_keeps_the_defaults(tasks, sources, good):
    """Every task is tried again twice or more, after a minute or later; a channel's tasks are its team's."""
    for name, task in tasks.items():
        told = f"{name} is tried again twice or more, after a minute or later"
        seen = f"retries={task.retries}, retry_delay of {task.retry_delay:.0f} s"
        expect(task.retries >= 2 and task.retry_delay >= 60, expected=told, seen=f"{seen}: the DAG's default_args did not reach it")
    for source, part in itertools.product(sources, PARTS):
        owner = tasks[f"{source}.{part}"].owner
        wanted = owners(sources)[source]
        expect(owner == wanted, expected=f"{source}.{part} is owned by {wanted} (steps.OWNERS)", seen=f"owner={owner}")
    for event in good.events:
        lost = event.state == "failed" and event.attempt == 1
        told = f"{event.task} is tried again when its connection was lost"
        expect(not lost, expected=told, seen=f"after its first attempt it ended as failed: {event.why}")
    for name, waits in good.retry_delays.items():
        seen = f"it waited {min(waits):.0f} s, though its retry_delay is {tasks[name].retry_delay:.0f} s (max_retry_delay?)"
        expect(min(waits) >= 60, expected=f"{name} is tried again after a minute or later", seen=seen)


def test_a_good_day(good, shop, days, sources):
    """On a good day each channel's sum is loaded, the day is published after all of them, and each task has called its step."""
    day, wanted, sources = days[0], sums(shop, days[0]), sources[:2]
    seen = loaded(shop, day)
    if len(seen) == 1 and len(wanted) > 1 and good.state == "success":
        why = (
            f"only {readable(seen)}: all groups work on one channel (a function made in a loop sees the loop variable's last value)"
        )
        fail(expected=f"channel_sales of {day}: {readable(wanted)}", seen=why)
    good.succeeded("the run of a good day succeeds")
    others = ", ".join(str(row[0]) for row in shop.rows("SELECT DISTINCT day FROM channel_sales WHERE day <> %s ORDER BY 1", day))
    there = readable(seen) if seen else f"none of that day; there are some of {others or 'no day'}"
    expect(seen == wanted, expected=f"channel_sales of {day}: {readable(wanted)}", seen=there)
    published = shop.rows("SELECT sources, amount FROM published WHERE day = %s", day)
    due = [(len(wanted), sum(amount for _, amount in wanted))]
    expect(
        published == due, expected=f"published: {due[0][0]} channels, {due[0][1]}", seen=f"published has {published or 'no row'}"
    )
    called = shop.rows("SELECT task, step, given FROM calls WHERE dag = %s", DAG)
    for task, call in due_calls(sources, day).items():
        calls = [spelled(*of) for name, *of in called if name == task]
        seen = " and ".join(calls) or "nothing of steps.py"
        expect({*calls} == {spelled(*call)}, expected=f"{task} calls {spelled(*call)}", seen=f"it calls {seen}")
    at_once = shop.value("SELECT max_active_tasks FROM dag WHERE dag_id = %s", DAG, database=METADATA)
    seen = f"max_active_tasks={at_once}: the DAG does one thing at a time"
    expect(at_once > 1, expected="channels don't wait for each other, and their checks run side by side", seen=seen)


def due_calls(sources, day):
    """What each task calls: {task: (step, its arguments as text)}."""
    found = {"open_day": ("open_day", [str(day)]), "publish": ("publish", [str(day)])}
    for source, (part, step) in itertools.product(sources, CALLS.items()):
        found[f"{source}.{part}"] = (step, [source, str(day)])
    return found


def spelled(step, given):
    """A call as one would write it."""
    return f"steps.{step}({', '.join(map(repr, given))})"


def test_one_broken_channel(judge, shop, tasks, announcers, days, sources, seed):
    """If a channel fails, the others are loaded, it is not, nothing is published or triggered, and the run fails."""
    first, second, third, fourth = random.Random(seed).sample(sources, 4)
    real, failing = f"{first}.checks.amounts", {second: f"{second}.extract", third: f"{third}.checks.lines"}
    unreal = tasks.keys() - {real, *tasks[real].ancestors}
    fails = dict.fromkeys(failing.values(), 99)
    run = carry_out(judge, shop, tasks, days[1], sources, bad=first, unreal=unreal, fail_tasks=fails, seed=seed)
    broken = {first: f"{first} has a line without an amount"} | {channel: f"{task} fails" for channel, task in failing.items()}
    contained(run, announcers, broken, (fourth,))


def contained(run, announcers, broken, others):
    """A failure stops its own channel and what follows all of them, nothing else; `broken` says what happens in which."""
    what = ", ".join(broken.values())
    for source in others:
        seen = run.states.get(f"{source}.load")
        expect(seen == "success", expected=f"{what}: {source}.load succeeds", seen=f"it ended as {seen}")
    for name in (*(f"{source}.load" for source in broken), "publish", *announcers):
        seen = f"{name} ran and ended as {run.states.get(name)}: its trigger rule hides the failure"
        expect(not run.ran(name), expected=f"{what}: {name} does not run", seen=seen)
    expect(run.state == "failed", expected=f"{what}: the run ends as failed", seen=f"it ended as {run.state}")


@pytest.fixture(scope="module")
def telling(work, new_stack, seed, days, sources, tasks):
    """The story, which takes place while other checks go on here; if one of these fails, its end is not waited for."""
    stack = new_stack(seed)
    triggers = [name for name, task in tasks.items() if "TriggerDagRunOperator" in task.kinds]
    with ThreadPoolExecutor(1) as pool:
        yield (told := pool.submit(tell, work, stack, days, sources[:1], triggers))
        while not told.done():
            stack["airflow"].kill()
            wait([told], timeout=1)


@pytest.fixture(scope="module")
def story(telling):
    """Two days in a real Airflow, with one channel; then a correction, and the first day once more: one Story each."""
    return telling.result()


def tell(work, stack, days, one, triggers):
    """The later day is published while report is paused, the other one when it goes on; a third day has been there before."""
    shop, airflow = Database(stack["warehouse"], kept=True), stack["airflow"]
    shop.execute(NOTED)
    real = work.run_folder / "real"
    day, before, other = sorted(days[2:])
    shutil.copytree(work.folder, real)
    (real / "steps.py").write_text(steps_for(one))
    for some in (day, before):
        deliver(shop, some, one, "first")
    shop.execute("INSERT INTO published VALUES (%s, 1, 1.00)", other)
    with shop.session() as gate, gate.cursor() as cursor, RestApi.started(airflow, real) as api, looking(shop, airflow) as metadata:
        cursor.execute(HOLD, [str(day)])
        for dag_id in (OTHER, DAG):
            api.wait_for_dag(dag_id, seconds=60)
        api.pause(DAG, False)
        ids = {some: api.trigger(DAG, f"{some}T00:00:00+00:00") for some in (before, day)}
        ended(metadata, ids[before], triggers)
        api.pause(OTHER, False)
        cursor.execute(LET_GO)
        first = lived(api, metadata, shop, ids)
        if first.sales != "success" or first.seen != first.due:
            return [first]
        deliver(shop, day, one, "corrected")
        api.ask("POST", f"dags/{DAG}/dagRuns/{quoted(ids[day])}/clear", {"dry_run": False, "only_failed": False})
        return [first, lived(api, metadata, shop, ids)]


def deliver(shop, day, sources, which):
    """The lines of a day."""
    with shop.session() as session, session.cursor() as cursor:
        for source in sources:
            sell(cursor, random.Random(f"{day} {source} {which}"), day, source)


def lived(api, metadata, shop, ids):
    """What runs of sales lead to; `ids` has them by their days."""
    sales = [state for run_id in ids.values() if (state := ended(metadata, run_id)) != "success"]
    due = amounts(shop, "published", ids)
    if not sales:
        metadata.wait(lambda: amounts(shop, "reports", ids) == due or metadata.at_rest(), REPORT_SECONDS)
    seen = amounts(shop, "reports", ids)
    runs = [f"one ended as {run.state}, conf={dict(run.conf or {})}, logical date {run.logical_date}" for run in api.runs(OTHER)]
    calls = shop.rows("SELECT dag, step, given FROM calls WHERE step = 'report'")
    return Story("; ".join(sales) or "success", due, seen, "; ".join(runs) or "report has no run", tuple(calls))


def amounts(shop, table, days):
    """What a table has of some days, in their order: none for one that it does not have."""
    return dict.fromkeys(days) | dict(shop.rows(f"SELECT day, amount FROM {table} WHERE day = ANY(%s)", list(days)))


def ended(metadata, run_id, triggers=()):
    """How a run of sales ended, or hangs: "success", or what is wrong with it. Triggers may still wait, once report has a run."""

    def over():
        state, tasks = metadata.run(DAG, run_id)
        waits = any(state in ("running", "deferred") and name in triggers for name, state in tasks)
        return state in FINAL or (waits and metadata.has_run(OTHER)) or any(state == "up_for_retry" for _, state in tasks)

    metadata.wait(over, SALES_SECONDS)
    state, tasks = metadata.run(DAG, run_id)
    return ", ".join(f"{name} {state}" for name, state in tasks if state != "success") or state


def test_reports_the_day(story):
    """In a real Airflow, each run of `sales` is followed by a report of that run's day, also after report was paused."""
    first = story[0]
    expect(first.sales == "success", expected="runs of sales succeed in a real Airflow", seen=first.sales)
    paused, other = first.due
    for day, amount in first.due.items():
        expect(amount is not None, expected=f"the run for {day} publishes that day", seen="published has no row of it")
    for day in (other, paused):
        wanted = f"report is started after publish, and reports that day, {day}: {first.due[day]}"
        wanted += f" (as {paused} was published, it was paused; then came {other}, when it was not)"
        seen = "reports has no row of that day" if first.seen[day] is None else f"reports has {first.seen[day]}"
        expect(first.seen[day] == first.due[day], expected=wanted, seen=f"{seen}; {first.runs}")
    told = ", ".join(f"{spelled(step, given)} by the DAG {dag}" for dag, step, given in first.calls) or "nobody calls steps.report"
    for day in first.due:
        wanted = f"the DAG {OTHER} calls {spelled('report', [str(day)])}"
        expect((OTHER, "report", [str(day)]) in first.calls, expected=wanted, seen=told)
    strange = [given for _, _, given in first.calls if given not in [[str(day)] for day in first.due]]
    expect(not strange, expected=f"nothing is reported but {other} and {paused}, the days of the runs", seen=told)


def test_reports_again(story):
    """When a run of `sales` is cleared after a correction, the day is reported again."""
    expect(len(story) == 2, expected="a day is reported", seen="not even the first time")
    second = story[1]
    day = list(second.due)[1]
    expect(second.sales == "success", expected="a cleared run of sales succeeds", seen=f"{second.sales}; report: {second.runs}")
    due, seen = second.due[day], second.seen[day]
    expect(due is not None, expected="a cleared run of sales publishes its day again", seen="published has no row of it any more")
    wanted = f"after a correction the day is reported again: {due}"
    expect(seen == due, expected=wanted, seen=f"{'no row' if seen is None else seen}, as before the correction; {second.runs}")


if __name__ == "__main__":
    main(__file__)

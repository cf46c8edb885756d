"""Checks of lab 90: as many tasks as there are files, and what they tell each other."""

import random
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest
from prepare import make
from zone import METADATA, ZONE, Carried, beside, neighbours, put, store_elsewhere, there

from delab.checks import Database, expect, fail, main, show

FILE, DAG = "deliveries.py", "deliveries"
TASKS = ("list_files", "load_file", "publish")
MOST_BYTES = 2000  # of one XCom as it is stored
FIRST_DAY = date(2025, 6, 1)
EVENING, NIGHT = time(23, 20), time(0, 40)  # in UTC, where Berlin has another day, and where America has
MOST_FILES = 30  # of a day
STORED = """
SELECT task_id, map_index, key, octet_length(value::text) FROM xcom WHERE dag_id = %s AND run_id = %s
ORDER BY octet_length(value::text) DESC NULLS LAST
"""


@pytest.fixture(scope="module")
def shop(stack):
    """The verification's own landing zone; a file can come late, right after a listing."""
    database = Database(stack["warehouse"], kept=True)
    database.execute(ZONE)
    return database


@pytest.fixture(scope="module")
def judge(airflow, work, shop):
    """Airflow, with the store as it came, but for the place of its files, which are the shop's."""
    (work.folder / "store.py").write_text(store_elsewhere())
    return airflow


@pytest.fixture(scope="module")
def days(seed):
    """Days of their own for the runs, and some between them."""
    return [FIRST_DAY + timedelta(days=n) for n in random.Random(seed).sample(range(0, 150, 3), 6)]


@pytest.fixture(scope="module")
def carry(judge, shop, seed, work):
    """Deliver files (numbers of stores to kinds), carry out a run."""
    chance = random.Random(seed)
    shop.execute(METADATA, database="airflow")

    def carried(day, stores, late=0, at=EVENING, **options):
        files = [make(chance, day, store, kind) for store, kind in stores.items()]
        others = [make(chance, day, store) for store in (*stores, 99)]
        put(shop, [*files, *(make(chance, near, store) for near in neighbours(day) for store in (2, 3))])
        put(shop, others, "landing.files")
        put(shop, [make(chance, day, late)] if late else [], "zone.late")
        shop.execute("TRUNCATE zone.asked")
        before, mine, moment = there(shop), beside(work.folder), datetime.combine(day, at, UTC)
        run = judge.run(FILE, DAG, moment, once=True, **options)
        listed = tuple(sorted(files, key=lambda file: file.name))
        return Carried(
            run,
            moment,
            listed,
            tuple(others),
            asked=tuple(row[0] for row in shop.rows("SELECT DISTINCT day FROM zone.asked ORDER BY 1")),
            touched=tuple(sorted({file[0] for file in before ^ there(shop)} - {late_name(day)})),
            left=tuple(sorted({file[0] for file in beside(work.folder) - mine})),
        )

    return carried


@pytest.fixture(scope="module")
def first(carry, days, seed):
    """Several files, one of them without rows; one more comes right after the listing, and its name is the first of all."""
    chance = random.Random(seed)
    three = chance.randint(2, 26)  # and the next two, so that all delimiters are used
    more = [store for store in range(2, 30) if not three <= store < three + 3]
    stores = dict.fromkeys([three, three + 1, three + 2, *chance.sample(more, chance.randint(1, 2))], "")
    stores[chance.choice(sorted(stores)[1:-1])] = "empty"
    return carry(days[0], stores, late=1, hold=["load_file"], seed=seed)


@pytest.fixture(scope="module")
def single(carry, days, seed):
    """A day with one file."""
    return carry(days[1], {random.Random(seed).randint(2, 30): ""}, at=NIGHT, seed=seed)


@pytest.fixture(scope="module")
def many(carry, days, seed):
    """As many files as there can be; nothing but the listing is really done."""
    stores = random.Random(seed).sample(range(2, 90), MOST_FILES)
    return carry(days[5], dict.fromkeys(stores, ""), seed=seed, unreal=["load_file", "publish"])


def late_name(day):
    """The file that came after the listing."""
    return f"{day}/store_01.csv"


def written(shop, day):
    """What sales has of a day: {file: [(order_id, amount), …]}."""
    found = {}
    for file, *row in shop.rows("SELECT file, order_id, amount FROM sales WHERE day = %s ORDER BY order_id, amount", day):
        found.setdefault(file, []).append(tuple(row))
    return found


def wanted_rows(file):
    """A file's rows as sales should have them."""
    return sorted((order, Decimal(amount)) for order, amount in file.rows)


def files_in_sales(shop, carried, what):
    """Each listed file's rows are in sales once; the one that came late may be."""
    seen, late = written(shop, carried.day), late_name(carried.day)
    for file in carried.files:
        rows, wanted = seen.pop(file.name, []), wanted_rows(file)
        told = f"{what}: sales has the {len(wanted)} rows of {file.name}"
        if rows == wanted:
            continue
        not_of_the_store(carried, file.name, rows, told)
        under = ", ".join(str(row[0]) for row in shop.rows("SELECT DISTINCT day FROM sales WHERE file = %s ORDER BY 1", file.name))
        if not rows and under:
            fail(expected=f"{told} under {carried.day}", seen=f"they are there under {under}{of_the_run(carried)}")
        if not rows and late in seen:
            why = (
                f"none of them, but those of {late}, which came after list_files had made its list: what an index means has changed"
            )
            fail(expected=told, seen=f"{why}; was the file found by its index in another listing?")
        fail(expected=told, seen=f"{len(rows)} rows, {differing(rows, wanted)}" if rows else "none of them")
    seen.pop(late, None)
    expect(
        not seen,
        expected=f"{what}: sales has rows of the day's files only",
        seen=f"also {', '.join(seen)}, which is there no longer",
    )


def not_of_the_store(carried, name, rows, told):
    """Fail if the rows are those of the file of the same name that is not the store's."""
    other = next((wanted_rows(file) for file in carried.others if file.name == name), None)
    if rows and rows == other:
        fail(
            expected=told,
            seen="those that the table landing.files has: the verification's landing zone is in another place, and only store.read "
            "finds it there",
        )


def of_the_run(carried):
    """When the run is, for the end of a message."""
    return f"; the run's logical date is {carried.moment:%Y-%m-%d %H:%M} in UTC"


def asked_for(carried):
    """How it was asked for the files, if that was wrong."""
    if not carried.asked:
        return "store.listing was not asked, and only that knows the verification's landing zone"
    others = [str(day) for day in carried.asked if day != carried.day]
    days = ", ".join(map(str, carried.asked))
    return f"store.listing was asked for the files of {days}{of_the_run(carried)}" if others else ""


def differing(rows, wanted):
    """How two lists of rows differ, for a message."""
    missing, more = set(wanted) - set(rows), set(rows) - set(wanted)
    if not missing:
        return f"{len(more)} that are no longer in the file: it is added again, not replaced" if more else "some of them twice"
    return f"{len(missing)} missing, {len(more)} that are not in the file"


def published(shop, carried, what):
    """deliveries has the day's files, rows and rejected lines."""
    files = carried.files
    wanted = (len(files), sum(len(file.rows) for file in files), sum(file.rejected for file in files))
    seen = shop.rows("SELECT files, rows, rejected FROM deliveries WHERE day = %s", carried.day)
    told = "{}: {} files, {} rows, {} rejected lines".format(what, *wanted)
    near = ", ".join(str(row[0]) for row in shop.rows("SELECT day FROM deliveries ORDER BY day"))
    missing = f"deliveries has no row of {carried.day}, but of {near or 'none'}{of_the_run(carried)}"
    expect(seen, expected=told, seen=missing)
    expect(len(seen) == 1, expected=told, seen=f"deliveries has {len(seen)} rows of that day")
    if seen[0] == wanted or (
        late_name(carried.day) in written(shop, carried.day) and f"load_file[{len(files)}]" in carried.run.states
    ):
        return
    gone = [name for name, state in carried.run.states.items() if state == "removed"]
    old = (
        f": the run before had more files; what {', '.join(gone)} had told then is still among the XComs, and was added"
        if gone and seen[0] > wanted
        else ""
    )
    fail(expected=told, seen="{} files, {} rows, {} rejected".format(*seen[0]) + (old or recognised(seen[0], wanted, files)))


def recognised(seen, wanted, files):
    """The mistake behind wrong numbers, if it is a known one."""
    if seen[0] == sum(bool(file.rows) for file in files) != wanted[0]:
        return ": the file that has a header and no rows is not counted"
    if seen[2] == files[0].rejected or seen[1] == len(files[0].rows):
        return ": the first file's numbers only (map_indexes=0?), not those of all instances"
    if seen[:2] == wanted[:2] and seen[2] == 0:
        return ": nothing was found under the key `rejected` of load_file's instances (another key or task_id?)"
    return ": one more file than was loaded (was it counted in another listing?)" if seen[0] == wanted[0] + 1 else ""


def test_loads(judge):
    """Airflow imports `deliveries.py` and finds the DAG with its three tasks; reading the file does no work."""
    found = judge.parse(FILE)
    expect(
        not found.work,
        expected="reading the file does no work",
        seen=f"when it is read, it {', '.join(found.work)}: the files of that moment, again and again; map over a task's result",
    )
    tasks = judge.dag(FILE, DAG).tasks
    missing = [name for name in TASKS if name not in tasks]
    there = ", ".join(tasks) or "none"
    expect(not missing, expected=f"the tasks {', '.join(TASKS)}", seen=f"there is no {', '.join(missing)}, but {there}")


def test_one_task_a_file(judge, first, single, many):
    """`load_file` has as many instances as the day has files: several, one, thirty."""
    for carried in (first, single, many):
        count, seen, run = len(carried.files), carried.instances, carried.run
        told = f"a day with {count} file{'s' * (count > 1)}: {count} instance{'s' * (count > 1)} of load_file, load_file[0] …"
        if seen == ["load_file"]:
            mapped = judge.dag(FILE, DAG).tasks["load_file"].mapped
            why = (
                f"none: load_file ended as {run.states['load_file']}"
                if mapped
                else "one task for all of them: load_file is not mapped"
            )
            fail(expected=told, seen=f"{why}{said(run)}; {asked_for(carried)}".rstrip("; "))
        listed = count + 1 if len(seen) == count + 1 and late_name(carried.day) in str(run.xcoms) else count
        why = asked_for(carried) or "a fixed number does not follow the files"
        expect(len(seen) == listed, expected=told, seen=f"{len(seen)} instances: {why}")


def test_loads_the_files(first, single, shop):
    """Each instance writes its file's rows into `sales`; a file that comes after the listing does not mix them up."""
    for carried, what in ((first, "a day with several files"), (single, "a day with one file")):
        failed = [event for event in carried.run.events if event.task == "load_file" and event.state == "failed"]
        if failed:
            fail(expected=f"{what}: load_file succeeds for each file", seen=f"load_file[{failed[0].map_index}]: {failed[0].why}")
        files_in_sales(shop, carried, what)
        touched = ", ".join(carried.touched[:3])
        expect(not touched, expected=f"{what}: the landing zone is only read", seen=f"new or changed: {touched}")


def test_carries_references(first, many, shop):
    """No XCom is larger than 2,000 bytes; each instance returns `file` and `rows`, and pushes `rejected`; no local files."""
    for carried in (first, many):
        for task, index, key, size in shop.rows(STORED, DAG, carried.run.run_id, database="airflow"):
            name = f"{task}[{index}]" if index >= 0 else task
            told = f"XComs of at most {MOST_BYTES:,} bytes, also for {len(carried.files)} files: names and numbers, not the data"
            expect((size or 0) <= MOST_BYTES, expected=told, seen=f"{name} has stored {size:,} bytes under {key}")
    left, told = ", ".join(first.left[:3]), "no task leaves a local file for another, which may run elsewhere"
    for file, one, other in first.run.handed_on():
        fail(expected=told, seen=f"{other} reads {file}, which {one} has written")
    expect(not left, expected=told, seen=f"beside the DAG: {left}")
    xcoms, left = first.run.xcoms, {file.name: file for file in first.files}
    for name in first.instances:
        value = xcoms.get(name)
        told = f'{name} returns {{"file": …, "rows": …}}'
        expect(isinstance(value, dict) and {"file", "rows"} <= set(value), expected=told, seen=show(value) if value else "nothing")
        file = left.pop(str(value["file"]), None)
        if file is None:
            late = value["file"] == late_name(first.day)
            expect(
                late, expected=f"{name} returns its file's name", seen=f"{show(value['file'])}: no file of that day, or told twice"
            )
            continue
        told = f"{name} returns the rows of {file.name}: {len(file.rows)}"
        expect(value["rows"] == len(file.rows), expected=told, seen=show(value["rows"]))
        told = f"{name} pushes {file.rejected} under the key `rejected`"
        seen = xcoms.get(f"{name}:rejected", "nothing under that key")
        expect(seen == file.rejected and seen is not False, expected=told, seen=show(seen))


def test_publishes_all(first, single, shop):
    """`publish` waits for all instances of `load_file` and writes the sums of all of them."""
    for carried, what in ((first, "a day with several files"), (single, "a day with one file")):
        run = carried.run
        early = run.ran("publish") and run.ran("load_file") and not run.before("load_file", "publish")
        told = f"{what}: publish waits for all instances of load_file"
        expect(not early, expected=told, seen="publish was started before the last of them was done")
        run.succeeded(f"{what}: the run succeeds")
        expect(run.ran("publish"), expected=f"{what}: publish runs", seen=f"it ended as {run.states.get('publish')}")
        published(shop, carried, what)


def test_nothing_delivered(carry, shop, days):
    """On a day without files the run succeeds, and `publish` writes a row with zeros."""
    carried = carry(days[2], {})
    run, what = carried.run, "a day without files"
    state = run.states.get("publish")
    why = (
        ": over an empty list load_file is skipped, and with the default trigger rule so is what follows"
        if state == "skipped"
        else ""
    )
    expect(state == "success", expected=f"{what}: publish succeeds", seen=f"it ended as {state}{why}{said(run)}")
    run.succeeded(f"{what}: the run succeeds")
    published(shop, carried, what)


def said(run):
    """What failed in a run, for the end of a message."""
    return f"; {run.failures()}" if run.failures() else ""


def test_one_bad_file(carry, judge, shop, days, seed):
    """A broken file fails its own instance only: the others are loaded, nothing is published, and the run fails."""
    stores = random.Random(seed).sample(range(2, 30), 4)
    day, what = days[3], "one of four files is broken"
    shop.execute("INSERT INTO deliveries VALUES (%s, 9, 9, 9)", day)
    carried = carry(day, {**dict.fromkeys(stores, ""), stores[1]: "broken"}, seed=seed)
    run, broken = carried.run, f"{day}/store_{stores[1]:02d}.csv"
    states = {name: run.states[name] for name in carried.instances}
    good = replace(carried, files=tuple(file for file in carried.files if file.name != broken))
    failed = [name for name, state in states.items() if state == "failed"]
    swallowed = ": the mistake was swallowed" if set(states.values()) == {"success"} else ""
    told = f"{what}: its instance of load_file fails, the other three succeed"
    expect(len(failed) == 1, expected=told, seen=f"{states}{swallowed}{said(run)}")
    files_in_sales(shop, good, what)
    seen = run.states.get("publish")
    expect(not run.ran("publish"), expected=f"{what}: publish does not run", seen=f"it ran and ended as {seen}")
    expect(run.state == "failed", expected=f"{what}: the run ends as failed", seen=f"it ended as {run.state}")
    row = shop.rows("SELECT files, rows, rejected FROM deliveries WHERE day = %s", day)
    expect(row == [(9, 9, 9)], expected=f"{what}: what deliveries had of that day stays", seen=f"it has {row or 'nothing'}")


def test_can_be_repeated(carry, shop, days, seed):
    """A repetition leaves what the files are now: corrected ones replaced, withdrawn ones gone; other days stay."""
    chance, day = random.Random(seed), days[4]
    others = [day - timedelta(days=1000), *neighbours(day)]
    stores = chance.sample(range(2, 30), 4)
    for other in others:
        shop.execute("INSERT INTO sales VALUES (%s, 'of another day', 1, 1)", other)
        shop.execute("INSERT INTO deliveries VALUES (%s, 1, 1, 0)", other)
    carry(day, dict.fromkeys(stores[1:], ""), seed=seed).run.succeeded("a first run succeeds")
    shop.execute("DELETE FROM zone.files WHERE day = %s", day)
    second = carry(day, dict.fromkeys([stores[0], stores[2]], ""), seed=seed + 1)
    second.run.succeeded("a repetition with fewer files succeeds")
    published(shop, second, "a repetition with fewer files")
    files_in_sales(shop, second, "a repetition with fewer files")
    shop.execute("DELETE FROM zone.files WHERE day = %s", day)
    last = carry(day, {}, seed=seed)
    last.run.succeeded("a repetition after all files have been withdrawn succeeds")
    published(shop, last, "all files have been withdrawn")
    files_in_sales(shop, last, "all files have been withdrawn")
    for other in others:
        kept = list(written(shop, other)) == ["of another day"]
        kept = kept and shop.value("SELECT count(*) FROM deliveries WHERE day = %s AND files = 1 AND rows = 1", other)
        expect(kept, expected="a repetition leaves other days alone", seen=f"rows of {other} have gone or changed")


if __name__ == "__main__":
    main(__file__)

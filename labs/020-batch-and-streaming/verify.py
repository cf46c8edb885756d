"""Checks of lab 20: the same truth from batch and stream, also after late clicks, second deliveries and deaths."""

import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial

import pytest
from prepare import PARTITIONS, TOPIC, counted, parts, records, start_of, write_file
from psycopg2 import errors

from delab import wait
from delab.checks import Database, expect, fail, main
from delab.checks.kafka import Kafka
from delab.errors import Timeout

IDLE = 1.5  # seconds in which one who writes at each poll does so once
SECONDS = 45  # that we wait for the stream to show what has arrived: half again as long as the task allows
TABLE = "stream_windows"
EARLY, LAST = 60, 30  # deliveries of the last part that come with the second, and that come at the very end
ELSEWHERE = "Asia/Tokyo"  # the programs' time zone: theirs must not matter, nor that of the machine
MARK = 9  # deliveries of it, in all partitions, that show that the messages before them have been read again


class Ingestion:
    """The clicks of this verification, delivered part by part, and both programs."""

    def __init__(self, stack, work, seed):
        self.stack, self.work = stack, work
        work.environment.update({"TZ": ELSEWHERE, "PGTZ": ELSEWHERE})
        self.parts, self.kafka, self.warehouse = parts(seed), Kafka(stack), Database(stack["warehouse"])
        self.sent, self.program, self.idle = [], None, False
        self.folder = work.run_folder / "incoming"
        self.folder.mkdir()

    def table(self, name, *, patient=True):
        """What a table holds: {start: (clicks, euro)}; None if somebody empties it, and we are not `patient` until he commits."""
        with self.warehouse.session() as session, session.cursor() as cursor, suppress(errors.LockNotAvailable):
            cursor.execute(f"SET lock_timeout = {0 if patient else 300}")
            cursor.execute(f"SELECT window_start, clicks, amount FROM {name}")
            return {start: (clicks, amount) for start, clicks, amount in cursor}
        return None

    def deliver_files(self, *numbers):
        """Write parts (from 1) as files; all that is there then."""
        for number in numbers:
            write_file(self.folder, number, self.parts[number - 1])
        there = sorted(int(path.stem.partition("-")[2]) for path in self.folder.iterdir())
        return [row for number in there for row in self.parts[number - 1]]

    def batch(self):
        """Run the batch to its end."""
        self.work.run("batch.py", str(self.folder), seconds=60).succeeded()

    def send(self, number):
        """Send a part (from 1) to the topic."""
        self.send_rows(self.parts[number - 1])

    def send_rows(self, rows, spread=False):
        """Send deliveries; `spread` puts them into all partitions in turn, whatever their keys."""
        messages = list(records(rows))
        if spread:
            messages = [replace(message, partition=place % PARTITIONS) for place, message in enumerate(messages)]
        self.kafka.send(TOPIC, messages)
        self.sent += rows

    def start(self):
        """Start the stream; whoever is still a member of its group is expelled."""
        self.kafka.expel_members()
        self.program = self.work.start("stream.py", seconds=600)

    def kill(self):
        """Kill the stream, and end what it had asked the warehouse to do."""
        self.program.signal(signal.SIGKILL)
        self.program.end()
        mine = "backend_type = 'client backend' AND application_name <> 'delab'"
        self.warehouse.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {mine}")

    def shows(self, when):
        """The stream's table comes to hold the truth about all that was sent."""
        with suppress(Timeout):
            done = partial(self.settled, counted(self.sent))
            wait.until(done, seconds=SECONDS, what="the stream")
        self.judge(TABLE, self.sent, when)

    def settled(self, truth):
        """Whether waiting has come to an end: the truth is there, or the program has ended."""
        return self.table(TABLE) == truth or not self.program.running()

    def judge(self, table, rows, when):
        """Fail unless a table holds the truth about these deliveries."""
        seen, truth = self.table(table), counted(rows)
        if seen == truth:
            return
        end = ""
        if table == TABLE and not self.program.running():
            run = self.program.end()
            end = f"; stream.py is not running: {run.ended}; its last words:\n{run.last_words}"
        fail(expected=f"{table} holds the truth {when}: {total(truth)}", seen=f"{told(seen, truth, rows)}{end}")


def total(table):
    """A table in words."""
    return f"{sum(clicks for clicks, _ in table.values())} clicks in {len(table)} windows"


def told(seen, truth, rows):
    """What is wrong with a table; a mistake that can be recognised is named."""
    if not seen:
        return "the table is empty"
    if any(isinstance(amount, float) for _, amount in seen.values()) or any(start.tzinfo is None for start in seen):
        return "amount is a float now, or window_start has no zone: to_sql with if_exists='replace' makes another table"
    if early := shifted(seen, truth):
        return f"all windows are {early} too early: without a zone, a time is taken for one of {ELSEWHERE}, where the program runs"
    if {start: clicks for start, (clicks, _) in seen.items()} == {start: clicks for start, (clicks, _) in truth.items()}:
        return f"the clicks are right, the amounts are not: {differing(seen, truth)}"
    if sum(clicks for clicks, _ in seen.values()) == len(rows) and seen == counted(rows, key="delivery_id"):
        return f"{total(seen)}: every delivery is counted, also the second one of the same click"
    arrival = counted(rows, time="arrival_time")
    if seen == counted(rows, time="arrival_time", key="delivery_id") or nearer(seen, arrival, truth):
        return f"{total(seen)}: windows of the time of arrival, not of the time of the event"
    more = sum(clicks for clicks, _ in seen.values()) - sum(clicks for clicks, _ in truth.values())
    kind = f"{more} clicks too many" if more > 0 else f"{-more} clicks are missing" if more else "clicks in other windows"
    return f"{total(seen)}: {kind}; {differing(seen, truth)}"


def shifted(seen, truth):
    """How much earlier all windows are than they ought to be, if that is all that is wrong with them."""
    early = min(truth) - min(seen)
    return early if min(seen) < min(truth) and {start + early: value for start, value in seen.items()} == truth else None


def nearer(seen, one, other):
    """Whether a table has as many clicks as one that a mistake gives, in windows that are nearer to its than to the right ones."""

    def apart(table):
        return sum(abs(seen.get(start, (0,))[0] - table.get(start, (0,))[0]) for start in seen.keys() | table.keys())

    clicks = [sum(count for count, _ in table.values()) for table in (seen, one)]
    return clicks[0] == clicks[1] and apart(one) < apart(other)


def differing(seen, truth):
    """The first window that is not right."""
    start = min(start for start in seen.keys() | truth.keys() if seen.get(start) != truth.get(start))
    words = [f"{value[0]} clicks, {value[1]} euro" if value else "nothing" for value in (seen.get(start), truth.get(start))]
    return f"the window from {start:%H:%M} UTC holds {words[0]}, where {words[1]} belongs"


@pytest.fixture(scope="module")
def ingestion(stack, work, seed):
    """The clicks and the programs."""
    made = Ingestion(stack, work, seed)
    yield made
    if made.program:
        made.program.end()


class Locked:
    """Holds tables so that nobody can write to them, and sees who wants to.

    It waits for those that are being written, in the queue; if it is not `patient`, it leaves them out.
    """

    def __init__(self, warehouse, *tables, patient=False):
        self.warehouse, self.tables, self.patient = warehouse, tables, patient
        self.context = warehouse.session()

    def __enter__(self):
        self.session = self.context.__enter__()
        with self.session.cursor() as cursor:
            cursor.execute("BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '20s'")
            for table in self.tables:
                self.hold(cursor, table)
        return self

    def hold(self, cursor, table):
        """Lock a table, if it is free, or when it is."""
        cursor.execute("SAVEPOINT free")
        try:
            cursor.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE {'' if self.patient else 'NOWAIT'}")
        except (errors.LockNotAvailable, errors.UndefinedTable):
            cursor.execute("ROLLBACK TO free")

    def __exit__(self, *why):
        self.release()
        return self.context.__exit__(*why)

    def release(self):
        """Let writers go on."""
        with self.session.cursor() as cursor:
            cursor.execute("ROLLBACK")

    def pass_on(self):
        """Let the one who waits write, and hold the tables again before anybody writes more: locks are given in turn."""
        behind = Locked(self.warehouse, *self.tables, patient=True)
        with ThreadPoolExecutor(1) as pool:
            entered = pool.submit(behind.__enter__)
            with suppress(Timeout):
                wait.until(lambda: self.wanted() > 1, seconds=SECONDS, what="our second lock to stand in the queue")
            self.release()
            entered.result()
        self.context.__exit__(None, None, None)
        self.context, self.session = behind.context, behind.session

    def wanted(self):
        """How many wait to write."""
        query = "SELECT count(*) FROM pg_locks WHERE relation = ANY (%s::regclass[]) AND NOT granted"
        return self.warehouse.value(query, list(self.tables))


OTHERS = """
SELECT format('%%I.%%I', schemaname, tablename) FROM pg_tables
WHERE schemaname NOT LIKE 'pg\\_%%' AND schemaname <> 'information_schema' AND tablename <> %s
"""


def writes_idly(ingestion):
    """Whether the stream writes at each poll, whether something has come or not: then it wants a table that is held."""
    with Locked(ingestion.warehouse, TABLE, patient=True) as lock, suppress(Timeout):
        wait.until(lock.wanted, seconds=IDLE, what="the stream writes though nothing has come")
        return True
    return False


def blocked(ingestion, lock, rows):
    """Send rows, and wait until the stream has read messages and wants to write what they say.

    Who writes idly may want to write nothing at first; that is let through.
    """
    ingestion.send_rows(rows)
    what = f"stream.py reads what has arrived and writes to {TABLE}"
    ingestion.program.wait_for(lock.wanted, seconds=SECONDS, expected=what)
    if ingestion.idle:
        lock.pass_on()
        ingestion.program.wait_for(lock.wanted, seconds=SECONDS, expected=what)


def test_batch_counts(ingestion):
    """`batch.py FOLDER` counts each click of the files once, in the window of its event time."""
    rows = ingestion.deliver_files(1, 2, 4)
    ingestion.batch()
    ingestion.judge("batch_windows", rows, "of three files")


def test_batch_repeats(ingestion):
    """Run again, the batch gives the same; with further files, it brings old windows up to date."""
    rows = ingestion.deliver_files()
    ingestion.batch()
    ingestion.judge("batch_windows", rows, "after a second run on the same files")
    late = ingestion.deliver_files(3, 5)
    first = counted(rows)
    changed = [start for start, value in counted(late).items() if start in first and first[start] != value]
    assert changed, "the late files change no window: they prove nothing"
    ingestion.batch()
    ingestion.judge("batch_windows", late, "after two more files, which bring late clicks")


def test_stream_counts(ingestion, evidence):
    """While `stream.py` runs, its table follows the topic: from the beginning, each click once, by event time, however late."""
    ingestion.send(1)
    ingestion.start()
    ingestion.shows("of what was in the topic before it started")
    ingestion.send(2)
    ingestion.send_rows(ingestion.parts[-1][:EARLY])
    ingestion.shows("of what came while it ran, some of it late")
    again = len(ingestion.sent) - len({row["event_id"] for row in ingestion.sent})
    newest = max(start_of(row["event_time"]) for row in ingestion.parts[0])
    evidence.note(f"{len(ingestion.sent)} deliveries, {again} of them second ones; the first part ends near {newest:%H:%M} UTC")


def test_survives_death_before_write(ingestion):
    """Killed when it has read messages and not yet written them, the stream loses none: a new start counts them."""
    ingestion.idle = writes_idly(ingestion)
    few, more = ingestion.parts[2][:MARK], ingestion.parts[2][MARK:]
    ingestion.send_rows(few)
    ingestion.shows("of a few clicks more")  # it has just written: what comes now it may collect before it writes again
    with Locked(ingestion.warehouse, TABLE, patient=True) as lock:
        blocked(ingestion, lock, more)
        ingestion.kill()
    ingestion.start()
    ingestion.shows("after it was killed before its write, and started again")


def test_survives_death_after_write(ingestion):
    """Killed when it has written and Kafka could not be told, the stream counts nothing twice: messages come again."""
    before = ingestion.table(TABLE)
    with Locked(ingestion.warehouse, TABLE, patient=True) as lock:
        blocked(ingestion, lock, ingestion.parts[3])
        ingestion.stack["kafka"].pause()
        try:
            kill_behind_the_write(ingestion, lock, before)
        finally:
            ingestion.stack["kafka"].kill()  # with what the dead program has sent it: resumed, it would still take that commit
            ingestion.stack["kafka"].start()
    ingestion.start()
    ingestion.send_rows(ingestion.parts[-1][EARLY : EARLY + MARK], spread=True)
    ingestion.shows("after it was killed behind its write, started again, and a few more clicks have come")


def kill_behind_the_write(ingestion, lock, before):
    """Let the stream write its counts and kill it then; what it would write in a second transaction does not come."""

    def written():
        return ingestion.table(TABLE, patient=False) not in (before, None)

    what = f"the write to {TABLE} goes on when the table is free"
    others = [name for (name,) in ingestion.warehouse.rows(OTHERS, TABLE)]
    with Locked(ingestion.warehouse, *others) as rest:
        lock.release()
        ingestion.program.wait_for(lambda: written() or rest.wanted(), seconds=SECONDS, expected=what)
        if written():
            return ingestion.kill()
    ingestion.program.wait_for(written, seconds=SECONDS, expected=what)
    return ingestion.kill()


def test_both_agree(ingestion):
    """In the end both tables hold the same: the truth about all clicks, also those that come again after a long time."""
    last = ingestion.parts[-1]
    ingestion.send_rows(last[EARLY + MARK : -LAST])
    ingestion.shows("of nearly all clicks")
    ingestion.send_rows(ingestion.parts[0])
    ingestion.send_rows(last[-LAST:], spread=True)  # what shows that the messages before them have been read
    ingestion.shows("of all clicks, when those of the first part were delivered again at the end")
    rows = ingestion.deliver_files()
    ingestion.judge("batch_windows", rows, "of all files")
    batch, stream = ingestion.table("batch_windows"), ingestion.table(TABLE)
    expect(batch == stream, expected="the same in both tables", seen=f"{total(batch)} and {total(stream)}")


if __name__ == "__main__":
    main(__file__)

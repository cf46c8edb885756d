"""Checks of lab 3: backup and archive, recovery to a moment, failover without a second truth."""

import contextlib
import json
import random
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from delab import wait
from delab.checks import Database, Run, expect, fail, main, show
from delab.errors import Timeout

BACKUP, RECOVER, FAILOVER = (f"{name}.sh|{name}.py" for name in ("backup", "recover", "failover"))
MISTAKES = ("DELETE FROM order_lines", "DELETE FROM order_lines WHERE quantity > 0", "DELETE FROM order_lines WHERE line_id >= 1")
SNAPSHOT = "SELECT count(*), md5(coalesce(string_agg(t::text, ';' ORDER BY t::text), '')) FROM {0} AS t"
MAY_CHANGE = ("postgresql.auto.conf",)  # `pg_basebackup -R` and ALTER SYSTEM write it; pg_verifybackup leaves it out, too
SEGMENT = re.compile(r"([0-9A-F]{8})([0-9A-F]{16}.*|\.history)")  # what PostgreSQL archives, and its timeline
TABLES = ("orders", "order_lines", "carts")
STARTED = "SELECT pg_postmaster_start_time()"


def snapshot(database: Database) -> dict[str, tuple[int, str]]:
    """How many rows each table has, and their fingerprint."""
    return {table: tuple(database.rows(SNAPSHOT.format(table))[0]) for table in TABLES}


def folder(stack, name: str) -> Path:
    """$ARCHIVE or $BACKUP."""
    return Path(stack.environment()[name])


def segment_of(primary: Database) -> str:
    """The WAL segment that is being written."""
    return str(primary.value("SELECT pg_walfile_name(pg_current_wal_lsn())"))


@pytest.fixture(scope="module")
def primary(stack) -> Database:
    """The primary."""
    return Database(stack["primary"])


@pytest.fixture(scope="module")
def undisturbed(stack, primary) -> Callable[[Run], Run]:
    """Sees that a script has neither stopped nor restarted the primary; gives its run back."""
    began = primary.value(STARTED)

    def see(run: Run) -> Run:
        expect(stack["primary"].ready(), expected="the primary runs on", seen=f"it does not answer after `{run.command}`")
        expect(primary.value(STARTED) == began, expected="the primary runs on", seen=f"it was restarted by `{run.command}`")
        return run

    return see


# Backup and archive


def verified(stack) -> None:
    """$BACKUP holds a complete base backup: every file of its manifest, of the size that is written there."""
    place, expected = folder(stack, "BACKUP"), "$BACKUP holds a complete base backup, made by pg_basebackup"
    expect((place / "PG_VERSION").exists(), expected=expected, seen="there is no PG_VERSION in it")
    expect((place / "backup_manifest").exists(), expected=expected, seen="there is no backup_manifest in it")
    expect(not (place / "postmaster.pid").exists(), expected=expected, seen="it holds a running server's postmaster.pid")
    for name, wanted in manifest(place / "backup_manifest").items():
        size = (place / name).stat().st_size if (place / name).is_file() else -1
        seen = f"{name} {'is missing' if size < 0 else f'has {size} bytes'}"
        expect(size == wanted or (size >= 0 and name in MAY_CHANGE), expected=f"{expected}: {name} with {wanted} bytes", seen=seen)


def manifest(file: Path) -> dict[str, int]:
    """The files of a backup's manifest and their sizes in bytes."""
    try:
        return {entry["Path"]: entry["Size"] for entry in json.loads(file.read_text())["Files"]}
    except (ValueError, TypeError, KeyError) as broken:
        fail(expected="the backup_manifest that pg_basebackup wrote", seen=f"a file that is no manifest: {broken!r}")


def test_backs_up(stack, work, undisturbed):
    """`backup` ends with exit code 0 and leaves a base backup in $BACKUP with every file of its manifest."""
    undisturbed(work.run(BACKUP, seconds=40)).succeeded("the backup ends with exit code 0")
    verified(stack)


def archive(primary: Database, work, name: str) -> tuple[Run, Path]:
    """Run the primary's archive_command on a file of that name, as the primary does; the run, and the file."""
    source = work.run_folder / name
    source.write_bytes(b"new" * 1000)
    template = str(primary.value("SHOW archive_command"))
    command = template.replace("%p", shlex.quote(str(source)).strip("'")).replace("%f", name).replace("%%", "%")
    return work.run_command(["sh", "-c", command], seconds=15), source


def test_archives(stack, primary, work):
    """From then on each finished WAL segment arrives in $ARCHIVE, byte for byte."""
    command = primary.value("SHOW archive_command")
    expect(
        command and command != "(disabled)",
        expected="archive_command copies segments to $ARCHIVE",
        seen="no archive_command is set",
    )
    name = segment_of(primary)
    primary.execute("SELECT pg_logical_emit_message(true, 'lab', repeat('x', 1000)); SELECT pg_switch_wal()")
    target = folder(stack, "ARCHIVE") / name
    try:
        wait.until(
            lambda: primary.value("SELECT last_archived_wal >= %s FROM pg_stat_archiver", name), seconds=15, what="the archiver"
        )
    except Timeout:
        told = primary.rows("SELECT last_failed_wal, failed_count FROM pg_stat_archiver")[0]
        seen = f"it is not in the archive after 15 s (last failed: {told[0]}, {told[1]} failures):\n{stack['primary'].log()}"
        fail(expected=f"segment {name} in $ARCHIVE", seen=seen)
    seen = f"archive_command said that it had copied {name}, but it is not in the archive"
    expect(target.exists(), expected=f"segment {name} in $ARCHIVE", seen=seen)
    whole = target.stat().st_size == primary.value("SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size'")
    expect(whole, expected="a whole segment", seen=f"a file of {target.stat().st_size:,} bytes")
    target = folder(stack, "ARCHIVE") / "0000000100000000000000FD"
    run, source = archive(primary, work, target.name)
    try:
        run.succeeded("archive_command ends with exit code 0 where nothing of that name is in the archive")
        seen = "it is gone from there: it was moved, and the primary needs it, for instance after a crash"
        expect(source.exists(), expected="a segment is copied, and stays where the primary has it", seen=seen)
        copied = target.exists() and target.read_bytes() == source.read_bytes()
        expect(copied, expected="the archive has what the segment has", seen="another content")
    finally:
        target.unlink(missing_ok=True)


def test_never_overwrites(stack, primary, work):
    """If a file of that name is in the archive with other content, archive_command fails and leaves it as it is."""
    name = "0000000100000000000000FE"
    target = folder(stack, "ARCHIVE") / name
    target.write_bytes(b"old")
    try:
        run, _ = archive(primary, work, name)
        content = target.read_bytes()
        seen = f"the file was overwritten (exit code {run.code})"
        expect(content == b"old", expected="a file that is in the archive stays as it is", seen=seen)
        seen = "exit code 0: the primary will remove a segment that was never archived"
        expect(run.code != 0, expected="archive_command fails if the file is there with other content", seen=seen)
    finally:
        for path in folder(stack, "ARCHIVE").glob(f"{name}*"):
            path.unlink()


def test_backs_up_again(stack, work, undisturbed):
    """A second run leaves a new, complete backup."""
    before = folder(stack, "BACKUP") / "backup_label"
    old = before.read_text() if before.exists() else ""
    undisturbed(work.run(BACKUP, seconds=40)).succeeded("a second backup ends with exit code 0")
    verified(stack)
    expect(before.read_text() != old, expected="a new backup", seen="the backup of the first run, unchanged")


# Recovery


@dataclass(frozen=True)
class Disaster:
    """What was there just before the mistake, and how the recovery ran."""

    statement: str
    truth: dict[str, tuple[int, str]]
    before: dict[str, tuple[int, str]]  # when the backup was taken
    run: Run


@pytest.fixture(scope="module")
def disaster(stack, primary, work, seed) -> Disaster:
    """Write, delete rightly, then wrongly, write on; then let the learner recover."""
    chance = random.Random(seed)
    statement = chance.choice(MISTAKES)
    at_backup = snapshot(primary)
    busy(primary, chance, first_line=900_000, statement=statement)
    with primary.session() as other, other.cursor() as cursor:
        cursor.execute("BEGIN; INSERT INTO carts VALUES (777777)")
        truth = row_in_this_second(primary)
        primary.execute(statement)
        pause(primary, 700)
        cursor.execute("COMMIT")
    busy(primary, chance, first_line=950_000, statement=statement)
    run = work.run(RECOVER, env={"BAD_STATEMENT": statement}, seconds=60)
    return Disaster(statement, truth, at_backup, run)


def pause(primary: Database, milliseconds: int) -> None:
    """Let a moment pass on the server's clock, whose log counts milliseconds."""
    began = primary.value("SELECT clock_timestamp()")
    over = "SELECT clock_timestamp() - %s > %s * interval '1 ms'"
    wait.until(lambda: primary.value(over, began, milliseconds), seconds=5, what="a moment to pass")


def row_in_this_second(primary: Database) -> dict[str, tuple[int, str]]:
    """Commit a row in the second of the mistake that follows, before its milliseconds; returns what is there then.

    On a machine that stalls meanwhile the second may have gone: then there is another row.
    """
    for number in range(20):
        wait.until(lambda: part_of_second(primary) < 0.3, seconds=5, what="the beginning of a second")
        second = primary.value("SELECT date_trunc('second', clock_timestamp())")
        primary.execute("INSERT INTO carts VALUES (%s)", 888888 + number)
        truth = snapshot(primary)
        pause(primary, 40)
        if second == primary.value("SELECT date_trunc('second', clock_timestamp())") and part_of_second(primary) < 0.7:
            break
    return truth


def part_of_second(primary: Database) -> float:
    """How much of the current second is over on the server's clock."""
    return float(primary.value("SELECT extract(epoch FROM clock_timestamp()) % 1"))


def busy(primary: Database, chance: random.Random, first_line: int, statement: str) -> None:
    """A shop's ordinary hour: rows come, some go; one DELETE begins as the mistake does, one rightly empties a table."""
    line = "INSERT INTO order_lines (line_id, order_id, line_number, product_id, quantity, unit_price, discount, amount)"
    for number in range(first_line, first_line + 12):
        primary.execute(f"{line} VALUES (%s, %s, 9, 1, %s, 1, 0, 1)", number, chance.randint(1, 900), chance.randint(1, 9))
        if number == first_line + 3:
            primary.execute(f"DELETE FROM order_lines WHERE quantity > 0 AND line_id = {number - 1}")
            primary.execute(f"{statement} {'AND' if 'WHERE' in statement else 'WHERE'} line_id = {number - 2}")
        if number == first_line + 6:
            primary.execute("DELETE FROM carts")
            primary.execute("INSERT INTO carts SELECT generate_series(1, %s)", chance.randint(3, 40))
    primary.execute("UPDATE orders SET status = 'checked' WHERE order_id = %s", chance.randint(1, 900))


def test_recovers(disaster, stack, undisturbed):
    """`recover` ends with exit code 0, and a server answers on $RESTORED_PORT that accepts writes; the primary runs on."""
    node = stack["restored"]
    log = node.log()
    if "before consistent recovery point" in log:
        seen = "requested recovery stop point is before consistent recovery point: a target in another time zone?"
        fail(expected="a target after the backup", seen=f"{seen}\n{disaster.run.last_words}")
    words = f"its last words:\n{disaster.run.last_words}\nthe restored server's log ends:\n{log or 'there is none'}"
    seen = f"{disaster.run.ended}; {words}"
    expect(disaster.run.code == 0, expected="the recovery ends with exit code 0", seen=seen)
    undisturbed(disaster.run)
    try:
        wait.until(node.ready, seconds=15, what="the restored server")
        wait.until(lambda: not Database(node).value("SELECT pg_is_in_recovery()"), seconds=15, what="the end of recovery")
    except Timeout:
        state = "still in recovery" if node.ready() else "nothing answers"
        fail(expected="a server on $RESTORED_PORT that has ended its recovery", seen=f"{state}; its log ends:\n{node.log()}")
    own = Database(node).value("SHOW data_directory")
    expect(Path(own) == node.data, expected="its data are in $RESTORED_DATA", seen=f"they are in {own}")


def test_to_just_before(disaster, stack):
    """It holds exactly what was committed before the bad statement: nothing less, nothing later."""
    seen = snapshot(Database(stack["restored"]))
    wanted_rows = ", ".join(f"{table} {rows}" for table, (rows, _) in disaster.truth.items())
    expected = f"{wanted_rows} rows, as just before: {disaster.statement}"
    lines, wanted = seen["order_lines"][0], disaster.truth["order_lines"][0]
    expect(lines > 100, expected=expected, seen=f"order_lines has {lines} rows: the bad DELETE was replayed")
    late = Database(stack["restored"]).value("SELECT count(*) FROM order_lines WHERE line_id >= 950000")
    expect(not late, expected=expected, seen=f"{late} rows that were written after it")
    less = f"order_lines has {lines} rows: {wanted - lines} rows are missing that were committed before it"
    expect(lines >= wanted, expected=expected, seen=less)
    for table in TABLES:
        other = f"{table}: {seen[table][0]} rows, which are not those before it: rows are missing or too many"
        expect(seen[table] == disaster.truth[table], expected=expected, seen=other)


def test_archive_stays_clean(disaster, stack):
    """The restored server writes nothing to the archive."""
    server = Database(stack["restored"])
    server.execute("SELECT pg_logical_emit_message(true, 'lab', 'x'); SELECT pg_switch_wal()")
    command = str(server.value("SHOW archive_command"))
    active = server.value("SHOW archive_mode") != "off" and command not in ("", "(disabled)")
    archive = folder(stack, "ARCHIVE")
    if active:
        tried = "SELECT archived_count + failed_count > 0 FROM pg_stat_archiver"
        with contextlib.suppress(Timeout):  # one that never archives anything does no harm either
            wait.until(lambda: server.value(tried), seconds=20, what="the restored server's archiver")
    others = sorted(path.name for path in archive.iterdir() if (told := SEGMENT.fullmatch(path.name)) and told[1] != "00000001")
    seen = f"files of another timeline: {', '.join(others[:4])}"
    expect(not others, expected="only files of the primary's timeline 1 in $ARCHIVE", seen=seen)
    seen = f"its archive_command is still: {show(command)}: two timelines in one place"
    expect(not active or str(archive) not in command, expected="a restored server that does not archive to $ARCHIVE", seen=seen)


# Failover


@pytest.fixture(scope="module")
def cut_off(stack, primary) -> dict[str, tuple[int, str]]:
    """Cut the replica off once it has all, until it has noticed; what it has."""
    replica = Database(stack["replica1"])
    written = primary.value("SELECT pg_current_wal_lsn()")
    wait.until(lambda: replica.value("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", written), seconds=20, what="replica1")
    stack.cut("primary", "replica1")
    streams = "SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'"
    wait.until(lambda: not replica.value(streams), seconds=20, what="replica1 to notice the cut")
    return snapshot(replica)


def test_no_second_primary(stack, work, cut_off):
    """While the primary answers, `failover` ends with an exit code other than 0 and promotes nobody, though replica1 is cut off."""
    run = work.run(FAILOVER, seconds=40)
    expected = "replica1 is a replica still, because the primary answers"
    seen = f"replica1 does not answer any more; its log ends:\n{stack['replica1'].log()}"
    expect(stack["replica1"].ready(), expected=expected, seen=seen)
    waits = Database(stack["replica1"]).value("SELECT pg_is_in_recovery()")
    expect(waits, expected=expected, seen="replica1 was promoted: there are two primaries")
    expect(stack["primary"].ready(), expected="the primary was left alone", seen="it does not answer any more")
    expect(run.code != 0, expected="an exit code other than 0", seen="exit code 0, though nothing was done")


@dataclass(frozen=True)
class After:
    """The shop after the primary's death."""

    kept: dict[str, tuple[int, str]]  # what the replica had
    run: Run


@pytest.fixture(scope="module")
def after_failover(stack, work, primary, cut_off) -> After:
    """Let the primary write what nobody else will see, kill it, and let the learner fail over."""
    primary.execute("INSERT INTO carts SELECT generate_series(500000, 500400)")
    primary.execute("UPDATE orders SET status = 'only here' WHERE order_id < 400")
    assert snapshot(primary) != cut_off == snapshot(Database(stack["replica1"])), "the cut did not keep the rows from replica1"
    stack["primary"].kill()
    return After(cut_off, work.run(FAILOVER, seconds=60))


def timeline_of(server: Database) -> int:
    """The timeline that a primary writes, from the name of its WAL segment."""
    return int(segment_of(server)[:8], 16)


def test_fails_over(after_failover, stack):
    """After the primary's death, `failover` ends with exit code 0, and replica1 accepts writes, with all that it had."""
    after_failover.run.succeeded("the failover ends with exit code 0")
    replica = Database(stack["replica1"])
    expect(stack["replica1"].ready(), expected="replica1 answers", seen=f"it does not; its log ends:\n{stack['replica1'].log()}")
    waits = replica.value("SELECT pg_is_in_recovery()")
    expect(not waits, expected="replica1 is the primary now", seen="it is still in recovery: nobody takes orders")
    expect(
        snapshot(replica) == after_failover.kept, expected="replica1 holds what it had received before", seen=f"{snapshot(replica)}"
    )
    seen = "timeline 1: it was not promoted, but started as if it were the old primary; nothing can follow or rewind by that"
    expect(timeline_of(replica) > 1, expected="replica1 was promoted: a new timeline", seen=seen)
    replica.execute("INSERT INTO carts VALUES (600001)")


def test_old_primary_follows(after_failover, stack):
    """The old primary is a replica of replica1: it streams, has the same rows, none of its own, and accepts no writes."""
    replica, old = Database(stack["replica1"]), Database(stack["primary"])
    log = f"; its log ends:\n{stack['primary'].log()}"
    try:
        wait.until(stack["primary"].ready, seconds=15, what="the old primary")
    except Timeout:
        fail(expected="a server on $PRIMARY_PORT", seen=f"nothing answers{log}")
    writes = not old.value("SELECT pg_is_in_recovery()")
    expect(not writes, expected="the old primary is a standby", seen="it accepts writes: two primaries, each with rows of its own")
    replica.execute("INSERT INTO carts VALUES (600002)")
    streaming = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
    try:
        wait.until(lambda: replica.value(streaming), seconds=12, what="the old primary to stream")
        wait.until(lambda: old.value("SELECT count(*) FROM carts WHERE cart_id = 600002"), seconds=12, what="a new row")
    except Timeout:
        fail(expected="the old primary streams from replica1", seen=f"it does not stream{log}")
    expect(snapshot(old) == snapshot(replica), expected="the same rows on both", seen=f"{snapshot(old)} and {snapshot(replica)}")
    timeline, wanted = old.value("SELECT received_tli FROM pg_stat_wal_receiver"), timeline_of(replica)
    expect(timeline == wanted, expected=f"timeline {wanted}, as replica1", seen=f"timeline {timeline}")


if __name__ == "__main__":
    main(__file__)

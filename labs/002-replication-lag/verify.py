"""Checks of lab 2: replica2 is rebuilt properly, and the lag monitor tells the truth under faults."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from delab import wait
from delab.checks import Database, Run, expect, fail, main, show
from delab.errors import Timeout

SETUP = "setup_replica2.sh|setup_replica2.py"
MONITOR = "lag_monitor.py|lag_monitor.sh"
REPLICAS = ("replica1", "replica2")
STATES = ("streaming", "disconnected", "down")
OLD = "handmade"  # a mark in the old replica's data folder
MEGABYTE = 1024 * 1024
IDLE = 0.6  # seconds without a write after which the age of the last transaction can be told from a lag
PATIENCE = 10  # seconds that one sample may take, whatever state the replicas are in
STARTED = "SELECT pg_postmaster_start_time()"


# The replica


def walsender(stack) -> tuple[Any, ...] | None:
    """Role, state and process of the primary's connection to replica2."""
    rows = Database(stack["primary"]).rows(
        "SELECT usename, state, pid FROM pg_stat_replication WHERE application_name = 'replica2' ORDER BY state DESC"
    )
    return rows[0] if rows else None


def streams(stack) -> bool:
    """Whether replica2 is a standby that has joined the primary."""
    sender = walsender(stack)
    return bool(sender and sender[1] == "streaming" and stack["replica2"].ready() and in_recovery(stack))


def in_recovery(stack) -> bool:
    """Whether replica2 is a standby."""
    return bool(Database(stack["replica2"]).value("SELECT pg_is_in_recovery()"))


def run_setup(work, stack) -> Run:
    """Run the learner's set-up; it may not harm the others."""
    others = {name: Database(stack[name]).value(STARTED) for name in ("primary", "replica1")}
    run = work.run(SETUP, seconds=40)
    for name, started in others.items():
        expect(stack[name].ready(), expected=f"{name} still runs after the set-up", seen=f"{name} does not answer any more")
        again = Database(stack[name]).value(STARTED)
        expect(started == again, expected=f"{name} runs on while replica2 is rebuilt", seen=f"{name} was restarted")
    return run


def test_setup_runs(stack, work):
    """`setup_replica2` ends with exit code 0."""
    (stack["replica2"].data / OLD).write_text("made by hand\n")
    run_setup(work, stack).succeeded("the set-up ends with exit code 0")


def test_replica2_streams(stack):
    """Within ten seconds, a server on $REPLICA2_PORT is a standby that streams from the primary as `replica2`."""
    expected = "replica2 answers on $REPLICA2_PORT, is in recovery, and streams with application_name=replica2"
    try:
        wait.until(lambda: streams(stack), seconds=10, what="replica2")
    except Timeout:
        fail(expected=expected, seen=what_is_wrong(stack))
    rows = [Database(stack[name]).value("SELECT count(*) FROM orders") for name in ("primary", "replica2")]
    expect(rows[0] == rows[1], expected=f"{rows[0]} orders on replica2", seen=f"{rows[1]}")
    log = Path(stack.environment()["REPLICA2_LOG"])
    written = log.exists() and log.stat().st_mtime >= Database(stack["replica2"]).value(STARTED).timestamp()
    expect(written, expected="the new server writes its log to $REPLICA2_LOG", seen="nothing was written there since it started")


def what_is_wrong(stack) -> str:
    """Why replica2 does not stream, as far as can be seen."""
    node = stack["replica2"]
    if not node.ready():
        return f"nothing answers on port {node.endpoint.port}; its log ends:\n{node.log()}"
    if not in_recovery(stack):
        return "the server is not in recovery: it was started without standby.signal and is a second primary now"
    names = [row[0] for row in Database(stack["primary"]).rows("SELECT application_name FROM pg_stat_replication")]
    return f"the primary sends WAL only to {', '.join(names) or 'nobody'}; replica2's log ends:\n{node.log()}"


def test_replica2_has_a_role_of_its_own(stack):
    """replica2 connects as a role of its own that may log in and replicate, and nothing more."""
    sender = walsender(stack)
    expect(sender, expected="replica2 is connected", seen=what_is_wrong(stack))
    role = sender[0]
    expected = "a role with LOGIN and REPLICATION, used by replica2 alone"
    may = Database(stack["primary"]).rows(
        "SELECT rolsuper, rolcreaterole, rolcreatedb, rolbypassrls FROM pg_roles WHERE rolname = %s", role
    )[0]
    for has, right in zip(may, ("superuser", "CREATEROLE", "CREATEDB", "BYPASSRLS"), strict=True):
        expect(not has, expected=expected, seen=f"role {role}, which is {right}")
    expect(role != "replicator", expected=expected, seen="role replicator, which is replica1's role")
    member = "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = (SELECT oid FROM pg_roles WHERE rolname = %s)"
    groups = ", ".join(name for (name,) in Database(stack["primary"]).rows(member, role))
    expect(not groups, expected=expected, seen=f"role {role}, which is a member of {groups} and may do what that may")


def test_replica2_has_a_slot(stack):
    """The physical, permanent slot `replica2` exists, and replica2 streams through it."""
    expected = "slot replica2: physical, permanent, active, used by replica2's walsender"
    rows = Database(stack["primary"]).rows(
        "SELECT slot_type, temporary, active, active_pid FROM pg_replication_slots WHERE slot_name = 'replica2'"
    )
    expect(rows, expected=expected, seen="there is no slot of that name")
    kind, temporary, active, pid = rows[0]
    expect(kind == "physical", expected=expected, seen=f"the slot is {kind}")
    expect(not temporary, expected=expected, seen="the slot is temporary: it goes with the connection")
    expect(active, expected=expected, seen="the slot is not active: replica2 does not use it (primary_slot_name is not set)")
    sender = walsender(stack)
    expect(sender and sender[2] == pid, expected=expected, seen="the slot is active, but used by another connection")


def test_replica2_uses_its_link(stack):
    """replica2 reaches the primary through its own link, port $REPLICA2_PRIMARY_PORT."""
    port = Database(stack["replica2"]).value("SELECT sender_port FROM pg_stat_wal_receiver")
    link = int(stack.environment()["REPLICA2_PRIMARY_PORT"])
    direct = " (the primary's own port)" if port == stack["primary"].endpoint.port else ""
    expect(port == link, expected=f"a connection to port {link}", seen=f"port {port}{direct}")


def test_replica2_is_fresh(stack):
    """Nothing of the old data folder is left: replica2 comes from a base backup."""
    old = (stack["replica2"].data / OLD).exists()
    expect(not old, expected="a data folder that comes from a new base backup", seen="files of the old data folder are still there")


def test_setup_runs_again(stack, work):
    """A second run succeeds too, from whatever the first one left, and replica2 streams through its slot again."""
    run_setup(work, stack).succeeded("a second run ends with exit code 0")
    try:
        wait.until(lambda: streams(stack), seconds=10, what="replica2")
    except Timeout:
        fail(expected="replica2 streams after the second run", seen=what_is_wrong(stack))
    test_replica2_has_a_slot(stack)
    names = [row[0] for row in Database(stack["primary"]).rows("SELECT application_name FROM pg_stat_replication")]
    expect("replica1" in names, expected="replica1 streams on", seen=f"connected are only {names}")


# The monitor


@dataclass(frozen=True)
class Line:
    """What the monitor said of one replica."""

    replica: str
    state: str
    lag_bytes: float | None
    lag_seconds: float | None
    retained_bytes: float | None


def sample(work) -> dict[str, Line]:
    """Run the monitor once; its lines by replica. Fails the check if they do not have the form that the task gives."""
    return read_sample(work.run(MONITOR, seconds=PATIENCE))


def read_sample(run: Run) -> dict[str, Line]:
    """The lines that a run of the monitor has printed, by replica."""
    run.succeeded("the monitor prints one sample and ends with exit code 0")
    lines = [read_line(text) for text in run.lines()]
    found = {line.replica: line for line in lines}
    expect(len(found) == len(lines), expected="one line for each replica", seen=f"more than one for one of them:\n{show(run.out)}")
    for name in REPLICAS:
        expect(name in found, expected=f"a line for each of {' and '.join(REPLICAS)}", seen=f"no line for {name}:\n{show(run.out)}")
    return found


def read_line(text: str) -> Line:
    """One line of output."""
    expected = 'a JSON object a line, such as {"replica": "replica1", "state": "streaming", "lag_bytes": 0, …}'
    try:
        told = json.loads(text)
    except ValueError:
        fail(expected=expected, seen=f"a line that is not JSON: {show(text)}")
    expect(isinstance(told, dict), expected=expected, seen=f"JSON, but no object: {show(text)}")
    for key in ("replica", "state", "lag_bytes", "lag_seconds", "retained_bytes"):
        expect(key in told, expected=f"the key {key} in each line", seen=show(text))
    for key in ("lag_bytes", "lag_seconds", "retained_bytes"):
        value = told[key]
        number = value is None or (isinstance(value, int | float) and not isinstance(value, bool) and value == value)
        expect(number, expected=f"{key} is a number or null", seen=f"{key} is {show(json.dumps(value))}")
        expect(value is None or value >= 0, expected=f"{key} is not negative", seen=f"{key} is {value}")
    expect(told["state"] in STATES, expected=f"state is one of {', '.join(STATES)}", seen=f"{show(told['state'])}")
    return Line(*(told[key] for key in ("replica", "state", "lag_bytes", "lag_seconds", "retained_bytes")))


def position(stack, name: str) -> int:
    """The WAL position in bytes up to which the primary has written, or a replica has replayed."""
    function = "pg_current_wal_lsn()" if name == "primary" else "pg_last_wal_replay_lsn()"
    return int(Database(stack[name]).value(f"SELECT {function} - '0/0'::pg_lsn"))


def write_wal(stack, size: int = MEGABYTE) -> None:
    """One committed transaction of about `size` bytes of WAL."""
    Database(stack["primary"]).execute("SELECT pg_logical_emit_message(true, 'lab', repeat('x', %s))", size)


def caught_up(stack, *names: str) -> bool:
    """Whether these replicas stream and have replayed all that the primary has written."""
    try:
        return all(
            stack[name].service.joined(stack[name].place) and position(stack, name) >= position(stack, "primary") for name in names
        )
    except Exception:
        return False


def wait_caught_up(stack, *names: str) -> None:
    """Wait for it."""
    wait.until(lambda: caught_up(stack, *names), seconds=20, what=f"{' and '.join(names)} to catch up")


def steady_sample(stack, work, *names: str) -> dict[str, Line]:
    """A sample in which nothing was written while it was taken, and these replicas had replayed everything before and after."""
    found: dict[str, Line] = {}

    def quiet() -> bool:
        before = position(stack, "primary")
        if not caught_up(stack, *names):
            return False
        found.update(sample(work))
        return caught_up(stack, *names) and position(stack, "primary") == before

    wait.until(quiet, seconds=30, what="a moment in which nothing is written")
    return found


@pytest.fixture(scope="module")
def others(stack) -> tuple[str, ...]:
    """The replicas that can be looked at: replica2 only if the set-up has left it streaming."""
    return REPLICAS if streams(stack) else ("replica1",)


def test_monitor_speaks_json(stack, work, others):
    """`lag_monitor` prints one JSON object a line for each replica, with the five keys, and ends with exit code 0."""
    wait_caught_up(stack, *others)
    found = steady_sample(stack, work, *others)
    for name in others:
        line = found[name]
        expect(line.state == "streaming", expected=f"{name} streams: state streaming", seen=f"state {line.state}")
        expect(line.lag_bytes == 0, expected=f"{name} has replayed everything: lag_bytes 0", seen=f"lag_bytes {line.lag_bytes}")


def test_idle_primary(stack, work, others):
    """While nobody writes, lag does not grow: a replica that has replayed everything has a lag of 0 seconds."""
    write_wal(stack, 100)
    last = time.monotonic()
    wait_caught_up(stack, *others)
    wait.until(lambda: time.monotonic() - last > IDLE, seconds=10, what="some idle time")
    found = steady_sample(stack, work, *others)
    idle = time.monotonic() - last
    for name in others:
        seconds = found[name].lag_seconds
        expect(seconds is not None, expected="lag_seconds 0 where all has been replayed", seen=f"null for {name}")
        seen = f"{seconds:.1f} s for {name}, {idle:.1f} s after the last write: the age of the last transaction, not a lag"
        expect(seconds < IDLE / 2, expected="lag_seconds 0 on an idle primary", seen=seen)


def test_replay_paused(stack, work, evidence):
    """While replay is paused on replica1, bytes and seconds grow with what it has not replayed; afterwards they fall back to 0."""
    primary, replica = Database(stack["primary"]), Database(stack["replica1"])
    wait_caught_up(stack, "replica1")
    points: list[tuple[float, float]] = []
    began = time.monotonic()
    replica.execute("SELECT pg_wal_replay_pause()")
    wait.until(lambda: replica.value("SELECT pg_get_wal_replay_pause_state() = 'paused'"), seconds=10, what="replay to pause")
    try:
        replayed = position(stack, "replica1")
        for _ in range(2):
            write_wal(stack)
            unseen = primary.value("SELECT clock_timestamp()")
            wait.until(
                lambda at=unseen: primary.value("SELECT clock_timestamp() - %s > '0.2 s'", at), seconds=10, what="time to pass"
            )
            points.append((time.monotonic() - began, compare_paused(stack, work, replayed)))
    finally:
        replica.execute("SELECT pg_wal_replay_resume()")
    wait_caught_up(stack, "replica1")
    after = steady_sample(stack, work, "replica1")["replica1"]
    points.append((time.monotonic() - began, after.lag_bytes or 0))
    expect(after.lag_bytes == 0, expected="lag_bytes 0 after replay was resumed", seen=f"{after.lag_bytes}")
    series = {"replica1, as your monitor told it": [(x, y / MEGABYTE) for x, y in points]}
    evidence.plot("Lag while replay was paused and resumed", "seconds", "MB not replayed", series)


def compare_paused(stack, work, replayed: int) -> float:
    """Compare a sample with what the servers say before and after it; returns the bytes."""
    stamp = "SELECT extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())"
    youngest = float(Database(stack["replica1"]).value(stamp) or 0)
    least = position(stack, "primary") - replayed
    line = sample(work)["replica1"]
    most = position(stack, "primary") - replayed
    oldest = float(Database(stack["replica1"]).value(stamp) or 1e9)
    received = int(Database(stack["replica1"]).value("SELECT pg_last_wal_receive_lsn() - '0/0'::pg_lsn")) - replayed
    expected = f"lag_bytes between {least:,} and {most:,}: what replica1 has not replayed"
    hint = f"; replica1 has {received:,} bytes received, but not replayed, and they count" if (line.lag_bytes or 0) < least else ""
    expect(line.lag_bytes is not None and least <= line.lag_bytes <= most, expected=expected, seen=f"{line.lag_bytes}{hint}")
    seconds = line.lag_seconds
    ok = seconds is not None and 0.15 <= seconds <= oldest + 1
    expected = (
        f"lag_seconds between 0.15 and {oldest:.1f}: the age of the last replayed transaction is {youngest:.1f} to {oldest:.1f} s"
    )
    expect(ok, expected=expected, seen=f"lag_seconds {seconds}")
    return float(line.lag_bytes)


@dataclass(frozen=True)
class Faults:
    """What the monitor said under faults, and what was true just before and after it (least, most)."""

    frozen: Run  # while replica2 was frozen
    lines: dict[str, Line]  # while replica1 was cut off and replica2 dead
    behind: tuple[int, int]  # bytes that replica1 lacked
    retained: dict[str, tuple[int, int]]  # bytes that each replica's slot held back


@pytest.fixture(scope="module")
def under_faults(stack, work) -> Faults:
    """Freeze replica2 and sample, while the cut between primary and replica1 takes hold; then kill replica2 and sample again."""
    stack["replica2"].pause()
    with work.start(MONITOR, seconds=PATIENCE) as program:
        stack.cut("primary", "replica1")
        write_wal(stack)
        wait_disconnected(stack)
        frozen = program.wait()
    stack["replica2"].kill()
    write_wal(stack)
    before, held = position(stack, "primary"), {name: retained(stack, name) for name in REPLICAS}
    lines = sample(work)
    after = position(stack, "primary")
    least, most = (end - position(stack, "replica1") for end in (before, after))
    return Faults(frozen, lines, (least, most), {name: (held[name], retained(stack, name)) for name in REPLICAS})


def wait_disconnected(stack) -> None:
    """Wait until both ends have noticed the cut: the primary has lost its walsenders, replica1 its receiver."""
    receiving = "SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')"
    wait.until(lambda: Database(stack["replica1"]).value(receiving), seconds=30, what="replica1 to miss the primary")
    sending = "SELECT NOT EXISTS (SELECT FROM pg_stat_replication WHERE application_name = 'replica1')"
    wait.until(lambda: Database(stack["primary"]).value(sending), seconds=30, what="the primary to miss replica1")


def retained(stack, name: str) -> int:
    """Bytes of WAL that the slot of that name holds back."""
    query = "SELECT pg_current_wal_lsn() - restart_lsn FROM pg_replication_slots WHERE slot_name = %s"
    return int(Database(stack["primary"]).value(query, name) or 0)


def test_network_cut(under_faults):
    """A replica that answers but is cut off from the primary is `disconnected`, with the bytes that it lacks."""
    line, (least, most) = under_faults.lines["replica1"], under_faults.behind
    expect(
        line.state == "disconnected",
        expected="state disconnected: replica1 answers, but receives nothing",
        seen=f"state {line.state}",
    )
    ok = line.lag_bytes is not None and least <= line.lag_bytes <= most
    expect(ok, expected=f"lag_bytes between {least:,} and {most:,}", seen=f"{line.lag_bytes}")
    expect(line.lag_seconds is None or line.lag_seconds > 0, expected="lag_seconds above 0", seen=f"{line.lag_seconds}")


def test_replica_killed(under_faults):
    """A replica that does not answer is `down`, its lag is unknown (null), and the others are still reported."""
    line = under_faults.lines["replica2"]
    expect(line.state == "down", expected="state down: replica2 was killed", seen=f"state {line.state}")
    for name, value, unit in (("lag_bytes", line.lag_bytes, "bytes"), ("lag_seconds", line.lag_seconds, "seconds")):
        seen = f"{value} {unit} for a replica that is dead: nobody can know it"
        expect(value is None, expected=f"{name} null", seen=seen)


def test_slot_retains_wal(under_faults):
    """`retained_bytes` is the WAL that the replica's slot holds back on the primary, while the replica is cut off, or down."""
    for name in ("replica2", "replica1"):
        value, (least, most) = under_faults.lines[name].retained_bytes, under_faults.retained[name]
        ok = least <= (value or 0) <= most
        expect(ok, expected=f"retained_bytes between {least:,} and {most:,} for {name}", seen=f"retained_bytes {value}")


def test_replica_frozen(under_faults):
    """A replica that hangs does not hang the monitor: a sample ends within ten seconds and calls it `down`."""
    line = read_sample(under_faults.frozen)["replica2"]
    expect(line.state == "down", expected="state down: replica2 is frozen and does not answer", seen=f"state {line.state}")
    expect(line.lag_bytes is None, expected="lag_bytes null for a replica that does not answer", seen=f"{line.lag_bytes}")


if __name__ == "__main__":
    main(__file__)

"""Recovery to the transaction of the mistake, which pg_waldump shows: the time only says where to look."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psycopg2

env = os.environ
data, archive = Path(env["RESTORED_DATA"]), Path(env["ARCHIVE"])


def ask(dsn, question):
    with psycopg2.connect(dsn) as session, session.cursor() as cursor:
        cursor.execute(question)
        return cursor.fetchone()[0]


def deleted(segment):
    """How many rows each transaction deleted."""
    out = subprocess.run(["pg_waldump", "-r", "Heap", str(segment)], capture_output=True, text=True, check=False).stdout
    counts = {}
    for xid in re.findall(r"tx: +(\d+),.*desc: DELETE", out):
        counts[xid] = counts.get(xid, 0) + 1
    return counts


last = ask(env["PRIMARY_DSN"], "SELECT pg_walfile_name(pg_switch_wal())")
while not (archive / last).exists():
    time.sleep(0.05)
totals = {}
for segment in sorted(archive.glob("0000000100000000*")):
    if "." not in segment.name:
        for xid, rows in deleted(segment).items():
            totals[xid] = totals.get(xid, 0) + rows
victim = max(totals, key=totals.get)
print("the transaction is", victim, "with", totals[victim], "rows")

shutil.rmtree(data, ignore_errors=True)
subprocess.run(["cp", "-a", env["BACKUP"], str(data)], check=True)
with (data / "postgresql.conf").open("a") as file:
    file.write(f"recovery_target_xid = '{victim}'\nrecovery_target_inclusive = off\nrecovery_target_action = promote\n")
    file.write(f"restore_command = 'cp {archive}/%f %p'\n")
auto = data / "postgresql.auto.conf"
auto.write_text("".join(line for line in auto.read_text().splitlines(keepends=True) if "archive" not in line))
(data / "recovery.signal").touch()
subprocess.run(
    ["pg_ctl", "-D", str(data), "-l", env["RESTORED_LOG"], "-o", f"-p {env['RESTORED_PORT']}", "-w", "start"], check=True
)
for _ in range(300):
    if not ask(env["RESTORED_DSN"], "SELECT pg_is_in_recovery()"):
        sys.exit(0)
    time.sleep(0.1)
sys.exit("no end of recovery")

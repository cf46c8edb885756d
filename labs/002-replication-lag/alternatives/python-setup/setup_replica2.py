"""Rebuild replica2: the backup goes into a new folder, which then takes the old one's place."""

import os
import secrets
import shutil
import subprocess
from pathlib import Path

import psycopg2
from psycopg2 import sql

env = os.environ
data, fresh = Path(env["REPLICA2_DATA"]), Path(env["REPLICA2_DATA"] + ".new")
password = secrets.token_hex(16)


def prepare_primary() -> None:
    """Role and slot, if they are missing."""
    session = psycopg2.connect(env["PRIMARY_DSN"])
    session.autocommit = True
    with session.cursor() as cursor:
        cursor.execute("SELECT FROM pg_roles WHERE rolname = 'standby_two'")
        verb = "ALTER" if cursor.rowcount else "CREATE"
        cursor.execute(sql.SQL(verb + " ROLE standby_two LOGIN REPLICATION PASSWORD {}").format(sql.Literal(password)))
        cursor.execute("SELECT FROM pg_replication_slots WHERE slot_name = 'replica2'")
        if not cursor.rowcount:
            cursor.execute("SELECT pg_create_physical_replication_slot('replica2')")
    session.close()


def stop_old() -> None:
    """Stop whatever runs in the folder."""
    subprocess.run(["pg_ctl", "-D", str(data), "-m", "immediate", "stop"], check=False)


prepare_primary()
shutil.rmtree(fresh, ignore_errors=True)
stop_old()
where = f"host=127.0.0.1 port={env['REPLICA2_PRIMARY_PORT']} user=standby_two password={password} application_name=replica2"
subprocess.run(
    ["pg_basebackup", "-d", where, "-D", str(fresh), "--slot", "replica2", "--write-recovery-conf", "-c", "fast"], check=True
)
shutil.rmtree(data, ignore_errors=True)
fresh.rename(data)
subprocess.run(["pg_ctl", "-D", str(data), "-l", env["REPLICA2_LOG"], "-o", f"-p {env['REPLICA2_PORT']}", "start"], check=True)

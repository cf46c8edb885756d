"""Failover; the old primary gets a new base backup instead of a rewind."""

import os
import shutil
import subprocess
import sys

import psycopg2

env = os.environ
try:
    psycopg2.connect(env["PRIMARY_DSN"], connect_timeout=3).close()
    sys.exit("the primary is alive")
except psycopg2.OperationalError:
    pass
new = psycopg2.connect(env["REPLICA1_DSN"])
new.autocommit = True
with new.cursor() as cursor:
    cursor.execute("SELECT pg_promote(true, 60)")
    assert cursor.fetchone()[0]
    cursor.execute("SELECT pg_create_physical_replication_slot('old_primary')")
subprocess.run(["pg_ctl", "-D", env["PRIMARY_DATA"], "-m", "immediate", "stop"], check=False)
shutil.rmtree(env["PRIMARY_DATA"])
subprocess.run(
    ["pg_basebackup", "-d", env["REPLICA1_DSN"], "-D", env["PRIMARY_DATA"], "-R", "-S", "old_primary", "-c", "fast"], check=True
)
options = f"-p {env['PRIMARY_PORT']}"
subprocess.run(["pg_ctl", "-D", env["PRIMARY_DATA"], "-l", env["PRIMARY_LOG"], "-o", options, "start"], check=True)

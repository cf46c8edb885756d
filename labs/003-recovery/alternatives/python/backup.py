"""Archive and base backup."""

import os
import shutil
import subprocess
from pathlib import Path

import psycopg2

env = os.environ
session = psycopg2.connect(env["PRIMARY_DSN"])
session.autocommit = True
command = f"test ! -e {env['ARCHIVE']}/%f && cp %p {env['ARCHIVE']}/%f"
with session.cursor() as cursor:
    cursor.execute("ALTER SYSTEM SET archive_command = %s", (command,))
    cursor.execute("SELECT pg_reload_conf()")
for path in Path(env["BACKUP"]).iterdir():
    shutil.rmtree(path) if path.is_dir() else path.unlink()
subprocess.run(["pg_basebackup", "-d", env["PRIMARY_DSN"], "-D", env["BACKUP"], "-X", "none", "-c", "fast"], check=True)

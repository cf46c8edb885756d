"""Print the replication lag of each replica, one JSON object a line."""

import json
import os

import psycopg2

session = psycopg2.connect(os.environ["PRIMARY_DSN"], connect_timeout=2)
cursor = session.cursor()
cursor.execute("""
    SELECT application_name, state, pg_current_wal_lsn() - replay_lsn, extract(epoch FROM replay_lag),
           (SELECT pg_current_wal_lsn() - restart_lsn FROM pg_replication_slots WHERE slot_name = application_name)
    FROM pg_stat_replication""")
seconds = "SELECT extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())"
for replica, state, behind, _, retained in cursor.fetchall():
    age = 0.0
    if behind:
        other = psycopg2.connect(os.environ[f"{replica.upper()}_DSN"], connect_timeout=2).cursor()
        other.execute(seconds)
        age = float(other.fetchone()[0] or 0)
    line = {"replica": replica, "state": state, "lag_bytes": int(behind), "lag_seconds": age, "retained_bytes": int(retained or 0)}
    print(json.dumps(line))

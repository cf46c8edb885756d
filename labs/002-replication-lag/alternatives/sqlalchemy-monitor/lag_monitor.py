"""Print the replication lag of each replica, with SQLAlchemy."""

import json
import os
from decimal import Decimal

from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

CONNECT = {"connect_timeout": 3, "options": "-c statement_timeout=2000"}


def engine(name: str):
    return create_engine(os.environ[f"{name}_URL"], connect_args=CONNECT, isolation_level="AUTOCOMMIT")


def number(value):
    return float(value) if isinstance(value, Decimal) else value


lines = []
for name in ("replica2", "replica1"):
    try:
        with engine(name.upper()).connect() as replica:
            lsn, age, receiving = replica.execute(
                text(
                    "SELECT pg_last_wal_replay_lsn()::text, extract(epoch FROM now() - pg_last_xact_replay_timestamp()),"
                    " (SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming')"
                )
            ).one()
            lines.append([name, "streaming" if receiving else "disconnected", lsn, age])
    except OperationalError:
        lines.append([name, "down", None, None])

with engine("PRIMARY").connect() as primary:
    for name, state, lsn, age in lines:
        query = """
            SELECT greatest(pg_current_wal_lsn() - CAST(:lsn AS pg_lsn), 0),
                   (SELECT pg_current_wal_lsn() - restart_lsn FROM pg_replication_slots WHERE slot_name = :name)"""
        behind, retained = primary.execute(text(query), {"lsn": lsn, "name": name}).one()
        behind = None if lsn is None else int(behind)
        seconds = None if behind is None else 0 if behind == 0 else number(age)
        line = {
            "at": "now",
            "replica": name,
            "state": state,
            "lag_bytes": behind,
            "lag_seconds": seconds,
            "retained_bytes": number(retained),
        }
        print(json.dumps(line))

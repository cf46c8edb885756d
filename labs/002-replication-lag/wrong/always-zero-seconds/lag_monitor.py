"""Print the replication lag of each replica, one JSON object a line.

The primary is asked how far it is and what its slots hold back; each replica is asked how far it has replayed. A replica that does
not answer is down: its lag is unknown, which is not 0.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from typing import Any

import psycopg2

REPLICAS = ("replica1", "replica2")
TIMEOUT = 1  # seconds to connect, and for each statement


@contextlib.contextmanager
def cursor(dsn: str) -> Iterator[Any]:
    """A cursor on a server that must answer soon."""
    session = psycopg2.connect(dsn, connect_timeout=TIMEOUT, options=f"-c statement_timeout={TIMEOUT}s")
    session.autocommit = True
    try:
        yield session.cursor()
    finally:
        session.close()


def ask_replica(name: str) -> dict[str, Any] | None:
    """Position and age of what the replica has replayed, and whether it receives WAL; None if it does not answer."""
    question = """
        SELECT pg_last_wal_replay_lsn(),
               extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()),
               EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')"""
    try:
        with cursor(os.environ[f"{name.upper()}_DSN"]) as replica:
            replica.execute(question)
            position, age, receives = replica.fetchone()
    except psycopg2.Error:
        return None
    return {"position": position, "age": age, "receives": receives}


def ask_primary(replayed: dict[str, str]) -> tuple[dict[str, int], dict[str, int]]:
    """How many bytes each replica is behind, and how many each slot holds back."""
    with cursor(os.environ["PRIMARY_DSN"]) as primary:
        primary.execute("SELECT slot_name, pg_current_wal_lsn() - restart_lsn FROM pg_replication_slots")
        retained = {name: int(size or 0) for name, size in primary.fetchall()}
        behind = {}
        for name, position in replayed.items():
            primary.execute("SELECT greatest(pg_current_wal_lsn() - %s::pg_lsn, 0)", (position,))
            behind[name] = int(primary.fetchone()[0])
    return behind, retained


def write_lag(name: str) -> float:
    """How long the primary waits for a write on the replica."""
    with cursor(os.environ["PRIMARY_DSN"]) as primary:
        primary.execute("SELECT extract(epoch FROM write_lag) FROM pg_stat_replication WHERE application_name = %s", (name,))
        row = primary.fetchone()
    return float(row[0] or 0) if row else 0.0


def describe(name: str, told: dict[str, Any] | None, behind: int | None, retained: int) -> dict[str, Any]:
    """One replica's line. Seconds are the age of its data, which is 0 when it has replayed everything."""
    if told is None:
        return {"replica": name, "state": "down", "lag_bytes": None, "lag_seconds": None, "retained_bytes": retained}
    seconds = write_lag(name)
    state = "streaming" if told["receives"] else "disconnected"
    return {"replica": name, "state": state, "lag_bytes": behind, "lag_seconds": seconds, "retained_bytes": retained}


def main() -> None:
    """One sample: the replicas first, so that the primary's position is the later one and lag is never negative."""
    told = {name: ask_replica(name) for name in REPLICAS}
    behind, retained = ask_primary({name: answer["position"] for name, answer in told.items() if answer})
    for name in REPLICAS:
        print(json.dumps(describe(name, told[name], behind.get(name), retained.get(name, 0))))


if __name__ == "__main__":
    main()

"""The lease is a row lock: if a worker is silent for too long, the server ends its transaction.

A request is acknowledged when the standby says that it has written past it; no setting of the server is changed.
"""

import time
from bisect import bisect
from contextlib import suppress
from functools import cache
from zlib import crc32

import psycopg2
from sqlalchemy import BigInteger, Column, MetaData, Table, Text, create_engine, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

POSTINGS = Table(
    "ledger",
    MetaData(),
    Column("request", Text, primary_key=True),
    Column("account", Text, nullable=False, index=True),
    Column("amount", BigInteger, nullable=False),
    Column("value", BigInteger),
)
POINTS = 200  # of each shard on the ring
BEHIND = """SELECT EXISTS (SELECT FROM pg_replication_slots WHERE slot_type = 'physical')
AND NOT EXISTS (SELECT FROM pg_stat_replication WHERE flush_lsn >= %s::pg_lsn)"""


def mixed(value):
    """A number of 32 bits, well mixed."""
    number = crc32(value.encode())
    for _ in range(3):
        number = (number ^ number >> 15) * 0x2C1B3C6D & 0xFFFFFFFF
    return number


@cache
def ring_of(names):
    """All points of all shards."""
    return sorted((mixed(f"{name}#{point}"), name) for name in names for point in range(POINTS))


def shard_of(names, account):
    """The owner of the next point on the ring."""
    ring = ring_of(tuple(names))
    return ring[bisect(ring, (mixed(account), "")) % len(ring)][1]


def engine(dsn):
    """An engine whose connections go to the primary."""
    return create_engine(
        "postgresql+psycopg2://", creator=lambda: psycopg2.connect(dsn, target_session_attrs="read-write"), poolclass=NullPool
    )


def create(shards):
    """The table."""
    for dsn in shards.values():
        POSTINGS.metadata.create_all(engine(dsn))


def submit(shards, request_id, account, amount):
    """Write it, then wait until the standby has it."""
    row = insert(POSTINGS).values(request=request_id, account=account, amount=amount).on_conflict_do_nothing()
    with engine(shards[shard_of(shards, account)]).connect() as session:
        session.execute(row)
        session.commit()
        written = session.scalar(text("SELECT pg_current_wal_lsn()"))
        deadline = time.monotonic() + 8
        while session.exec_driver_sql(BEHIND, (written,)).scalar():
            if time.monotonic() > deadline:
                raise TimeoutError("the standby does not have it yet: ask again")
            time.sleep(0.02)
    return True


def work(shards, price, lease):
    """For ever."""
    engines = [engine(dsn) for dsn in shards.values()]
    while True:
        done = 0
        for each in engines:
            with suppress(DBAPIError):
                done += one(each, price, lease)
        if not done:
            time.sleep(0.05)


def one(each, price, lease):
    """Lock a posting, price it, write it: one transaction."""
    waiting = select(POSTINGS).where(POSTINGS.c.value.is_(None)).limit(1).with_for_update(skip_locked=True)
    with each.begin() as session:
        session.exec_driver_sql(f"SET idle_in_transaction_session_timeout = {int(lease * 1000)}")
        row = session.execute(waiting).first()
        if row is None:
            return 0
        value = price(row.request, row.account, row.amount)
        session.execute(POSTINGS.update().where(POSTINGS.c.request == row.request).values(value=value))
    return 1


def balance(shards, account):
    """The sum."""
    with engine(shards[shard_of(shards, account)]).connect() as session:
        return int(session.scalar(select(func.coalesce(func.sum(POSTINGS.c.value), 0)).where(POSTINGS.c.account == account)))


def rescale(old, new):
    """Everything of every old shard is looked at; what belongs elsewhere goes there."""
    for name in old:
        with engine(new[name]).begin() as here:
            rows = [dict(row._mapping) for row in here.execute(select(POSTINGS))]
            for target in new:
                moving = [row for row in rows if shard_of(new, row["account"]) == target != name]
                if moving:
                    with engine(new[target]).begin() as there:
                        there.execute(insert(POSTINGS).on_conflict_do_nothing(), moving)
                    here.execute(POSTINGS.delete().where(POSTINGS.c.request.in_([row["request"] for row in moving])))

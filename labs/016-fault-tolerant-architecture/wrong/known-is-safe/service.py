"""Postings to accounts on sharded PostgreSQL: accepted once, done once in effect, whatever dies.

All state is in one table on each shard; a worker, a client and a move are processes without memory. A posting that is done has a
value; the balance is the sum of them. So "done twice" is not a thing that can be written down.
"""

import time
from contextlib import closing
from hashlib import sha256

import psycopg2

TABLE = """
CREATE TABLE IF NOT EXISTS postings (
    request_id text PRIMARY KEY,   -- the same request twice is one row
    account text NOT NULL,
    amount bigint NOT NULL,
    taken_until timestamptz,       -- the lease of the worker that has it
    value bigint                   -- what it came to; NULL: not done yet
);
CREATE INDEX IF NOT EXISTS postings_waiting ON postings (request_id) WHERE value IS NULL;
CREATE INDEX IF NOT EXISTS postings_of_account ON postings (account);
"""
TAKE = """
UPDATE postings SET taken_until = now() + %s * interval '1 second'
WHERE request_id = (
    SELECT request_id FROM postings
    WHERE value IS NULL AND (taken_until IS NULL OR taken_until < now())
    ORDER BY request_id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING request_id, account, amount
"""
DONE = "UPDATE postings SET value = %s WHERE request_id = %s AND value IS NULL"  # a second worker comes to nothing
IDLE = 0.05  # seconds that a worker rests when no shard has anything to do


def connect(dsn):
    """A session on the server of the shard that is the primary now."""
    session = psycopg2.connect(dsn, target_session_attrs="read-write", connect_timeout=3)
    session.autocommit = True
    return session


def run(session, statement, *values):
    """The rows of a statement."""
    with session.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


def shard_of(names, account):
    """Rendezvous hashing: the shard whose draw for this account is the highest. A new shard can only win accounts for itself."""
    return max(names, key=lambda name: sha256(f"{name}/{account}".encode()).digest())


def create(shards):
    """The tables; and where a shard has a standby, a commit waits for it."""
    for dsn in shards.values():
        with closing(connect(dsn)) as session:
            run(session, "SELECT pg_advisory_lock(16)")
            run(session, TABLE)
            if run(session, "SELECT pid FROM pg_stat_replication"):
                run(session, "ALTER SYSTEM SET synchronous_standby_names = '*'")
                run(session, "SELECT pg_reload_conf()")


def submit(shards, request_id, account, amount):
    """True once the posting is on its shard for good; raises if that isn't known, and then one submits it again."""
    with closing(connect(shards[shard_of(shards, account)])) as session:
        insert = "INSERT INTO postings (request_id, account, amount) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
        run(session, insert, request_id, account, amount)
    return True


def work(shards, price, lease):
    """Do postings for ever, of all shards in turn. A shard that is down costs its own postings a delay, no others."""
    sessions = {}
    while True:
        done = [step(shards, name, sessions, price, lease) for name in shards]
        if not any(done):
            time.sleep(IDLE)


def step(shards, name, sessions, price, lease):
    """One posting of one shard: take it by a lease, price it outside of any transaction, write down what it came to."""
    try:
        if name not in sessions:
            sessions[name] = connect(shards[name])
        taken = run(sessions[name], TAKE, lease)
        for request_id, account, amount in taken:
            run(sessions[name], DONE, price(request_id, account, amount), request_id)
        return bool(taken)
    except psycopg2.Error:
        if name in sessions:
            sessions.pop(name).close()
        return False


def balance(shards, account):
    """The sum of what is done."""
    with closing(connect(shards[shard_of(shards, account)])) as session:
        return int(run(session, "SELECT coalesce(sum(value), 0) FROM postings WHERE account = %s", account)[0][0])


def rescale(old, new):
    """Move the accounts whose shard is another in `new`, with all that is theirs. Copy, then remove: repeatable."""
    sessions = {name: connect(dsn) for name, dsn in new.items()}
    for name in old:
        for (account,) in run(sessions[name], "SELECT DISTINCT account FROM postings"):
            target = shard_of(new, account)
            if target != name:
                move(sessions[name], sessions[target], account)
    for session in sessions.values():
        session.close()


def move(source, target, account):
    """One account, from one shard to another."""
    for row in run(source, "SELECT request_id, account, amount, value FROM postings WHERE account = %s", account):
        insert = "INSERT INTO postings (request_id, account, amount, value) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING"
        run(target, insert, *row)
    run(source, "DELETE FROM postings WHERE account = %s", account)

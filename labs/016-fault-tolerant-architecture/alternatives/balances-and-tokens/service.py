"""Postings with balances in a table of their own. A posting carries a token: each worker that takes it raises the token by one.

The result is written only under the token with which it was taken, in one transaction with the balance.
"""

import hashlib
import time

import psycopg2
import psycopg2.extras

TABLES = """
CREATE TABLE IF NOT EXISTS requests (
    id text PRIMARY KEY, account text NOT NULL, amount bigint NOT NULL,
    state text NOT NULL DEFAULT 'waiting', token int NOT NULL DEFAULT 0, since timestamptz
);
CREATE TABLE IF NOT EXISTS balances (account text PRIMARY KEY, total bigint NOT NULL);
"""


def ranked(name, account):
    """A shard's number for an account."""
    return int(hashlib.blake2b(f"{account}@{name}".encode(), digest_size=8).hexdigest(), 16)


def shard_of(names, account):
    """The lowest number wins."""
    return sorted(names, key=lambda name: ranked(name, account))[0]


class Shard:
    """One connection that is made anew when it is lost."""

    def __init__(self, dsn):
        self.dsn, self.session = dsn, None

    def __enter__(self):
        if self.session is None or self.session.closed:
            self.session = psycopg2.connect(self.dsn + " target_session_attrs=primary connect_timeout=2")
        return self.session.cursor()

    def __exit__(self, kind, *_):
        if kind is None:
            self.session.commit()
        else:
            self.session.close()
            self.session = None


def create(shards):
    """Tables and synchronous replication."""
    for dsn in shards.values():
        shard = Shard(dsn)
        with shard as cursor:
            cursor.execute(TABLES)
            cursor.execute("SELECT application_name FROM pg_stat_replication")
            standbys = [name for (name,) in cursor.fetchall()]
        shard.session.autocommit = True
        if standbys:
            with shard.session.cursor() as cursor:
                cursor.execute("ALTER SYSTEM SET synchronous_standby_names = %s", (f"ANY 1 ({', '.join(standbys)})",))
                cursor.execute("SELECT pg_reload_conf()")


def submit(shards, request_id, account, amount):
    """Look first, then insert; if somebody was faster, that is as good. A lock is written, so its commit waits for the standby."""
    with Shard(shards[shard_of(shards, account)]) as cursor:
        cursor.execute("SELECT FROM requests WHERE id = %s FOR UPDATE", (request_id,))
        if not cursor.rowcount:
            cursor.execute("INSERT INTO requests VALUES (%s, %s, %s) ON CONFLICT (id) DO NOTHING", (request_id, account, amount))
    return True


def work(shards, price, lease):
    """Several postings of a shard at a time would do as well; here it is one."""
    opened = [Shard(dsn) for dsn in shards.values()]
    while True:
        busy = False
        for shard in opened:
            try:
                busy = one(shard, price, lease) or busy
            except psycopg2.OperationalError:
                continue
        time.sleep(0 if busy else 0.03)


def one(shard, price, lease):
    """Take, price, write."""
    with shard as cursor:
        cursor.execute(
            """SELECT id, account, amount, token FROM requests
            WHERE state = 'waiting' OR (state = 'taken' AND clock_timestamp() - since > make_interval(secs => %s))
            ORDER BY id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED""",
            (lease,),
        )
        found = cursor.fetchone()
        if not found:
            return False
        number, account, amount, token = found
        cursor.execute("UPDATE requests SET state = 'taken', token = token + 1, since = clock_timestamp() WHERE id = %s", (number,))
    value = price(number, account, amount)
    with shard as cursor:
        cursor.execute("UPDATE requests SET state = 'done' WHERE id = %s AND token = %s AND state = 'taken'", (number, token + 1))
        if cursor.rowcount == 1:
            cursor.execute(
                "INSERT INTO balances VALUES (%s, %s) ON CONFLICT (account) DO UPDATE SET total = balances.total + excluded.total",
                (account, value),
            )
    return True


def balance(shards, account):
    """The total, or 0."""
    with Shard(shards[shard_of(shards, account)]) as cursor:
        cursor.execute("SELECT total FROM balances WHERE account = %s", (account,))
        found = cursor.fetchone()
    return found[0] if found else 0


def rescale(old, new):
    """Shard by shard: all that moves is written there in one transaction, and removed here in another."""
    for name in old:
        with Shard(new[name]) as cursor:
            cursor.execute("SELECT DISTINCT account FROM requests")
            leaving = {account: shard_of(new, account) for (account,) in cursor.fetchall()}
            for target in set(leaving.values()) - {name}:
                accounts = [account for account, place in leaving.items() if place == target]
                rows = {}
                for table in ("requests", "balances"):
                    cursor.execute(f"SELECT * FROM {table} WHERE account = ANY(%s)", (accounts,))
                    rows[table] = cursor.fetchall()
                with Shard(new[target]) as there:
                    for table in rows:
                        there.execute(f"DELETE FROM {table} WHERE account = ANY(%s)", (accounts,))
                        if rows[table]:
                            psycopg2.extras.execute_values(there, f"INSERT INTO {table} VALUES %s", rows[table])
                for table in rows:
                    cursor.execute(f"DELETE FROM {table} WHERE account = ANY(%s)", (accounts,))

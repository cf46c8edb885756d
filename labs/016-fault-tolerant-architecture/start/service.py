"""Postings to accounts, on one server. It works, as long as there is one worker and nothing ever fails."""

import time

import psycopg2


def shard_of(names, account):
    """The shard that holds an account."""
    return sorted(names)[0]


def create(shards):
    """The tables on every shard."""
    for dsn in shards.values():
        with psycopg2.connect(dsn) as session, session.cursor() as cursor:
            cursor.execute("CREATE TABLE IF NOT EXISTS postings (request_id text, account text, amount bigint, value bigint)")


def submit(shards, request_id, account, amount):
    """True once the posting is accepted for good."""
    with psycopg2.connect(shards[shard_of(shards, account)]) as session, session.cursor() as cursor:
        cursor.execute("INSERT INTO postings VALUES (%s, %s, %s)", (request_id, account, amount))
    return True


def work(shards, price, lease):
    """Do postings for ever."""
    while True:
        for dsn in shards.values():
            with psycopg2.connect(dsn) as session, session.cursor() as cursor:
                cursor.execute("SELECT request_id, account, amount FROM postings WHERE value IS NULL")
                for request_id, account, amount in cursor.fetchall():
                    value = price(request_id, account, amount)
                    cursor.execute("UPDATE postings SET value = %s WHERE request_id = %s", (value, request_id))
        time.sleep(0.05)


def balance(shards, account):
    """The sum of what is done."""
    with psycopg2.connect(shards[shard_of(shards, account)]) as session, session.cursor() as cursor:
        cursor.execute("SELECT coalesce(sum(value), 0) FROM postings WHERE account = %s", (account,))
        return int(cursor.fetchone()[0])


def rescale(old, new):
    """Move what has to be moved when shards are added."""

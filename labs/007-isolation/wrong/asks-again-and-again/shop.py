"""The shop's functions, safe in company: serializable transactions that are repeated as a whole when they collide."""

import random
import time

import psycopg2
from psycopg2.extensions import ISOLATION_LEVEL_REPEATABLE_READ, ISOLATION_LEVEL_SERIALIZABLE, TransactionRollbackError

TRIES = 12
FIRST_PAUSE, LONGEST_PAUSE = 0.01, 0.3  # seconds


def transaction(dsn, body):
    """Run `body(cursor)` as one serializable transaction and return what it gives.

    A transaction that lost against another (serialization failure, deadlock) is begun again from its first statement, because
    all that it has read may be out of date. After some tries the failure goes to the caller.
    """
    session = psycopg2.connect(dsn)
    session.set_session(isolation_level=ISOLATION_LEVEL_SERIALIZABLE)
    try:
        for attempt in range(TRIES):
            try:
                with session, session.cursor() as cursor:
                    return body(cursor)
            except TransactionRollbackError:
                if attempt == TRIES - 1:
                    raise
                time.sleep(random.uniform(0, min(FIRST_PAUSE * 2**attempt, LONGEST_PAUSE)))
    finally:
        session.close()


def take(dsn, product_id, quantity):
    """Take goods from stock: True, or False if there are not enough. One sale at a time, for all products."""
    session = psycopg2.connect(dsn)
    try:
        for _ in range(120):
            with session, session.cursor() as cursor:
                cursor.execute("SELECT pg_try_advisory_xact_lock(1)")
                if cursor.fetchone()[0]:
                    cursor.execute(
                        "UPDATE stock SET on_hand = on_hand - %(n)s WHERE product_id = %(p)s AND on_hand >= %(n)s",
                        {"n": quantity, "p": product_id},
                    )
                    return cursor.rowcount == 1
            time.sleep(0.1)
        raise RuntimeError("another sale takes too long")
    finally:
        session.close()


def leave(dsn, store_id, clerk):
    """Let a clerk go off duty: True, or False if nobody else of the store would stay on duty."""

    def body(cursor):
        cursor.execute("SELECT count(*) FROM shifts WHERE store_id = %s AND on_duty AND clerk <> %s", (store_id, clerk))
        if cursor.fetchone()[0] == 0:
            return False
        cursor.execute("UPDATE shifts SET on_duty = false WHERE store_id = %s AND clerk = %s", (store_id, clerk))
        return True

    return transaction(dsn, body)


def book(dsn, van, day, order_id):
    """Book an order onto a van: True, or False if the van has its three orders for that day."""

    def body(cursor):
        cursor.execute("SELECT count(*) FROM bookings WHERE van = %s AND day = %s", (van, day))
        if cursor.fetchone()[0] >= 3:
            return False
        cursor.execute("INSERT INTO bookings VALUES (%s, %s, %s)", (order_id, van, day))
        return True

    return transaction(dsn, body)


def report(dsn):
    """For each register, [balance, sum of its movements], both from one snapshot."""
    session = psycopg2.connect(dsn)
    session.set_session(isolation_level=ISOLATION_LEVEL_REPEATABLE_READ, readonly=True)
    try:
        with session, session.cursor() as cursor:
            cursor.execute("SELECT register_id, balance FROM registers")
            balances = dict(cursor.fetchall())
            cursor.execute("SELECT register_id, sum(amount) FROM movements GROUP BY register_id")
            moved = dict(cursor.fetchall())
    finally:
        session.close()
    return {register: [balance, int(moved[register])] for register, balance in balances.items()}

"""The shop's functions. Each works when it is alone; none survives company.

Every function gets a connection string and connects by itself: in production, many processes call them at once.
"""

import threading

import psycopg2

LOCK = threading.Lock()


def take(dsn, product_id, quantity):
    """Take goods from stock: True, or False if there are not enough."""
    with LOCK, psycopg2.connect(dsn) as session, session.cursor() as cursor:
        cursor.execute("SELECT on_hand FROM stock WHERE product_id = %s", (product_id,))
        on_hand = cursor.fetchone()[0]
        if on_hand < quantity:
            return False
        cursor.execute("UPDATE stock SET on_hand = %s WHERE product_id = %s", (on_hand - quantity, product_id))
    return True


def leave(dsn, store_id, clerk):
    """Let a clerk go off duty: True, or False if nobody else of the store would stay on duty."""
    with LOCK, psycopg2.connect(dsn) as session, session.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM shifts WHERE store_id = %s AND on_duty AND clerk <> %s", (store_id, clerk))
        if cursor.fetchone()[0] == 0:
            return False
        cursor.execute("UPDATE shifts SET on_duty = false WHERE store_id = %s AND clerk = %s", (store_id, clerk))
    return True


def book(dsn, van, day, order_id):
    """Book an order onto a van: True, or False if the van has its three orders for that day."""
    with LOCK, psycopg2.connect(dsn) as session, session.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM bookings WHERE van = %s AND day = %s", (van, day))
        if cursor.fetchone()[0] >= 3:
            return False
        cursor.execute("INSERT INTO bookings VALUES (%s, %s, %s)", (order_id, van, day))
    return True


def report(dsn):
    """For each register, [balance, sum of its movements]: the two agree at every moment."""
    with LOCK, psycopg2.connect(dsn) as session, session.cursor() as cursor:
        cursor.execute("SELECT register_id, balance FROM registers")
        balances = dict(cursor.fetchall())
        cursor.execute("SELECT register_id, sum(amount) FROM movements GROUP BY register_id")
        moved = dict(cursor.fetchall())
    return {register: [balance, int(moved[register])] for register, balance in balances.items()}

"""The shop's functions with SQLAlchemy: the strictest level where it is needed, a decorator that repeats."""

import functools
import time

import psycopg2
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool


def repeated(level):
    """A decorator: run the function in a transaction of that level, again if it collided."""

    def decorate(function):
        @functools.wraps(function)
        def wrapper(dsn, *arguments):
            engine = create_engine(
                "postgresql+psycopg2://", creator=lambda: psycopg2.connect(dsn), poolclass=NullPool, isolation_level=level
            )
            for pause in (0, 0.01, 0.02, 0.04, 0.08, 0.1, 0.2, 0.3, 0.4, None):
                try:
                    with engine.begin() as connection:
                        return function(connection, *arguments)
                except DBAPIError as error:
                    if pause is None or error.orig.pgcode not in ("40001", "40P01"):
                        raise
                    time.sleep(pause)
            return None

        return wrapper

    return decorate


@repeated("REPEATABLE READ")
def take(connection, product_id, quantity):
    row = connection.execute(text("SELECT on_hand FROM stock WHERE product_id = :p"), {"p": product_id}).one()
    if row.on_hand < quantity:
        return False
    connection.execute(text("UPDATE stock SET on_hand = :n WHERE product_id = :p"), {"n": row.on_hand - quantity, "p": product_id})
    return True


@repeated("SERIALIZABLE")
def leave(connection, store_id, clerk):
    query = text("""
        UPDATE shifts SET on_duty = false
        WHERE store_id = :s AND clerk = :c AND 1 < (SELECT count(*) FROM shifts WHERE store_id = :s AND on_duty)""")
    return connection.execute(query, {"s": store_id, "c": clerk}).rowcount == 1


@repeated("SERIALIZABLE")
def book(connection, van, day, order_id):
    where = {"van": van, "day": day, "id": order_id}
    if connection.scalar(text("SELECT count(*) FROM bookings WHERE van = :van AND day = :day"), where) > 2:
        return False
    connection.execute(text("INSERT INTO bookings (van, day, order_id) VALUES (:van, :day, :id)"), where)
    return True


@repeated("REPEATABLE READ")
def report(connection):
    balances = dict(connection.execute(text("SELECT register_id, balance FROM registers")).all())
    moved = dict(connection.execute(text("SELECT register_id, sum(amount)::int FROM movements GROUP BY 1")).all())
    return {str(key): [balances[key], moved[key]] for key in sorted(balances)}

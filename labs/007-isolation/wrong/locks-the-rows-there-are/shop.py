"""The shop's functions with explicit locks at READ COMMITTED: whoever decides holds what the decision rests on."""

import psycopg2


def run(dsn, body):
    session = psycopg2.connect(dsn)
    try:
        with session, session.cursor() as cursor:
            return body(cursor)
    finally:
        session.close()


def take(dsn, product_id, quantity):
    def body(cursor):
        cursor.execute(
            "UPDATE stock SET on_hand = on_hand - %s WHERE product_id = %s AND on_hand >= %s", (quantity, product_id, quantity)
        )
        return cursor.rowcount == 1

    return run(dsn, body)


def leave(dsn, store_id, clerk):
    def body(cursor):
        cursor.execute("SELECT clerk FROM shifts WHERE store_id = %s AND on_duty ORDER BY clerk FOR UPDATE", (store_id,))
        if not {name for (name,) in cursor.fetchall()} - {clerk}:
            return False
        cursor.execute("UPDATE shifts SET on_duty = false WHERE store_id = %s AND clerk = %s", (store_id, clerk))
        return True

    return run(dsn, body)


def book(dsn, van, day, order_id):
    def body(cursor):
        cursor.execute("SELECT order_id FROM bookings WHERE van = %s AND day = %s FOR UPDATE", (van, day))
        cursor.execute(
            """INSERT INTO bookings SELECT %(order)s, %(van)s, %(day)s
               WHERE (SELECT count(*) FROM bookings WHERE van = %(van)s AND day = %(day)s) < 3""",
            {"order": order_id, "van": van, "day": day},
        )
        return bool(cursor.rowcount)

    return run(dsn, body)


def report(dsn):
    def body(cursor):
        cursor.execute(
            "SELECT register_id, balance, (SELECT sum(amount) FROM movements m WHERE m.register_id = r.register_id) FROM registers r"
        )
        return {register: (balance, int(moved)) for register, balance, moved in cursor.fetchall()}

    return run(dsn, body)

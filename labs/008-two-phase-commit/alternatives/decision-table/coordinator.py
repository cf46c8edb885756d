"""Two-phase commit with the decisions in a table of the shop's own database."""

import psycopg2
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool


def connect(url):
    return create_engine(url, poolclass=NullPool).connect().execution_options(isolation_level="AUTOCOMMIT")


def decisions(shop):
    shop.execute(text("CREATE TABLE IF NOT EXISTS coordinator_decisions (gid text PRIMARY KEY, at timestamptz DEFAULT now())"))


def pay(sales, bank, log, order_id, customer_id, amount):
    gid = f"shop order {order_id}"
    shop, accounts, third = connect(sales), connect(bank), connect(sales)
    decisions(third)
    values = {"o": order_id, "c": customer_id, "a": amount}
    if shop.scalar(text("SELECT count(*) FROM orders WHERE order_id = :o"), values):
        return False
    prepared = []
    try:
        accounts.execute(text("begin"))
        if (
            accounts.execute(
                text("update accounts set balance = balance - :a where customer_id = :c and balance >= :a"), values
            ).rowcount
            != 1
        ):
            accounts.execute(text("rollback"))
            return False
        accounts.execute(text(f"prepare transaction '{gid}'"))
        prepared.append(accounts)
        shop.execute(text("begin"))
        shop.execute(text("insert into orders (amount, customer_id, order_id) values (:a, :c, :o)"), values)
        shop.execute(text(f"prepare transaction '{gid}'"))
        prepared.append(shop)
    except Exception:
        for connection in prepared:
            connection.execute(text(f"rollback prepared '{gid}'"))
        raise
    third.execute(text("INSERT INTO coordinator_decisions VALUES (:gid)"), {"gid": gid})
    accounts.execute(text(f"commit prepared '{gid}'"))
    shop.execute(text(f"commit prepared '{gid}'"))
    return True


def recover(sales, bank, log):
    with psycopg2.connect(sales.replace("+psycopg2", "")) as session, session.cursor() as cursor:
        cursor.execute("SELECT to_regclass('coordinator_decisions')")
        if cursor.fetchone()[0] is None:
            commit = set()
        else:
            cursor.execute("SELECT gid FROM coordinator_decisions")
            commit = {gid for (gid,) in cursor.fetchall()}
    session.close()
    for url in (bank, sales):
        connection = connect(url)
        for (gid,) in connection.execute(text("SELECT gid FROM pg_prepared_xacts WHERE gid LIKE 'shop order %'")).all():
            connection.execute(text(("commit" if gid in commit else "rollback") + f" prepared '{gid}'"))

"""Pay an order by two-phase commit over two servers, with presumed abort.

1. Each server does its part and *prepares*: it promises that it can commit, whatever happens to it or to us.
2. The decision to commit is written to the log. From here on the order is paid.
3. The servers are told. If we die, `recover` tells them: what is in the log is committed, anything else of ours is rolled back.
"""

import os
import uuid
from contextlib import ExitStack, contextmanager

from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.pool import NullPool

OURS = "pay-"  # how our transactions' names begin; other coordinators have other names
INSERT = "INSERT INTO orders VALUES (:order_id, :customer_id, :amount)"
TAKE = "UPDATE accounts SET balance = balance - :amount WHERE customer_id = :customer_id AND balance >= :amount"


@contextmanager
def connected(url):
    """A connection in autocommit mode: BEGIN, PREPARE TRANSACTION and the rest are ours to say."""
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 5})
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def decide(log, gid):
    """Write the decision to commit, down to the disk. It begins a line of its own: a crash may have left half a line before it."""
    with open(log, "a") as file:  # noqa: PTH123
        file.write(f"\n{gid}\n")
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(os.path.dirname(os.path.abspath(log)), os.O_RDONLY)  # noqa: PTH100, PTH120
    os.fsync(folder)  # which says that there is such a file
    os.close(folder)


def decided(log):
    """The transactions that are to be committed. A last line without its end was never promised to anybody."""
    try:
        with open(log) as file:  # noqa: PTH123
            return {line.strip() for line in file if line.endswith("\n")}
    except FileNotFoundError:
        return set()


def prepare(connection, gid, statement, values):
    """One server's part: do it and promise it. False if it cannot be done, with nothing left behind."""
    connection.execute(text("BEGIN"))
    try:
        done = connection.execute(text(statement), values).rowcount == 1
    except IntegrityError:
        done = False
    if done:
        connection.execute(text(f"PREPARE TRANSACTION '{gid}'"))
    else:
        connection.execute(text("ROLLBACK"))
    return done


def pay(sales, bank, log, order_id, customer_id, amount):
    """Book the order and take the money, both or neither: True, or False if that is not possible."""
    gid = f"{OURS}{order_id}-{uuid.uuid4().hex}"
    values = {"order_id": order_id, "customer_id": customer_id, "amount": amount}
    with ExitStack() as stack:
        shop, accounts = (stack.enter_context(connected(url)) for url in (sales, bank))
        if not prepare(shop, gid, INSERT, values):
            return False
        if not prepare(accounts, gid, TAKE, values):
            shop.execute(text(f"ROLLBACK PREPARED '{gid}'"))
            return False
        decide(log, gid)
        for connection in (shop, accounts):
            try:
                connection.execute(text(f"COMMIT PREPARED '{gid}'"))
            except DBAPIError:
                continue  # it has promised; recover will tell it
    return True


def recover(sales, bank, log):
    """Decide every transaction of ours that is in doubt. Harmless to repeat, also after a crash of its own."""
    commit = decided(log)
    for url in (sales, bank):
        with connected(url) as connection:
            names = (
                connection.execute(text("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()")).scalars().all()
            )
            for gid in names:
                if gid.startswith(OURS):
                    verb = "COMMIT" if gid in commit else "ROLLBACK"
                    connection.execute(text(f"{verb} PREPARED '{gid}'"))

"""The shop's orders, small, and a table of carts that is emptied now and then."""

from delab.data.sinks.postgres import load
from delab.services.postgres import connect, dsn


def prepare(stack, seed):
    """Load orders and their lines; the replica gets them from the primary."""
    at = stack["primary"].endpoint
    load(dsn(at), "retail", scale=1, seed=seed, tables=["orders", "order_lines"], references=False)
    with connect(at) as session, session.cursor() as cursor:
        cursor.execute("CREATE TABLE carts AS SELECT order_id AS cart_id FROM orders WHERE order_id % 7 = 0")

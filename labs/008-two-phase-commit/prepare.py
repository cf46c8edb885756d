"""Two servers that know nothing of each other: the shop's orders and the bank's accounts."""

import random

from delab.services.postgres import connect


def prepare(stack, seed):
    """Make both tables; the balances depend on the seed."""
    chance = random.Random(seed)
    with connect(stack["sales"].endpoint) as session, session.cursor() as cursor:
        cursor.execute("CREATE TABLE orders (order_id int PRIMARY KEY, customer_id int NOT NULL, amount int NOT NULL)")
    with connect(stack["bank"].endpoint) as session, session.cursor() as cursor:
        cursor.execute("CREATE TABLE accounts (customer_id int PRIMARY KEY, balance int NOT NULL)")
        for customer in range(1, 41):
            cursor.execute("INSERT INTO accounts VALUES (%s, %s)", (customer, chance.randint(500, 900)))

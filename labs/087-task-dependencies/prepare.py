"""Orders and payments of a few weeks; on some days they agree, on others not. And the tables that the steps write."""

import random
from datetime import date, timedelta

from delab.services.postgres import connect

DAYS = 24
TABLES = """
CREATE TABLE orders (order_id int PRIMARY KEY, day date NOT NULL, amount numeric(10, 2) NOT NULL);
CREATE TABLE payments (payment_id int PRIMARY KEY, order_id int NOT NULL, day date NOT NULL, amount numeric(10, 2) NOT NULL);
CREATE TABLE settlements (day date PRIMARY KEY, orders int NOT NULL, amount numeric(12, 2) NOT NULL);
CREATE TABLE discrepancies (day date PRIMARY KEY, ordered numeric(12, 2) NOT NULL, paid numeric(12, 2) NOT NULL);
CREATE TABLE messages (day date NOT NULL, text text NOT NULL, PRIMARY KEY (day, text));
CREATE SCHEMA stage;
"""


def prepare(stack, seed):
    """Every third day or so, one payment is missing or too small."""
    chance = random.Random(seed)
    with connect(stack["warehouse"].endpoint) as session, session.cursor() as cursor:
        cursor.execute(TABLES)
        for number in range(DAYS):
            add_day(cursor, chance, number, agrees=number % 3 != 2)


def add_day(cursor, chance, number, agrees):
    """The orders of one day, each with its payment; unless they agree, one payment is not as it should be."""
    day, first = date(2025, 3, 1) + timedelta(days=number), 1000 * number
    orders = [(first + n, day, chance.randint(500, 90_000) / 100) for n in range(chance.randint(5, 20))]
    payments = [(order, order, day, amount) for order, day, amount in orders]
    if not agrees:
        place = chance.randrange(len(payments))
        order = payments.pop(place)
        if chance.random() < 0.5:
            payments.append((*order[:3], round(order[3] / 2, 2)))
    cursor.executemany("INSERT INTO orders VALUES (%s, %s, %s)", orders)
    cursor.executemany("INSERT INTO payments VALUES (%s, %s, %s, %s)", payments)

"""The shop's shared state: stock, shifts, delivery vans, cash registers."""

import random

from delab.services.postgres import connect

SCHEMA = """
CREATE TABLE stock (product_id int PRIMARY KEY, on_hand int NOT NULL);
CREATE TABLE shifts (store_id int, clerk text, on_duty boolean NOT NULL, PRIMARY KEY (store_id, clerk));
CREATE TABLE bookings (order_id int PRIMARY KEY, van int NOT NULL, day date NOT NULL);
CREATE TABLE registers (register_id int PRIMARY KEY, balance int NOT NULL);
CREATE TABLE movements (movement_id serial PRIMARY KEY, register_id int NOT NULL REFERENCES registers, amount int NOT NULL);
INSERT INTO shifts SELECT store, clerk, true FROM generate_series(1, 6) store, unnest(ARRAY['ana', 'ben']) clerk;
"""


def prepare(stack, seed):
    """Make and fill the tables; the numbers depend on the seed."""
    chance = random.Random(seed)
    with connect(stack["primary"].endpoint) as session, session.cursor() as cursor:
        cursor.execute(SCHEMA)
        for product in range(1, 9):
            cursor.execute("INSERT INTO stock VALUES (%s, %s)", (product, chance.randint(40, 90)))
        for register in range(1, 6):
            amount = chance.randint(1_000, 9_000)
            cursor.execute("INSERT INTO registers VALUES (%s, %s)", (register, amount))
            cursor.execute("INSERT INTO movements (register_id, amount) VALUES (%s, %s)", (register, amount))

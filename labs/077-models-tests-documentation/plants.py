"""What a colleague's mistake would leave in a mart, and what only looks like one: SQL for rows that the seed chooses."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from marts import CUSTOMERS, DAILY, DAY, Mart

from delab.checks import Database
from delab.checks.dbt import Project

NOBODY = 900_000_000  # a customer's number that is not used
NEVER = "2031-01-01"  # a day on which nothing was sold

# PostgreSQL 18 lists NOT NULL among the constraints; that of a primary key goes after the key.
CONSTRAINTS = """
SELECT format('ALTER TABLE %%s DROP CONSTRAINT %%I CASCADE', conrelid::regclass, conname) FROM pg_constraint
WHERE conrelid = %s::regclass ORDER BY contype = 'n'
"""
UNIQUE_INDEXES = """
SELECT format('DROP INDEX %%s', indexrelid::regclass) FROM pg_index WHERE indrelid = %s::regclass AND indisunique
"""


@dataclass(frozen=True)
class Planted:
    """A change of rows: what it is, and the SQL that makes it so."""

    what: str
    sql: str


def at(day: object, currency: object) -> str:
    """The condition for a row of daily_sales."""
    return f"day = '{day}' AND currency = '{currency}'"


class Plants:
    """What is planted in the marts of one verification; they must be right, or the rows that are looked for may not be there."""

    def __init__(self, dbt: Project, database: Database, seed: int) -> None:
        self.database, self.chance = database, random.Random(seed)
        self.sales, self.people = dbt.relation(DAILY.name), dbt.relation(CUSTOMERS.name)
        self.cents = f"0.{self.chance.randint(1, 99):02d}"

    def bare(self) -> None:
        """Take constraints and unique indexes off the marts, so that mistakes can be planted: the tests are judged alone."""
        for mart in (self.sales, self.people):
            for query in (CONSTRAINTS, UNIQUE_INDEXES):
                for (statement,) in self.database.rows(query, mart):
                    self.database.execute(statement)

    def pick(self, mart: Mart, where: str, rows: int = 1) -> Sequence[tuple]:
        """Some rows of a mart, by the seed: the values of its key."""
        place = self.sales if mart is DAILY else self.people
        found = self.database.rows(f"SELECT {mart.key} FROM {place} WHERE {where} ORDER BY {mart.key}")
        return self.chance.sample(found, rows)

    def again(self, table: str, where: str, change: str) -> str:
        """SQL that adds a copy of a row, with something changed in it."""
        last = f"ctid = (SELECT max(ctid) FROM {table} WHERE {where})"
        return f"INSERT INTO {table} SELECT * FROM {table} WHERE {where}; UPDATE {table} SET {change} WHERE {last}"

    def keys(self) -> list[Planted]:
        """Rules 1 to 3."""
        [(day, currency)], [(customer,)] = self.pick(DAILY, "true"), self.pick(CUSTOMERS, "orders > 0")
        row, one = at(day, currency), f"customer_id = {customer}"
        twice = "INSERT INTO {0} SELECT * FROM {0} WHERE {1}"
        unknown = "a customer in customer_orders whom the shop does not know"
        return [
            Planted(f"{day} {currency} twice in daily_sales", twice.format(self.sales, row)),
            Planted("a row of daily_sales without a day", f"UPDATE {self.sales} SET day = NULL WHERE {row}"),
            Planted("a row of daily_sales without a currency", f"UPDATE {self.sales} SET currency = NULL WHERE {row}"),
            Planted(f"customer {customer} twice in customer_orders", twice.format(self.people, one)),
            Planted("a row of customer_orders without a customer", self.again(self.people, one, "customer_id = NULL")),
            Planted(unknown, self.again(self.people, one, f"customer_id = {NOBODY}")),
        ]

    def revenue(self) -> list[Planted]:
        """Rule 4."""
        one, two = (at(*row) for row in self.pick(DAILY, "currency = 'EUR'", 2))
        several = f"day IN (SELECT day FROM {self.sales} GROUP BY day HAVING count(*) > 1)"
        [(day, currency)] = self.pick(DAILY, several)
        [(_, other)] = self.pick(DAILY, f"day = '{day}' AND currency <> '{currency}'")
        more = f"UPDATE {self.sales} SET revenue = revenue + {self.cents} WHERE "
        change = f"CASE WHEN {{0}} THEN {self.cents} ELSE -{self.cents} END"
        moved = f"UPDATE {self.sales} SET revenue = revenue + {change} WHERE ({{0}}) OR ({{1}})"
        return [
            Planted(f"{self.cents} too much revenue on one day", f"{more}{one}"),
            Planted(f"{self.cents} too much on one day and as much too little on another", moved.format(one, two)),
            Planted(
                f"{self.cents} too much in {currency} and as much too little in {other}, on one day",
                moved.format(at(day, currency), at(day, other)),
            ),
            Planted("a day that is lost", f"DELETE FROM {self.sales} WHERE {one}"),
            Planted("a day without revenue", f"UPDATE {self.sales} SET revenue = NULL WHERE {one}"),
            Planted("a day that is invented", self.again(self.sales, one, f"day = '{NEVER}'")),
        ]

    def people_and_days(self) -> list[Planted]:
        """Rules 5 and 6."""
        [(busy,)] = self.pick(CUSTOMERS, "orders > 1 AND first_order_on < last_order_on")
        [(quiet,)] = self.pick(CUSTOMERS, "orders = 0")
        busy, quiet = (f"WHERE customer_id = {number}" for number in (busy, quiet))
        update = f"UPDATE {self.people} SET"
        return [
            Planted("a customer without orders who is lost", f"DELETE FROM {self.people} {quiet}"),
            Planted("a customer with orders who is lost", f"DELETE FROM {self.people} {busy}"),
            Planted(
                "the first order after the last",
                f"{update} first_order_on = last_order_on, last_order_on = first_order_on {busy}",
            ),
            Planted("orders, and no first day", f"{update} first_order_on = NULL {busy}"),
            Planted("orders, and no last day", f"{update} last_order_on = NULL {busy}"),
            Planted("no orders, and a first day", f"{update} first_order_on = '2025-01-01' {quiet}"),
            Planted("no orders, and a last day", f"{update} last_order_on = '2025-01-02' {quiet}"),
        ]

    def harmless(self) -> list[Planted]:
        """What is right, though a hasty test may think otherwise: source and mart change alike."""
        [(day, currency)], [(quiet,)] = self.pick(DAILY, "true"), self.pick(CUSTOMERS, "orders = 0")
        lines = (
            "FROM raw.order_lines AS l JOIN raw.orders AS o USING (order_id) "
            f"WHERE {DAY} = '{day}' AND o.currency = '{currency}' AND o.status = 'completed' LIMIT 1"
        )
        credit = (
            f"UPDATE raw.order_lines SET amount = amount - 10000000 WHERE ctid = (SELECT l.ctid {lines}); "
            f"UPDATE {self.sales} SET revenue = revenue - 10000000 WHERE {at(day, currency)}"
        )
        cancelled = (
            "UPDATE raw.order_lines SET amount = amount + 1 WHERE order_id IN "
            "(SELECT order_id FROM raw.orders WHERE status = 'cancelled')"
        )
        known, one = "name, country, city, postal_code, segment, registered_at, updated_at", f"customer_id = {quiet}"
        new = f"INSERT INTO raw.customers (customer_id, {known}) SELECT {NOBODY}, {known} FROM raw.customers WHERE {one}"
        return [
            Planted("nothing", ""),
            Planted("a new customer without an order", f"{new}; {self.again(self.people, one, f'customer_id = {NOBODY}')}"),
            Planted("dearer lines in cancelled orders", cancelled),
            Planted("a credit note that makes a day's revenue negative, in the source and in daily_sales", credit),
        ]

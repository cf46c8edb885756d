"""What a colleague's mistake would leave in a mart, and what only looks like one: SQL for rows that the seed chooses."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from marts import CUSTOMERS, DAILY, DAY, Mart
from places import Places

from delab.checks import Database

NOBODY = 900_000_000  # a customer's number that is not used
BETWEEN = 100_000  # another: some known numbers are larger, and begin with the same digits
NEVER = "2031-01-01"  # a day on which nothing was sold

# PostgreSQL 18 lists NOT NULL among the constraints; that of a primary key goes after the key, that of an identity never.
CONSTRAINTS = """
SELECT format('ALTER TABLE %%s DROP CONSTRAINT %%I CASCADE', conrelid::regclass, conname) FROM pg_constraint
WHERE conrelid = %s::regclass AND NOT (contype = 'n' AND EXISTS (
  SELECT FROM pg_attribute WHERE attrelid = conrelid AND attnum = ANY (conkey) AND attidentity <> ''
)) ORDER BY contype = 'n'
"""
UNIQUE_INDEXES = """
SELECT format('DROP INDEX %%s', indexrelid::regclass) FROM pg_index WHERE indrelid = %s::regclass AND indisunique
"""
# What the server fills by itself cannot be written.
WRITABLE = """
SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attidentity = ''
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

    def __init__(self, places: Places, database: Database, seed: int, source: str) -> None:
        self.places, self.database, self.chance, self.source = places, database, random.Random(seed), source
        self.sales, self.people = places.of(DAILY), places.of(CUSTOMERS)
        self.columns = {mart: database.value(WRITABLE, mart) for mart in (self.sales, self.people)}
        self.cents = f"0.{self.chance.randint(2, 99):02d}"

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

    def first(self, order: str) -> str:
        """The condition for the row of daily_sales that comes first in an order."""
        [row] = self.database.rows(f"SELECT {DAILY.key} FROM {self.sales} ORDER BY {order}, {DAILY.key} LIMIT 1")
        return at(*row)

    def twice(self, table: str, where: str) -> str:
        """SQL that adds a copy of a row."""
        columns = self.columns[table]
        return f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table} WHERE {where}"

    def again(self, table: str, where: str, change: str) -> str:
        """SQL that adds a copy of a row, with something changed in it."""
        last = f"ctid = (SELECT max(ctid) FROM {table} WHERE {where})"
        return f"{self.twice(table, where)}; UPDATE {table} SET {change} WHERE {last}"

    def anew(self, change: str) -> str:
        """SQL that changes the source and fills the marts by their own models, as the next build would."""
        return "; ".join([change, *(self.places.filled(mart, self.database) for mart in self.places.in_order())])

    def keys(self) -> list[Planted]:
        """Rules 1 to 3."""
        [(day, currency)] = self.pick(DAILY, "true")
        row = at(day, currency)
        return [
            Planted(f"{day} {currency} twice in daily_sales", self.twice(self.sales, row)),
            Planted(
                f"{day} {currency} twice in daily_sales, the second time with other numbers",
                self.again(self.sales, row, "orders = orders + 1, quantity = quantity + 1, revenue = revenue + 1"),
            ),
            Planted("a row of daily_sales without a day", f"UPDATE {self.sales} SET day = NULL WHERE {row}"),
            Planted("a row of daily_sales without a currency", f"UPDATE {self.sales} SET currency = NULL WHERE {row}"),
            *self.keys_of_people("with orders", "orders > 0"),
            *self.keys_of_people("without orders", "orders = 0"),
        ]

    def keys_of_people(self, which: str, where: str) -> list[Planted]:
        """Rules 2 and 3, at a customer of one sort."""
        [(customer,)] = self.pick(CUSTOMERS, where)
        one, whose = f"customer_id = {customer}", f"in customer_orders, one {which}"
        changed = "country = 'XX', segment = 'other', orders = orders + 1"
        unknown = f"a customer {whose}, whom the shop does not know: number"
        return [
            Planted(f"customer {customer} twice {whose}", self.twice(self.people, one)),
            Planted(f"customer {customer} twice {whose}, of two countries", self.again(self.people, one, changed)),
            Planted(f"a row without a customer {whose}", self.again(self.people, one, "customer_id = NULL")),
            Planted(f"{unknown} {NOBODY}", self.again(self.people, one, f"customer_id = {NOBODY}")),
            Planted(f"{unknown} {BETWEEN}", self.again(self.people, one, f"customer_id = {BETWEEN}")),
            Planted(f"{unknown} {customer} was deleted there", f"DELETE FROM {self.source}.customers WHERE {one}"),
        ]

    def revenue(self) -> list[Planted]:
        """Rule 4."""
        one, two = (at(*row) for row in self.pick(DAILY, "currency = 'EUR'", 2))
        several = f"day IN (SELECT day FROM {self.sales} GROUP BY day HAVING count(*) > 1)"
        [(day, currency)] = self.pick(DAILY, several)
        [(_, other)] = self.pick(DAILY, f"day = '{day}' AND currency <> '{currency}'")
        change = f"CASE WHEN {{0}} THEN {self.cents} ELSE -{self.cents} END"
        moved = f"UPDATE {self.sales} SET revenue = revenue + {change} WHERE ({{0}}) OR ({{1}})"
        most = self.first("revenue DESC")
        newest = "SELECT max(order_id) FROM {0}.order_lines JOIN {0}.orders USING (order_id) WHERE status = 'completed'"
        cancel = f"UPDATE {{0}}.orders SET status = 'cancelled' WHERE order_id = ({newest})".format(self.source)
        return [
            Planted("0.01 too much on the day with the highest revenue", self.sold(most, "revenue + 0.01")),
            Planted("0.01 too little on the first day", self.sold(self.first("day"), "revenue - 0.01")),
            Planted(f"{self.cents} too much on the last day", self.sold(self.first("day DESC"), f"revenue + {self.cents}")),
            Planted("twice the revenue on the day with the highest", self.sold(most, "revenue * 2")),
            Planted(f"{self.cents} too much on one day and as much too little on another", moved.format(one, two)),
            Planted(
                f"{self.cents} too much in {currency} and as much too little in {other}, on one day",
                moved.format(at(day, currency), at(day, other)),
            ),
            *self.lost_and_invented(one, day, currency),
            Planted("an order that was cancelled after daily_sales was made", cancel),
        ]

    def sold(self, where: str, revenue: str) -> str:
        """SQL that changes the revenue of a row."""
        return f"UPDATE {self.sales} SET revenue = {revenue} WHERE {where}"

    def lost_and_invented(self, one: str, day: object, currency: object) -> list[Planted]:
        """Rule 4: days that are on one side only; also where the other side adds up to nothing."""
        lose = f"DELETE FROM {self.sales} WHERE"
        orders = f"SELECT o.order_id FROM {self.source}.orders AS o WHERE {DAY} = '{day}' AND o.currency = '{currency}'"
        free = f"UPDATE {self.source}.order_lines SET amount = 0 WHERE order_id IN ({orders})"
        [(strange,)] = self.chance.sample(
            self.database.rows(
                f"SELECT DISTINCT currency FROM {self.sales} WHERE currency NOT IN "
                f"(SELECT currency FROM {self.sales} WHERE day = '{day}') ORDER BY 1"
            ),
            1,
        )
        return [
            Planted("a day that is lost", f"{lose} {one}"),
            Planted("the first day is lost", f"{lose} {self.first('day')}"),
            Planted("the last day is lost", f"{lose} {self.first('day DESC')}"),
            Planted(f"{day} {currency} is lost, another currency of the day is there", f"{lose} {at(day, currency)}"),
            Planted("a day that is lost, on which all was free: its lines add up to 0", f"{free}; {lose} {at(day, currency)}"),
            Planted("a day without revenue", self.sold(one, "NULL")),
            Planted(
                "a day whose revenue is null, while its lines add up to 0",
                f"{free}; {self.sold(at(day, currency), 'NULL')}",
            ),
            Planted("a day that is invented", self.again(self.sales, one, f"day = '{NEVER}'")),
            Planted("a day that is invented, its revenue is 0", self.again(self.sales, one, f"day = '{NEVER}', revenue = 0")),
            Planted("a day that is invented, its revenue is null", self.again(self.sales, one, f"day = '{NEVER}', revenue = NULL")),
            Planted(
                f"{day} {strange} is invented: nothing was sold in {strange} on that day",
                self.again(self.sales, at(day, currency), f"currency = '{strange}'"),
            ),
        ]

    def people_and_days(self) -> list[Planted]:
        """Rules 5 and 6."""
        sorts = ("orders > 1 AND first_order_on < last_order_on", "orders = 1", "orders = 0")
        busy, once, quiet = (f"WHERE customer_id = {number}" for sort in sorts for (number,) in self.pick(CUSTOMERS, sort))
        update = f"UPDATE {self.people} SET"
        lost = [("without orders", quiet), ("with one order", once), ("with orders", busy)]
        return [
            *(Planted(f"a customer {which} who is lost", f"DELETE FROM {self.people} {where}") for which, where in lost),
            Planted("a customer who is lost, and one too much in their place", f"{update} customer_id = {NOBODY} {quiet}"),
            Planted(
                "the first order after the last",
                f"{update} first_order_on = last_order_on, last_order_on = first_order_on {busy}",
            ),
            Planted("one order, and the first day after the last", f"{update} first_order_on = last_order_on + 1 {once}"),
            *(
                Planted(f"{orders}, and no {which} day", f"{update} {which}_order_on = NULL {where}")
                for orders, where in (("orders", busy), ("one order", once))
                for which in ("first", "last")
            ),
            Planted("orders, and neither day", f"{update} first_order_on = NULL, last_order_on = NULL {busy}"),
            Planted("no orders, and a first day", f"{update} first_order_on = '2025-01-01' {quiet}"),
            Planted("no orders, and a last day", f"{update} last_order_on = '2025-01-02' {quiet}"),
            Planted("no orders, and both days", f"{update} first_order_on = '2025-01-01', last_order_on = '2025-01-02' {quiet}"),
        ]

    def harmless(self) -> list[Planted]:
        """What is right, though a hasty test may think otherwise: the source changes, and the marts are made anew from it."""
        [(day, currency)], [(quiet,)] = self.pick(DAILY, "true"), self.pick(CUSTOMERS, "orders = 0")
        lines = (
            f"FROM {self.source}.order_lines AS l JOIN {self.source}.orders AS o USING (order_id) "
            f"WHERE {DAY} = '{day}' AND o.currency = '{currency}' AND o.status = 'completed' LIMIT 1"
        )
        credit = f"UPDATE {self.source}.order_lines SET amount = amount - 10000000 WHERE ctid = (SELECT l.ctid {lines})"
        other = (
            f"UPDATE {self.source}.order_lines SET amount = amount + 1 WHERE order_id IN "
            f"(SELECT order_id FROM {self.source}.orders WHERE status <> 'completed')"
        )
        known = "name, country, city, postal_code, segment, registered_at, updated_at"
        new = f"INSERT INTO {self.source}.customers (customer_id, {known}) SELECT {NOBODY}, {known} FROM {self.source}.customers"
        return [
            Planted("nothing", ""),
            Planted("a new customer without an order", self.anew(f"{new} WHERE customer_id = {quiet}")),
            Planted("dearer lines in orders that are open or cancelled", self.anew(other)),
            Planted("a credit note that makes a day's revenue negative, in the source and in daily_sales", self.anew(credit)),
        ]

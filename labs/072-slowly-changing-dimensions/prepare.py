"""Four days of a shop: a change log of customers, a table of products that is overwritten, orders; and what is true of them.

A learner's own server gets the whole story and a procedure `play(day)` that brings the raw tables to the end of a day. A
verification's server gets empty tables: the verifier brings each day itself, so that nothing of tomorrow can be read today.
"""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from psycopg2.extras import execute_values

from delab.course import LIVE_SEED
from delab.data import dataset
from delab.services.postgres import connect

DAYS = 4
BEGIN = datetime(2025, 3, 2, tzinfo=UTC)  # the end of day 1
UNKNOWN = -1

TABLES = """
CREATE TABLE {schema}.customer_changes (
  change_id bigint, customer_id bigint, operation text, name text, city text, segment text,
  changed_at timestamptz, recorded_at timestamptz);
CREATE TABLE {schema}.products (
  product_id bigint PRIMARY KEY, name text, category text, price numeric(14,2), updated_at timestamptz);
CREATE TABLE {schema}.orders (
  order_id bigint PRIMARY KEY, customer_id bigint, product_id bigint, amount numeric(14,2), ordered_at timestamptz,
  recorded_at timestamptz);
"""
PLAY = """
CREATE SCHEMA story;
{tables}
ALTER TABLE story.products DROP CONSTRAINT products_pkey, ADD COLUMN day int;
CREATE PROCEDURE play(day int) LANGUAGE plpgsql AS $$
DECLARE night timestamptz := timestamptz '2025-03-01 00:00+00' + play.day * interval '1 day';
BEGIN
  IF play.day NOT BETWEEN 1 AND 4 THEN RAISE 'there are days 1 to 4'; END IF;
  TRUNCATE raw.customer_changes, raw.products, raw.orders;
  INSERT INTO raw.customer_changes SELECT * FROM story.customer_changes WHERE recorded_at < night;
  INSERT INTO raw.orders SELECT * FROM story.orders WHERE recorded_at < night;
  INSERT INTO raw.products SELECT product_id, name, category, price, updated_at FROM story.products AS p WHERE p.day = play.day;
END $$;
"""


@dataclass(frozen=True)
class Change:
    """One row of the log: the whole customer from `changed_at` on, delivered at `recorded_at`; a delete carries no values."""

    change_id: int
    customer_id: int
    operation: str
    name: str | None
    city: str | None
    segment: str | None
    changed_at: datetime
    recorded_at: datetime


@dataclass(frozen=True)
class Order:
    """One order; it may be delivered days after it was placed."""

    order_id: int
    customer_id: int
    product_id: int
    amount: int
    ordered_at: datetime
    recorded_at: datetime


@dataclass(frozen=True)
class Product:
    """A product as the shop's table shows it at the end of a day."""

    product_id: int
    name: str
    category: str
    price: int
    updated_at: datetime


@dataclass(frozen=True)
class Version:
    """A customer's city and segment, in force from `valid_from` to just before `valid_to`."""

    city: str | None
    segment: str
    valid_from: datetime
    valid_to: datetime | None


def night(day: int) -> datetime:
    """The end of a day: what is recorded before is in the raw tables."""
    return BEGIN + timedelta(days=day - 1)


class Story:
    """All that happens, from one seed. `kind` tells why a customer or a product is there."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        recipe = dataset("retail").recipe(1, seed % 1000)
        self.people = dataset("retail").clean("customers", recipe, 0, 90).to_pylist()
        self.goods = dataset("retail").clean("products", recipe, 0, 60).to_pylist()
        self.categories = sorted({product["category"] for product in self.goods})
        self.cities = sorted({person["city"] for person in self.people})
        self.kind: dict[int, str] = {}
        self.product_kind: dict[int, str] = {}
        self.changes: list[Change] = []
        self.orders: list[Order] = []
        self.shelves: dict[int, dict[int, Product]] = {day: {} for day in range(1, DAYS + 1)}
        for place, person in enumerate(self.people):
            kind = CUSTOMERS[place % len(CUSTOMERS)]
            self.kind[person["customer_id"]] = kind.__name__
            kind(self, Pen(self, person, place // len(CUSTOMERS)))
        self.number_changes()
        for place, product in enumerate(self.goods):
            self.shelve(PRODUCTS[place % len(PRODUCTS)], product)
        self.place_orders()

    # Customers

    def number_changes(self) -> None:
        """Numbers in the order of delivery, and some rows delivered again the next night."""
        self.changes.sort(key=lambda change: (change.recorded_at, change.changed_at))
        self.changes = [replace(change, change_id=1000 + place) for place, change in enumerate(self.changes)]
        again = self.chance.sample(self.changes, 12)
        self.changes += [replace(change, recorded_at=change.recorded_at + timedelta(days=1)) for change in again]

    # Products

    def shelve(self, kind: str, product: dict) -> None:
        """A product on each day: a word a day (`back`: there, as it was when it was seen last, or long ago)."""
        self.product_kind[product["product_id"]] = kind
        first = product["category"]
        second, third = self.chance.sample([name for name in self.categories if name != first], 2)
        shown = Product(product["product_id"], product["name"], first, int(product["price"]), night(0))
        for day, word in enumerate(kind.split(), 1):
            if word in ("A", "B", "C"):
                shown = replace(
                    shown, category={"A": first, "B": second, "C": third}[word], updated_at=night(day) - timedelta(hours=2)
                )
            elif word == "price":
                shown = replace(shown, price=shown.price + self.chance.randint(1, 9), updated_at=night(day) - timedelta(hours=3))
            elif word == "name":
                shown = replace(shown, name=f"{product['name']}, new", updated_at=night(day) - timedelta(hours=3))
            elif word == "touched":
                shown = replace(shown, updated_at=night(day) - timedelta(hours=1))
            if word != "absent":
                self.shelves[day][shown.product_id] = shown

    # Orders

    def place_orders(self) -> None:
        """Some orders for each customer: at any time, before they are known, after they left; at the very moment of each change.

        Round one of the changes: two in the last second before it, and one that is delivered when the change was over.
        """
        moments = defaultdict(list)
        for change in self.changes:
            moments[change.customer_id].append(change.changed_at)
        first = night(1) - timedelta(days=400)
        for customer in self.kind:
            span = (night(DAYS) - first).total_seconds()
            at = [first + timedelta(seconds=self.chance.randrange(int(span))) for _ in range(5)]
            at += [night(day) - timedelta(seconds=self.chance.randrange(86_400)) for day in range(1, DAYS + 1)]
            turns = sorted(set(moments[customer]))
            turn = self.chance.choice(turns[1:])
            at += [*turns, turn - timedelta(microseconds=1), turn - timedelta(seconds=0.4)]
            for moment in at:
                self.order(customer, moment, days=self.chance.choice((1, 2)) if self.chance.random() < 0.1 else 0)
            self.order(customer, turn - timedelta(minutes=30), days=1)
        self.chance.shuffle(self.orders)
        self.orders = [replace(order, order_id=place + 1) for place, order in enumerate(self.orders)]

    def order(self, customer: int, moment: datetime, days: int) -> None:
        """One order; it is delivered so many days late."""
        recorded = min(moment + timedelta(days=days), night(DAYS) - timedelta(seconds=1))
        product = self.chance.choice(self.goods)["product_id"]
        self.orders.append(Order(0, customer, product, self.chance.randint(1, 500), moment, recorded))

    # What is true at the end of a day

    def known(self, day: int) -> dict[int, list[Change]]:
        """What the log says by then, by customer in the order in which it took effect, each change once."""
        rows: dict[int, dict[int, Change]] = defaultdict(dict)
        for change in self.changes:
            if change.recorded_at < night(day):
                rows[change.customer_id][change.change_id] = change
        return {customer: sorted(found.values(), key=lambda change: change.changed_at) for customer, found in rows.items()}

    def versions(self, day: int) -> dict[int, list[Version]]:
        """The versions of each customer that is known by then."""
        return {customer: versions_of(changes) for customer, changes in self.known(day).items()}

    def names(self, day: int) -> dict[int, str]:
        """The newest name of each customer."""
        return {who: [row.name for row in rows if row.name is not None][-1] for who, rows in self.known(day).items()}

    def previous(self, evenings: Sequence[int]) -> dict[int, str | None]:
        """The category that each product had before its present one, as far as these evenings have shown."""
        now: dict[int, str] = {}
        before: dict[int, str | None] = {}
        for evening in evenings:
            for number, product in self.shelves[evening].items():
                if number in now and now[number] != product.category:
                    before[number] = now[number]
                now[number] = product.category
                before.setdefault(number, None)
        return before

    def products(self, evenings: Sequence[int]) -> dict[int, Product]:
        """Each product as it was last seen on these evenings."""
        return {number: product for evening in evenings for number, product in self.shelves[evening].items()}

    # Into the raw tables

    def bring(self, session, day: int, schema: str = "raw") -> None:
        """What is new on a day: rows are added to the log and the orders, the products are overwritten."""
        between = [row for row in self.changes if (day == 1 or row.recorded_at >= night(day - 1)) and row.recorded_at < night(day)]
        orders = [row for row in self.orders if (day == 1 or row.recorded_at >= night(day - 1)) and row.recorded_at < night(day)]
        with session.cursor() as cursor:
            cursor.execute("BEGIN")
            insert(cursor, f"{schema}.customer_changes", between)
            insert(cursor, f"{schema}.orders", orders)
            cursor.execute(f"DELETE FROM {schema}.products")
            insert(cursor, f"{schema}.products", list(self.shelves[day].values()))
            cursor.execute("COMMIT")


def insert(cursor, table: str, rows: list, *more) -> None:
    """Insert dataclass rows, each with `more` values behind."""
    execute_values(cursor, f"INSERT INTO {table} VALUES %s", [(*vars(row).values(), *more) for row in rows], page_size=2000)


def versions_of(changes: list[Change]) -> list[Version]:
    """Versions out of the changes of one customer, in the order in which they took effect."""
    found: list[Version] = []
    for change in changes:
        last = found[-1] if found and found[-1].valid_to is None else None
        if change.operation != "delete" and last and (last.city, last.segment) == (change.city, change.segment):
            continue
        if last:
            found[-1] = replace(last, valid_to=change.changed_at)
        if change.operation != "delete":
            found.append(Version(change.city, change.segment, change.changed_at, None))
    return found


class Pen:
    """Writes the log of one customer; `turn` counts the customers of the same kind, so that each sort of them is there."""

    def __init__(self, story: Story, person: dict, turn: int) -> None:
        self.story, self.chance, self.turn = story, story.chance, turn
        self.customer, self.name = person["customer_id"], person["name"]
        self.city, self.segment = person["city"], person["segment"]
        self.operation = "insert"

    def past(self, days: int) -> datetime:
        """A moment about so many days before the story begins."""
        return night(0) - timedelta(days=days, seconds=self.chance.randrange(80_000))

    def on(self, day: int) -> datetime:
        """A moment of a day of the story."""
        return night(day) - timedelta(seconds=self.chance.randrange(100, 86_000))

    def write(self, at: datetime, known: int = 0) -> None:
        """The customer as they are now, from `at` on; `known`: the day on which the row is delivered, if later."""
        self.add(self.operation, at, known, self.name, self.city, self.segment)
        self.operation = "update"

    def delete(self, at: datetime, known: int = 0) -> None:
        """The customer leaves."""
        self.add("delete", at, known, None, None, None)
        self.operation = "insert"

    def add(self, operation: str, at: datetime, known: int, *values: str | None) -> None:
        """A row of the log."""
        recorded = max(at, night(known) - timedelta(seconds=self.chance.randrange(10, 3600))) if known else at
        self.story.changes.append(Change(0, self.customer, operation, *values, at, recorded))

    def move(self, city: str | None = "") -> None:
        """To another city: the one that is given (None: they gave none), or any."""
        self.city = city if city != "" else self.chance.choice([name for name in self.story.cities if name != self.city])

    def switch(self) -> None:
        """To another segment."""
        self.segment = self.chance.choice([name for name in ("consumer", "family", "business", "student") if name != self.segment])


# Why a customer is there: each function writes one kind of life


def on_time(story: Story, pen: Pen) -> None:
    """City and segment change now and then; everything is delivered when it happens."""
    pen.write(pen.past(390))
    for days in (200, 90, 20):
        pen.chance.choice((pen.move, pen.switch))()
        pen.write(pen.past(days))
    for day in (2, 4):
        pen.move()
        pen.write(pen.on(day))


def without_city(story: Story, pen: Pen) -> None:
    """The city is empty for a while."""
    home = pen.city
    pen.write(pen.past(300))
    pen.move(None)
    pen.write(pen.past(100))
    pen.move(home if pen.turn % 2 else "")
    pen.write(pen.on(2))
    pen.move(None)
    pen.write(pen.on(4))


def to_and_fro(story: Story, pen: Pen) -> None:
    """They move away and come back to where they were."""
    home, segment = pen.city, pen.segment
    pen.write(pen.past(350))
    pen.move()
    pen.write(pen.past(150))
    pen.move(home)
    pen.write(pen.past(50))
    pen.switch()
    pen.write(pen.on(2))
    pen.segment = segment
    pen.write(pen.on(3))


def busy_day(story: Story, pen: Pen) -> None:
    """Several changes on one day, two of them within a second; the last day ends as it began."""
    home = pen.city
    pen.write(pen.past(250))
    for day in (-60, 2):
        at = night(day) - timedelta(hours=15, seconds=pen.chance.randrange(3600))
        pen.move()
        pen.write(at)
        pen.switch()
        pen.write(at + timedelta(hours=3, microseconds=100_003))
        pen.move(home)
        pen.write(at + timedelta(hours=3, microseconds=350_009))
    at = night(4) - timedelta(hours=15, seconds=pen.chance.randrange(3600))
    pen.move()
    pen.write(at)
    pen.move(home)
    pen.write(at + timedelta(hours=5))


def same_again(story: Story, pen: Pen) -> None:
    """Rows in which neither city nor segment changes, some with another name."""
    pen.write(pen.past(300))
    pen.write(pen.past(150))
    pen.move()
    pen.write(pen.past(60))
    pen.name = f"{pen.name} (new)"
    pen.write(pen.on(2))
    pen.write(pen.on(3))
    pen.name = pen.name.replace(" (new)", " (newer)")
    pen.write(pen.on(4))


def late_between(story: Story, pen: Pen) -> None:
    """A change is delivered days after later ones; its name is an old one."""
    pen.write(pen.past(300))
    pen.move()
    pen.write(pen.past(100), known=(2, 3)[pen.turn % 2])
    pen.name = f"{pen.name} (new)"
    pen.move()
    pen.write(pen.past(30))
    pen.switch()
    pen.write(pen.on(3), known=4)


def late_same(story: Story, pen: Pen) -> None:
    """A late row says what the next version says: that one began earlier. Another says what held already."""
    pen.write(pen.past(280))
    pen.write(pen.past(200), known=3)
    pen.move()
    pen.write(pen.past(80), known=4)
    pen.write(pen.past(40))


def late_first(story: Story, pen: Pen) -> None:
    """The first row comes last: orders were placed long before the customer was known."""
    pen.write(pen.past(350), known=(2, 3)[pen.turn % 2])
    pen.move()
    pen.write(pen.past(100), known=(1, 4)[pen.turn // 2 % 2])
    pen.switch()
    pen.write(pen.past(10), known=(1, 2)[pen.turn // 4 % 2])


def left(story: Story, pen: Pen) -> None:
    """They leave, before the story or in it, and it may take two days until it is known."""
    pen.write(pen.past(300))
    pen.switch()
    pen.write(pen.past(120))
    pen.delete(*((pen.past(20), 0), (pen.on(2), 0), (pen.on(2), 4))[pen.turn % 3])


def back(story: Story, pen: Pen) -> None:
    """They leave and come back, some as they were."""
    pen.write(pen.past(330))
    pen.delete(pen.past(100) if pen.turn % 2 else pen.on(2))
    if pen.turn // 2 % 2:
        pen.move()
    pen.write(pen.on(3))
    if pen.turn % 3 == 0:
        pen.delete(pen.on(4))


CUSTOMERS = (on_time, without_city, to_and_fro, busy_day, same_again, late_between, late_same, late_first, left, back)
PRODUCTS = (
    "A A A A",
    "A price A name",
    "A B B B",
    "A B A A",
    "A B C C",
    "A B price touched",
    "A touched B touched",
    "A B absent absent",
    "A absent absent B",
    "A absent A A",
    "A absent back back",
    "absent A B B",
    "absent back back price",
    "absent absent absent A",
)


def prepare(stack, seed):
    """Empty raw tables; on a learner's own server the story beside them, at the end of day 1."""
    with connect(stack["primary"].endpoint, seconds=60) as session, session.cursor() as cursor:
        cursor.execute("CREATE SCHEMA raw;" + TABLES.format(schema="raw"))
        if seed == LIVE_SEED:
            story = Story(seed)
            cursor.execute(PLAY.format(tables=TABLES.format(schema="story")))
            insert(cursor, "story.customer_changes", story.changes)
            insert(cursor, "story.orders", story.orders)
            for day, shelf in story.shelves.items():
                insert(cursor, "story.products", list(shelf.values()), day)
            cursor.execute("CALL play(1)")
